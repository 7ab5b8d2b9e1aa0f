"""IAM and STS as far as Lambda's users need them, with boto3."""

import json

import pytest

from support import aws, packages

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
LOGGING = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture
def iam(server):
    return aws.client(server.url, "iam")


def test_a_role_lives_from_create_to_delete(iam):
    name = aws.function_name("role")
    role = iam.create_role(RoleName=name, Path="/e2e/", AssumeRolePolicyDocument=json.dumps(TRUST), Description="for tests",
                           Tags=[{"Key": "team", "Value": "e2e"}])["Role"]
    assert role["Arn"] == f"arn:aws:iam::{aws.ACCOUNT}:role/e2e/{name}"
    assert role["RoleId"].startswith("AROA") and len(role["RoleId"]) == 21
    assert role["AssumeRolePolicyDocument"] == TRUST
    assert iam.get_role(RoleName=name)["Role"]["CreateDate"] == role["CreateDate"]
    iam.get_waiter("role_exists").wait(RoleName=name)

    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["inline"]
    assert iam.get_role_policy(RoleName=name, PolicyName="inline")["PolicyDocument"] == policy
    iam.attach_role_policy(RoleName=name, PolicyArn=LOGGING)
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": LOGGING}
    ]
    assert name in [r["RoleName"] for page in iam.get_paginator("list_roles").paginate() for r in page["Roles"]]
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []

    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName=name)
    iam.detach_role_policy(RoleName=name, PolicyArn=LOGGING)
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role(RoleName=name)
    with pytest.raises(iam.exceptions.NoSuchEntityException) as gone:
        iam.get_role(RoleName=name)
    assert gone.value.response["Error"]["Message"] == f"The role with name {name} cannot be found."


def test_roles_survive_a_killed_server(own_server):
    iam = aws.client(own_server.url, "iam")
    roles = [iam.create_role(RoleName=f"r{n}", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"] for n in range(5)]
    iam.attach_role_policy(RoleName="r0", PolicyArn=LOGGING)
    own_server.kill()
    own_server.start()
    iam = aws.client(own_server.url, "iam")
    assert {r["RoleId"] for r in iam.list_roles()["Roles"]} == {r["RoleId"] for r in roles}
    assert len(iam.list_attached_role_policies(RoleName="r0")["AttachedPolicies"]) == 1


def test_the_account_comes_from_the_access_key(server):
    sts = aws.client(server.url, "sts", key="111122223333")
    identity = sts.get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == ("111122223333", "arn:aws:iam::111122223333:root")


def credentials():
    import os

    return [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]


def test_a_function_s_credentials_are_its_role_s_session(make, server):
    iam = aws.client(server.url, "iam")
    name = aws.function_name("role")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    function = make(packages.python("remote"), Role=role["Arn"])
    key, secret, token = function.run(credentials).ok()
    assert key.startswith("ASIA") and len(key) == 20 and len(secret) == 40
    identity = aws.client(server.url, "sts", key, secret, token).get_caller_identity()
    assert identity["UserId"] == f"{role['RoleId']}:{function.name}"
    assert identity["Arn"] == f"arn:aws:sts::{aws.ACCOUNT}:assumed-role/{name}/{function.name}"
    iam.delete_role(RoleName=name)


def test_a_function_of_one_character_has_a_longer_session_name(make, server):
    function = make(packages.python("remote"), name="x")
    arn = aws.client(server.url, "sts", *function.run(credentials).ok()).get_caller_identity()["Arn"]
    assert arn.endswith("/x@lambda_function")


def test_known_keys_are_verified_even_in_open_mode(remote, server):
    key, secret, token = remote.run(credentials).ok()
    for wrong in ((key, "x" * 40, token), (key, secret, token[:-1]), (key, secret, None)):
        sts = aws.client(server.url, "sts", *wrong)
        with pytest.raises(sts.exceptions.ClientError) as refused:
            sts.get_caller_identity()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert refused.value.response["Error"]["Code"] in ("SignatureDoesNotMatch", "InvalidClientTokenId")


def test_the_credentials_of_a_deleted_function_are_worthless(make, server):
    function = make(packages.python("remote"))
    keys = function.run(credentials).ok()
    sts = aws.client(server.url, "sts", *keys)
    sts.get_caller_identity()
    function.client.delete_function(FunctionName=function.name)
    import time

    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            arn = sts.get_caller_identity()["Arn"]
        except sts.exceptions.ClientError as refused:
            assert refused.response["Error"]["Code"] == "InvalidClientTokenId"
            return
        # In open mode an unknown key is that account's root again: no longer the role.
        if "assumed-role" not in arn:
            return
        time.sleep(0.2)
    raise AssertionError("the session is still known")
