"""Asynchronous invocation: what was accepted runs, even if the server is killed."""

import json
import time

from support import aws, packages
from support.command_line import logs_of


def wait_for_log(server, name, text, seconds):
    deadline = time.monotonic() + seconds
    while text not in (log := logs_of(server, name)):
        assert time.monotonic() < deadline, f"{text!r} did not appear in:\n{log}"
        time.sleep(0.3)
    return log


def say_late(text, seconds):
    import time

    time.sleep(seconds)
    print(text)


def test_an_event_is_accepted_and_runs(make, server):
    function = make(packages.python("remote"))
    answer = function.run(say_late, "ran later", 0, InvocationType="Event")
    assert (answer.status, answer.raw, answer.version, answer.error) == (202, b"", None, None)
    log = wait_for_log(server, function.name, "ran later", 20)
    assert f"START RequestId: {answer.request_id}" in log


def test_an_event_s_failure_is_not_the_caller_s(make, server):
    function = make(packages.python("remote"))

    def fail():
        print("failing")
        raise RuntimeError("as asked")

    assert function.run(fail, InvocationType="Event").status == 202
    wait_for_log(server, function.name, "failing", 20)


def test_accepted_events_run_after_the_server_was_killed(own_server):
    client = aws.client(own_server.url, "lambda")
    function = aws.create(client, packages.python("remote"))
    texts = [f"survivor {number}" for number in range(5)]
    for text in texts:
        assert function.run(say_late, text, 3, InvocationType="Event").status == 202
    own_server.kill()
    own_server.start()
    for text in texts:
        wait_for_log(own_server, function.name, text, 60)


def test_an_event_of_a_function_without_retries_runs_once(make, client, server):
    function = make(packages.python("remote"))
    shown = client.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    assert shown["FunctionArn"] == f"{function.arn}:$LATEST" and shown["MaximumRetryAttempts"] == 0
    shown = client.update_function_event_invoke_config(FunctionName=function.name, MaximumEventAgeInSeconds=60)
    assert (shown["MaximumRetryAttempts"], shown["MaximumEventAgeInSeconds"]) == (0, 60)

    def fail():
        raise RuntimeError("as asked")

    answer = function.run(fail, InvocationType="Event")
    wait_for_log(server, function.name, f"REPORT RequestId: {answer.request_id}", 20)
    # The first retry would come after a minute, and with this age never: what is waited for is the server's word.
    deadline = time.monotonic() + 20
    while f"event dropped id={answer.request_id}" not in (log := server.log_text()):
        assert time.monotonic() < deadline, log[-2000:]
        time.sleep(0.2)
    assert "RetriesExhausted" in log.split(f"id={answer.request_id}")[1].splitlines()[0]
    pages = client.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=function.name)
    assert [c["FunctionArn"] for page in pages for c in page["FunctionEventInvokeConfigs"]] == [shown["FunctionArn"]]
    client.delete_function_event_invoke_config(FunctionName=function.name)


def test_an_event_of_a_function_that_is_off_is_dropped(make, client, server):
    function = make(packages.python("remote"))
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    answer = function.run(say_late, "never", 0, InvocationType="Event")
    assert answer.status == 202
    deadline = time.monotonic() + 20
    while f"event dropped id={answer.request_id}" not in server.log_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    client.delete_function_concurrency(FunctionName=function.name)
    function.run(say_late, "now", 0, InvocationType="Event")
    assert "never" not in wait_for_log(server, function.name, "now", 20)


def test_destinations_are_told_how_an_event_ended(make, client, server):
    """One function is told of successes, another of failures: as events of their own, with the recorded form."""
    listener = "import json\ndef handler(event, context): print('told ' + json.dumps(event))\n"
    told = {kind: make(packages.zip_of({"m.py": listener}), handler="m.handler") for kind in ("success", "failure")}
    code = "def handler(event, context):\n    if event['fail']: raise RuntimeError('as asked')\n    return {'done': event}\n"
    function = make(packages.zip_of({"m.py": code}), handler="m.handler")
    destinations = {"OnSuccess": {"Destination": told["success"].arn}, "OnFailure": {"Destination": told["failure"].arn}}
    shown = client.put_function_event_invoke_config(
        FunctionName=function.name, MaximumRetryAttempts=0, DestinationConfig=destinations
    )
    assert shown["DestinationConfig"] == destinations
    for kind, condition in (("success", "Success"), ("failure", "RetriesExhausted")):
        event = {"fail": kind == "failure"}
        answer = function.invoke(event, InvocationType="Event")
        log = wait_for_log(server, told[kind].name, "told ", 30)
        record = json.loads(log.split("told ")[1].splitlines()[0])
        assert record["version"] == "1.0" and record["requestPayload"] == event
        assert record["requestContext"] == {
            "requestId": answer.request_id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": 1,
        }
        assert record["responseContext"]["executedVersion"] == "$LATEST"
        if kind == "success":
            assert "functionError" not in record["responseContext"]
            assert record["responsePayload"] == {"done": event}
        else:
            assert record["responseContext"]["functionError"] == "Unhandled"
            assert record["responsePayload"]["errorMessage"] == "as asked"
