"""The server is killed at random moments under load: whatever it has acknowledged is accounted for afterwards."""

import random

import pytest

import ledger
import objects
from support.server import Server

LOADS = pytest.mark.parametrize("of", [ledger, objects], ids=["everything", "objects"])


@LOADS
def test_what_was_acknowledged_survives_kill_9(tmp_path, rounds, of):
    seeded, total = random.Random(20261126), of.Ledger()
    server = Server(tmp_path / "data", tmp_path / "server.log", ledger.CONFIG)
    try:
        of.prepare(server)
        for _ in range(rounds):
            load = of.Load(server, of.Ledger())
            load.go_on(seeded.uniform(0.2, 2.0))
            server.kill()
            load.stop()
            total.add(load.ledger)
            server.start()
        of.audit(server, total)
        print(f"{rounds} kills: {total.summary()}")
    finally:
        server.stop()
