"""What the machine has no room for is throttled, and nothing else happens to it. See docs/limits.md."""

import concurrent.futures
import inspect
import os
import subprocess
import textwrap
import time

import pytest

from support import aws, packages
from support.server import Server


def sleep_here(seconds):
    import time

    time.sleep(seconds)
    return state["environment"]  # noqa: F821


#: Room for two environments of 512 MB that run, not for three: one part of sixteen is slack.
SMALL_MACHINE = "[execution]\nmemory_mib = 1200\n"


@pytest.fixture
def functions(serve):
    """Four functions of 512 MB on a machine that has memory for two of them."""
    client = aws.client(serve(SMALL_MACHINE).url, "lambda")
    return [aws.create(client, packages.python("remote"), MemorySize=512, Timeout=60) for _ in range(4)]


def throttled(function, *call):
    """What a call that must be throttled is told: status, code and Reason."""
    with pytest.raises(function.client.exceptions.TooManyRequestsException) as caught:
        function.run(*call)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"], answer["Reason"]


#: Source: Lambda API reference, Invoke, and lambda-errors of the reference.
THROTTLE = (429, "Rate Exceeded.", "ConcurrentInvocationLimitExceeded")


def test_what_the_machine_has_no_memory_for_is_throttled_until_it_has(functions):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(function.run, sleep_here, 4) for function in functions[:2]]
        time.sleep(2)
        assert throttled(functions[2], sleep_here, 0) == THROTTLE
        for call in running:
            call.result().ok()
    # Idle, the first two hold little.
    assert functions[2].run(sleep_here, 0).ok()
    assert len({functions[0].run(sleep_here, 0).ok() for _ in range(3)}) == 1


def test_an_event_the_machine_has_no_memory_for_waits_and_runs_once(functions):
    def note(name):
        import pathlib

        with open(pathlib.Path("/tmp", name), "a") as file:
            file.write("x")

    def noted(name):
        import pathlib

        path = pathlib.Path("/tmp", name)
        return path.read_text() if path.exists() else ""

    event = {"source": textwrap.dedent(inspect.getsource(note)), "name": "note", "arguments": ["ran"]}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(function.run, sleep_here, 6) for function in functions[:2]]
        time.sleep(2)
        assert functions[2].invoke(event, InvocationType="Event").status == 202
        for call in running:
            call.result().ok()
    deadline = time.monotonic() + 60
    while not (text := functions[2].run(noted, "ran").ok()):
        assert time.monotonic() < deadline, "the event did not run"
        time.sleep(0.5)
    assert text == "x"


def test_who_outgrows_the_machine_is_throttled_and_the_server_goes_on(functions):
    def hold(mib, seconds):
        import time

        block = b"x" * (mib << 20)
        time.sleep(seconds)
        return len(block) >> 20

    # Known to need little, all four fit at once.
    assert [function.run(hold, 1, 0).ok() for function in functions] == [1] * 4

    def outcome(function):
        try:
            return function.run(hold, 400, 5).ok()
        except function.client.exceptions.TooManyRequestsException as error:
            return error.response["Reason"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(outcome, functions))
    assert set(outcomes) <= {400, "ConcurrentInvocationLimitExceeded"} and outcomes.count(400) in (1, 2), outcomes
    assert functions[3].run(hold, 400, 0).ok() == 400


def test_a_function_that_is_larger_than_the_machine_runs_alone(functions):
    client = functions[0].client
    large = aws.create(client, packages.python("remote"), MemorySize=10_240)
    assert large.run(sleep_here, 0).ok()


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a disk of its own, of 1,600 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a disk of its own")
    image, mount = tmp_path / "disk.img", tmp_path / "disk"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(1_600 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_nearly_full_disk_takes_no_environment_until_there_is_room_again(small_disk, tmp_path):
    config = tmp_path / "hearth.toml"
    # At full speed: what is tried here is what the server does about a disk that fills up.
    limits = "disk_reserve_mib = 1024\nstorage_write_mib_per_second = 0\n"
    config.write_text(f"[execution]\n{limits}[pool]\ndepth_max = 0\n")
    server = Server(small_disk / "data", tmp_path / "server.log", config)
    try:
        client = aws.client(server.url, "lambda")
        filler, other = (aws.create(client, packages.python("remote"), Timeout=60, MemorySize=512) for _ in range(2))

        def fill(mib, seconds):
            import os
            import time

            with open("/tmp/filler", "wb") as file:
                for _ in range(mib):
                    file.write(os.urandom(1 << 20))
                os.fsync(file.fileno())
            time.sleep(seconds)
            return mib

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            filling = pool.submit(filler.run, fill, 500, 12)
            deadline = time.monotonic() + 12
            while free_mib(small_disk) > 1_024 and time.monotonic() < deadline:
                time.sleep(0.1)
            # The server looks several times a second.
            time.sleep(1)
            assert throttled(other, sleep_here, 0) == THROTTLE
            assert filling.result().ok() == 500, "what runs goes on"
        # Idle, the filler has to go, and its disk with it.
        deadline = time.monotonic() + 20
        while free_mib(small_disk) < 1_024:
            assert time.monotonic() < deadline, "the disk is not freed"
            time.sleep(0.1)
        time.sleep(1)
        assert other.run(sleep_here, 0).ok()
    finally:
        server.stop()


def free_mib(path):
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize >> 20
