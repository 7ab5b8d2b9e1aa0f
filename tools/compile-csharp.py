#!/usr/bin/env python3
"""Compiles C# with Roslyn where there is no .NET SDK: `compile-csharp.py DOTNET ROSLYN OUT SOURCE... [-r LIBRARY]...`.

DOTNET is the directory of a .NET runtime, whose own assemblies are what the sources are compiled against; ROSLYN that of
Microsoft.CodeAnalysis.CSharp.dll. OUT is a library, or a program when a source has a Main and OUT's name does not begin with
"lib". The same sources give the same bytes, wherever they are. Run by a Python that has pythonnet.
"""

import argparse
import sys
from pathlib import Path


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("dotnet", type=Path)
    arguments.add_argument("roslyn", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("sources", type=Path, nargs="+")
    arguments.add_argument("-r", dest="references", type=Path, action="append", default=[])
    arguments.add_argument("--program", action="store_true")
    wanted = arguments.parse_args()

    framework = max((wanted.dotnet / "shared" / "Microsoft.NETCore.App").iterdir())
    from pythonnet import load

    load("coreclr", dotnet_root=str(wanted.dotnet), runtime_config=runtime_config(wanted, framework.name))
    import clr

    sys.path.append(str(wanted.roslyn))
    clr.AddReference("Microsoft.CodeAnalysis")
    clr.AddReference("Microsoft.CodeAnalysis.CSharp")
    from Microsoft.CodeAnalysis import (
        DiagnosticSeverity,
        MetadataReference,
        NullableContextOptions,
        OptimizationLevel,
        OutputKind,
        SyntaxTree,
    )
    from Microsoft.CodeAnalysis.CSharp import (
        CSharpCompilation,
        CSharpCompilationOptions,
        CSharpParseOptions,
        CSharpSyntaxTree,
        LanguageVersion,
    )
    from System import Array
    from System.IO import MemoryStream
    from System.Text import Encoding

    parsing = CSharpParseOptions(LanguageVersion.Latest)
    trees = [CSharpSyntaxTree.ParseText(source.read_text(), parsing, source.name, Encoding.UTF8) for source in sorted(wanted.sources)]
    libraries = [*sorted(framework.glob("*.dll")), *wanted.references]
    references = [MetadataReference.CreateFromFile(str(path)) for path in libraries if is_managed(path)]
    kind = OutputKind.ConsoleApplication if wanted.program else OutputKind.DynamicallyLinkedLibrary
    options = (
        CSharpCompilationOptions(kind)
        .WithOptimizationLevel(OptimizationLevel.Release)
        .WithNullableContextOptions(NullableContextOptions.Enable)
        .WithDeterministic(True)
    )
    compilation = CSharpCompilation.Create(
        wanted.out.stem, Array[SyntaxTree](trees), Array[MetadataReference](references), options
    )
    library = MemoryStream()
    result = compilation.Emit(library)
    worst = [found for found in result.Diagnostics if found.Severity in (DiagnosticSeverity.Error, DiagnosticSeverity.Warning)]
    for found in worst:
        print(found.ToString(), file=sys.stderr)
    if not result.Success:
        sys.exit(1)
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    wanted.out.write_bytes(bytes(library.ToArray()))


def runtime_config(wanted, version):
    """The compiler is built for a newer .NET than it needs."""
    import json
    import tempfile

    config = {"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": version}}}
    path = Path(tempfile.mkdtemp()) / "compile.runtimeconfig.json"
    path.write_text(json.dumps(config))
    return str(path)


def is_managed(path):
    """Whether it holds .NET metadata: its CLI header (a PE data directory) is not empty."""
    data = path.read_bytes()[:1024]
    pe = int.from_bytes(data[0x3C:0x40], "little")
    wide = data[pe + 24 : pe + 26] == b"\x0b\x02"
    directory = pe + 24 + (112 if wide else 96) + 14 * 8
    return int.from_bytes(data[directory : directory + 4], "little") != 0


main()
