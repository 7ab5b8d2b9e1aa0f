"""Many environments made and destroyed: nothing of them is left."""

import concurrent.futures
import os
import time

import pytest

from machine import belongings, control_groups, loop_devices
from support import aws, packages
from support.server import sandbox_processes

ENVIRONMENTS = int(os.environ.get("STRESS_ENVIRONMENTS", "1000"))
#: At the same time.
WAVE = 60
#: Until nearly all of a wave run, so that few serve twice.
HOLD_SECONDS = 1
#: Less than it takes until a function's turn comes again: each wave finds nothing of the one before.
IDLE_SECONDS = 1
MEMORY_MB = 128
#: Nothing has changed for so long: environments have ended, the pool is full.
REST_SECONDS = 4
#: Less than a minute, after which the pool gets smaller (DEPTH_HALF_LIFE in crates/sandbox/src/process/pool.rs).
SETTLE_SECONDS_MAX = 50
#: Threads of the server that block on files come and go.
SLACK = {"threads of the server": 8}

PYTHON_TEXT = """
import time, uuid
mine = str(uuid.uuid4())


def handler(event, context):
    open("/tmp/left", "w").write("x" * 100_000)
    time.sleep(event["hold"])
    return mine
"""
NODE_TEXT = """
import { writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
const mine = randomUUID();
export const handler = async (event) => {
  writeFileSync("/tmp/left", "x".repeat(100_000));
  await new Promise((done) => setTimeout(done, event.hold * 1000));
  return mine;
};
"""
#: The Runtime API as a shell speaks it, without any other program: nothing starts more quickly here.
SHELL_TEXT = r"""#!/bin/bash
read -r mine < /proc/sys/kernel/random/uuid
api=/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\/} path=/2018-06-01/runtime/invocation
while :; do
  exec 3<>$api
  printf 'GET %s/next HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n' $path >&3
  while read -r -u 3 name value && [[ $name != $'\r' ]]; do
    [[ ${name,,} == lambda-runtime-aws-request-id: ]] && id=${value%$'\r'}
  done
  exec 3>&-
  printf '%0100000d' 0 > /tmp/left
  exec 3<>$api
  # Nothing comes before it is asked for.
  read -r -t HOLD -u 3
  printf 'POST %s/%s/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"%s"' \
    $path $id $((${#mine} + 2)) $mine >&3
  read -r -u 3
  exec 3>&-
done
""".replace("HOLD", str(HOLD_SECONDS))
CONFIGURATION = f"""
[execution]
idle_timeout_seconds = {IDLE_SECONDS}
[pool]
depth_min = 4
depth_max = 4
"""


@pytest.mark.timeout(600 + ENVIRONMENTS // 5)
def test_environments_leave_nothing_behind(serve, report):
    server = serve(CONFIGURATION)
    client = aws.client(server.url, "lambda")
    python = (aws.PYTHON, packages.zip_of({"app.py": PYTHON_TEXT}))
    node = (aws.NODE, packages.zip_of({"app.mjs": NODE_TEXT}))
    shell = (aws.CUSTOM, packages.zip_of({"bootstrap": (SHELL_TEXT, 0o755)}))
    functions = [
        aws.create(client, package, runtime=runtime, handler="app.handler", MemorySize=MEMORY_MB, Timeout=60)
        for runtime, package in (python, shell, shell, shell, node, shell, shell, shell)
    ]
    made, begun = set(), time.monotonic()
    # Whatever is made once and kept (files of /proc for a memory size, threads, connections) is there after these.
    for function in functions:
        wave(function)
    before = settled(server, None)
    waves_max = 3 * -(-ENVIRONMENTS // WAVE)
    for number in range(waves_max):
        if len(made) >= ENVIRONMENTS:
            break
        made |= wave(functions[number % len(functions)])
    took = time.monotonic() - begun
    after = settled(server, before)
    report(f"{len(made)} environments made and destroyed in {took:.0f} s",
           [f"{'before':>8} {'after':>8}"] + [f"{before[what]:8} {after[what]:8}  {what}" for what in before])
    assert len(made) >= ENVIRONMENTS, "environments served more than once: a longer HOLD_SECONDS is needed"
    more = {what: (before[what], count) for what, count in after.items() if count > before[what] + SLACK.get(what, 0)}
    assert not more, more
    assert server.health() == 200
    assert server.stop() == 0, server.log_text()
    deadline = time.monotonic() + 20
    while (left := (sandbox_processes(server), control_groups(server), loop_devices(server))) != (set(), set(), 0):
        assert time.monotonic() < deadline, f"left after the server's end: {left}"
        time.sleep(0.2)


def wave(function):
    """Environments of one function, all at once; what they call themselves."""
    with concurrent.futures.ThreadPoolExecutor(WAVE) as pool:
        return set(pool.map(lambda _: function.invoke({"hold": HOLD_SECONDS}).ok(), range(WAVE)))


def settled(server, before):
    """Counts at rest; with `before`, once nothing is more than it was, if that comes."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    now, since = belongings(server), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.5)
        then, now = now, belongings(server)
        if any(now[what] != then[what] for what in now if what not in SLACK):
            since = time.monotonic()
        is_more = before and any(now[what] > before[what] + SLACK.get(what, 0) for what in now)
        if time.monotonic() - since > REST_SECONDS and not is_more:
            break
    return now
