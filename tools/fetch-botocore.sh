#!/bin/sh
# Puts botocore's source distribution into .tools/botocore-VERSION and prints that folder.
# It carries the API models, the protocol cases and the signature vectors that the tests of crates/wire run against.
# Does nothing when it is there already.
set -eu

version=1.44.5
sha256=a988f39e3a4484def0b8010f41128f71157da0515a4804fccce4739aa8f216da
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.tools/botocore-$version

if [ ! -f "$target/.complete" ]; then
    work=$(mktemp -d "${TMPDIR:-/tmp}/botocore.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    # The environment of its own keeps pip away from the system's packages.
    python3 -m venv "$work/venv" >&2
    "$work/venv/bin/pip" --quiet --disable-pip-version-check download \
        --no-binary botocore --no-deps --dest "$work" "botocore==$version" >&2
    echo "$sha256  $work/botocore-$version.tar.gz" | sha256sum --check --quiet >&2
    tar -xzf "$work/botocore-$version.tar.gz" -C "$work"
    mkdir -p "$root/.tools"
    rm -rf "$target"
    mv "$work/botocore-$version" "$target"
    touch "$target/.complete"
fi
echo "$target"
