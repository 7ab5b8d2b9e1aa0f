"""The `hearth` command as a user types it."""

import os
import subprocess

from .paths import HEARTH

SECONDS_MAX = 60


def hearth(*arguments, server=None, stdin=None, seconds_max=SECONDS_MAX, **variables):
    """Runs `hearth ARGUMENTS` with these environment variables and answers the finished process."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | variables
    if server:
        environment["AWS_ENDPOINT_URL"] = server.url
    return subprocess.run(
        [HEARTH, *arguments], capture_output=True, text=True, timeout=seconds_max, env=environment, input=stdin
    )


def logs_of(server, function):
    done = hearth("logs", function, server=server)
    assert done.returncode == 0, done.stderr
    return done.stdout
