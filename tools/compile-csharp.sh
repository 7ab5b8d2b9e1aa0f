#!/usr/bin/env bash
# Compiles C# with what tools/setup-tests.sh put into .tools: `compile-csharp.sh OUT SOURCE... [-r LIBRARY]... [--program]`.
# Ends with 2 where setup could not have it.
set -euo pipefail
readonly ROOT=$(cd "$(dirname "$0")/.." && pwd)
readonly VENV=$ROOT/.tools/dotnet ROSLYN=$ROOT/.tools/roslyn/node_modules/@autorest/csharp
readonly DOTNET=$(compgen -G "$VENV/lib/python3*/site-packages/dnv/net/runtime/.net" || true)

if [ -z "$DOTNET" ] || [ ! -f "$ROSLYN/Microsoft.CodeAnalysis.CSharp.dll" ]; then
    echo "compile-csharp: .NET or its compiler is not installed: see what tools/setup-tests.sh said" >&2
    exit 2
fi
DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 exec "$VENV/bin/python" "$ROOT/tools/compile-csharp.py" "$DOTNET" "$ROSLYN" "$@"
