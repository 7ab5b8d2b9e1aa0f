#!/usr/bin/env bash
# Builds runtimes/dotnet/Bootstrap.dll from the sources beside it, byte for byte the same on every machine: the compiler and
# the .NET it compiles for are of one version. $1: where it goes, if not there.
set -euo pipefail
readonly ROOT=$(cd "$(dirname "$0")/.." && pwd)
exec "$ROOT/tools/compile-csharp.sh" "${1:-$ROOT/runtimes/dotnet/Bootstrap.dll}" "$ROOT"/runtimes/dotnet/src/*.cs --program
