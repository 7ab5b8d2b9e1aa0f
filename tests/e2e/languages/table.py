"""The languages: which runtimes run them, how their function is built, and what their errors look like.

Each has the same function (a file in a folder here) that does one of seven things, as its event says in "do": echo,
environment, error, exit, sleep, big, log.
"""

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.packages import zip_of, zip_tree
from support.paths import ROOT, TARGET

HERE = Path(__file__).parent


class Absent(Exception):
    """This machine lacks what the function is built with."""


@dataclass(frozen=True)
class Language:
    #: Makes the deployment package in a directory of its own.
    build: callable
    handler: str
    #: Identifiers of runtimes that run it.
    runtimes: tuple
    #: Type and fields of an uncaught error's payload. Source: recordings of the real service (reference, section 2.2).
    error: str
    fields: frozenset


def program(name):
    found = shutil.which(name)
    if not found:
        raise Absent(f"{name} is not installed: see what tools/setup-tests.sh said")
    return found


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=240, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def source(name):
    return lambda _directory: zip_tree(HERE / name)


def bootstrap(path):
    return zip_of({"bootstrap": (Path(path).read_bytes(), 0o755)})


def java(directory):
    archive = ROOT / "runtimes/java/bootstrap.jar"
    command = [program("javac"), "--release", "8", "-Xlint:-options", "-encoding", "UTF-8", "-cp", archive, "-d", directory]
    run(*command, HERE / "java/Function.java")
    return zip_tree(directory)


def dotnet(directory):
    script = ROOT / "tools/compile-csharp.sh"
    done = subprocess.run([script, directory / "Seven.dll", HERE / "dotnet/Function.cs"], capture_output=True, text=True, timeout=240)
    if done.returncode == 2:
        raise Absent(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return zip_tree(directory)


def go(directory):
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin:/usr/local/go/bin", "GOCACHE": str(directory / "cache"), "GOFLAGS": "-mod=mod"}
    run(program("go"), "build", "-o", directory / "bootstrap", HERE / "go/main.go", env=environment)
    return bootstrap(directory / "bootstrap")


def c(directory):
    run(program("gcc"), "-O1", "-static", "-D_GNU_SOURCE", "-o", directory / "bootstrap", HERE / "c/main.c")
    return bootstrap(directory / "bootstrap")


def shell(_directory):
    program("curl")
    return bootstrap(HERE / "shell/bootstrap")


def rust(_directory):
    built = TARGET / "debug/seven-functions"
    if not built.exists():
        raise Absent("seven-functions is not built: run `cargo build`")
    return bootstrap(built)


#: The fields of an error's payload, by what posts it.
PLAIN = frozenset({"errorMessage", "errorType"})
TRACED = PLAIN | {"stackTrace"}
CUSTOM = ("provided.al2", "provided.al2023")

LANGUAGES = {
    "python": Language(
        source("python"), "function.handler", ("python3.8", "python3.9", *(f"python3.{minor}" for minor in range(10, 16))),
        "Exception", TRACED | {"requestId"},
    ),
    "node": Language(
        source("node"), "function.handler", tuple(f"nodejs{major}.x" for major in range(16, 27, 2)), "Error", PLAIN | {"trace"}
    ),
    "java": Language(
        java, "Function", ("java8.al2", "java8.al2023", "java11", "java11.al2023", "java17", "java17.al2023", "java21", "java25"),
        "java.lang.RuntimeException", TRACED,
    ),
    "ruby": Language(source("ruby"), "function.handler", ("ruby3.2", "ruby3.3", "ruby3.4", "ruby4.0"), "Function<RuntimeError>", TRACED),
    "dotnet": Language(dotnet, "Seven::Seven.Function::Handle", ("dotnet6", "dotnet8", "dotnet10"), "Exception", TRACED),
    "rust": Language(rust, "bootstrap", CUSTOM, None, PLAIN),
    "go": Language(go, "bootstrap", CUSTOM, "errorString", PLAIN),
    "c": Language(c, "bootstrap", CUSTOM, "Asked", PLAIN),
    "shell": Language(shell, "bootstrap", CUSTOM, "Asked", PLAIN),
}  # fmt: skip

#: What tools/setup-languages.sh gets for `make test-all`. There each of them has to run, unless that script wrote into `missing`
#: why it could not be had.
FETCHED = frozenset({
    "python3.11", "python3.13", "python3.14",
    "nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "nodejs26.x",
    "java17", "java17.al2023", "java21", "java25",
    "ruby3.3", "dotnet8",
})  # fmt: skip

#: Which runtimes a machine may lack, and why: the test of any other that is not there fails. Ruby 3.1, which Debian 12 has, is no
#: runtime of AWS's: crates/runtime-api/tests/ruby_bootstrap.rs runs the client on the machine's Ruby.
NOT_EVERYWHERE = {
    "python3.8": "no longer offered by its makers",
    "python3.9": "comes with pyenv: no package brings it",
    "python3.10": "comes with pyenv: no package brings it",
    "python3.12": "comes with pyenv: no package brings it",
    "python3.13": "`make test-all` fetches it",
    "python3.14": "`make test-all` fetches it",
    "python3.15": "not released",
    "nodejs16.x": "no longer offered by its makers",
    "nodejs18.x": "`make test-all` fetches it",
    "nodejs22.x": "`make test-all` fetches it",
    "nodejs24.x": "`make test-all` fetches it",
    "nodejs26.x": "`make test-all` fetches it",
    "java8.al2": "no package of Debian",
    "java8.al2023": "no package of Debian",
    "java11": "no package of Debian",
    "java11.al2023": "no package of Debian",
    "java21": "`make test-all` fetches it",
    "java25": "`make test-all` fetches it",
    "ruby3.2": "no package of Debian; comes with rbenv",
    "ruby3.3": "`make test-all` fetches it",
    "ruby3.4": "no package of Debian; comes with rbenv",
    "ruby4.0": "no package of Debian; comes with rbenv",
    "dotnet6": "no package of Debian",
    "dotnet8": "no package of Debian; the test gives it the one of tools/setup-tests.sh",
    "dotnet10": "no package of Debian",
}

#: What a machine may lack to build the function of a language.
NOT_BUILT_EVERYWHERE = {
    "java": "needs javac",
    "dotnet": "needs what tools/setup-tests.sh has from npm and PyPI",
    "go": "needs go",
    "c": "needs gcc",
    "shell": "needs curl",
} | ({} if platform.machine() == "x86_64" else {"rust": "needs a cross build"})
