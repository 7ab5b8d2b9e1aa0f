"""Event buses in enforce mode: another account's events come by the bus's policy alone."""

import json

import pytest
from botocore.exceptions import ClientError

from support import aws

from .conftest import AWAY


def test_a_bus_lets_another_account_in_by_its_policy_alone(home, away):
    events, bus = home.client("events"), aws.function_name("bus")
    arn = events.create_event_bus(Name=bus)["EventBusArn"]
    entry = {"EventBusName": arn, "Source": "my.app", "DetailType": "t", "Detail": json.dumps({"n": 1})}

    def refused():
        with pytest.raises(ClientError) as error:
            away.client("events").put_events(Entries=[entry])
        return error.value.response["Error"]["Code"]

    assert refused() == "AccessDeniedException"
    events.put_permission(EventBusName=bus, StatementId="s", Action="events:PutEvents", Principal=AWAY)
    assert away.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    events.remove_permission(EventBusName=bus, StatementId="s")
    assert refused() == "AccessDeniedException"
