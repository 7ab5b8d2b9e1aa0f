"""Settings that no other test shows in force: each named after what it promises. `settings.tsv` points here."""

import base64
import hashlib
import json
import time

import pytest

from support import aws, packages
from support.command_line import logs_of


def test_publish_on_create_makes_version_one(make, client):
    function = make(packages.python("echo"), handler="echo.handler", Publish=True)
    answer = function.invoke({}, Qualifier="1")
    assert answer.version == "1" and answer.ok()["function_version"] == "1"


def test_publish_on_update_makes_a_version_of_the_new_code(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    new = packages.zip_of({"echo.py": "handler = lambda event, context: 'published'"})
    updated = client.update_function_code(FunctionName=function.name, ZipFile=new, Publish=True)
    assert updated["Version"] == "1"
    client.get_waiter("published_version_active").wait(FunctionName=function.name, Qualifier="1")
    aws.wait_updated(function)
    assert function.invoke({}, Qualifier="1").ok() == "published"


def test_a_dry_run_update_answers_and_changes_nothing(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    before = client.get_function_configuration(FunctionName=function.name)
    new = packages.zip_of({"echo.py": "handler = lambda event, context: 'new'"})
    dry = client.update_function_code(FunctionName=function.name, ZipFile=new, DryRun=True)
    assert dry["CodeSha256"] == base64.b64encode(hashlib.sha256(new).digest()).decode()
    after = client.get_function_configuration(FunctionName=function.name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])
    assert function.invoke({"n": 1}).ok()["event"] == {"n": 1}


@pytest.mark.parametrize("operation", ["update_function_code", "update_function_configuration", "publish_version"])
def test_a_stale_revision_is_refused_by(make, client, operation):
    function = make(packages.python("echo"), handler="echo.handler")
    stale = client.get_function_configuration(FunctionName=function.name)["RevisionId"]
    aws.update(function, Description="moved on")
    more = {"ZipFile": packages.python("echo")} if operation == "update_function_code" else {"Description": "late"}
    with pytest.raises(client.exceptions.PreconditionFailedException):
        getattr(client, operation)(FunctionName=function.name, RevisionId=stale, **more)
    fresh = client.get_function_configuration(FunctionName=function.name)["RevisionId"]
    getattr(client, operation)(FunctionName=function.name, RevisionId=fresh, **more)


def test_publishing_another_code_than_expected_is_refused(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    actual = client.get_function_configuration(FunctionName=function.name)["CodeSha256"]
    other = base64.b64encode(b"x" * 32).decode()
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.publish_version(FunctionName=function.name, CodeSha256=other)
    assert refused.value.response["Error"]["Message"] == (
        f"CodeSHA256 ({other}) is different from current CodeSHA256 in $LATEST ({actual}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    assert client.publish_version(FunctionName=function.name, CodeSha256=actual, Description="d")["Description"] == "d"


def test_a_foreign_architecture_is_refused_with_a_reason(client):
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.create_function(
            FunctionName=aws.function_name(), Runtime=aws.PYTHON, Handler="echo.handler", Role=aws.ROLE,
            Code={"ZipFile": packages.python("echo")}, Architectures=["arm64"],
        )
    assert "x86_64 only" in refused.value.response["Error"]["Message"]


def test_updating_the_code_for_a_foreign_architecture_is_refused(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.update_function_code(FunctionName=function.name, ZipFile=packages.python("echo"), Architectures=["arm64"])
    assert "x86_64 only" in refused.value.response["Error"]["Message"]
    assert function.invoke({}).ok()


def test_an_update_of_each_setting_is_in_force(make, client):
    function = make(packages.python("remote"), MemorySize=128, Timeout=30)

    def seen():
        import os

        return [os.environ["_HANDLER"], os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], os.environ.get("NAME"),
                context.get_remaining_time_in_millis() > 30_000]  # noqa: F821

    assert function.run(seen).ok() == ["remote.handler", "128", None, False]
    aws.update(function, MemorySize=256, Timeout=45, Environment={"Variables": {"NAME": "value"}})
    assert function.run(seen).ok() == ["remote.handler", "256", "value", True]
    aws.update(function, Handler="remote.nothing")
    assert function.run(seen).payload["errorType"] == "Runtime.HandlerNotFound"
    aws.update(function, Handler="remote.handler", EphemeralStorage={"Size": 600})

    def tmp_megabytes():
        import os

        tmp = os.statvfs("/tmp")
        return tmp.f_blocks * tmp.f_frsize // (1024 * 1024)

    assert 600 <= function.run(tmp_megabytes).ok() <= 640


def test_an_update_of_the_runtime_is_in_force(make, client):
    package = packages.zip_of({"index.py": "handler = lambda e, c: 'python'", "index.mjs": "export const handler = async () => 'node';"})
    function = make(package, handler="index.handler")
    assert function.invoke({}).ok() == "python"
    aws.update(function, Runtime=aws.NODE)
    assert function.invoke({}).ok() == "node"


def test_an_update_of_the_role_is_in_force(make, server):
    function = make(packages.python("remote"), Role=f"arn:aws:iam::{aws.ACCOUNT}:role/one")
    aws.update(function, Role=f"arn:aws:iam::{aws.ACCOUNT}:role/two")

    def credentials():
        import os

        return [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]

    identity = aws.client(server.url, "sts", *function.run(credentials).ok()).get_caller_identity()
    assert "assumed-role/two/" in identity["Arn"]


def test_a_log_group_of_one_s_own_gets_the_lines(make, server):
    group = f"/e2e/{aws.function_name('group')}"
    function = make(packages.python("echo"), handler="echo.handler", LoggingConfig={"LogFormat": "Text", "LogGroup": group})
    function.invoke({}).ok()
    deadline = time.monotonic() + 10
    while "echo says hello" not in logs_of(server, group):
        assert time.monotonic() < deadline, "nothing arrived in the log group"
        time.sleep(0.2)
    assert "echo says hello" not in logs_of(server, f"/aws/lambda/{function.name}")


def test_an_update_of_the_log_group_is_in_force(make, server):
    group = f"/e2e/{aws.function_name('group')}"
    function = make(packages.python("echo"), handler="echo.handler")
    aws.update(function, LoggingConfig={"LogGroup": group})
    function.invoke({}).ok()
    deadline = time.monotonic() + 10
    while "echo says hello" not in logs_of(server, group):
        assert time.monotonic() < deadline, "nothing arrived in the log group"
        time.sleep(0.2)


def test_the_client_context_reaches_the_function(remote):
    def client_context():
        return [context.client_context.custom, context.client_context.env]  # noqa: F821

    sent = base64.b64encode(json.dumps({"custom": {"a": "b"}, "env": {"locale": "de"}}).encode()).decode()
    assert remote.run(client_context, ClientContext=sent).ok() == [{"a": "b"}, {"locale": "de"}]


def test_an_oversized_client_context_is_refused(remote):
    sent = base64.b64encode(json.dumps({"custom": {"a": "b" * 4000}}).encode()).decode()
    with pytest.raises(remote.client.exceptions.ClientError) as refused:
        remote.invoke({}, ClientContext=sent)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_listing_all_versions_shows_each_of_them(make, client):
    function = make(packages.python("echo"), handler="echo.handler", Publish=True)
    listed = [f["FunctionArn"] for page in client.get_paginator("list_functions").paginate(FunctionVersion="ALL")
              for f in page["Functions"] if f["FunctionName"] == function.name]
    assert listed == [f"{function.arn}:$LATEST", f"{function.arn}:1"]


def test_listing_versions_pages_through_everything_once(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    for number in range(3):
        aws.update(function, Description=str(number))
        client.publish_version(FunctionName=function.name)
    pages = client.get_paginator("list_versions_by_function").paginate(
        FunctionName=function.name, PaginationConfig={"PageSize": 2}
    )
    assert [v["Version"] for page in pages for v in page["Versions"]] == ["$LATEST", "1", "2", "3"]


def test_a_qualifier_reads_that_version(make, client):
    function = make(packages.python("echo"), handler="echo.handler", Description="old", Publish=True)
    aws.update(function, Description="new")
    for read in (client.get_function_configuration, lambda **k: client.get_function(**k)["Configuration"]):
        assert read(FunctionName=function.name, Qualifier="1")["Description"] == "old"
        assert read(FunctionName=function.name)["Description"] == "new"
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            read(FunctionName=function.name, Qualifier="2")


def test_deleting_a_version_leaves_the_function(make, client):
    function = make(packages.python("echo"), handler="echo.handler", Publish=True)
    client.delete_function(FunctionName=function.name, Qualifier="1")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=function.name, Qualifier="1")
    assert function.invoke({}).ok()
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.delete_function(FunctionName=function.name, Qualifier="$LATEST")
    assert refused.value.response["Error"]["Message"] == "$LATEST version cannot be deleted without deleting the function."


def test_tags_are_listed_as_given(make, client):
    function = make(packages.python("echo"), handler="echo.handler", Tags={"a": "1", "b": "2"})
    assert client.list_tags(Resource=function.arn)["Tags"] == {"a": "1", "b": "2"}


def test_no_version_has_a_policy(make, client):
    function = make(packages.python("echo"), handler="echo.handler", Publish=True)
    for qualifier in ("1", "2"):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_policy(FunctionName=function.name, Qualifier=qualifier)


def test_what_tools_read_after_creating_is_answered(make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    assert client.get_function_concurrency(FunctionName=function.name).get("ReservedConcurrentExecutions") is None
    signing = client.get_function_code_signing_config(FunctionName=function.name)
    assert not signing.get("CodeSigningConfigArn")
    with pytest.raises(client.exceptions.ResourceNotFoundException) as none:
        client.get_policy(FunctionName=function.name)
    assert none.value.response["Error"]["Message"] == "The resource you requested does not exist."
