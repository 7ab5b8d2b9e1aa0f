"""What goes wrong around the server: its helper dies, signals come, files and disk run out, clients stay silent,
functions break the rules."""

import concurrent.futures
import os
import signal
import socket
import subprocess
import time

import botocore.exceptions
import pytest

from support import aws, packages
from support.server import Server

#: As the server logs and documents it; a little more, for slow machines.
DRAIN_SECONDS_MAX = 10 + 5
SOON_SECONDS = 5


def works():
    return "works"


def sleep(seconds):
    import time

    time.sleep(seconds)
    return "slept"


def remote_function(server, **settings):
    client = aws.client(server.url, "lambda")
    return aws.create(client, packages.python("remote"), Timeout=60, MemorySize=128, **settings)


def spawner_of(server):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                name, fields = stat.read().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.endswith("(hearth-spawner") and int(fields.split()[1]) == server.pid:
            return int(pid)
    raise AssertionError("the server has no spawner")


# The end -------------------------------------------------------------------------------------------------------------


def test_without_its_spawner_the_server_ends_and_says_why(own_server):
    function = remote_function(own_server)
    assert function.run(works).ok() == "works"
    os.kill(spawner_of(own_server), signal.SIGKILL)
    assert own_server.process.wait(DRAIN_SECONDS_MAX) == 1
    assert "the helper process that makes execution environments ended" in own_server.log_text()
    own_server.start()
    again = aws.Function(aws.client(own_server.url, "lambda"), function.name, function.arn)
    assert again.run(works).ok() == "works"


def test_a_spawner_that_hangs_does_not_keep_the_server_from_ending(own_server):
    spawner = spawner_of(own_server)
    os.kill(spawner, signal.SIGSTOP)
    started = time.monotonic()
    assert own_server.stop() == 0
    assert time.monotonic() - started < DRAIN_SECONDS_MAX
    assert not os.path.exists(f"/proc/{spawner}")


def test_a_stop_lets_what_runs_finish_and_takes_nothing_new(own_server):
    function = remote_function(own_server)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(function.run, sleep, 3) for _ in range(4)]
        time.sleep(1)
        own_server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(botocore.exceptions.EndpointConnectionError):
            remote_function(own_server)
        assert [result.result().ok() for result in running] == ["slept"] * 4
    assert own_server.process.wait(SOON_SECONDS) == 0


def test_what_outlasts_a_stop_is_told_so(own_server):
    function = remote_function(own_server)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(function.run, sleep, 50)
        time.sleep(1)
        started = time.monotonic()
        assert own_server.stop() == 0
        assert time.monotonic() - started < DRAIN_SECONDS_MAX
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            running.result()
    assert refused.value.response["Error"]["Code"] == "ServiceException"


def test_a_second_signal_ends_at_once(own_server):
    function = remote_function(own_server)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(function.run, sleep, 50)
        time.sleep(1)
        own_server.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        own_server.process.send_signal(signal.SIGINT)
        assert own_server.process.wait(2) == 130
        with pytest.raises(botocore.exceptions.HTTPClientError):
            running.result()


@pytest.mark.parametrize("sent", [b"", b"GET /_hearth/hea", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], ids=["nothing", "half", "h2"])
def test_silent_clients_do_not_delay_the_end(own_server, sent):
    host, port = own_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        assert own_server.health() == 200
        started = time.monotonic()
        assert own_server.stop() == 0
        assert time.monotonic() - started < SOON_SECONDS


# Shortage ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server_with(tmp_path):
    """Starts a server behind a command that limits it."""
    servers = []

    def start(*prefix):
        servers.append(Server(tmp_path / "data", tmp_path / "server.log", prefix=prefix))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def open_files(pid):
    with open(f"/proc/{pid}/limits") as limits:
        [line] = [line for line in limits if line.startswith("Max open files")]
    return line.split()[3:5]


def test_the_limit_of_open_files_is_raised_as_far_as_allowed(server_with):
    server = server_with("prlimit", "--nofile=256:4096")
    assert open_files(server.pid) == ["4096", "4096"]

    def inside():
        import resource

        return resource.getrlimit(resource.RLIMIT_NOFILE)

    # Recorded from Lambda: a function has 1,024.
    assert remote_function(server).run(inside).ok() == [1024, 1024]


def test_few_open_files_mean_few_environments_and_nothing_else(server_with):
    server = server_with("prlimit", "--nofile=256:256")
    assert "the limit of open files leaves room for 7 execution environments" in server.log_text()
    function = remote_function(server)

    def invoke(_):
        try:
            return function.run(sleep, 2).ok()
        except function.client.exceptions.TooManyRequestsException:
            return "throttled"

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(invoke, range(40)))
    assert set(answers) == {"slept", "throttled"} and answers.count("slept") >= 7
    host, port = server.url.removeprefix("http://").split(":")
    clients = [socket.create_connection((host, int(port)), timeout=5) for _ in range(120)]
    for client in clients:
        client.close()
    assert server.health() == 200
    assert function.run(works).ok() == "works"


@pytest.fixture
def small_disk(tmp_path):
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", directory], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    yield directory
    subprocess.run(["umount", directory], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as filler:
        try:
            while filler.write(os.urandom(4096)):
                pass
        except OSError:
            pass


def test_a_full_disk_refuses_changes_keeps_running_functions_and_heals(small_disk, tmp_path):
    # Without a reserve new environments, too, are made on a full disk.
    config = tmp_path / "hearth.toml"
    config.write_text("[execution]\ndisk_reserve_mib = 0\n")
    server = Server(small_disk / "data", tmp_path / "server.log", config)
    try:
        function = remote_function(server)
        assert function.run(works).ok() == "works"
        fill(small_disk / "filler")
        incompressible = packages.zip_of({"remote.py": "", "filler": os.urandom(3_000_000)})
        changes = [
            lambda: function.client.update_function_code(FunctionName=function.name, ZipFile=incompressible),
            lambda: function.client.update_function_configuration(FunctionName=function.name, Description="x" * 256),
            lambda: function.invoke({}, InvocationType="Event"),
        ]
        refusals = [refusal for refusal in map(refused, changes * 3) if refusal]
        assert refusals and set(refusals) == {
            ("ServiceException", "The disk of this Hearth server is full: make room, then try again.")
        }
        # Warm and cold.
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            assert [r.ok() for r in pool.map(lambda _: function.run(sleep, 1), range(3))] == ["slept"] * 3
        (small_disk / "filler").unlink()
        aws.wait_updated(function)
        function.client.update_function_code(FunctionName=function.name, ZipFile=packages.python("remote"))
        aws.wait_updated(function)
        assert function.run(works).ok() == "works"
    finally:
        server.stop()


def refused(change):
    """Error code and message; `None` when there was still room, or the function is busy with an earlier change."""
    try:
        change()
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]["Code"], error.response["Error"]["Message"]
        return None if found[0] == "ResourceConflictException" else found
    return None


# Functions that break the rules --------------------------------------------------------------------------------------


def answer_twice():
    import http.client

    for text in ['"first"', '"second"']:
        api = http.client.HTTPConnection("169.254.100.1", 9001, timeout=5)
        api.request("POST", f"/2018-06-01/runtime/invocation/{context.aws_request_id}/response", text)  # noqa: F821
        api.getresponse().read()
    return "third"


def answer_for_another():
    import http.client
    import uuid

    api = http.client.HTTPConnection("169.254.100.1", 9001, timeout=5)
    api.request("POST", f"/2018-06-01/runtime/invocation/{uuid.uuid4()}/response", '"stolen"')
    return api.getresponse().status


def break_off_in_the_answer():
    import socket
    import time

    with socket.create_connection(("169.254.100.1", 9001), timeout=5) as api:
        path = f"/2018-06-01/runtime/invocation/{context.aws_request_id}/response"  # noqa: F821
        api.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    time.sleep(5)


def hold_connections():
    import socket

    state["held"] = [socket.create_connection(("169.254.100.1", 9001), timeout=5) for _ in range(300)]  # noqa: F821
    return len(state["held"])  # noqa: F821


def close_everything():
    import os

    os.closerange(0, 1024)


def bomb():
    import os

    while True:
        try:
            os.fork()
        except OSError:
            pass


def empty_lines():
    import os

    for _ in range(64):
        os.write(1, b"\n" * 65536)
    return "written"


@pytest.mark.parametrize(
    ("misbehave", "error", "payload"),
    [
        (answer_twice, None, "first"),
        (answer_for_another, None, 400),
        (break_off_in_the_answer, "Runtime.TruncatedResponse", None),
        (hold_connections, None, 300),
        (close_everything, "Runtime.ExitError", None),
        (bomb, "Sandbox.Timedout", None),
        (empty_lines, None, "written"),
    ],
    ids=["twice", "another", "truncated", "connections", "closed", "bomb", "lines"],
)
def test_breaking_the_rules_harms_only_the_one_invocation(make, remote, misbehave, error, payload):
    function = make(packages.python("remote"), Timeout=3, MemorySize=256)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(function.run, misbehave)
        # A neighbour meanwhile.
        assert [remote.run(works).ok() for _ in range(5)] == ["works"] * 5
        result = running.result()
    # The time-out, and what it takes to end a thousand processes.
    assert time.monotonic() - started < 3 + SOON_SECONDS
    if error:
        assert result.error == "Unhandled" and result.payload["errorType"] == error
    else:
        assert result.ok() == payload
    assert function.run(works).ok() == "works"
