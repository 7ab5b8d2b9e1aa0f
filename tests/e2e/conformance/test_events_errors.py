"""Errors recorded from the real EventBridge and EventBridge Scheduler are provoked here: code, status and text.

What of the two tables nothing provokes is of a kind that `NOT_HERE` names, with the reason.
"""

import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support import aws
from support.aws import ACCOUNT, REGION

HERE = Path(__file__)
#: Parts of rows, and why nothing here provokes them.
NOT_HERE = {
    "Rule is too complex": "wildcards are matched in time that grows with the text alone",
    "The requested resource exceeds": "takes a hundred buses",
    "api-destination": "API destinations are not built",
    "connection": "connections are not built",
    "authorizationType": "connections are not built",
    "Value '[PutEventsRequestEntry": "the text shows objects of the real service's own code",
}


class Recorded:
    """A row of a table."""

    def __init__(self, line):
        self.line = line
        self.code, status, further, text = line.split("\t")
        self.status = int(status)
        # The recorder kept the whole text beside its first line.
        self.text = text.replace(" /  at [", "\n at [") if further == "-" else json.loads(further)["MessageRaw"]
        self.text = self.text.replace("<partition>", "aws").replace("<region>", REGION).replace("111111111111", ACCOUNT)
        # The recorder's name for an id that was longer.
        self.text = self.text.replace("second-invalid-target-id", "<id>")
        quoted = re.search(r'\(String\)"(.*?)"; line: ', self.text, re.DOTALL)
        self.pattern = quoted and quoted[1]
        parts = re.split(r"(<[a-z-_]+>)", self.text)
        self.form = re.compile("".join(".+" if part.startswith("<") else re.escape(part) for part in parts), re.DOTALL)

    def is_of(self, answer):
        return answer[:2] == (self.code, self.status) and self.form.fullmatch(answer[2]) is not None


def table(name):
    lines = HERE.with_name(name).read_text().splitlines()
    return [Recorded(line) for line in lines if not line.startswith(("#", "code\t"))]


def answer(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error, meta = refused.value.response["Error"], refused.value.response["ResponseMetadata"]
    return error["Code"], meta["HTTPStatusCode"], error["Message"]


@pytest.fixture
def events(server):
    return aws.client(server.url, "events", parameter_validation=False)


QUOTED = [row for row in table("events_errors.tsv") if row.pattern]


@pytest.mark.parametrize("row", QUOTED, ids=[str(number) for number in range(len(QUOTED))])
def test_a_pattern_that_is_none(events, row):
    for found in (
        answer(events.test_event_pattern, EventPattern=row.pattern, Event="{}"),
        answer(events.put_rule, Name="refused", EventPattern=row.pattern),
    ):
        assert found == (row.code, row.status, row.text)


def test_every_other_recorded_error_is_provoked_or_has_its_reason(server, events):
    bus, archive, rule, replay = (aws.function_name(kind) for kind in ("bus", "archive", "rule", "replay"))
    arn = events.create_event_bus(Name=bus)["EventBusArn"]
    events.create_archive(ArchiveName=archive, EventSourceArn=arn)
    kept = events.describe_archive(ArchiveName=archive)["ArchiveArn"]
    events.put_rule(Name=rule, EventPattern='{"source": ["conformance"]}')
    events.put_permission(EventBusName=bus, StatementId="one", Action="events:PutEvents", Principal="111122223333")
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    window = dict(EventStartTime=1, EventEndTime=2)
    events.start_replay(ReplayName=replay, EventSourceArn=kept, Destination={"Arn": arn}, **window)

    def targets(**target):
        return answer(events.put_targets, Rule=rule, Targets=[{"Id": "t", "Arn": queue} | target])

    def again(source=kept, to=arn, **times):
        name = aws.function_name("replay")
        return answer(events.start_replay, ReplayName=name, EventSourceArn=source, Destination={"Arn": to}, **(window | times))

    paths = {"InputPathsMap": {"x": "$.y"}, "InputTemplate": '"<notdefinedkey>"'}
    large = {"Source": "s", "DetailType": "t", "Detail": json.dumps({"x": "x" * 600_000}), "EventBusName": bus}
    found = [
        answer(events.create_archive, ArchiveName=archive, EventSourceArn=arn),
        answer(events.create_event_bus, Name=bus),
        answer(events.start_replay, ReplayName=replay, EventSourceArn=kept, Destination={"Arn": arn}, **window),
        answer(events.describe_archive, ArchiveName="none"),
        answer(events.describe_event_bus, Name="none"),
        answer(events.describe_replay, ReplayName="none"),
        answer(events.describe_rule, Name="none"),
        answer(events.describe_rule, Name="none", EventBusName=bus),
        answer(events.remove_permission, StatementId="none", EventBusName=bus),
        targets(Id="!@#$@!#$"),
        targets(Id="x" * 65),
        answer(events.put_rule, Name="Invalid Name With Spaces!", EventPattern="{}"),
        answer(events.update_archive, ArchiveName=archive),
        answer(events.delete_event_bus, Name="default"),
        targets(InputTransformer=paths),
        targets(Input="{}", InputPath="$"),
        again(to=f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"),
        answer(events.test_event_pattern, EventPattern='{"source": ["x"]}', Event="x"),
        again(EventEndTime=0),
        again(source=kept + "-none"),
        answer(events.put_rule, Name="x", ScheduleExpression="rate(1 minutes)"),
        answer(events.put_rule, Name="x", ScheduleExpression="rate(1 minute)", EventBusName=bus),
        answer(events.put_events, Entries=[large, large]),
    ]
    events.put_targets(Rule=rule, Targets=[{"Id": "t", "Arn": queue}])
    found.append(answer(events.delete_rule, Name=rule))
    address = {"cidr": "10.0.0.0/x"}, {"cidr": "10.0.0.0"}, {"cidr": "xx.11.xx/8"}, {"cidr": "xxxx:db8:1234:1a00::/64"}
    for one in address:
        found.append(answer(events.test_event_pattern, EventPattern=json.dumps({"a": [one]}), Event="{}"))
    rows = [row for row in table("events_errors.tsv") if not row.pattern and not any(part in row.line for part in NOT_HERE)]
    missing = [row.line for row in rows if not any(row.is_of(one) for one in found)]
    assert not missing, f"{len(missing)}:\n" + "\n".join(missing) + "\nfound:\n" + "\n".join(map(str, found))


def test_every_recorded_error_of_schedules(server):
    scheduler = aws.client(server.url, "scheduler")
    target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": aws.ROLE}
    for row in table("scheduler_errors.tsv"):
        expression = re.fullmatch(r"Invalid Schedule Expression (.*)\.", row.text)[1]
        found = answer(
            scheduler.create_schedule, Name="refused", ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"}, Target=target,
        )
        assert found == (row.code, row.status, row.text)
