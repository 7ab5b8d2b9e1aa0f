"""Who runs as whom: one small program is privileged, and nothing else."""

import os

import pytest
from support.server import Server


@pytest.fixture
def ephemeral_server(tmp_path):
    """Its data lies where any user can reach it."""
    server = Server(None, tmp_path / "server.log", arguments=["--ephemeral"])
    yield server
    assert server.stop() == 0, server.log_text()


def status(pid):
    with open(f"/proc/{pid}/status") as text:
        return dict(line.rstrip("\n").split(":\t", 1) for line in text if ":\t" in line)


def children(pid):
    found = {}
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            of = status(other)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if of["PPid"] == str(pid):
            found[of["Name"]] = int(other)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only who is root has something to give up")
def test_the_server_gives_its_privileges_up_and_only_the_spawner_keeps_them(ephemeral_server):
    server = status(ephemeral_server.pid)
    assert "0" not in server["Uid"].split() and "0" not in server["Gid"].split()
    assert server["Groups"].strip() == ""
    assert int(server["CapEff"], 16) == int(server["CapPrm"], 16) == 0
    assert server["NoNewPrivs"] == "1"
    helpers = children(ephemeral_server.pid)
    assert set(helpers) == {"hearth-spawner", "hearth-network"}
    assert status(helpers["hearth-spawner"])["Uid"].split()[0] == "0"
    network = status(helpers["hearth-network"])
    assert network["Uid"] not in (server["Uid"], "0") and int(network["CapEff"], 16) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only who is root has something to give up")
def test_where_its_user_cannot_reach_the_data_the_server_keeps_the_name_and_no_capability(own_server):
    server = status(own_server.pid)
    assert int(server["CapEff"], 16) == int(server["CapPrm"], 16) == 0 and server["NoNewPrivs"] == "1"
    assert "the server stays root, without capabilities" in own_server.log_text()
