"""Who may use a layer, give a tag or be told of an event, in enforce mode."""

import time

import pytest

from support import aws, packages
from support.aws import REGION

from .conftest import AWAY, HOME, LAMBDA_TRUST, document, statement

EVERYTHING = document(statement(action=["lambda:*", "logs:*"]))


@pytest.fixture
def role(home):
    return home.role(aws.function_name("role"), LAMBDA_TRUST, policy=EVERYTHING)


def publish(owner, name):
    package = packages.zip_of({"text": name})
    return owner.client("lambda").publish_layer_version(LayerName=name, Content={"ZipFile": package})["LayerVersionArn"]


def test_a_policy_can_say_which_layers_may_be_used(home, role):
    ours, theirs = (publish(home, aws.function_name(name)) for name in ("ours", "theirs"))
    function = aws.create(home.client("lambda"), packages.python("echo"), handler="echo.handler", Role=role)
    only_ours = {"ForAllValues:StringLike": {"lambda:Layer": f"arn:aws:lambda:{REGION}:{HOME}:layer:ours-*"}}
    user = home.user(
        aws.function_name("user"),
        policy=document(
            statement(action="lambda:UpdateFunctionConfiguration", Condition=only_ours),
            statement(action="lambda:GetLayerVersion"),
        ),
    )
    assert user.may("lambda", "update_function_configuration", FunctionName=function.name, Layers=[ours])
    home.client("lambda").get_waiter("function_updated_v2").wait(FunctionName=function.name, WaiterConfig=aws.WAITER)
    assert not user.may("lambda", "update_function_configuration", FunctionName=function.name, Layers=[theirs])
    assert not user.may("lambda", "update_function_configuration", FunctionName=function.name, Layers=[ours, theirs])


def test_a_layer_of_another_account_needs_both_sides(home, away, role):
    layer = publish(away, aws.function_name("layer"))
    name = layer.split(":")[-2]
    function = aws.create(home.client("lambda"), packages.python("echo"), handler="echo.handler", Role=role)
    use = {"FunctionName": function.name, "Layers": [layer]}
    assert not home.may("lambda", "update_function_configuration", **use)
    assert "lambda:GetLayerVersion" in home.denial
    away.client("lambda").add_layer_version_permission(
        LayerName=name, VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal=HOME
    )
    # The owner lets the account in; the account must let its user.
    without = home.user(aws.function_name("user"), policy=document(statement(action="lambda:UpdateFunctionConfiguration")))
    assert not without.may("lambda", "update_function_configuration", **use)
    assert home.may("lambda", "update_function_configuration", **use)
    assert not home.may("lambda", "delete_layer_version", LayerName=f"arn:aws:lambda:{REGION}:{AWAY}:layer:{name}", VersionNumber=1)


def test_a_policy_can_say_which_tags_may_be_given_and_taken(home, role):
    function = aws.create(home.client("lambda"), packages.python("echo"), handler="echo.handler", Role=role)
    stage = {"ForAllValues:StringEquals": {"aws:TagKeys": "stage"}}
    user = home.user(
        aws.function_name("user"),
        policy=document(statement(action=["lambda:TagResource", "lambda:UntagResource"], Condition=stage)),
    )
    assert user.may("lambda", "tag_resource", Resource=function.arn, Tags={"stage": "test"})
    assert not user.may("lambda", "tag_resource", Resource=function.arn, Tags={"stage": "test", "team": "a"})
    assert user.may("lambda", "untag_resource", Resource=function.arn, TagKeys=["stage"])
    assert not user.may("lambda", "untag_resource", Resource=function.arn, TagKeys=["team"])


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "not allowed"])
def test_a_destination_is_told_if_the_function_s_role_may_invoke_it(home, enforced, allowed):
    client = home.client("lambda")
    listener = packages.zip_of({"m.py": "def handler(event, context): pass\n"})
    told = aws.create(client, listener, handler="m.handler", Role=home.role(aws.function_name("role"), LAMBDA_TRUST))
    may = document(statement(action="lambda:InvokeFunction", resource=told.arn if allowed else f"{told.arn}-other"))
    role = home.role(aws.function_name("role"), LAMBDA_TRUST, policy=may)
    function = aws.create(client, listener, handler="m.handler", Role=role)
    client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnSuccess": {"Destination": told.arn}}
    )
    # Whether it ran shows in what it may run once only: with nothing reserved an event for it is dropped, and said so.
    client.put_function_concurrency(FunctionName=told.name, ReservedConcurrentExecutions=0)
    answer = function.invoke({}, InvocationType="Event")
    deadline = time.monotonic() + 30
    while True:
        log = enforced.log_text()
        dropped = [line for line in log.splitlines() if "event dropped" in line and told.name in line]
        refused = [line for line in log.splitlines() if "nobody is told" in line and answer.request_id in line]
        if dropped or refused:
            break
        assert time.monotonic() < deadline, log[-2000:]
        time.sleep(0.2)
    assert (bool(dropped), bool(refused)) == (allowed, not allowed)
