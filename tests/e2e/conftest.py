"""Fixtures: one shared server for the tests that leave it as it was, and servers of their own for the others."""

import shutil
import subprocess

import pytest

from support import aws, packages
from support.paths import FUNCTIONS, HEARTH
from support.server import Server


def pytest_addoption(parser):
    parser.addoption(
        "--all-languages", action="store_true", help="with every runtime of tools/setup-languages.sh, as `make test-all` has it"
    )


def pytest_sessionstart():
    if not HEARTH.exists():
        raise pytest.UsageError(f"{HEARTH} is not there: run `cargo build` first, or `make test` for everything")


def _start(directory, config=None):
    return Server(directory / "data", directory / "server.log", config)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The shared server. Tests that end it, or look at its whole state, take `own_server` instead."""
    directory = tmp_path_factory.mktemp("hearth")
    server = _start(directory)
    yield server
    try:
        assert server.stop() == 0, server.log_text()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def own_server(tmp_path):
    """A server for one test, which may kill and restart it."""
    server = _start(tmp_path)
    yield server
    try:
        server.stop()
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def serve(tmp_path):
    """`serve(configuration)` starts a server of one's own; it ends with the test."""
    servers = []

    def serve(configuration):
        config = tmp_path / "hearth.toml"
        config.write_text(configuration)
        servers.append(_start(tmp_path, config))
        return servers[-1]

    yield serve
    try:
        for server in servers:
            server.stop()
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def unpooled_server(serve):
    """As `own_server`, without slots that wait: every process in a sandbox is a function's."""
    return serve("[pool]\ndepth_max = 0\n")


@pytest.fixture
def client(server):
    """boto3's Lambda client of the shared server."""
    return aws.client(server.url, "lambda")


@pytest.fixture
def make(client):
    """Makes functions on the shared server, and deletes them at the end."""
    made = []

    def make(package, **settings):
        settings.setdefault("name", aws.function_name())
        made.append(settings["name"])
        return aws.create(client, package, **settings)

    yield make
    for name in made:
        try:
            client.delete_function(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            pass


@pytest.fixture(scope="module")
def remote(server):
    """A 128 MB Python function that runs what it is sent; for tests that leave its environment usable."""
    client = aws.client(server.url, "lambda")
    function = aws.create(client, packages.python("remote"), name=aws.function_name("remote"), MemorySize=128)
    yield function
    client.delete_function(FunctionName=function.name)


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """A static program that is a runtime: all an image needs."""
    path = tmp_path_factory.mktemp("image-runtime") / "runtime"
    source = FUNCTIONS / "image_runtime" / "main.rs"
    options = ["--edition", "2024", "-C", "opt-level=1", "-C", "target-feature=+crt-static"]
    subprocess.run(["rustc", *options, "-o", str(path), str(source)], check=True)
    return path.read_bytes()
