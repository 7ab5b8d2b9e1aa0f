"""The server is killed at random moments under load: whatever it has acknowledged is accounted for afterwards."""

import random
import time

from ledger import Ledger, Load, audit, prepare
from support.server import Server

#: Of the last round's backlog.
AUDIT_SECONDS = 120


def test_what_was_acknowledged_survives_kill_9(tmp_path, rounds):
    seeded, ledger = random.Random(20261126), Ledger()
    server = Server(tmp_path / "data", tmp_path / "server.log")
    try:
        prepare(server)
        for _ in range(rounds):
            load = Load(server, ledger)
            time.sleep(seeded.uniform(0.2, 2.0))
            server.kill()
            load.stop()
            server.start()
        assert min(map(len, (ledger.events, ledger.sent, ledger.published, ledger.deleted))) > rounds, "the load did too little"
        again = audit(server, ledger, AUDIT_SECONDS + rounds)
        print(f"{rounds} kills: {ledger.told(again)}")
    finally:
        server.stop()
