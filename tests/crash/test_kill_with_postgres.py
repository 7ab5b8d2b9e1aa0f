"""As test_kill.py, with the records in PostgreSQL: the server, the database, or both are killed at random moments under
load."""

import random
import time

from ledger import Ledger, Load, audit, prepare
from support.database import Database
from support.server import Server

AUDIT_SECONDS = 120


def test_what_was_acknowledged_survives_kill_9_of_server_and_database(tmp_path, rounds):
    seeded, ledger, database = random.Random(20261128), Ledger(), Database()
    server = None
    try:
        server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--store", database.url])
        prepare(server)
        for turn in range(rounds):
            load = Load(server, ledger)
            time.sleep(seeded.uniform(0.2, 2.0))
            killed = [[server, database], [database], [server]][turn % 3]
            seeded.shuffle(killed)
            for one in killed:
                one.kill()
            if database in killed:
                database.start()
            if server in killed:
                load.stop()
                server.start()
            else:
                # Whoever was in the middle of something goes on with it.
                time.sleep(seeded.uniform(0.2, 2.0))
                load.stop()
        assert min(map(len, (ledger.events, ledger.sent, ledger.published, ledger.deleted))) > rounds, "the load did too little"
        again = audit(server, ledger, AUDIT_SECONDS + rounds)
        print(f"{rounds} kills: {ledger.told(again)}")
    finally:
        if server:
            server.kill()
        database.remove()
