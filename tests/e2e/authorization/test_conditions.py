"""Every condition operator, in every form, decided by the real server for a real client.

The request is iam:TagRole: its `aws:RequestTag/KEY` is a single value the test chooses, its `aws:TagKeys` a list.
Sources: IAM user guide, "IAM JSON policy elements: Condition operators" (the operators, absent keys, ...IfExists, Null)
and "Conditions with multiple context keys or values" (ForAllValues, ForAnyValue, lists of values).
"""

import json

import pytest

from support import aws

from .conftest import LAMBDA_TRUST, document, statement

#: operator: (value in the policy, a value of the request that it matches, one that it does not)
POSITIVE = {
    "StringEquals": ("red", "red", "Red"),
    "StringEqualsIgnoreCase": ("Red", "rED", "blue"),
    "StringLike": ("r?d*", "red-hot", "bred"),
    "NumericEquals": ("5", "5.0", "6"),
    "NumericLessThan": ("5", "4.5", "5"),
    "NumericLessThanEquals": ("5", "5", "5.1"),
    "NumericGreaterThan": ("5", "10", "5"),
    "NumericGreaterThanEquals": ("5", "5", "4"),
    "DateEquals": ("2026-01-12T00:00:00Z", "2026-01-12T00:00:00Z", "2026-01-12T00:00:01Z"),
    "DateLessThan": ("2026-01-12T00:00:00Z", "2026-01-11T23:59:59Z", "2026-01-12T00:00:00Z"),
    "DateLessThanEquals": ("2026-01-12T00:00:00Z", "2026-01-12T00:00:00Z", "2026-01-12T00:00:01Z"),
    "DateGreaterThan": ("2026-01-12T00:00:00Z", "1768176001", "2026-01-12T00:00:00Z"),
    "DateGreaterThanEquals": ("2026-01-12T00:00:00Z", "1768176000", "1768175999"),
    "Bool": ("true", "true", "false"),
    "BinaryEquals": ("aGVhcnRo", "aGVhcnRo", "SGVhcnRo"),
    "IpAddress": ("203.0.113.0/24", "203.0.113.7", "203.0.114.7"),
    "ArnEquals": ("arn:aws:sns:*:123456789012:a-*", "arn:aws:sns:us-east-1:123456789012:a-b", "arn:aws:sqs:us-east-1:123456789012:a-b"),
    "ArnLike": ("arn:aws:sns:*:123456789012:a-*", "arn:aws:sns:us-east-1:123456789012:a-b", "arn:aws:sns:us-east-1:123456789013:a-b"),
}
#: operator: the one that says the opposite
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
OPERATORS = {name: (*values, False) for name, values in POSITIVE.items()}
OPERATORS |= {name: (*POSITIVE[positive], True) for name, positive in NEGATED.items()}


def cases():
    """(name, condition, tags of the request, allowed)"""
    for operator, (wanted, match, mismatch, negated) in OPERATORS.items():
        one, many = "aws:RequestTag/k", "aws:TagKeys"
        # A key that is there: the operator's own rule; a negated one is true where the other is false.
        yield operator, {operator: {one: wanted}}, {"k": match}, not negated
        yield operator, {operator: {one: wanted}}, {"k": mismatch}, negated
        # A key that is not there: false, and true for negated operators.
        yield operator, {operator: {one: wanted}}, {"other": match}, negated
        # Several values in the policy: any of them; none of them for negated operators.
        other = "false" if operator == "Bool" else wanted
        if operator != "Bool":
            yield f"{operator} of two", {operator: {one: [NOTHING[operator], other]}}, {"k": match}, not negated
        # ...IfExists: as the operator while the key is there, else true.
        yield f"{operator}IfExists", {f"{operator}IfExists": {one: wanted}}, {"k": match}, not negated
        yield f"{operator}IfExists", {f"{operator}IfExists": {one: wanted}}, {"k": mismatch}, negated
        yield f"{operator}IfExists", {f"{operator}IfExists": {one: wanted}}, {"other": match}, True
        # ForAnyValue: at least one value of the request; ForAllValues: every one, and true when there is none.
        any_value, all_values = f"ForAnyValue:{operator}", f"ForAllValues:{operator}"
        # Tag keys that differ in case alone are one.
        both = {match: "", "blue" if match.lower() == mismatch.lower() else mismatch: ""}
        yield any_value, {any_value: {many: wanted}}, {match: ""}, not negated
        yield any_value, {any_value: {many: wanted}}, {mismatch: ""}, negated
        yield any_value, {any_value: {many: wanted}}, both, True
        yield any_value, {any_value: {"aws:CalledVia": wanted}}, {"k": match}, False
        yield all_values, {all_values: {many: wanted}}, {match: ""}, not negated
        yield all_values, {all_values: {many: wanted}}, {mismatch: ""}, negated
        yield all_values, {all_values: {many: wanted}}, both, False
        yield all_values, {all_values: {"aws:CalledVia": wanted}}, {"k": match}, True
        yield f"{any_value}IfExists", {f"{any_value}IfExists": {many: wanted}}, {match: ""}, not negated
        yield f"{all_values}IfExists", {f"{all_values}IfExists": {many: wanted}}, {mismatch: ""}, negated
    yield "Null true", {"Null": {"aws:RequestTag/k": "true"}}, {"other": ""}, True
    yield "Null true", {"Null": {"aws:RequestTag/k": "true"}}, {"k": "v"}, False
    yield "Null false", {"Null": {"aws:RequestTag/k": "false"}}, {"k": "v"}, True
    yield "Null false", {"Null": {"aws:RequestTag/k": "false"}}, {"other": ""}, False
    # Several keys and several operators must all be met.
    both = {"StringEquals": {"aws:RequestTag/a": "1", "aws:RequestTag/b": "2"}, "Null": {"aws:RequestTag/c": "true"}}
    yield "and", both, {"a": "1", "b": "2"}, True
    yield "and", both, {"a": "1", "b": "3"}, False
    yield "and", both, {"a": "1", "b": "2", "c": ""}, False
    # Names of keys differ regardless of case; values do not.
    yield "case", {"StringEquals": {"AWS:requesttag/K": "v"}}, {"k": "v"}, True
    # A policy variable stands for the key's value.
    yield "variable", {"StringEquals": {"aws:RequestTag/k": "${aws:username}"}}, {"k": "conditions"}, True
    yield "variable", {"StringEquals": {"aws:RequestTag/k": "${aws:username}"}}, {"k": "someone"}, False


#: A value of the operator's kind that no request here has.
NOTHING = {name: "nothing" for name in OPERATORS if name.startswith(("String", "Arn"))}
NOTHING |= {name: "arn:aws:sns:us-west-1:999999999999:z" for name in OPERATORS if name.startswith("Arn")}
NOTHING |= {name: "-1" if "Greater" not in name else "1000000" for name in OPERATORS if name.startswith("Numeric")}
NOTHING |= {name: "1990-01-01T00:00:00Z" if "Greater" not in name else "2090-01-01T00:00:00Z" for name in OPERATORS if name.startswith("Date")}
NOTHING |= {"BinaryEquals": "AAAA", "IpAddress": "192.0.2.0/24", "NotIpAddress": "192.0.2.0/24"}

CASES = list(cases())


@pytest.fixture(scope="module")
def tagger(home):
    """Someone who may tag one role if the condition holds, and nothing else."""
    name = aws.function_name("conditions")
    home.role(name, LAMBDA_TRUST)
    user = home.user("conditions")
    user.role = name
    return user


def test_every_operator_and_form_is_tried():
    tried = {operator for _, condition, _, _ in CASES for operator in condition}
    for operator in OPERATORS:
        for form in ("{}", "{}IfExists", "ForAnyValue:{}", "ForAllValues:{}"):
            assert form.format(operator) in tried
    assert len(CASES) > 400


@pytest.mark.parametrize("operator", sorted({name for name, *_ in CASES}))
def test_a_condition_decides_as_the_guide_says(home, tagger, operator):
    iam = home.client("iam")
    for name, condition, tags, allowed in CASES:
        if name != operator:
            continue
        policy = document(statement(action="iam:TagRole", Condition=condition))
        iam.put_user_policy(UserName="conditions", PolicyName="inline", PolicyDocument=json.dumps(policy))
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        got = tagger.may("iam", "tag_role", RoleName=tagger.role, Tags=pairs)
        assert got == allowed, f"{condition} for {tags}"
        iam.untag_role(RoleName=tagger.role, TagKeys=list(tags))


#: Keys that the server knows of every request, and a condition that only the true value meets.
GLOBAL_KEYS = [
    ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
    ({"Bool": {"aws:SecureTransport": "false"}}, {"Bool": {"aws:SecureTransport": "true"}}),
    ({"StringLike": {"aws:UserAgent": "*Boto*"}}, {"StringLike": {"aws:UserAgent": "curl*"}}),
    ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
    ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}),
    ({"NumericGreaterThan": {"aws:EpochTime": "1767225600"}}, {"NumericLessThan": {"aws:EpochTime": "1767225600"}}),
    ({"StringEquals": {"aws:PrincipalAccount": aws.ACCOUNT}}, {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}),
    ({"StringEquals": {"aws:ResourceAccount": aws.ACCOUNT}}, {"StringEquals": {"aws:ResourceAccount": "111122223333"}}),
    ({"StringEquals": {"aws:PrincipalType": "User"}}, {"StringEquals": {"aws:PrincipalType": "AssumedRole"}}),
    ({"StringEquals": {"aws:username": "conditions"}}, {"StringEquals": {"aws:username": "other"}}),
    ({"StringLike": {"aws:userid": "AIDA*"}}, {"StringLike": {"aws:userid": "AROA*"}}),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/conditions"}}, {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}),
    ({"StringEquals": {"aws:PrincipalTag/team": "red"}}, {"StringEquals": {"aws:PrincipalTag/team": "blue"}}),
    ({"StringEquals": {"aws:ResourceTag/unit": "7"}}, {"StringEquals": {"aws:ResourceTag/unit": "8"}}),
    ({"Null": {"aws:TokenIssueTime": "true"}}, {"Null": {"aws:TokenIssueTime": "false"}}),
    ({"Null": {"aws:MultiFactorAuthPresent": "true"}}, {"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
    ({"Bool": {"aws:PrincipalIsAWSService": "false"}}, {"Bool": {"aws:PrincipalIsAWSService": "true"}}),
]


@pytest.mark.parametrize("met, unmet", GLOBAL_KEYS, ids=lambda condition: "-".join(next(iter(condition.values()))))
def test_global_keys_have_the_values_of_the_request(home, tagger, met, unmet):
    # Source: IAM user guide, "AWS global condition context keys".
    iam = home.client("iam")
    iam.tag_user(UserName="conditions", Tags=[{"Key": "team", "Value": "red"}])
    iam.tag_role(RoleName=tagger.role, Tags=[{"Key": "unit", "Value": "7"}])
    for condition, allowed in ((met, True), (unmet, False)):
        policy = document(statement(action="iam:GetRole", Condition=condition))
        iam.put_user_policy(UserName="conditions", PolicyName="inline", PolicyDocument=json.dumps(policy))
        assert tagger.may("iam", "get_role", RoleName=tagger.role) == allowed, condition
