"""CloudWatch Logs as boto3 and the AWS CLI use it, with what functions write in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import botocore.exceptions
import pytest

from support import aws, packages
from support.command_line import logs_of
from support.server import Server

#: AWS CLI versions that have `aws logs tail`: the second.
CLI = next(
    (path for path in ("/usr/bin/aws", "/usr/local/bin/aws", shutil.which("aws")) if path and os.path.exists(path)
     and b"aws-cli/2" in subprocess.run([path, "--version"], capture_output=True).stdout),
    None,
)
needs_cli = pytest.mark.skipif(CLI is None, reason="this machine has no AWS CLI of version 2")
GONE = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)


def say(text):
    print(text)


@pytest.fixture
def logs(server):
    return aws.client(server.url, "logs")


@pytest.fixture
def group(logs):
    """A group of one's own, with a stream `s`."""
    name = aws.function_name("/test/group")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    yield name
    try:
        logs.delete_log_group(logGroupName=name)
    except logs.exceptions.ResourceNotFoundException:
        pass


def now_ms():
    return int(time.time() * 1000)


def put(logs, group, *messages, stream="s"):
    events = [{"timestamp": now_ms(), "message": message} for message in messages]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def filtered(logs, group, **arguments):
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, **arguments)
    return [event["message"] for page in pages for event in page["events"]]


def until(found, seconds=15):
    """Waits until `found()` is true; what it answered."""
    deadline = time.monotonic() + seconds
    while not (answer := found()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def cli(server, *arguments, **more):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": "test",
                   "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": aws.REGION, "PYTHONUNBUFFERED": "1"}
    command = [CLI, "--endpoint-url", server.url, "--no-cli-pager", "logs", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **more)


def cli_output(server, *arguments):
    out, error = cli(server, *arguments).communicate(timeout=60)
    assert not error, error
    return out


def test_a_group_lives_from_create_to_delete(logs):
    name = aws.function_name("/test/life")
    logs.create_log_group(logGroupName=name, tags={"team": "red"})
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException, match="The specified log group already exists"):
        logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=14)
    [shown] = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert shown["retentionInDays"] == 14 and shown["arn"].endswith(f":log-group:{name}:*")
    arn = shown["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"cost": "none"})
    logs.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"cost": "none"}
    logs.delete_log_group(logGroupName=name)
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="The specified log group does not exist."):
        logs.describe_log_streams(logGroupName=name)


def test_paginators_show_everything_once(logs, group):
    for number in range(7):
        logs.create_log_stream(logGroupName=group, logStreamName=f"stream-{number}")
        put(logs, group, *[f"{number} {line}" for line in range(20)], stream=f"stream-{number}")
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, PaginationConfig={"PageSize": 3})
    streams = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    assert streams == ["s", *[f"stream-{number}" for number in range(7)]]
    pages = logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 1})
    assert [shown["logGroupName"] for page in pages for shown in page["logGroups"]].count(group) == 1
    found = filtered(logs, group, PaginationConfig={"PageSize": 9})
    assert len(found) == len(set(found)) == 140


def test_what_a_function_writes_is_found_in_its_group(make, logs, server):
    function = make(packages.python("remote"))
    result = function.run(say, "find me, please")
    group = f"/aws/lambda/{function.name}"
    [shown] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert shown["logGroupName"] == group
    [stream] = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"]
    # Source: Lambda developer guide: date, version and an id.
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])
    # Source: Lambda developer guide, "View logs using the AWS CLI": each event ends in a line feed.
    assert filtered(logs, group, filterPattern='"find me"') == ["find me, please\n"]
    [report] = filtered(logs, group, filterPattern=f'REPORT "{result.request_id}"')
    assert "Duration: " in report
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)["events"]
    texts = [event["message"].split()[0] for event in events]
    assert texts[-4:] == ["START", "find", "END", "REPORT"]
    assert "find me, please" in logs_of(server, function.name), "`hearth logs` reads the same"


def test_a_group_that_is_deleted_is_gone_and_comes_back_with_the_next_line(make, logs):
    function = make(packages.python("remote"))
    function.run(say, "first life")
    group = f"/aws/lambda/{function.name}"
    assert filtered(logs, group, filterPattern="life")
    logs.delete_log_group(logGroupName=group)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    function.run(say, "second life")
    assert filtered(logs, group, filterPattern="life") == ["second life\n"]


def test_json_logs_are_searched_by_their_properties(make, logs):
    function = make(packages.python("remote"), LoggingConfig={"LogFormat": "JSON"})
    result = function.run(say, "x")
    group = f"/aws/lambda/{function.name}"
    pattern = '{ $.type = "platform.report" && $.record.metrics.durationMs >= 0 }'
    [report] = filtered(logs, group, filterPattern=pattern)
    assert json.loads(report)["record"]["requestId"] == result.request_id
    assert filtered(logs, group, filterPattern='{ $.type = "platform.report" && $.record.metrics.durationMs < 0 }') == []


def test_live_tail_of_boto3_hears_what_arrives(server, logs, group):
    # Without this setting boto3 puts `stream-` before the host of whatever endpoint it is given.
    live = aws.client(server.url, "logs", inject_host_prefix=False)
    arn = f"arn:aws:logs:{aws.REGION}:{aws.ACCOUNT}:log-group:{group}"
    stream = live.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="wanted")["responseStream"]
    heard = []
    for event in stream:
        if "sessionStart" in event:
            assert event["sessionStart"]["logGroupIdentifiers"] == [arn]
            put(logs, group, "not this", "wanted 1", "wanted 2")
            continue
        heard += event["sessionUpdate"]["sessionResults"]
        if len(heard) >= 2:
            break
    stream.close()
    assert [event["message"] for event in heard] == ["wanted 1", "wanted 2"]
    assert heard[0]["logGroupIdentifier"] == f"{aws.ACCOUNT}:{group}" and heard[0]["logStreamName"] == "s"


def test_live_tail_works_through_the_prefixed_host_of_localhost(server, logs, group, monkeypatch):
    """`stream-localhost` has no address of its own; who gives it one is answered by that name, too."""
    import socket

    lookup = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: lookup("127.0.0.1" if host.startswith("stream-") else host, *rest, **more)
    )
    port = server.url.rsplit(":", 1)[1]
    live = aws.client(f"http://localhost:{port}", "logs")
    arn = f"arn:aws:logs:{aws.REGION}:{aws.ACCOUNT}:log-group:{group}"
    stream = live.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
    assert "sessionStart" in next(iter(stream))
    stream.close()


def test_live_tail_of_the_aws_cli_prints_what_arrives(server, logs, group):
    """The CLI of version 1, which the tests have installed, has the command too."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": "test",
                   "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": aws.REGION, "PYTHONUNBUFFERED": "1",
                   "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    arn = f"arn:aws:logs:{aws.REGION}:{aws.ACCOUNT}:log-group:{group}"
    command = [sys.executable, "-m", "awscli", "--endpoint-url", server.url, "logs", "start-live-tail", "--log-group-identifiers", arn]
    tail = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    lines = []
    threading.Thread(target=lambda: lines.extend(iter(tail.stdout.readline, "")), daemon=True).start()
    try:
        # Only what arrives after its start is heard: say it until it is.
        assert until(lambda: put(logs, group, "live") and time.sleep(0.5) or "live\n" in lines, 30)
    finally:
        tail.terminate()
        tail.wait(30)


def test_a_live_tail_does_not_hold_up_the_server_s_end(own_server):
    live = aws.client(own_server.url, "logs", inject_host_prefix=False)
    live.create_log_group(logGroupName="g")
    arn = f"arn:aws:logs:{aws.REGION}:{aws.ACCOUNT}:log-group:g"
    events = iter(live.start_live_tail(logGroupIdentifiers=[arn])["responseStream"])
    assert "sessionStart" in next(events)
    ended = threading.Thread(target=lambda: list(events))
    ended.start()
    assert own_server.stop() == 0
    assert "requests still in flight" not in own_server.log_text()
    ended.join(10)
    assert not ended.is_alive()


@needs_cli
def test_the_aws_cli_describes_filters_and_tails(server, logs, group):
    put(logs, group, "INFO one", "ERROR two")
    described = json.loads(cli_output(server, "describe-log-groups", "--log-group-name-prefix", group))
    assert [shown["logGroupName"] for shown in described["logGroups"]] == [group]
    found = json.loads(cli_output(server, "filter-log-events", "--log-group-name", group, "--filter-pattern", "ERROR"))
    assert [event["message"] for event in found["events"]] == ["ERROR two"]
    lines = cli_output(server, "tail", group, "--format", "short", "--since", "5m").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["INFO one", "ERROR two"]


@needs_cli
def test_the_aws_cli_follows_a_function_s_log(server, make):
    function = make(packages.python("remote"))
    function.run(say, "before")
    following = cli(server, "tail", "--follow", f"/aws/lambda/{function.name}")
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(following.stdout.readline, "")), daemon=True)
    reader.start()
    try:
        assert until(lambda: any("before" in line for line in lines)), lines
        function.run(say, "while following")
        assert until(lambda: any("while following" in line for line in lines), 30), lines
        assert sum("while following" in line for line in lines) == 1, "each event once"
    finally:
        following.terminate()
        following.wait(30)


def test_in_enforce_mode_policies_hold(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce"])
    try:
        root = aws.client(server.url, "logs", *server.root_key)
        for name in ("/app/mine", "/app/other"):
            root.create_log_group(logGroupName=name)
        iam = aws.client(server.url, "iam", *server.root_key)
        iam.create_user(UserName="reader")
        resource = f"arn:aws:logs:{aws.REGION}:{aws.ACCOUNT}:log-group:/app/mine:*"
        policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": resource}}
        iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        reader = aws.client(server.url, "logs", key["AccessKeyId"], key["SecretAccessKey"])
        assert reader.filter_log_events(logGroupName="/app/mine")["events"] == []
        for denied in (
            lambda: reader.filter_log_events(logGroupName="/app/other"),
            lambda: reader.delete_log_group(logGroupName="/app/mine"),
        ):
            with pytest.raises(reader.exceptions.ClientError) as refused:
                denied()
            assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
            assert "is not authorized to perform: logs:" in refused.value.response["Error"]["Message"]
    finally:
        server.stop()


def test_acknowledged_events_survive_kill_9(own_server):
    logs = aws.client(own_server.url, "logs")
    logs.create_log_group(logGroupName="g", tags={"kept": "yes"})
    logs.put_retention_policy(logGroupName="g", retentionInDays=30)
    logs.create_log_group(logGroupName="deleted")
    logs.delete_log_group(logGroupName="deleted")
    acknowledged = []

    def write(number):
        client = aws.client(own_server.url, "logs")
        stream = f"writer-{number}"
        client.create_log_stream(logGroupName="g", logStreamName=stream)
        try:
            for turn in range(100_000):
                messages = [f"{stream} {turn} {line}" for line in range(3)]
                put(client, "g", *messages, stream=stream)
                acknowledged.extend(messages)
        except GONE:
            pass

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    time.sleep(2)
    own_server.kill()
    for writer in writers:
        writer.join()
    assert len(acknowledged) > 30
    own_server.start()
    logs = aws.client(own_server.url, "logs")
    [shown] = logs.describe_log_groups()["logGroups"]
    assert (shown["logGroupName"], shown["retentionInDays"]) == ("g", 30)
    assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"kept": "yes"}
    found = filtered(logs, "g")
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found), f"{len(set(acknowledged) - set(found))} acknowledged events are lost"


def test_terraform_s_log_group_calls_work(logs):
    """What the provider's aws_cloudwatch_log_group asks, in its order."""
    name = aws.function_name("/aws/lambda/tf")
    logs.create_log_group(logGroupName=name, logGroupClass="STANDARD", tags={"a": "b"})
    logs.put_retention_policy(logGroupName=name, retentionInDays=7)
    shown = next(
        group for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        for group in page["logGroups"] if group["logGroupName"] == name
    )
    assert shown["logGroupClass"] == "STANDARD" and shown["retentionInDays"] == 7 and "kmsKeyId" not in shown
    assert logs.list_tags_for_resource(resourceArn=shown["arn"].removesuffix(":*"))["tags"] == {"a": "b"}
    logs.delete_retention_policy(logGroupName=name)
    logs.delete_log_group(logGroupName=name)
