"""Fixtures of the stress tests: servers of their own, and tables of what was measured at the end of the run."""

import shutil

import pytest

from support.paths import HEARTH
from support.server import Server

TABLES = pytest.StashKey()


def pytest_configure(config):
    config.stash[TABLES] = []


def pytest_sessionstart():
    if not HEARTH.exists():
        raise pytest.UsageError(f"{HEARTH} is not there: run `cargo build` first")


def pytest_terminal_summary(terminalreporter, config):
    for title, lines in config.stash[TABLES]:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def report(request):
    """`report(title, lines)`: shown at the end, whether the test passes or not."""
    return lambda title, lines: request.config.stash[TABLES].append((title, list(lines)))


@pytest.fixture
def serve(tmp_path):
    """`serve(configuration, prefix)` starts a server; it ends with the test."""
    servers = []

    def serve(configuration="", prefix=()):
        config = tmp_path / "hearth.toml"
        config.write_text(configuration)
        servers.append(Server(tmp_path / "data", tmp_path / "server.log", config, prefix=prefix))
        return servers[-1]

    yield serve
    try:
        for server in servers:
            server.stop()
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)
