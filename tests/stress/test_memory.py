"""More memory asked for than there is: the server lives, and says no where it must."""

import collections
import concurrent.futures
import os
import threading

import botocore.exceptions
import pytest

from machine import memory_fence, memory_mib
from support import aws, packages

FUNCTIONS = int(os.environ.get("STRESS_FUNCTIONS", "500"))
MEMORY_MB = 512
#: What each touches; the rest is the interpreter's.
TOUCHED_MIB = 400
#: Page by page, so that each is there.
PAGE = 4096
HOLD_SECONDS = 10
#: All of them share this: by default a part of what the machine has free.
FENCE_SHARE = 0.6
FENCE_MIB = int(os.environ.get("STRESS_MEMORY_MIB", memory_mib("MemAvailable") * FENCE_SHARE))
CLIENTS = 16

TOUCH = """
import time


def handler(event, context):
    block = bytearray(event["mib"] << 20)
    pages = range(0, len(block), event["page"])
    for number, at in enumerate(pages):
        block[at] = number & 0xFF
    time.sleep(event["hold"])
    return sum(block[at] for at in pages)
"""


def right(mib):
    return sum(number & 0xFF for number in range((mib << 20) // PAGE))


RIGHT = {mib: right(mib) for mib in (1, TOUCHED_MIB)}


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("is_known", [False, True], ids=["never seen before", "seen to need little before"])
def test_functions_that_all_touch_their_memory_are_right_or_throttled(serve, report, is_known):
    """Documented throttle: TooManyRequestsException, 429, with a Reason (Lambda API reference, Invoke)."""
    with memory_fence(FENCE_MIB) as prefix:
        server = serve("", prefix)
        client = aws.client(server.url, "lambda", max_pool_connections=FUNCTIONS, read_timeout=300)
        package = packages.zip_of({"touch.py": TOUCH})

        def make(number):
            return aws.create(client, package, handler="touch.handler", name=f"touch-{number}", MemorySize=MEMORY_MB,
                              Timeout=240)

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            functions = list(pool.map(make, range(FUNCTIONS)))
            if is_known:
                little = {"mib": 1, "page": PAGE, "hold": 0}
                assert set(pool.map(lambda function: outcome(function, little), functions)) == {"right"}
        start = threading.Barrier(FUNCTIONS)
        event = {"mib": TOUCHED_MIB, "page": PAGE, "hold": HOLD_SECONDS}
        with concurrent.futures.ThreadPoolExecutor(FUNCTIONS) as pool:
            answers = collections.Counter(pool.map(lambda function: outcome(function, event, start), functions))
        seen = "seen to need little before" if is_known else "never seen before"
        report(f"{FUNCTIONS} functions, {seen}, of {MEMORY_MB} MB touch {TOUCHED_MIB} MiB each at once, within {FENCE_MIB} MiB",
               [f"{count:6}  {what}" for what, count in answers.most_common()])
        alive = server.process.poll() is None
        assert alive and server.health() == 200, f"the server did not survive:\n{server.log_text()}"
        # And it still works: one alone, after the others.
        assert outcome(functions[0], event) == "right"
        server.stop()
    wrong = {what: count for what, count in answers.items() if what not in ("right", "throttled")}
    assert not wrong, wrong
    assert answers["right"] > 0


def outcome(function, event, start=None):
    """One word for what is as promised, the whole story for what is not."""
    if start:
        start.wait(timeout=60)
    try:
        result = function.invoke(event)
    except botocore.exceptions.ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if (status, code) == (429, "TooManyRequestsException") and error.response.get("Reason"):
            return "throttled"
        return f"{status} {code}"
    except botocore.exceptions.BotoCoreError as error:
        return type(error).__name__
    if result.error:
        payload = result.payload
        return f"{result.error}: {payload.get('errorType')}"
    wanted = RIGHT[event["mib"]]
    return "right" if result.payload == wanted else f"wrong: {result.payload} is not {wanted}"
