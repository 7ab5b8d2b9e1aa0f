"""NotAction, NotResource, variables, groups, session tags, lives of names: what policies say of who and what."""

import json

import pytest

from support import aws

from .conftest import LAMBDA_TRUST, document, statement, trust


@pytest.fixture(scope="module")
def somebody(home):
    return home.user("somebody")


def put(home, *statements, version="2012-10-17"):
    policy = {"Version": version, "Statement": list(statements)}
    home.client("iam").put_user_policy(UserName="somebody", PolicyName="p", PolicyDocument=json.dumps(policy))


@pytest.mark.parametrize(
    "grant, may_read, may_list",
    [
        # Source: "IAM JSON policy elements": Action, NotAction, Resource, NotResource.
        (statement(action="iam:GetUser"), True, False),
        (statement(action="IAM:getuser"), True, False),
        (statement(action="iam:*"), True, True),
        (statement(action="iam:Get?ser"), True, False),
        (statement(action=["s3:*", "iam:List*"]), False, True),
        (statement(resource="arn:aws:iam::*:user/*"), True, True),
        (statement(resource="arn:aws:iam::*:user/some*"), True, False),
        (statement(resource="arn:aws:iam::*:role/*"), False, False),
        ({"Effect": "Allow", "NotAction": "iam:List*", "Resource": "*"}, True, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:iam::*:user/somebody"}, False, True),
        (statement(resource="arn:aws:iam::*:user/${aws:username}"), True, False),
        (statement(resource="arn:aws:iam::*:user/${aws:PrincipalTag/none, 'somebody'}"), True, False),
        (statement(resource="arn:aws:iam::*:user/${aws:PrincipalTag/none}"), False, False),
    ],
)
def test_a_statement_covers_what_it_names(home, somebody, grant, may_read, may_list):
    put(home, grant)
    assert somebody.may("iam", "get_user", UserName="somebody") == may_read
    assert somebody.may("iam", "list_users") == may_list


def test_variables_are_plain_text_in_the_old_version(home, somebody):
    # Source: "IAM JSON policy elements: Version".
    put(home, statement(resource="arn:aws:iam::*:user/${aws:username}"), version="2008-10-17")
    assert not somebody.may("iam", "get_user", UserName="somebody")


def test_a_deny_in_any_policy_wins(home, somebody):
    put(home, statement())
    iam = home.client("iam")
    assert somebody.may("iam", "list_users")
    iam.create_group(GroupName="sent-home")
    iam.put_group_policy(
        GroupName="sent-home", PolicyName="no", PolicyDocument=json.dumps(document(statement("Deny", "iam:ListUsers")))
    )
    iam.add_user_to_group(GroupName="sent-home", UserName="somebody")
    assert not somebody.may("iam", "list_users")
    assert somebody.denial == (
        f"User: {somebody.arn} is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::{aws.ACCOUNT}:user/"
        " with an explicit deny in an identity-based policy"
    )
    iam.remove_user_from_group(GroupName="sent-home", UserName="somebody")
    assert somebody.may("iam", "list_users")


def test_policies_of_groups_and_managed_policies_count(home, somebody):
    put(home, statement(action="s3:*"))
    iam = home.client("iam")
    policy = iam.create_policy(
        PolicyName="lister", PolicyDocument=json.dumps(document(statement(action="iam:ListUsers")))
    )["Policy"]["Arn"]
    for attach, detach, who in (
        (iam.attach_user_policy, iam.detach_user_policy, {"UserName": "somebody"}),
        (iam.attach_group_policy, iam.detach_group_policy, {"GroupName": "listers"}),
    ):
        if "GroupName" in who:
            iam.create_group(**who)
            iam.add_user_to_group(UserName="somebody", **who)
        assert not somebody.may("iam", "list_users")
        attach(PolicyArn=policy, **who)
        assert somebody.may("iam", "list_users")
        # Another default version counts from then on.
        changed = iam.create_policy_version(
            PolicyArn=policy, PolicyDocument=json.dumps(document(statement(action="iam:ListRoles"))), SetAsDefault=True
        )["PolicyVersion"]["VersionId"]
        assert not somebody.may("iam", "list_users")
        iam.set_default_policy_version(PolicyArn=policy, VersionId="v1")
        assert somebody.may("iam", "list_users")
        iam.delete_policy_version(PolicyArn=policy, VersionId=changed)
        detach(PolicyArn=policy, **who)


def test_another_life_of_a_name_inherits_nothing(home):
    user = home.user("phoenix", policy=document(statement()))
    assert user.may("iam", "list_users")
    iam = home.client("iam")
    iam.delete_access_key(UserName="phoenix", AccessKeyId=user.keys[0])
    iam.delete_user_policy(UserName="phoenix", PolicyName="inline")
    iam.delete_user(UserName="phoenix")
    again = home.user("phoenix")
    assert not again.may("iam", "list_users")
    with pytest.raises(user.client("iam").exceptions.ClientError) as refused:
        user.client("iam").list_users()
    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_session_tags_and_names_reach_conditions(home):
    """Source: "Passing session tags in AWS STS" and the keys of AWS STS."""
    assumer = home.user("tagger", policy=document(statement(action=["sts:AssumeRole", "sts:TagSession"])))
    role = home.role(
        "tagged",
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": assumer.arn},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                    "Condition": {"StringEquals": {"sts:ExternalId": "77"}, "StringLike": {"sts:RoleSessionName": "job-*"}},
                }
            ],
        },
        policy=document(
            statement(action="iam:ListUsers", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}),
            statement(action="iam:ListRoles", Condition={"StringLike": {"aws:userid": "*:job-1"}}),
        ),
    )
    wanted = {"RoleArn": role, "RoleSessionName": "job-1", "ExternalId": "77"}
    for wrong in ({"ExternalId": "88"}, {"RoleSessionName": "other"}):
        assert not assumer.may("sts", "assume_role", **wanted | wrong)
    plain = assumer.assume(role, "job-1", ExternalId="77")
    red = assumer.assume(role, "job-1", ExternalId="77", Tags=[{"Key": "team", "Value": "red"}])
    assert not plain.may("iam", "list_users") and plain.may("iam", "list_roles")
    assert red.may("iam", "list_users")
    identity = red.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{aws.ACCOUNT}:assumed-role/tagged/job-1"


def test_the_aws_managed_policies_of_lambda_allow_what_they_say(home):
    iam = home.client("iam")
    user = home.user("managed")
    attach = {"UserName": "managed", "PolicyArn": "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"}
    assert not user.may("lambda", "list_functions")
    iam.attach_user_policy(**attach)
    assert user.may("lambda", "list_functions")
    assert not user.may("lambda", "delete_function", FunctionName="nothing")
    iam.detach_user_policy(**attach)
    iam.attach_user_policy(UserName="managed", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert user.may("iam", "create_user", UserName="made-by-managed")


def test_simulation_says_what_would_happen(home, somebody):
    iam = home.client("iam")
    put(home, statement(action="iam:List*"), statement("Deny", "iam:ListRoles", Sid="no"))
    answer = iam.simulate_principal_policy(
        PolicySourceArn=somebody.arn, ActionNames=["iam:ListUsers", "iam:ListRoles", "iam:GetUser"]
    )
    got = {result["EvalActionName"]: result["EvalDecision"] for result in answer["EvaluationResults"]}
    assert got == {"iam:ListUsers": "allowed", "iam:ListRoles": "explicitDeny", "iam:GetUser": "implicitDeny"}
    denied = answer["EvaluationResults"][1]["MatchedStatements"]
    assert [(match["SourcePolicyId"], match["SourcePolicyType"]) for match in denied] == [("p", "user")]
    custom = iam.simulate_custom_policy(
        PolicyInputList=[
            json.dumps(document(statement(action="s3:*", Condition={"StringEquals": {"aws:RequestTag/a": "1"}})))
        ],
        ActionNames=["s3:GetObject"],
        ResourceArns=["arn:aws:s3:::b/k", "arn:aws:s3:::c/k"],
    )["EvaluationResults"]
    assert [result["EvalDecision"] for result in custom] == ["implicitDeny"] * 2
    assert custom[0]["MissingContextValues"] == ["aws:RequestTag/a"]
    given = iam.simulate_custom_policy(
        PolicyInputList=[
            json.dumps(document(statement(action="s3:*", Condition={"StringEquals": {"aws:RequestTag/a": "1"}})))
        ],
        ActionNames=["s3:GetObject"],
        ContextEntries=[
            {"ContextKeyName": "aws:RequestTag/a", "ContextKeyValues": ["1"], "ContextKeyType": "string"}
        ],
    )["EvaluationResults"]
    assert given[0]["EvalDecision"] == "allowed"


def test_a_role_that_is_no_one_s_to_trust_is_named_in_the_denial(home, somebody):
    role = home.role("untrusting", LAMBDA_TRUST)
    put(home, statement(action="sts:AssumeRole"))
    assert not somebody.may("sts", "assume_role", RoleArn=role, RoleSessionName="s1")
    assert f"is not authorized to perform: sts:AssumeRole on resource: {role}" in somebody.denial
    missing = role.replace("untrusting", "missing")
    assert not somebody.may("sts", "assume_role", RoleArn=missing, RoleSessionName="s1")
    assert f"is not authorized to perform: sts:AssumeRole on resource: {missing}" in somebody.denial


def test_a_session_ends_with_the_role_and_its_next_life_is_another(home, somebody):
    put(home, statement(action="sts:AssumeRole"))
    role = home.role("short", trust({"AWS": somebody.arn}), policy=document(statement()))
    session = somebody.assume(role)
    assert session.may("iam", "list_users")
    iam = home.client("iam")
    iam.delete_role_policy(RoleName="short", PolicyName="inline")
    iam.delete_role(RoleName="short")
    home.role("short", trust({"AWS": somebody.arn}), policy=document(statement()))
    with pytest.raises(session.client("sts").exceptions.ClientError) as refused:
        session.client("sts").get_caller_identity()
    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"
