"""Deployment packages, made in memory."""

import io
import stat
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from .paths import FUNCTIONS, TARGET, TOOLS


def zip_of(files):
    """A zip of `{name: content}`; content is text, bytes, or `(bytes, mode)`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            content, mode = content if isinstance(content, tuple) else (content, 0o644)
            _add(archive, name, content.encode() if isinstance(content, str) else content, mode)
    return buffer.getvalue()


def _add(archive, name, content, mode):
    # A fixed time, so that the same files give the same digest.
    entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def zip_tree(*trees, extra=None):
    """A zip of whole directories, laid over each other, and of `extra` as `zip_of` takes it."""
    files = {}
    for tree in trees:
        for path in sorted(Path(tree).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[str(path.relative_to(tree))] = (path.read_bytes(), path.stat().st_mode & 0o777)
    return zip_of(files | (extra or {}))


def python(name):
    """The package of one Python file of `functions/`; the handler is `NAME.handler`."""
    return zip_of({f"{name}.py": (FUNCTIONS / f"{name}.py").read_text()})


def needs(path, what):
    """Skips the test, loudly, when setup could not install what it needs."""
    if not Path(path).exists():
        import pytest

        pytest.skip(f"{what} is not installed: see what tools/setup-tests.sh said")
    return path


def fastapi_app():
    return zip_tree(needs(TOOLS / "functions" / "fastapi_app", "FastAPI"), FUNCTIONS / "fastapi_app")


def powertools_app():
    return zip_tree(needs(TOOLS / "functions" / "powertools_app", "Powertools"), FUNCTIONS / "powertools_app")


def pandas_app():
    return zip_tree(needs(TOOLS / "functions" / "pandas_app", "pandas"), FUNCTIONS / "pandas_app")


def _node_app(name, what):
    return zip_tree(needs(TOOLS / "functions" / name / "node_modules", what).parent, FUNCTIONS / name)


def express_app():
    return _node_app("express_app", "Express")


def powertools_node_app():
    return _node_app("powertools_node_app", "Powertools for TypeScript")


def sharp_app():
    return _node_app("sharp_app", "sharp")


def lambda_runtime_app():
    """The echo function of `make bench`, built with the `lambda_runtime` crate."""
    binary = needs(TARGET / "debug" / "bench-echo", "the lambda_runtime echo (cargo build)")
    return zip_of({"bootstrap": (Path(binary).read_bytes(), 0o755)})


#: Parts of a Python installation no function needs.
UNUSED = {"test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "pydoc_data", "site-packages", "__pycache__",
          "turtledemo", "unittest", "curses", "sqlite3", "dbm"}
UNUSED_MODULES = ("_tkinter", "_sqlite3", "nis", "_curses", "readline", "_dbm", "_gdbm")


def awslambdaric_app():
    """A custom runtime that brings its own Python and AWS's own runtime client: the bootstrap only starts them."""
    ric = needs(TOOLS / "functions" / "ric_app", "awslambdaric")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = Path(sys.base_prefix) / "bin" / version
    library = Path(sysconfig.get_path("stdlib"))
    files = {"python/bin/python3": (interpreter.read_bytes(), 0o755)}
    extensions = [path for path in (library / "lib-dynload").glob("*.so") if not path.name.startswith(UNUSED_MODULES)]
    for path in sorted(library.rglob("*")):
        parts = path.relative_to(library).parts
        is_used = not UNUSED.intersection(parts) and not parts[0].startswith("config-")
        if path.is_file() and is_used and (parts[0] != "lib-dynload" or path in extensions):
            files[f"python/lib/{version}/" + "/".join(parts)] = (path.read_bytes(), 0o644)
    for name, path in _shared_libraries([interpreter, *extensions]).items():
        files[f"lib/{name}"] = (path.read_bytes(), 0o644)
    return zip_tree(ric, FUNCTIONS / "ric_app", extra=files)


#: What belongs to the C library comes from the runtime's root; bringing another one along would break it.
C_LIBRARY = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libutil.so", "ld-linux")


def _shared_libraries(binaries):
    """`{name the loader looks for: file}` of everything the binaries are linked with, but for the C library."""
    found = {}
    for binary in binaries:
        listing = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, timeout=30).stdout
        for line in listing.splitlines():
            name, arrow, rest = line.strip().partition(" => ")
            path = rest.split(" (")[0]
            if arrow and path.startswith("/") and not name.startswith(C_LIBRARY):
                found[name] = Path(path)
    return found
