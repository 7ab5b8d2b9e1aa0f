"""Subscription filters: new events of a log group go to a function, with the clients people use."""

import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from support import aws, packages
from support.command_line import logs_of
from support.server import Server
from test_clients import cli  # noqa: F401
from test_terraform import start

#: Says what it was sent, and by whom.
WATCH = """
import base64, gzip, json

def handler(event, context):
    assert list(event) == ["awslogs"], event
    print("GOT", gzip.decompress(base64.b64decode(event["awslogs"]["data"])).decode())
"""

SPEAK = """
def handler(event, context):
    for line in event:
        print(line)
"""

#: Says that it ran: what it says of an event would grow from one to the next.
ECHO = """
def handler(event, context):
    print('GOT {"logEvents": []}')
"""

DENIED = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function."
)


class Watch:
    """A function that CloudWatch Logs may invoke for a group."""

    def __init__(self, server, group=None, code=WATCH, key=()):
        self.server, self.client = server, aws.client(server.url, "lambda", *key)
        self.name = aws.create(self.client, packages.zip_of({"app.py": code}), handler="app.handler").name
        self.arn = f"arn:aws:lambda:{aws.REGION}:{aws.ACCOUNT}:function:{self.name}"
        if group:
            self.let_in(group)

    def let_in(self, group, principal="logs.amazonaws.com"):
        self.client.add_permission(
            FunctionName=self.name,
            StatementId=aws.function_name("logs"),
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=f"arn:aws:logs:{aws.REGION}:{aws.ACCOUNT}:log-group:{group}:*",
            SourceAccount=aws.ACCOUNT,
        )

    def got(self):
        return [json.loads(data) for data in re.findall(r"GOT (\{.*)$", logs_of(self.server, self.name), re.MULTILINE)]

    def messages(self):
        return [event["message"] for data in self.got() for event in data["logEvents"]]

    def wait(self, *expected, seconds=30):
        """Until it has got these messages, in whatever order, and no other."""
        deadline = time.monotonic() + seconds
        while len(found := self.messages()) < len(expected):
            assert time.monotonic() < deadline, f"{found}, not {expected}"
            time.sleep(0.2)
        assert sorted(found) == sorted(expected)

    def has(self, message, seconds=30):
        """Waits until it has got a message, among others and maybe more than once."""
        deadline = time.monotonic() + seconds
        while message not in self.messages():
            assert time.monotonic() < deadline, f"no {message!r}"
            time.sleep(0.2)


@pytest.fixture
def logs(server):
    return aws.client(server.url, "logs")


def make_group(logs):
    name = aws.function_name("/test/subscribed")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    return name


def put(logs, group, *messages):
    now_ms = int(time.time() * 1000)
    events = [{"timestamp": now_ms, "message": message} for message in messages]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def subscribe(logs, group, watch, pattern="ERROR", name="errors"):
    logs.put_subscription_filter(
        logGroupName=group, filterName=name, filterPattern=pattern, destinationArn=watch.arn
    )


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_function_gets_the_matching_events_and_no_other(server, logs):
    group = make_group(logs)
    watch = Watch(server, group)
    subscribe(logs, group, watch)
    put(logs, group, "fine", "an ERROR", "fine again", "ERROR two")
    watch.wait("an ERROR", "ERROR two")
    data = watch.got()[0]
    assert (data["messageType"], data["owner"], data["logGroup"], data["logStream"], data["subscriptionFilters"]) == (
        "DATA_MESSAGE", aws.ACCOUNT, group, "s", ["errors"],
    )
    found = logs.filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]
    expected = [{"id": event["eventId"], "timestamp": event["timestamp"], "message": event["message"]} for event in found]
    assert [event for data in watch.got() for event in data["logEvents"]] == expected


def test_what_another_function_writes_is_sent_too(server, logs):
    speaker = Watch(server, code=SPEAK)
    group = f"/aws/lambda/{speaker.name}"
    logs.create_log_group(logGroupName=group)
    watch = Watch(server, group)
    subscribe(logs, group, watch, pattern='"[ERROR]"')
    speaker.client.invoke(FunctionName=speaker.name, Payload=json.dumps(["[ERROR] one", "fine", "[ERROR] two"]))
    watch.wait("[ERROR] one\n", "[ERROR] two\n")


def test_a_function_without_permission_is_refused_where_policies_hold(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce"])
    try:
        refuse_without_permission(server, server.root_key)
    finally:
        server.stop()


def refuse_without_permission(server, key):
    iam, logs = aws.client(server.url, "iam", *key), aws.client(server.url, "logs", *key)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="e2e", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    group, watch = make_group(logs), Watch(server, key=key)
    put_filter = {"logGroupName": group, "filterName": "f", "filterPattern": "", "destinationArn": watch.arn}
    assert refusal(logs.put_subscription_filter, **put_filter) == ("InvalidParameterException", DENIED)
    watch.let_in("/test/another")
    assert refusal(logs.put_subscription_filter, **put_filter) == ("InvalidParameterException", DENIED)
    watch.let_in(group, "logs.eu-west-1.amazonaws.com")
    assert refusal(logs.put_subscription_filter, **put_filter) == ("InvalidParameterException", DENIED), "another region's"
    assert logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []
    watch.let_in(group)
    logs.put_subscription_filter(**put_filter)
    other = Watch(server, key=key)
    other.let_in(group, f"logs.{aws.REGION}.amazonaws.com")
    logs.put_subscription_filter(**put_filter | {"filterName": "g", "destinationArn": other.arn})
    logs.delete_subscription_filter(logGroupName=group, filterName="g")
    assert [found["filterName"] for found in logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]] == ["f"]


def test_a_functions_own_group_is_refused(server, logs):
    watch = Watch(server)
    own = f"/aws/lambda/{watch.name}"
    logs.create_log_group(logGroupName=own)
    watch.let_in(own)
    put_filter = {"logGroupName": own, "filterName": "f", "filterPattern": "", "destinationArn": watch.arn}
    assert refusal(logs.put_subscription_filter, **put_filter) == (
        "InvalidParameterException",
        "The log group provided is reserved for the function logs of the destination function.",
    )
    assert logs.describe_subscription_filters(logGroupName=own)["subscriptionFilters"] == []


def test_two_functions_that_watch_each_other_come_to_an_end(server, logs):
    one, two = Watch(server, code=ECHO), Watch(server, code=ECHO)
    for source, target in ((one, two), (two, one)):
        group = f"/aws/lambda/{source.name}"
        logs.create_log_group(logGroupName=group)
        target.let_in(group)
    for source, target in ((one, two), (two, one)):
        # Each line that tells of an event is an event for the other.
        subscribe(logs, f"/aws/lambda/{source.name}", target, pattern="GOT")
    group = make_group(logs)
    one.let_in(group)
    subscribe(logs, group, one, pattern="")
    put(logs, group, "begin")
    deadline, last, since = time.monotonic() + 120, 0, time.monotonic()
    while (count := len(one.got()) + len(two.got())) == 0 or time.monotonic() - since < 10:
        assert time.monotonic() < deadline, f"{count} deliveries, and no end"
        if count != last:
            last, since = count, time.monotonic()
        time.sleep(0.5)
    # Sixteen runs of each in one chain. Source: Lambda developer guide, recursive loop detection.
    assert 16 <= last <= 32


def test_filters_and_their_deliveries_survive_a_kill_and_end_with_deletion(tmp_path):
    data, log = tmp_path / "data", tmp_path / "server.log"
    server = Server(data, log)
    try:
        logs = aws.client(server.url, "logs")
        group = make_group(logs)
        watch = Watch(server, group)
        subscribe(logs, group, watch)
        put(logs, group, "ERROR before")
        # What was acknowledged is delivered, by whoever comes next.
        server.kill()
        server = Server(data, log)
        logs, watch.server = aws.client(server.url, "logs"), server
        watch.has("ERROR before")
        shown = logs.describe_subscription_filters(logGroupName=group, filterNamePrefix="err")["subscriptionFilters"]
        assert [(found["filterName"], found["filterPattern"], found["destinationArn"]) for found in shown] == [
            ("errors", "ERROR", watch.arn)
        ]
        put(logs, group, "ERROR behind")
        watch.has("ERROR behind")
        logs.delete_subscription_filter(logGroupName=group, filterName="errors")
        put(logs, group, "ERROR unheard")
        subscribe(logs, group, watch, pattern="last", name="other")
        put(logs, group, "the last")
        watch.has("the last")
        assert "ERROR unheard" not in watch.messages()
    finally:
        server.stop()


def test_the_command_line_puts_shows_and_deletes_a_filter(server, logs, cli):  # noqa: F811
    group = make_group(logs)
    watch = Watch(server, group)
    names = ("--log-group-name", group)
    cli(
        "logs", "put-subscription-filter", *names, "--filter-name", "f", "--filter-pattern", "{ $.level = \"error\" }",
        "--destination-arn", watch.arn,
    )
    shown = cli("logs", "describe-subscription-filters", *names)["subscriptionFilters"]
    assert [(found["filterName"], found["distribution"]) for found in shown] == [("f", "ByLogStream")]
    put(logs, group, '{"level": "error"}', '{"level": "info"}')
    watch.wait('{"level": "error"}')
    cli("logs", "delete-subscription-filter", *names, "--filter-name", "f")
    assert logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []


@pytest.mark.timeout(600)
def test_terraform_makes_changes_and_destroys_a_subscription_filter(server, logs, tmp_path):
    watch = Watch(server)
    terraform = start(tmp_path, "log_subscription", endpoint=server.url, function=watch.name, pattern="ERROR")
    group = f"/terraform/{terraform.environment['TF_VAR_name']}"
    terraform.apply()

    def patterns():
        found = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        return [shown["filterPattern"] for shown in found]

    assert patterns() == ["ERROR"]
    terraform.set(pattern="WARN")
    terraform.apply()
    assert patterns() == ["WARN"]
    terraform.destroy()
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        patterns()
