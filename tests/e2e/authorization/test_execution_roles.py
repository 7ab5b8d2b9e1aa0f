"""What function code may do: what its role allows, from inside and from outside, and nothing without it."""

import json

import pytest

from support import aws, packages
from support.command_line import hearth

from .conftest import AWAY, LAMBDA_TRUST, Principal, document, statement, trust

NOT_ASSUMABLE = "The role defined for the function cannot be assumed by Lambda."


def function(home, name, role, **settings):
    return aws.create(home.client("lambda"), packages.python("remote"), name=name, Role=role, **settings)


def raw(method, path, headers, body):
    """Runs inside the sandbox, without an SDK: status and body of one request to Hearth's endpoint."""
    import http.client
    import os
    from urllib.parse import urlsplit

    address = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode()]


def own_keys():
    import os

    return [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]


def signed(method, path, body, service, keys, region="us-east-1"):
    """Runs inside the sandbox: a request signed by hand, for packages without an SDK."""
    import datetime
    import hashlib
    import hmac
    import http.client
    import os
    from urllib.parse import urlsplit

    address = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    key, secret = keys[0], keys[1]
    headers = {"host": address.netloc, "x-amz-date": now}
    if service != "lambda":
        headers["content-type"] = "application/x-www-form-urlencoded"
    if len(keys) > 2 and keys[2]:
        headers["x-amz-security-token"] = keys[2]
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [method, path, "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, hashlib.sha256(body.encode()).hexdigest()]
    )
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    step = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        step = hmac.new(step, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(step, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode()]


def inside(one, method, path, body="", service="lambda", keys=None):
    """One signed request from inside `one`, with its own credentials unless others are given."""
    return one.run(signed, method, path, body, service, keys or one.run(own_keys).ok()).ok()


INVOKE = "/2015-03-31/functions/{}/invocations"
WHO = "Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def pair(home):
    """A function that may invoke exactly one other, and two others."""
    plain = home.role("callee", LAMBDA_TRUST)
    callee = function(home, "callee", plain)
    bystander = function(home, "bystander", plain)
    role = home.role("caller", LAMBDA_TRUST, policy=document(statement(action="lambda:InvokeFunction", resource=callee.arn)))
    return function(home, "caller", role), callee, bystander


def hello():
    return "hello"


HELLO = json.dumps({"source": "def hello(): return 'hello'", "name": "hello", "arguments": []})


def test_a_function_can_do_exactly_what_its_role_allows(home, pair):
    caller, callee, bystander = pair
    status, body = inside(caller, "POST", INVOKE.format("callee"), HELLO)
    assert (status, body) == (200, '"hello"')
    refused = [
        ("POST", INVOKE.format("bystander"), HELLO, "lambda"),
        ("POST", INVOKE.format("caller"), HELLO, "lambda"),
        ("GET", "/2015-03-31/functions/callee", "", "lambda"),
        ("GET", "/2015-03-31/functions", "", "lambda"),
        ("DELETE", "/2015-03-31/functions/callee", "", "lambda"),
        ("POST", "/", "Action=ListUsers&Version=2010-05-08", "iam"),
        ("POST", "/", "Action=CreateAccessKey&Version=2010-05-08&UserName=x", "iam"),
        ("POST", "/", "Action=AssumeRole&Version=2011-06-15&RoleSessionName=s1&RoleArn=arn:aws:iam::000000000000:role/callee", "sts"),
    ]
    for method, path, body, service in refused:
        status, answer = inside(caller, method, path, body, service)
        assert status == 403 and "AccessDenied" in answer or "not authorized to perform" in answer, (path, body, answer)
    status, answer = inside(caller, "POST", "/", WHO, "sts")
    assert status == 200 and f":assumed-role/caller/caller" in answer
    # Names action and resource.
    _, answer = inside(caller, "POST", INVOKE.format("bystander"), HELLO)
    assert f"perform: lambda:InvokeFunction on resource: {bystander.arn}" in answer


@pytest.mark.parametrize("mode", ["open", "soft", "enforce"])
def test_its_credentials_do_no_more_from_outside_and_test_test_nothing_inside(tmp_path, mode):
    from support.server import Server

    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", mode])
    try:
        root = Principal(server.url, "root", *(server.root_key or ("test", "test")))
        plain = root.role("callee", LAMBDA_TRUST)
        callee = function(root, "callee", plain)
        function(root, "bystander", plain)
        role = root.role("caller", LAMBDA_TRUST, policy=document(statement(action="lambda:InvokeFunction", resource=callee.arn)))
        caller = function(root, "caller", role)
        outside = Principal(server.url, "", *caller.run(own_keys).ok())
        assert outside.may("lambda", "invoke", FunctionName="callee", Payload=HELLO)
        assert not outside.may("lambda", "invoke", FunctionName="bystander", Payload=HELLO)
        assert not outside.may("lambda", "list_functions")
        assert not outside.may("iam", "list_users")
        assert inside(caller, "POST", INVOKE.format("callee"), HELLO)[0] == 200
        assert inside(caller, "POST", INVOKE.format("bystander"), HELLO)[0] == 403
        for keys in (["test", "test"], ["000000000000", "test"], ["AKIAIOSFODNN7EXAMPLE", "x" * 40]):
            for request in (("POST", INVOKE.format("callee"), HELLO), ("GET", "/2015-03-31/functions"), ("POST", "/", WHO, "sts")):
                status, answer = inside(caller, *request, keys=keys)
                assert status == 403 and ("UnrecognizedClient" in answer or "InvalidClientTokenId" in answer or "security token" in answer), answer
        for request in (("POST", INVOKE.format("callee"), {}, HELLO), ("GET", "/2015-03-31/functions", {}, None)):
            status, answer = caller.run(raw, *request).ok()
            assert status == 403, answer
        # Not even health is there for function code.
        assert caller.run(raw, "GET", "/_hearth/logs?group=/aws/lambda/callee", {}, None).ok()[0] in (400, 403, 404)
    finally:
        server.stop()


def test_sandbox_auth_open_lifts_it(tmp_path):
    from support.server import Server

    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--sandbox-auth", "open"])
    try:
        root = Principal(server.url, "root", "test", "test")
        caller = function(root, "caller", root.role("caller", LAMBDA_TRUST))
        assert inside(caller, "GET", "/2015-03-31/functions", keys=["test", "test"])[0] == 200
        assert inside(caller, "GET", "/2015-03-31/functions")[0] == 200
    finally:
        server.stop()


@pytest.mark.parametrize(
    "make",
    [
        lambda home: f"arn:aws:iam::{aws.ACCOUNT}:role/nobody-made-it",
        lambda home: home.role("for-ec2", trust({"Service": "ec2.amazonaws.com"})),
        lambda home: home.role("denies-lambda", document(*trust("*")["Statement"], *trust({"Service": "lambda.amazonaws.com"}, "Deny")["Statement"])),
        lambda home: home.role("other-function", trust({"Service": "lambda.amazonaws.com"}, Condition={"ArnLike": {"aws:SourceArn": "arn:aws:lambda:*:*:function:other"}})),
        lambda home: home.role("at-a-path", LAMBDA_TRUST, path="/p/").replace("/p/", "/"),
    ],
    ids=["missing", "ec2", "deny", "source", "path"],
)
def test_a_function_needs_a_role_that_trusts_lambda(home, make):
    """The text is the one SDKs and Terraform retry on."""
    client = home.client("lambda")
    wanted = dict(FunctionName="roleless", Runtime=aws.PYTHON, Handler="remote.handler", Code={"ZipFile": packages.python("remote")})
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.create_function(Role=make(home), **wanted)
    assert refused.value.response["Error"]["Message"] == NOT_ASSUMABLE
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_new_role_is_checked_on_update_and_conditions_may_name_the_function(home):
    condition = {"ArnLike": {"aws:SourceArn": "arn:aws:lambda:*:*:function:sourced"}, "StringEquals": {"aws:SourceAccount": aws.ACCOUNT}}
    role = home.role("sourced", trust({"Service": "lambda.amazonaws.com"}, Condition=condition))
    one = function(home, "sourced", role)
    assert one.run(hello).ok() == "hello"
    with pytest.raises(one.client.exceptions.InvalidParameterValueException) as refused:
        one.client.update_function_configuration(FunctionName="sourced", Role=role.replace("sourced", "gone"))
    assert refused.value.response["Error"]["Message"] == NOT_ASSUMABLE


def test_the_role_must_be_of_the_function_s_account_and_the_caller_s_to_pass(home, away):
    client = home.client("lambda")
    foreign = away.role("foreign", LAMBDA_TRUST)
    wanted = dict(FunctionName="passed", Runtime=aws.PYTHON, Handler="remote.handler", Code={"ZipFile": packages.python("remote")})
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.create_function(Role=foreign, **wanted)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    role = home.role("passed", LAMBDA_TRUST)
    creator = home.user("creator", policy=document(statement(action="lambda:*")))
    assert not creator.may("lambda", "create_function", Role=role, **wanted)
    assert f"iam:PassRole on resource: {role}" in creator.denial
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    policy = document(statement(action="lambda:*"), statement(action="iam:PassRole", resource=role, Condition=to_lambda))
    home.client("iam").put_user_policy(UserName="creator", PolicyName="inline", PolicyDocument=json.dumps(policy))
    assert creator.may("lambda", "create_function", Role=role, **wanted)


def speak():
    print("I was here")


def logs_of(server, root, name):
    key, secret, _ = root.keys
    done = hearth("logs", name, server=server, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    return done.stdout


def test_logs_are_written_only_if_the_role_allows_it(enforced, home):
    iam = home.client("iam")
    mute = function(home, "mute", home.role("mute", LAMBDA_TRUST))
    mute.run(speak).ok()
    speaking_role = home.role("speaking", LAMBDA_TRUST)
    iam.attach_role_policy(RoleName="speaking", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    speaking = function(home, "speaking", speaking_role)
    speaking.run(speak).ok()
    assert "I was here" in logs_of(enforced, home, "speaking")
    assert "I was here" not in logs_of(enforced, home, "mute")
    # What the role may from now on holds for environments that live already.
    iam.put_role_policy(RoleName="mute", PolicyName="p", PolicyDocument=json.dumps(document(statement(action="logs:*"))))
    mute.run(speak).ok()
    assert "I was here" in logs_of(enforced, home, "mute")
    iam.detach_role_policy(RoleName="speaking", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    before = logs_of(enforced, home, "speaking").count("I was here")
    speaking.run(speak).ok()
    assert logs_of(enforced, home, "speaking").count("I was here") == before


def test_who_may_not_read_logs_reads_none(enforced, home):
    nobody = home.user("illiterate")
    key, secret, _ = nobody.keys
    done = hearth("logs", "/aws/lambda/speaking", server=enforced, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    assert done.returncode == 1 and "logs:FilterLogEvents" in done.stderr, done.stderr
    done = hearth("logs", "/aws/lambda/speaking", server=enforced)
    assert done.returncode == 1 and "UnrecognizedClientException" in done.stderr, done.stderr


def test_what_function_code_gets_from_sts_is_held_as_function_code_is(tmp_path):
    """In open mode a role session made outside may do anything; one that a function made may do what its role may."""
    from support.server import Server

    server = Server(tmp_path / "data", tmp_path / "server.log")
    try:
        root = Principal(server.url, "root", "test", "test")
        role = root.role("chain", document(*LAMBDA_TRUST["Statement"], *trust({"AWS": f"arn:aws:iam::{aws.ACCOUNT}:role/chain"})["Statement"]), policy=document(statement(action="sts:AssumeRole")))
        one = function(root, "chain", role)
        body = f"Action=AssumeRole&Version=2011-06-15&RoleSessionName=again&RoleArn={role}"
        status, xml = inside(one, "POST", "/", body, "sts")
        assert status == 200, xml
        take = lambda name: xml.split(f"<{name}>")[1].split("<")[0]
        chained = Principal(server.url, "", take("AccessKeyId"), take("SecretAccessKey"), take("SessionToken"))
        assert not chained.may("lambda", "list_functions")
        assert root.assume(role).may("lambda", "list_functions")
    finally:
        server.stop()


def test_a_function_of_another_account_is_reached_by_its_owner_s_leave_only(home, away, pair):
    _, callee, _ = pair
    visitor = away.user("visitor", policy=document(statement(action="lambda:InvokeFunction")))
    assert not visitor.may("lambda", "invoke", FunctionName=callee.arn, Payload=HELLO)
    assert "no resource-based policy allows the lambda:InvokeFunction action" in visitor.denial
    client = home.client("lambda")
    client.add_permission(FunctionName="callee", StatementId="visitor", Action="lambda:InvokeFunction", Principal=AWAY)
    try:
        answer = visitor.client("lambda").invoke(FunctionName=callee.arn, Payload=HELLO)
        assert answer["Payload"].read() == b'"hello"'
        assert not visitor.may("lambda", "get_function", FunctionName=callee.arn)
    finally:
        client.remove_permission(FunctionName="callee", StatementId="visitor")
    assert not visitor.may("lambda", "invoke", FunctionName=callee.arn, Payload=HELLO)
