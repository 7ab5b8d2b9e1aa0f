"""A function's life with boto3: create, wait, invoke, update, publish, list, delete."""

import base64
import hashlib
import re
import urllib.error
import urllib.request

import pytest

from support import aws, packages
from support.aws import ACCOUNT, NODE, PYTHON, REGION, UUID


def test_a_function_lives_from_create_to_delete(client):
    name = aws.function_name("life")
    package = packages.python("echo")
    created = client.create_function(
        FunctionName=name,
        Runtime=PYTHON,
        Handler="echo.handler",
        Role=aws.ROLE,
        Code={"ZipFile": package},
        Description="first",
        Environment={"Variables": {"GREETING": "hello"}},
        Tags={"team": "e2e"},
    )
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    assert created["FunctionArn"] == arn
    assert created["State"] == "Pending" and created["StateReasonCode"] == "Creating"
    assert created["Version"] == "$LATEST"
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    assert created["CodeSize"] == len(package)
    assert (created["Timeout"], created["MemorySize"], created["PackageType"]) == (3, 128, "Zip")
    assert created["EphemeralStorage"] == {"Size": 512} and created["Architectures"] == ["x86_64"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", created["LastModified"])
    client.get_waiter("function_active_v2").wait(FunctionName=name)

    function = aws.Function(client, name, arn)
    answer = function.invoke({"n": 1})
    body = answer.ok()
    assert answer.status == 200 and answer.version == "$LATEST"
    assert body["event"] == {"n": 1} and body["greeting"] == "hello"
    assert body["request_id"] == answer.request_id
    assert body["invoked_function_arn"] == arn and body["function_version"] == "$LATEST"
    assert body["memory_limit_in_mb"] == "128" and 0 < body["remaining_ms"] <= 3000

    before = client.get_function_configuration(FunctionName=name)
    updated = client.update_function_configuration(
        FunctionName=name, Description="second", Timeout=7, Environment={"Variables": {"GREETING": "hi"}}
    )
    assert updated["LastUpdateStatus"] == "InProgress" and updated["RevisionId"] != before["RevisionId"]
    aws.wait_updated(function)
    body = function.invoke({}).ok()
    assert body["greeting"] == "hi" and 3000 < body["remaining_ms"] <= 7000

    client.update_function_code(FunctionName=name, ZipFile=packages.zip_of({"echo.py": "handler = lambda e, c: 'new'"}))
    aws.wait_updated(function)
    assert function.invoke({}).ok() == "new"

    version = client.publish_version(FunctionName=name, Description="frozen")
    assert version["Version"] == "1" and version["FunctionArn"] == f"{arn}:1"
    client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    client.update_function_code(FunctionName=name, ZipFile=packages.zip_of({"echo.py": "handler = lambda e, c: 'newer'"}))
    aws.wait_updated(function)
    frozen = function.invoke({}, Qualifier="1")
    assert frozen.ok() == "new" and frozen.version == "1"
    assert function.invoke({}).ok() == "newer"
    versions = client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1"]

    whole = client.get_function(FunctionName=name)
    assert whole["Tags"] == {"team": "e2e"} and whole["Code"]["RepositoryType"] == "S3"
    listed = [f for page in client.get_paginator("list_functions").paginate() for f in page["Functions"]]
    assert name in [f["FunctionName"] for f in listed]

    assert client.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException) as gone:
        client.get_function(FunctionName=name)
    assert gone.value.response["Error"]["Message"] == f"Function not found: {arn}"


def test_the_code_location_gives_back_the_package(make, client):
    package = packages.python("echo")
    function = make(package, handler="echo.handler")
    location = client.get_function(FunctionName=function.name)["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=10) as answer:
        assert answer.read() == package


def test_a_code_location_that_was_changed_gives_nothing(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    location = client.get_function(FunctionName=function.name)["Code"]["Location"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(location[:-4] + "0000", timeout=10)
    assert refused.value.code == 403


def test_every_name_form_reaches_the_function(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    for name in (function.name, function.arn, f"{ACCOUNT}:function:{function.name}", f"{function.name}:$LATEST"):
        answer = aws.Result(client.invoke(FunctionName=name))
        assert answer.ok()["function_name"] == function.name
    assert aws.Result(client.invoke(FunctionName=f"{function.name}:$LATEST")).ok()["invoked_function_arn"].endswith(
        ":$LATEST"
    )


def test_an_unchanged_function_publishes_no_second_version(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    first = client.publish_version(FunctionName=function.name)
    again = client.publish_version(FunctionName=function.name)
    assert first["Version"] == again["Version"] == "1"


def test_a_recreated_function_is_a_new_one(make, client):
    function = make(packages.python("remote"))

    def here():
        return state["environment"]  # noqa: F821 (in remote.py)

    first = function.run(here).ok()
    client.publish_version(FunctionName=function.name)
    client.delete_function(FunctionName=function.name)
    again = make(packages.python("remote"), name=function.name)
    assert again.run(here).ok() != first
    assert client.publish_version(FunctionName=function.name)["Version"] == "1"


def test_listing_pages_through_everything_once(make, client):
    names = {make(packages.python("echo"), handler="echo.handler").name for _ in range(5)}
    pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    listed = [f["FunctionName"] for page in pages for f in page["Functions"]]
    assert names <= set(listed) and len(listed) == len(set(listed))
    assert len(pages) > 2


def test_accounts_and_regions_are_separate_worlds(make, server):
    function = make(packages.python("echo"), handler="echo.handler")
    for elsewhere in (
        aws.client(server.url, "lambda", key="111122223333"),
        aws.client(server.url, "lambda", region="eu-central-1"),
    ):
        with pytest.raises(elsewhere.exceptions.ResourceNotFoundException):
            elsewhere.get_function(FunctionName=function.name)


def test_dry_run_checks_and_runs_nothing(make):
    function = make(packages.python("remote"))

    def count():
        return state["invocations"]  # noqa: F821

    dry = function.invoke({}, InvocationType="DryRun")
    assert (dry.status, dry.raw, dry.version) == (204, b"", None)
    assert function.run(count).ok() == 1


def test_a_stale_revision_is_refused(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    stale = client.get_function_configuration(FunctionName=function.name)["RevisionId"]
    assert re.fullmatch(UUID, stale)
    aws.update(function, Description="moved on")
    with pytest.raises(client.exceptions.PreconditionFailedException) as refused:
        client.update_function_configuration(FunctionName=function.name, Description="late", RevisionId=stale)
    assert refused.value.response["Error"]["Message"].startswith(
        "The Revision Id provided does not match the latest Revision Id."
    )


def test_requests_while_pending_are_refused_with_the_state(client):
    name = aws.function_name("pending")
    client.create_function(
        FunctionName=name, Runtime=PYTHON, Handler="echo.handler", Role=aws.ROLE, Code={"ZipFile": packages.python("echo")}
    )
    try:
        # Creating may be faster than the next request; then there is nothing to see.
        client.invoke(FunctionName=name)
    except client.exceptions.ResourceConflictException as refused:
        assert refused.response["Error"]["Message"] == (
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
    finally:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        client.delete_function(FunctionName=name)


@pytest.mark.parametrize(
    ("runtime", "handler", "package"),
    [
        (PYTHON, "m.handler", {"m.py": "handler = lambda event, context: event"}),
        (NODE, "m.handler", {"m.mjs": "export const handler = async (event) => event;"}),
        (NODE, "m.handler", {"m.js": "exports.handler = async (event) => event;"}),
    ],
    ids=["python", "node-module", "node-commonjs"],
)
def test_each_managed_runtime_echoes(make, runtime, handler, package):
    function = make(packages.zip_of(package), runtime=runtime, handler=handler)
    event = {"text": "grüße ☃", "numbers": [1, 2.5, -3], "nothing": None}
    assert function.invoke(event).ok() == event
