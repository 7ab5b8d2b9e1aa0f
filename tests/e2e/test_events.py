"""Asynchronous invocation: what was accepted runs, even if the server is killed."""

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
