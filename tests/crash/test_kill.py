"""The server is killed at random moments under load: whatever it has acknowledged is accounted for afterwards."""

import random

from ledger import CONFIG, Ledger, Load, audit, prepare
from support.server import Server


def test_what_was_acknowledged_survives_kill_9(tmp_path, rounds):
    seeded, total = random.Random(20261126), Ledger()
    server = Server(tmp_path / "data", tmp_path / "server.log", CONFIG)
    try:
        prepare(server)
        for _ in range(rounds):
            load = Load(server, Ledger())
            load.go_on(seeded.uniform(0.2, 2.0))
            server.kill()
            load.stop()
            total.add(load.ledger)
            server.start()
        audit(server, total)
        print(f"{rounds} kills: {total.summary()}")
    finally:
        server.stop()
