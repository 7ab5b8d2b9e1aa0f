"""Many at once, and clients that leave."""

import concurrent.futures
import json
import socket
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import aws, packages

PARALLEL = 50


def sleep_here(seconds):
    import time

    time.sleep(seconds)
    return state["environment"]  # noqa: F821


def test_50_parallel_invocations_run_in_50_environments(make):
    function = make(packages.python("remote"), Timeout=120)
    # Long enough that the last one starts before the first one ends.
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        began = time.monotonic()
        results = list(pool.map(lambda _: function.run(sleep_here, 15), range(PARALLEL)))
        took = time.monotonic() - began
    assert len({result.ok() for result in results}) == PARALLEL
    assert took < 60, f"they did not run in parallel: {took:.0f} s"


def test_a_sequence_of_invocations_reuses_one_environment(make):
    function = make(packages.python("remote"))
    assert len({function.run(sleep_here, 0).ok() for _ in range(10)}) == 1


def test_the_most_recently_used_environment_serves_first(make):
    function = make(packages.python("remote"))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: function.run(sleep_here, 2).ok(), range(3)))
    last = function.run(sleep_here, 0).ok()
    assert {function.run(sleep_here, 0).ok() for _ in range(5)} == {last}


def signed_invoke(url, name, payload):
    """The bytes of a signed Invoke request."""
    request = AWSRequest("POST", f"{url}/2015-03-31/functions/{name}/invocations", data=payload,
                         headers={"Host": url.removeprefix("http://"), "Content-Type": "application/json"})
    SigV4Auth(Credentials("test", "test"), "lambda", aws.REGION).add_auth(request)
    head = "".join(f"{key}: {value}\r\n" for key, value in request.headers.items())
    path = f"/2015-03-31/functions/{name}/invocations"
    return f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload.encode()


def test_a_client_that_leaves_loses_neither_environment_nor_server(make, server):
    function = make(packages.python("remote"))

    def count():
        return [state["environment"], state["invocations"]]  # noqa: F821

    def slow():
        import time

        time.sleep(2)

    import inspect
    import textwrap

    environment, before = function.run(count).ok()
    event = json.dumps({"source": textwrap.dedent(inspect.getsource(slow)), "name": "slow", "arguments": []})
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(signed_invoke(server.url, function.name, event))
        time.sleep(0.5)
    # The invocation goes on without its client, in the same environment, and nothing is left in the way.
    deadline = time.monotonic() + 20
    while True:
        now, after = function.run(count).ok()
        if now == environment or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert now == environment
    assert after >= before + 2, "the invocation of the lost client did not run"
    assert server.health() == 200


def test_a_hundred_clients_that_leave_leave_nothing_behind(make, server):
    function = make(packages.python("remote"))
    event = json.dumps({"source": "def f(): return 1", "name": "f", "arguments": []})
    request = signed_invoke(server.url, function.name, event)
    host, port = server.url.removeprefix("http://").split(":")
    for number in range(100):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(request[: len(request) - number % 7])
    assert function.run(sleep_here, 0).ok()
    assert server.health() == 200


def test_reserved_concurrency_is_a_ceiling(make, client):
    function = make(packages.python("remote"))
    shown = client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    assert shown["ReservedConcurrentExecutions"] == 1
    assert client.get_function_concurrency(FunctionName=function.name)["ReservedConcurrentExecutions"] == 1
    # Both at the same time: one runs, whichever it is.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(function.run, sleep_here, 2) for _ in range(2)]
        errors = [call.exception() for call in calls]
    (refused,) = [error for error in errors if error is not None]
    assert isinstance(refused, client.exceptions.TooManyRequestsException)
    throttled = refused.response
    assert throttled["Error"]["Message"] == "Rate Exceeded."
    assert throttled["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert throttled["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert int(throttled["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) > 0
    # The one that ended made room.
    function.run(sleep_here, 0).ok()


def test_a_function_is_switched_off_and_on(make, client):
    function = make(packages.python("remote"))
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
        function.run(sleep_here, 0)
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    client.delete_function_concurrency(FunctionName=function.name)
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=function.name)
    function.run(sleep_here, 0).ok()


def test_the_account_s_numbers_are_true(serve):
    client = aws.client(serve("").url, "lambda")
    package = packages.python("remote")
    function = aws.create(client, package)
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=40)
    settings = client.get_account_settings()
    assert settings["AccountUsage"] == {"FunctionCount": 1, "TotalCodeSize": len(package)}
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 960
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=901)
    assert "below its minimum value of [100]" in refused.value.response["Error"]["Message"]
