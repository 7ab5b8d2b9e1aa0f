"""EventBridge: events reach functions, queues and other buses, with boto3, and nothing that was acknowledged is lost."""

import json
import time

import pytest

from support import aws, packages
from support.command_line import logs_of
from support.server import Server

PREFIX = "arn:aws:events:us-east-1:000000000000"
CODE = """
import json

def handler(event, context):
    print("GOT", json.dumps(event))
    if event.get("fail"):
        raise ValueError("as asked")
    return {"fine": True}
"""


class Queue:
    """A queue that EventBridge may send to."""

    def __init__(self, server, is_open=True):
        self.sqs = aws.client(server.url, "sqs")
        self.url = self.sqs.create_queue(QueueName=aws.function_name("queue"))["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        if is_open:
            statement = {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": self.arn,
                "Condition": {"ArnLike": {"aws:SourceArn": f"{PREFIX}:rule/*"}},
            }
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def messages(self, number, seconds=30):
        found, deadline = [], time.monotonic() + seconds
        while len(found) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number} messages"
            received = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"])
            for message in received.get("Messages", []):
                found.append(message)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        assert len(found) == number
        return found

    def events(self, number):
        return [json.loads(message["Body"]) for message in self.messages(number)]


@pytest.fixture
def events(server):
    return aws.client(server.url, "events")


@pytest.fixture
def bus(events):
    name = aws.function_name("bus")
    events.create_event_bus(Name=name)
    return name


def rule(events, bus, pattern, *targets):
    name = aws.function_name("rule")
    arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
    numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    assert events.put_targets(Rule=name, EventBusName=bus, Targets=numbered)["FailedEntryCount"] == 0
    return arn


def put(events, bus, detail, source="my.app"):
    entry = {"EventBusName": bus, "Source": source, "DetailType": "order", "Detail": json.dumps(detail)}
    answer = events.put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    return answer["Entries"][0]["EventId"]


def test_a_rule_on_a_bus_tells_a_function_and_a_queue(server, client, events, bus):
    function = aws.create(client, packages.zip_of({"main.py": CODE}), handler="main.handler")
    queue = Queue(server)
    pattern = {"source": ["my.app"], "detail": {"total": [{"numeric": [">", 5]}], "state": [{"anything-but": "draft"}]}}
    transformer = {"InputPathsMap": {"n": "$.detail.total"}, "InputTemplate": '{"total": <n>, "rule": <aws.events.rule-arn>}'}
    arn = rule(events, bus, pattern, {"Arn": function.arn}, {"Arn": queue.arn, "InputTransformer": transformer})
    client.add_permission(
        FunctionName=function.name, StatementId="events", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=arn
    )
    for detail in ({"total": 5, "state": "new"}, {"total": 6, "state": "draft"}):
        put(events, bus, detail)
    id = put(events, bus, {"total": 6, "state": "new"})
    assert queue.events(1) == [{"total": 6, "rule": arn}]
    deadline = time.monotonic() + 30
    while "GOT" not in logs_of(server, function.name):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    [line] = [line for line in logs_of(server, function.name).splitlines() if "GOT " in line]
    event = json.loads(line.split("GOT ")[1])
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0", "id": id, "detail-type": "order", "source": "my.app", "account": "000000000000", "region": "us-east-1",
        "resources": [], "detail": {"total": 6, "state": "new"},
    }


def test_what_a_queue_refuses_is_a_dead_letter(server, events, bus):
    closed, letters = Queue(server, is_open=False), Queue(server)
    missing = closed.arn + "-none"
    arn = rule(events, bus, {"source": ["my.app"]}, {"Arn": missing, "DeadLetterConfig": {"Arn": letters.arn}})
    id = put(events, bus, {"n": 1})
    [letter] = letters.messages(1)
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert (attributes["RULE_ARN"], attributes["TARGET_ARN"], attributes["ERROR_CODE"]) == (arn, missing, "NO_RESOURCE")
    assert json.loads(letter["Body"])["id"] == id


def test_events_go_on_to_a_second_bus(server, events, bus):
    other = aws.function_name("bus")
    events.create_event_bus(Name=other)
    queue = Queue(server)
    rule(events, bus, {"source": ["my.app"]}, {"Arn": f"{PREFIX}:event-bus/{other}", "RoleArn": "arn:aws:iam::000000000000:role/to-bus"})
    rule(events, other, {"source": ["my.app"]}, {"Arn": queue.arn})
    id = put(events, bus, {"n": 1})
    assert [event["id"] for event in queue.events(1)] == [id]


def test_an_archive_is_replayed(server, events, bus):
    archive, replay, queue = aws.function_name("archive"), aws.function_name("replay"), Queue(server)
    arn = f"{PREFIX}:event-bus/{bus}"
    made = events.create_archive(ArchiveName=archive, EventSourceArn=arn, RetentionDays=1)
    ids = {put(events, bus, {"n": number}) for number in range(3)}
    assert events.describe_archive(ArchiveName=archive)["EventCount"] == 3
    rule(events, bus, {"source": ["my.app"]}, {"Arn": queue.arn})
    now = time.time()
    events.start_replay(
        ReplayName=replay, EventSourceArn=made["ArchiveArn"], EventStartTime=now - 60, EventEndTime=now + 60, Destination={"Arn": arn}
    )
    found = queue.events(3)
    assert {event["id"] for event in found} == ids and {event["replay-name"] for event in found} == {replay}
    assert events.describe_replay(ReplayName=replay)["State"] == "COMPLETED"


def test_how_an_asynchronous_invocation_ended_is_an_event(server, client, events, bus):
    function = aws.create(client, packages.zip_of({"main.py": CODE}), handler="main.handler")
    queue, arn = Queue(server), f"{PREFIX}:event-bus/{bus}"
    rule(events, bus, {"source": ["lambda"]}, {"Arn": queue.arn})
    client.put_function_event_invoke_config(
        FunctionName=function.name, MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
    )
    for payload in ({}, {"fail": True}):
        client.invoke(FunctionName=function.name, InvocationType="Event", Payload=json.dumps(payload))
    found = {event["detail-type"]: event for event in queue.events(2)}
    assert set(found) == {f"Lambda Function Invocation Result - {result}" for result in ("Success", "Failure")}
    for event in found.values():
        assert event["resources"] == [arn, f"{function.arn}:$LATEST"]
    assert found["Lambda Function Invocation Result - Success"]["detail"]["responsePayload"] == {"fine": True}
    assert found["Lambda Function Invocation Result - Failure"]["detail"]["requestContext"]["condition"] == "RetriesExhausted"


def test_a_killed_server_loses_no_event(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "log")
    try:
        events, queue = aws.client(server.url, "events"), Queue(server)
        rule(events, "default", {"source": ["my.app"]}, {"Arn": queue.arn})
        events.create_archive(ArchiveName="all", EventSourceArn=f"{PREFIX}:event-bus/default")
        ids = [put(events, "default", {"n": number}) for number in range(20)]
        server.kill()
        server.start()
        queue.sqs = aws.client(server.url, "sqs")
        queue.url = queue.sqs.get_queue_url(QueueName=queue.arn.split(":")[-1])["QueueUrl"]
        found = set()
        deadline = time.monotonic() + 30
        while found != set(ids):
            assert time.monotonic() < deadline, f"{len(found)} of {len(ids)}"
            received = queue.sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            found |= {json.loads(message["Body"])["id"] for message in received.get("Messages", [])}
        assert aws.client(server.url, "events").describe_archive(ArchiveName="all")["EventCount"] == 20
    finally:
        server.stop()
