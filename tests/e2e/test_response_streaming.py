"""Answers that arrive while the function still writes them: InvokeWithResponseStream."""

import base64
import http.client
import json
import os
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from support import aws, packages
from support.aws import CUSTOM, NODE
from support.paths import E2E, FUNCTIONS, TOOLS


class Stream:
    """What an invocation streamed, and when (seconds from its start)."""

    def __init__(self, function, event, **arguments):
        self.started = time.monotonic()
        payload = json.dumps(event)
        self.answer = function.client.invoke_with_response_stream(
            FunctionName=function.name, Payload=payload, **arguments
        )
        self.events = iter(self.answer["EventStream"])

    def chunk(self):
        """The next chunk and when it came."""
        event = next(self.events)
        assert "PayloadChunk" in event, event
        return event["PayloadChunk"]["Payload"], time.monotonic() - self.started

    def rest(self):
        """All that is left in one, how it ended, and when."""
        body = b""
        for event in self.events:
            if "InvokeComplete" in event:
                assert next(self.events, None) is None
                return body, event["InvokeComplete"], time.monotonic() - self.started
            body += event["PayloadChunk"]["Payload"]
        raise AssertionError(f"no end after {len(body)} bytes")


def package():
    return packages.zip_of({"index.mjs": (FUNCTIONS / "streams.mjs").read_text()})


@pytest.fixture(scope="module")
def function(server):
    client = aws.client(server.url, "lambda")
    function = aws.create(client, package(), runtime=NODE, handler="index.handler", Timeout=20, MemorySize=512)
    yield function
    client.delete_function(FunctionName=function.name)


@pytest.fixture(scope="module")
def custom(server):
    client = aws.client(server.url, "lambda")
    bootstrap = (FUNCTIONS / "custom_stream.py").read_bytes()
    function = aws.create(client, packages.zip_of({"bootstrap": (bootstrap, 0o755)}), runtime=CUSTOM, handler="x")
    yield function
    client.delete_function(FunctionName=function.name)


def works(function):
    assert Stream(function, {"steps": [{"write": "works"}]}).rest()[0] == b"works"


def test_bytes_arrive_while_the_function_still_runs(function):
    works(function)
    stream = Stream(function, {"type": "text/plain", "steps": [{"write": "one"}, {"sleep": 1000}, {"write": "two"}]})
    assert (stream.answer["StatusCode"], stream.answer["ExecutedVersion"]) == (200, "$LATEST")
    assert stream.answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    first, at = stream.chunk()
    assert first == b"one" and at < 0.7, at
    second, at = stream.chunk()
    assert second == b"two" and at >= 1
    assert stream.rest()[:2] == (b"", {})


def test_a_custom_runtime_streams_and_its_error_trailers_end_the_stream(custom):
    stream = Stream(custom, {"chunks": ["one", "two"], "pause": 0.5})
    first, _ = stream.chunk()
    began = time.monotonic()
    assert first == b"one"
    assert stream.rest()[:2] == (b"two", {})
    assert time.monotonic() - began >= 0.9
    error = {"errorType": "Function.Broke", "errorMessage": "as asked"}
    body, end, _ = Stream(custom, {"chunks": ["part"], "error": error}, LogType="Tail").rest()
    assert (body, end["ErrorCode"], json.loads(end["ErrorDetails"])) == (b"part", "Unhandled", error)
    assert Stream(custom, {"chunks": ["on"]}).rest()[:2] == (b"on", {})


def test_the_prelude_of_an_http_answer_comes_first(make):
    function = make(package(), runtime=NODE, handler="index.http")
    body, end, _ = Stream(function, {}).rest()
    prelude, text = body.split(b"\0" * 8)
    assert json.loads(prelude) == {"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["c=d"]}
    assert (text, end) == (b"created", {})


def test_a_buffered_function_answers_in_chunks_and_a_streaming_one_can_be_had_whole(make, function):
    buffered = make(package(), runtime=NODE, handler="index.buffered")
    body, end, _ = Stream(buffered, {"a": 1}).rest()
    assert (json.loads(body), end) == ({"whole": {"a": 1}}, {})
    whole = function.invoke({"steps": [{"write": "one"}, {"sleep": 100}, {"write": "two"}]})
    assert (whole.error, whole.raw) == (None, b"onetwo")


def test_the_last_event_brings_the_log_tail(function):
    event = {"steps": [{"log": "said"}, {"write": "x"}, {"sleep": 300}]}
    end = Stream(function, event, LogType="Tail").rest()[1]
    log = base64.b64decode(end["LogResult"]).decode()
    assert "START RequestId" in log and "said" in log
    duration = float(log.split("REPORT", 1)[1].split("Duration: ")[1].split(" ms")[0])
    assert duration >= 300, "the whole stream counts"


def test_an_error_in_the_middle_is_told_at_the_end(function):
    body, end, _ = Stream(function, {"steps": [{"write": "part"}, {"sleep": 50}, {"throw": "as asked"}]}).rest()
    assert (body, end["ErrorCode"]) == (b"part", "Unhandled")
    details = json.loads(end["ErrorDetails"])
    assert (details["errorType"], details["errorMessage"]) == ("RangeError", "as asked")
    works(function)


def test_a_crash_in_the_middle_is_told_at_the_end(function):
    event = {"steps": [{"write": "part"}, {"sleep": 50}, {"exit": 3}]}
    body, end, _ = Stream(function, event, LogType="Tail").rest()
    assert (body, end["ErrorCode"]) == (b"part", "Unhandled")
    details = json.loads(end["ErrorDetails"])
    assert details["errorType"] == "Runtime.ExitError"
    assert details["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert "Status: error\tError Type: Runtime.ExitError" in base64.b64decode(end["LogResult"]).decode()
    works(function)


def test_too_much_memory_in_the_middle_is_told_at_the_end(make):
    function = make(package(), runtime=NODE, handler="index.handler", MemorySize=128)
    body, end, _ = Stream(function, {"steps": [{"write": "part"}, {"sleep": 50}, {"hoard": 1}]}, LogType="Tail").rest()
    assert (body, end["ErrorCode"]) == (b"part", "Unhandled")
    assert json.loads(end["ErrorDetails"])["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert "Status: error\tError Type: Runtime.OutOfMemory" in base64.b64decode(end["LogResult"]).decode()
    works(function)


def test_a_time_out_in_the_middle_ends_the_stream_on_time(make):
    function = make(package(), runtime=NODE, handler="index.handler", Timeout=2)
    works(function)
    body, end, at = Stream(function, {"steps": [{"write": "part"}, {"sleep": 60000}]}).rest()
    assert (body, end["ErrorCode"]) == (b"part", "Unhandled")
    details = json.loads(end["ErrorDetails"])
    assert details["errorType"] == "Sandbox.Timedout"
    assert details["errorMessage"].endswith("Error: Task timed out after 2.00 seconds")
    assert 2 <= at < 5
    works(function)


def test_a_failure_before_the_first_byte_is_still_200(function):
    stream = Stream(function, {"steps": [{"throw": "at once"}]})
    assert stream.answer["StatusCode"] == 200
    body, end, _ = stream.rest()
    assert (body, json.loads(end["ErrorDetails"])["errorMessage"]) == (b"", "at once")


def fill(function, size):
    """How long it takes to get so many bytes, read faster than boto3 can."""
    url = urlsplit(function.client.meta.endpoint_url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    path = f"/2021-11-15/functions/{function.name}/response-streaming-invocations"
    started = time.monotonic()
    connection.request("POST", path, json.dumps({"steps": [{"fill": size}]}))
    body = connection.getresponse().read()
    assert len(body) > size and b"InvokeComplete" in body[-200:] and body[-10:].count(b"{}") == 1
    return time.monotonic() - started


def test_six_mebibytes_go_at_once_and_the_rest_at_two_each_second(function):
    works(function)
    assert fill(function, 6 << 20) < 3
    assert 3 <= fill(function, 12 << 20) < 6


def test_a_client_that_hangs_up_does_not_stop_the_function(make):
    function = make(package(), runtime=NODE, handler="index.handler", Timeout=20)
    counted = {"count": True, "steps": []}
    assert Stream(function, counted).rest()[0] == b"1"
    gone = Stream(function, {"steps": [{"write": "x"}, {"sleep": 500}, {"fill": 20 << 20}, {"log": "ran to its end"}]})
    assert gone.chunk()[0] == b"x"
    gone.answer["EventStream"].close()
    deadline = time.monotonic() + 15
    logs = aws.client(function.client.meta.endpoint_url, "logs")
    while time.monotonic() < deadline:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function.name}")["events"]
        if any("ran to its end" in event["message"] for event in events):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the function did not run to its end")
    time.sleep(0.2)
    assert Stream(function, counted).rest()[0] == b"3", "the same environment goes on"


def test_an_event_cannot_be_streamed_and_a_dry_run_runs_nothing(function):
    client = function.client
    dry = client.invoke_with_response_stream(FunctionName=function.name, InvocationType="DryRun")
    assert dry["StatusCode"] == 204
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.invoke_with_response_stream(FunctionName=function.name, InvocationType="Event")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke_with_response_stream(FunctionName="nobody")


def test_the_javascript_sdk_reads_the_stream(function, server):
    packages.needs(TOOLS / "node" / "node_modules", "the AWS SDK for JavaScript")
    event = {"steps": [{"write": "one"}, {"sleep": 500}, {"write": "two"}, {"throw": "as asked"}]}
    variables = {"AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    done = subprocess.run(
        ["node", str(E2E / "js" / "stream.mjs"), str(TOOLS / "node"), function.name, json.dumps(event)],
        env={"PATH": os.environ["PATH"], "AWS_REGION": aws.REGION} | variables,
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["version"]) == (200, "$LATEST")
    assert [chunk["text"] for chunk in answer["chunks"]] == ["one", "two"]
    assert answer["chunks"][1]["ms"] - answer["chunks"][0]["ms"] >= 400
    assert answer["complete"]["ErrorCode"] == "Unhandled"
    assert json.loads(answer["complete"]["ErrorDetails"])["errorMessage"] == "as asked"
