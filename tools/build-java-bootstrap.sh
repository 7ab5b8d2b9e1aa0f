#!/usr/bin/env bash
# Builds runtimes/java/bootstrap.jar from the sources beside it, byte for byte the same on every machine: with the compiler
# of one version (JAVAC, else the javac of the PATH), without times and without compression, which differs between zlibs.
# $1: where the archive goes, if not there.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=17 SOURCES=runtimes/java/src OUT=$(realpath -m "${1:-runtimes/java/bootstrap.jar}")
readonly JAVAC=$(command -v "${JAVAC:-javac}")
readonly JAR=$(dirname "$(readlink -f "$JAVAC")")/jar

found=$("$JAVAC" -version 2>&1)
case $found in
"javac $VERSION"|"javac $VERSION."*) ;;
*) printf 'build-java-bootstrap: javac %s makes the archive that is checked in, this is %s\n' "$VERSION" "$found" >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find "$SOURCES" -name '*.java' | LC_ALL=C sort >"$work/sources"
"$JAVAC" --release 8 -g:source,lines -Xlint:all,-options -Werror -encoding UTF-8 -d "$work/classes" "@$work/sources"
# The descriptor for log records is nothing Java's own library makes.
cat >"$work/manifest" <<MANIFEST
Main-Class: hearth.Bootstrap
Add-Opens: java.base/java.io
Created-By: tools/build-java-bootstrap.sh
MANIFEST
(
    cd "$work/classes"
    find . -name '*.class' | sed 's|^\./||' | LC_ALL=C sort >"$work/classes.list"
    "$JAR" --create --file "$work/bootstrap.jar" --manifest "$work/manifest" --no-compress --date=2020-01-01T00:00:00Z "@$work/classes.list"
)
install -m 644 -D "$work/bootstrap.jar" "$OUT"
