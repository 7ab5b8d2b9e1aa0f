"""Aliases with boto3: a name for a version, canaries by weight, every form of the name."""

import json

import pytest

from support import aws, packages
from support.aws import ACCOUNT, REGION


@pytest.fixture
def versions(make, client):
    """A function with the versions 1 and 2, which tell their number and the ARN they were called by."""
    function = make(packages.python("echo"), handler="echo.handler", Environment={"Variables": {"GREETING": "one"}})
    client.publish_version(FunctionName=function.name)
    aws.update(function, Environment={"Variables": {"GREETING": "two"}})
    client.publish_version(FunctionName=function.name)
    return function


def test_an_alias_leads_to_its_version_under_every_name(versions, client):
    alias = client.create_alias(FunctionName=versions.name, Name="live", FunctionVersion="1")
    assert alias["AliasArn"] == f"{versions.arn}:live"
    names = [
        {"FunctionName": versions.name, "Qualifier": "live"},
        {"FunctionName": f"{versions.name}:live"},
        {"FunctionName": f"{ACCOUNT}:function:{versions.name}:live"},
        {"FunctionName": f"function:{versions.name}:live"},
        {"FunctionName": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{versions.name}:live"},
        {"FunctionName": versions.arn, "Qualifier": "live"},
    ]
    for name in names:
        answer = aws.Result(client.invoke(**name))
        assert answer.version == "1", name
        body = answer.ok()
        assert body["greeting"] == "one" and body["function_version"] == "1"
        assert body["invoked_function_arn"] == f"{versions.arn}:live"
    # The next deployment: the same name, another version.
    client.update_alias(FunctionName=versions.name, Name="live", FunctionVersion="2")
    answer = versions.invoke({}, Qualifier="live")
    assert (answer.version, answer.ok()["greeting"]) == ("2", "two")
    client.delete_alias(FunctionName=versions.name, Name="live")
    with pytest.raises(client.exceptions.ResourceNotFoundException) as gone:
        versions.invoke({}, Qualifier="live")
    assert gone.value.response["Error"]["Message"] == f"Function not found: {versions.arn}:live"


def test_weights_divide_the_invocations(versions, client):
    def weigh(weight):
        routing = {"AdditionalVersionWeights": {"2": weight}}
        client.update_alias(FunctionName=versions.name, Name="canary", RoutingConfig=routing)

    def ran(count):
        answers = [versions.invoke({}, Qualifier="canary") for _ in range(count)]
        for answer in answers:
            # What the header says is what ran.
            assert answer.ok()["function_version"] == answer.version
        return [answer.version for answer in answers]

    client.create_alias(FunctionName=versions.name, Name="canary", FunctionVersion="1")
    assert set(ran(5)) == {"1"}
    weigh(1.0)
    assert set(ran(5)) == {"2"}
    weigh(0.0)
    assert set(ran(5)) == {"1"}
    weigh(0.5)
    # Less than 16 of 64 fair draws: once in 20,000 runs.
    assert 16 <= ran(64).count("2") <= 48
    client.update_alias(FunctionName=versions.name, Name="canary", RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in client.get_alias(FunctionName=versions.name, Name="canary")


def test_waiters_and_reads_take_an_alias(versions, client):
    client.create_alias(FunctionName=versions.name, Name="live", FunctionVersion="1")
    for waiter in ("function_exists", "function_active_v2", "function_updated_v2"):
        client.get_waiter(waiter).wait(FunctionName=versions.name, Qualifier="live")
    client.get_waiter("published_version_active").wait(FunctionName=versions.name, Qualifier="live")
    shown = client.get_function(FunctionName=versions.name, Qualifier="live")["Configuration"]
    assert (shown["FunctionArn"], shown["Version"]) == (f"{versions.arn}:live", "1")
    client.add_permission(FunctionName=versions.name, Qualifier="live", StatementId="s", Action="lambda:InvokeFunction",
                          Principal="events.amazonaws.com")
    policy = json.loads(client.get_policy(FunctionName=versions.name, Qualifier="live")["Policy"])
    assert policy["Statement"][0]["Resource"] == f"{versions.arn}:live"
    client.remove_permission(FunctionName=versions.name, Qualifier="live", StatementId="s")


def test_the_paginator_finds_every_alias(versions, client):
    names = [f"alias-{number:02}" for number in range(7)]
    for name in names:
        client.create_alias(FunctionName=versions.name, Name=name, FunctionVersion="1")
    pages = client.get_paginator("list_aliases").paginate(FunctionName=versions.name, PaginationConfig={"PageSize": 3})
    assert [alias["Name"] for page in pages for alias in page["Aliases"]] == names
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.delete_function(FunctionName=versions.name, Qualifier="1")
    client.delete_function(FunctionName=versions.name, Qualifier="2")
