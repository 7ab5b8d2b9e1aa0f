"""kill -9: what was acknowledged is there after a restart, and nothing else is left."""

import collections
import concurrent.futures
import random
import threading
import time

import botocore.exceptions
import pytest

from support import aws, packages
from support.server import sandbox_processes

#: How a request ends whose server is gone.
GONE = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)
SANDBOXES_END_SECONDS_MAX = 15


class Load:
    """Clients that create, publish and invoke until the server is gone, and remember what was acknowledged."""

    def __init__(self, url, round_number):
        self.url = url
        self.round = round_number
        self.stop = threading.Event()
        self.functions = {}
        #: function name → {version number: description it was published with}
        self.versions = collections.defaultdict(dict)
        self.invocations = 0
        self.unexpected = []

    def run(self, number):
        client = aws.client(self.url, "lambda")
        try:
            self._work(client, number)
        except GONE:
            pass
        except Exception as error:  # noqa: BLE001 (reported by the test)
            self.unexpected.append(error)

    def _work(self, client, number):
        name = f"load-{self.round}-{number}"
        created = client.create_function(
            FunctionName=name, Runtime=aws.PYTHON, Handler="remote.handler", Role=aws.ROLE, Timeout=30,
            Code={"ZipFile": packages.python("remote")},
        )
        self.functions[name] = created["CodeSha256"]
        function = aws.Function(client, name, created["FunctionArn"])
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        for turn in range(1000):
            if self.stop.is_set():
                return
            if number % 2:
                assert function.invoke({"source": "def f(): return 1", "name": "f", "arguments": []}).ok() == 1
                self.invocations += 1
            else:
                description = f"{name}-{turn}"
                aws.update(function, Description=description)
                published = client.publish_version(FunctionName=name)
                assert published["Description"] == description
                self.versions[name][published["Version"]] = description


def test_kill_9_loses_nothing_that_was_acknowledged(own_server):
    seeded = random.Random(20261123)
    functions, versions = {}, collections.defaultdict(dict)
    for round_number in range(3):
        load = Load(own_server.url, round_number)
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            for number in range(6):
                pool.submit(load.run, number)
            time.sleep(seeded.uniform(4, 7))
            own_server.kill()
            load.stop.set()
        assert not load.unexpected, load.unexpected
        functions |= load.functions
        versions |= load.versions
        own_server.start()

        client = aws.client(own_server.url, "lambda")
        listed = [f for page in client.get_paginator("list_functions").paginate() for f in page["Functions"]]
        there = {f["FunctionName"]: f["CodeSha256"] for f in listed}
        assert {name: there.get(name) for name in functions} == functions
        for name, acknowledged in versions.items():
            stored = {
                v["Version"]: v["Description"]
                for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
                for v in page["Versions"]
                if v["Version"] != "$LATEST"
            }
            assert acknowledged.items() <= stored.items(), name
            client.get_waiter("function_updated_v2").wait(FunctionName=name)
            function = aws.Function(client, name, name)
            aws.update(function, Description=f"after round {round_number}")
            number = client.publish_version(FunctionName=name)["Version"]
            assert number not in stored, "a version number was issued twice"
            assert int(number) > max(map(int, stored), default=0)
            versions[name][number] = f"after round {round_number}"
    assert sum(map(len, versions.values())) > 6, "the load published too little to show anything"

    # They are not only listed: each still runs.
    for name in functions:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        function = aws.Function(client, name, name)
        assert function.invoke({"source": "def f(): return 2", "name": "f", "arguments": []}).ok() == 2


def wait_for_no_sandboxes(server):
    deadline = time.monotonic() + SANDBOXES_END_SECONDS_MAX
    while left := sandbox_processes(server):
        assert time.monotonic() < deadline, f"sandbox processes are left: {left}"
        time.sleep(0.2)


def start_environments(server, count):
    client = aws.client(server.url, "lambda")
    function = aws.create(client, packages.python("remote"))
    sleep = {"source": "def f():\n import time\n time.sleep(2)", "name": "f", "arguments": []}
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: function.invoke(sleep).ok(), range(count)))


def test_no_sandbox_process_outlives_a_killed_server(unpooled_server):
    start_environments(unpooled_server, 3)
    assert len(sandbox_processes(unpooled_server)) >= 3
    unpooled_server.kill()
    wait_for_no_sandboxes(unpooled_server)
    unpooled_server.start()
    assert sandbox_processes(unpooled_server) == set()


def test_no_sandbox_process_outlives_a_stopped_server(own_server):
    start_environments(own_server, 2)
    assert sandbox_processes(own_server)
    assert own_server.stop() == 0
    wait_for_no_sandboxes(own_server)


def test_deleting_a_function_ends_its_environments(unpooled_server):
    start_environments(unpooled_server, 2)
    client = aws.client(unpooled_server.url, "lambda")
    assert sandbox_processes(unpooled_server)
    for function in client.list_functions()["Functions"]:
        client.delete_function(FunctionName=function["FunctionName"])
    wait_for_no_sandboxes(unpooled_server)


def test_a_second_server_on_the_same_data_is_refused(own_server):
    from support.command_line import hearth

    done = hearth("up", "--listen", "127.0.0.1:0", "--data", str(own_server.data))
    assert done.returncode != 0
    assert str(own_server.data) in done.stderr
    assert own_server.health() == 200
