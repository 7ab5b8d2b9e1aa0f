"""As test_kill.py, with the records in PostgreSQL: the server, the database, or both are killed at random moments under
load."""

import random
import time

from ledger import CONFIG, Ledger, Load, audit, prepare
from support.database import Database
from support.server import Server


def test_what_was_acknowledged_survives_kill_9_of_server_and_database(tmp_path, rounds):
    seeded, total, database = random.Random(20261128), Ledger(), Database()
    server = None
    try:
        server = Server(tmp_path / "data", tmp_path / "server.log", CONFIG, arguments=["--store", database.url])
        prepare(server)
        for turn in range(rounds):
            load = Load(server, Ledger())
            load.go_on(seeded.uniform(0.2, 2.0))
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
            total.add(load.ledger)
        audit(server, total)
        print(f"{rounds} kills: {total.summary()}")
    finally:
        if server:
            server.kill()
        database.remove()
