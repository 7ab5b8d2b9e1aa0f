"""Log lines as the real service writes them, in the answer and by `hearth logs`."""

import json
import re
import time
import urllib.parse
import urllib.request

import pytest

from support import aws, packages
from support.aws import UUID
from support.command_line import logs_of

START = rf"START RequestId: (?P<id>{UUID}) Version: \$LATEST\n"
END = rf"END RequestId: (?P=id)\n"
REPORT = (
    r"REPORT RequestId: (?P=id)\tDuration: (?P<duration>\d+\.\d\d) ms\tBilled Duration: (?P<billed>\d+) ms\t"
    r"Memory Size: (?P<memory>\d+) MB\tMax Memory Used: (?P<used>\d+) MB\t"
)
INIT = r"Init Duration: (?P<init>\d+\.\d\d) ms\t"


def say(text):
    print(text)
    return "said"


def test_the_log_tail_has_start_output_end_and_report(make):
    function = make(packages.python("remote"))
    cold = function.run(say, "one line", LogType="Tail")
    found = re.fullmatch(rf"(INIT_START [^\n]*\n)?{START}one line\n{END}{REPORT}{INIT}\n", cold.log)
    assert found, cold.log
    assert found["id"] == cold.request_id and found["memory"] == "128"
    assert 0 < int(found["used"]) <= 128
    # Billed since August 2025: initialisation and execution, rounded up together.
    total = float(found["duration"]) + float(found["init"])
    assert total <= int(found["billed"]) <= total + 1.02

    warm = function.run(say, "another", LogType="Tail")
    found = re.fullmatch(rf"{START}another\n{END}{REPORT}\n", warm.log)
    assert found, warm.log
    assert float(found["duration"]) <= int(found["billed"]) <= float(found["duration"]) + 1.01


def test_without_log_type_no_log_is_returned(remote):
    assert remote.run(say, "x").log is None


def test_the_log_tail_is_the_last_four_kilobytes(remote):
    tail = remote.run(say, "x" * 20_000, LogType="Tail").log
    assert len(tail.encode()) == 4096
    assert re.search(rf"x\nEND RequestId: {UUID}\nREPORT [^\n]*\n$", tail), tail[-400:]


def test_output_of_both_streams_comes_before_end(remote):
    def both():
        import os
        import sys

        print("to stdout")
        print("to stderr", file=sys.stderr)
        sys.stdout.flush()
        os.write(1, b"by descriptor\n")

    lines = remote.run(both, LogType="Tail").log.splitlines()
    assert {"to stdout", "to stderr", "by descriptor"} <= set(lines[1:-2]), lines


def test_hearth_logs_prints_what_functions_wrote(make, server):
    function = make(packages.python("remote"))
    result = function.run(say, "find me")
    deadline = time.monotonic() + 10
    while "REPORT" not in (text := logs_of(server, function.name)) and time.monotonic() < deadline:
        time.sleep(0.2)
    lines = [line.split(" ", 1)[1] for line in text.splitlines()]
    assert f"START RequestId: {result.request_id} Version: $LATEST" in lines
    assert "find me" in lines
    assert f"END RequestId: {result.request_id}" in lines


def test_a_flood_of_output_harms_neither_function_nor_server(remote, server):
    def flood():
        import os

        for _ in range(2000):
            os.write(1, b"y" * 8191 + b"\n")
        return "done"

    assert remote.run(flood).ok() == "done"
    assert server.health() == 200


def test_python_logging_has_level_time_and_request_id(remote):
    def log():
        import logging

        logging.getLogger().warning("careful")

    result = remote.run(log, LogType="Tail")
    assert re.search(
        rf"^\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{result.request_id}\tcareful$", result.log, re.MULTILINE
    ), result.log


def log_at_every_level():
    import logging

    logger = logging.getLogger()
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, level)(f"at {level}")


def json_lines(result):
    return [json.loads(line) for line in result.log.splitlines()]


def test_the_json_log_format_has_one_object_per_event(make):
    function = make(packages.python("remote"), LoggingConfig={"LogFormat": "JSON"})
    events = json_lines(function.run(log_at_every_level, LogType="Tail"))
    kinds = [event["type"] for event in events if "type" in event]
    assert "platform.start" in kinds and kinds[-1] == "platform.report", kinds
    [warning] = [event for event in events if event.get("level") == "WARNING" or event.get("level") == "WARN"]
    assert warning["message"] == "at warning" and re.fullmatch(UUID, warning["requestId"])
    report = events[-1]["record"]
    assert report["status"] == "success" and report["metrics"]["memorySizeMB"] == 128


def test_records_below_the_application_log_level_are_left_out(make):
    logging_config = {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"}
    function = make(packages.python("remote"), LoggingConfig=logging_config)
    events = json_lines(function.run(log_at_every_level, LogType="Tail"))
    assert [event["message"] for event in events if "message" in event] == ["at error", "at critical"]


def test_platform_lines_below_the_system_log_level_are_left_out(make):
    quiet = make(packages.python("remote"), LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN"})
    assert [event for event in json_lines(quiet.run(say, "{}", LogType="Tail")) if "type" in event] == []
    chatty = make(packages.python("remote"), LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"})
    kinds = {event["type"] for event in json_lines(chatty.run(say, "{}", LogType="Tail")) if "type" in event}
    assert {"platform.start", "platform.runtimeDone", "platform.report"} <= kinds, kinds


def events_of(server, function):
    """The messages in the function's log group, once an invocation has ended there."""
    deadline = time.monotonic() + 10
    while True:
        query = urllib.parse.urlencode({"group": f"/aws/lambda/{function.name}", "region": aws.REGION})
        with urllib.request.urlopen(f"{server.url}/_hearth/logs?{query}", timeout=10) as answer:
            messages = [event["message"] for event in json.load(answer)["events"]]
        if any(message.startswith("REPORT") for message in messages):
            return messages
        assert time.monotonic() < deadline, messages
        time.sleep(0.1)


def test_a_python_traceback_is_one_event(make, server):
    def fail():
        raise ValueError("no such thing")

    function = make(packages.python("remote"))
    function.run(fail)
    [event] = [event for event in events_of(server, function) if "ValueError" in event or "File" in event]
    first, second, *frames = event.split("\n")
    assert (first, second) == ("[ERROR] ValueError: no such thing", "Traceback (most recent call last):")
    assert frames and all(line.startswith("\u00a0\u00a0") for line in frames), event


def test_a_node_error_is_one_event(make, server):
    code = "exports.handler = async () => { console.error(new TypeError('no such thing')); };"
    function = make(packages.zip_of({"index.js": code}), runtime=aws.NODE, handler="index.handler")
    function.invoke({}).ok()
    [event] = [event for event in events_of(server, function) if "TypeError" in event or "    at " in event]
    assert "\tERROR\tTypeError: no such thing\n    at " in event


PYTHON_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARN": "warning", "ERROR": "error", "FATAL": "critical"}


@pytest.mark.parametrize("lowest", ["TRACE", *PYTHON_LEVELS])
def test_every_application_log_level_filters_records_and_json_lines(make, lowest):
    def speak(levels):
        import json
        import logging

        print("plain")
        for name, method in levels.items():
            getattr(logging.getLogger(), method)(f"record {name}")
            print(json.dumps({"timestamp": "2026-01-12T15:37:12Z", "level": name, "message": f"line {name}"}))

    function = make(packages.python("remote"), LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": lowest})
    lines = function.run(speak, PYTHON_LEVELS, LogType="Tail").log.splitlines()
    assert "plain" in lines
    messages = {json.loads(line).get("message") for line in lines if line.startswith("{")} - {None}
    names = list(PYTHON_LEVELS)
    kept = names if lowest == "TRACE" else names[names.index(lowest) :]
    assert messages == {f"{kind} {name}" for kind in ("record", "line") for name in kept}
