"""Who gets through a function URL in enforce mode. Source: Lambda developer guide, "Control access to Lambda function
URLs": both permissions, by the function's policy for the public, by either side within the account, by both across."""

import pytest

from support import aws, packages, urls

from .conftest import LAMBDA_TRUST, document, statement

FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
CODE = """
def handler(event, context):
    signer = event["requestContext"].get("authorizer")
    return signer["iam"]["userArn"] if signer else "nobody"
"""

URL_GRANT = {"Action": "lambda:InvokeFunctionUrl"}
INVOKE_GRANT = {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}


@pytest.fixture(scope="module")
def function(home):
    client = home.client("lambda")
    role = home.role("urls", LAMBDA_TRUST)
    made = aws.create(client, packages.zip_of({"app.py": CODE}), handler="app.handler", Role=role)
    yield made
    client.delete_function(FunctionName=made.name)


@pytest.fixture
def url(home, function):
    """`url(auth)` sets the function's URL; it and the policy go with the test."""
    client = home.client("lambda")

    def url(auth, *grants, principal="*"):
        for number, grant in enumerate(grants):
            condition = {"FunctionUrlAuthType": auth} if grant is URL_GRANT else {}
            client.add_permission(
                FunctionName=function.name, StatementId=f"s{number}", Principal=principal, **grant, **condition
            )
        return client.create_function_url_config(FunctionName=function.name, AuthType=auth)["FunctionUrl"]

    yield url
    client.delete_function_url_config(FunctionName=function.name)
    try:
        client.delete_resource_policy(ResourceArn=function.arn)
    except client.exceptions.ResourceNotFoundException:
        pass


def answer(server, url, principal=None, **arguments):
    headers = urls.signed(url, principal.keys, **arguments) if principal else {}
    response = urls.send(server, url, headers=headers)
    return response.body.decode() if response.status == 200 else (response.status, response.json().get("Message"))


@pytest.mark.parametrize(
    "grants, passes",
    [((), False), ((URL_GRANT,), False), ((INVOKE_GRANT,), False), ((URL_GRANT, INVOKE_GRANT), True)],
    ids=["none", "url", "invoke", "both"],
)
def test_the_public_needs_both_grants(enforced, url, grants, passes):
    got = answer(enforced, url("NONE", *grants))
    assert got == ("nobody" if passes else (403, FORBIDDEN))


def test_a_grant_for_urls_is_none_for_the_invoke_api(enforced, url, function, away):
    url("NONE", URL_GRANT, INVOKE_GRANT)
    assert not away.may("lambda", "invoke", FunctionName=function.arn)


def test_a_grant_for_one_kind_of_url_is_none_for_the_other(enforced, home, url, function):
    address = url("NONE", URL_GRANT, INVOKE_GRANT)
    home.client("lambda").update_function_url_config(FunctionName=function.name, AuthType="AWS_IAM")
    assert answer(enforced, address) == (403, FORBIDDEN)


def test_within_the_account_an_identity_policy_is_enough(enforced, home, url, function):
    address = url("AWS_IAM")
    both = document(
        statement(action="lambda:InvokeFunctionUrl", resource=function.arn),
        statement(
            action="lambda:InvokeFunction",
            resource=function.arn,
            Condition={"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
        ),
    )
    only_url = document(statement(action="lambda:InvokeFunctionUrl", resource=function.arn))
    may, half, nobody = (
        home.user("url-may", policy=both), home.user("url-half", policy=only_url), home.user("url-nobody")
    )
    assert answer(enforced, address, may) == may.arn
    assert answer(enforced, address, half) == (403, FORBIDDEN)
    assert answer(enforced, address, nobody) == (403, FORBIDDEN)
    assert answer(enforced, address) == (403, FORBIDDEN)
    assert not may.may("lambda", "invoke", FunctionName=function.name), "that is not through the URL"


def test_across_accounts_both_sides_are_needed(enforced, away, url):
    address = url("AWS_IAM", URL_GRANT, INVOKE_GRANT, principal="111122223333")
    assert answer(enforced, address, away) == away.arn
    assert answer(enforced, address, away.user("url-away")) == (403, FORBIDDEN)


def test_signatures_are_verified(enforced, home, url):
    address = url("AWS_IAM")
    assert answer(enforced, address, home) == home.arn
    status, text = answer(enforced, address, home, service="execute-api")
    assert status == 403 and (text is None or "lambda" in text)
    key, _, token = home.keys
    headers = urls.signed(address, (key, "wrong", token))
    assert urls.send(enforced, address, headers=headers).status == 403
    headers = urls.signed(address, home.keys)
    assert urls.send(enforced, address, path="/other", headers=headers).status == 403, "another path was signed"
