"""EventBridge with the AWS CLI and Terraform, and as a target of EventBridge Scheduler."""

import json
import time

import pytest

from support import aws
from support.server import Server
from test_clients import cli  # noqa: F401
from test_eventbridge import Queue, rule
from test_terraform import start

PREFIX = f"arn:aws:events:{aws.REGION}:{aws.ACCOUNT}"


def test_the_command_line_makes_a_rule_on_a_bus(server, cli):  # noqa: F811
    bus, name, queue = aws.function_name("bus"), aws.function_name("rule"), Queue(server)
    assert cli("events", "create-event-bus", "--name", bus)["EventBusArn"] == f"{PREFIX}:event-bus/{bus}"
    pattern = json.dumps({"source": ["my.app"], "detail": {"n": [{"numeric": [">", 1]}]}})
    made = cli("events", "put-rule", "--name", name, "--event-bus-name", bus, "--event-pattern", pattern)
    assert made["RuleArn"] == f"{PREFIX}:rule/{bus}/{name}"
    target = f"Id=q,Arn={queue.arn},InputPath=$.detail"
    put_targets = cli("events", "put-targets", "--rule", name, "--event-bus-name", bus, "--targets", target)
    assert put_targets["FailedEntryCount"] == 0
    entries = [{"EventBusName": bus, "Source": "my.app", "DetailType": "t", "Detail": json.dumps({"n": n})} for n in (1, 2)]
    assert cli("events", "put-events", "--entries", json.dumps(entries))["FailedEntryCount"] == 0
    assert queue.events(1) == [{"n": 2}]
    [listed] = cli("events", "list-rules", "--event-bus-name", bus)["Rules"]
    assert (listed["Name"], listed["State"]) == (name, "ENABLED")
    cli("events", "remove-targets", "--rule", name, "--event-bus-name", bus, "--ids", "q")
    cli("events", "delete-rule", "--name", name, "--event-bus-name", bus)
    cli("events", "delete-event-bus", "--name", bus)


def test_terraform_makes_changes_and_destroys_a_bus(server, tmp_path):
    terraform = start(tmp_path, "event_bus", endpoint=server.url, state="ENABLED", days=7)
    name = terraform.environment["TF_VAR_name"]
    assert terraform.apply()["bus"] == f"{PREFIX}:event-bus/{name}"
    events = aws.client(server.url, "events")
    [target] = events.list_targets_by_rule(Rule=name, EventBusName=name)["Targets"]
    assert target["InputTransformer"] == {"InputPathsMap": {"item": "$.detail.item"}, "InputTemplate": '{"ordered": <item>}'}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 600}
    terraform.set(state="DISABLED", days=1)
    terraform.apply()
    assert events.describe_rule(Name=f"{name}-daily")["State"] == "DISABLED"
    assert events.describe_archive(ArchiveName=name)["RetentionDays"] == 1
    terraform.destroy()
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_event_bus(Name=name)


def test_a_schedule_puts_events_on_a_bus(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--time-scale", "60"])
    try:
        events, scheduler = aws.client(server.url, "events"), aws.client(server.url, "scheduler")
        bus, queue = aws.function_name("bus"), Queue(server)
        arn = events.create_event_bus(Name=bus)["EventBusArn"]
        rule(events, bus, {"source": ["my.schedule"]}, {"Arn": queue.arn})
        scheduler.create_schedule(
            Name="put", ScheduleExpression="rate(2 minutes)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": arn, "RoleArn": aws.ROLE, "Input": json.dumps({"n": 7}),
                "EventBridgeParameters": {"Source": "my.schedule", "DetailType": "tick"},
            },
        )
        deadline = time.monotonic() + 60
        while True:
            found = queue.sqs.receive_message(QueueUrl=queue.url, WaitTimeSeconds=1).get("Messages", [])
            if found:
                break
            assert time.monotonic() < deadline, "no event"
        event = json.loads(found[0]["Body"])
        assert (event["source"], event["detail-type"], event["detail"]) == ("my.schedule", "tick", {"n": 7})
    finally:
        server.stop()
