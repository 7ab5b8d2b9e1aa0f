"""Options of the crash tests: `CRASH_ROUNDS` (3) of each kind."""

import os

import pytest

from support.paths import HEARTH


def pytest_sessionstart():
    if not HEARTH.exists():
        raise pytest.UsageError(f"{HEARTH} is not there: run `cargo build` first")


@pytest.fixture
def rounds():
    return int(os.environ.get("CRASH_ROUNDS", "3"))
