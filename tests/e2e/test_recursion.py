"""Recursive loops: what a function is told of its chain of requests, handed on as an SDK does, ends the chain."""

import pytest

from support import packages


def chain():
    import os

    return os.environ["_X_AMZN_TRACE_ID"]


def test_a_function_that_comes_back_to_itself_is_stopped_after_16_runs(make, client):
    function = make(packages.python("remote"))
    trace = None

    def hand_on(request, **_):
        if trace:
            request.headers["X-Amzn-Trace-Id"] = trace

    client.meta.events.register("before-sign.lambda.Invoke", hand_on)
    try:
        for _ in range(16):
            trace = function.run(chain).ok()
        with pytest.raises(client.exceptions.RecursiveInvocationException) as stopped:
            function.run(chain)
        assert "recursive loop" in stopped.value.response["Message"]
        assert client.get_function_recursion_config(FunctionName=function.name)["RecursiveLoop"] == "Terminate"
        client.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Allow")
        trace = function.run(chain).ok()
        client.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Terminate")
        with pytest.raises(client.exceptions.RecursiveInvocationException):
            function.run(chain)
        trace = None
        function.run(chain).ok()
    finally:
        client.meta.events.unregister("before-sign.lambda.Invoke", hand_on)
