"""The power fails at random moments under load, again and again: whatever was acknowledged before is accounted for
afterwards. So it is with the records in PostgreSQL, whose data are on the disk that loses power, too.

Whoever's syncs do nothing must not pass.
"""

import random
import shutil

import pytest
from botocore.exceptions import ClientError

import ledger
from power import TOOLS, Machine
from test_kill import LOADS

everywhere = pytest.mark.parametrize("with_database", [False, True], ids=["embedded", "postgres"])


def fail_the_power(tmp_path, rounds, of=ledger, **started):
    """What was acknowledged in all rounds, after each of which all that was acknowledged in it was found."""
    seeded, total = random.Random(20261127), of.Ledger()
    machine = Machine(tmp_path, **started)
    try:
        of.prepare(machine.server)
        for _ in range(rounds):
            load = of.Load(machine.server, of.Ledger())
            load.go_on(seeded.uniform(0.3, 2.0))
            acknowledged = load.ledger.copy()
            machine.lose_power()
            load.stop()
            # Begun while the machine was stopped, or before.
            acknowledged.doubt(load.ledger)
            of.audit(machine.server, acknowledged)
            total.add(acknowledged)
        return total
    finally:
        machine.remove()


@pytest.fixture(autouse=True)
def tools():
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        pytest.skip(f"power losses take {', '.join(missing)}")


@everywhere
@LOADS
def test_what_was_acknowledged_survives_a_power_loss(tmp_path, rounds, of, with_database):
    total = fail_the_power(tmp_path, rounds, of, with_database=with_database)
    print(f"{rounds} power losses: {total.summary()}")


@everywhere
def test_whoever_does_not_sync_does_not_pass(tmp_path, with_database):
    with pytest.raises((AssertionError, RuntimeError, ClientError)) as lost:
        fail_the_power(tmp_path, 3, with_database=with_database, syncs=False)
    assert "did too little" not in str(lost.value) and "never at rest" not in str(lost.value)
    print(f"without syncs: {str(lost.value).splitlines()[0]}")
