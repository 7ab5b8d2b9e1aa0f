"""Signatures and keys: who gets an answer at all, and which refusal everyone else gets."""

import datetime
import http.client
import json
import time
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import pytest

from support import aws
from support.server import Server

from .conftest import AWAY, Principal, document, statement, trust

SERVICES = {"lambda": "2015-03-31", "iam": "2010-05-08", "sts": "2011-06-15", "logs": "2014-03-28", "sns": "2010-03-31", "sqs": "2012-11-05", "events": "2015-10-07", "scheduler": "2021-06-30", "cloudwatch": "2010-08-01", "s3": "2006-03-01"}
#: Called with a token of an identity provider instead of a signature. Source: the API model, `authtype: none`.
NEEDS_NO_SIGNATURE = {"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"}
#: Links in messages: what is asked for without a signature, by somebody who shows a secret.
LINKS = {"ConfirmSubscription", "Unsubscribe"}


#: S3's answers to requests that cannot be read, as those of this walk: they have no bodies.
NOT_READ = {"MalformedXML", "InvalidRequest", "NotImplemented"}


def ask(url, method, target, headers=None, body=None):
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace"), dict(answer.headers)


def code_of(text, headers, method="GET"):
    """The error's code; none for HEAD, whose answers have no body."""
    if method == "HEAD":
        return None
    if "x-amzn-ErrorType" in headers or "x-amzn-errortype" in headers:
        return {k.lower(): v for k, v in headers.items()}["x-amzn-errortype"].split(":")[0]
    if "<Code>" in text:
        return text.split("<Code>")[1].split("<")[0]
    body = json.loads(text)
    return body.get("__type", "").split("#")[-1]


def routes():
    """(service, operation, method, path, headers, form) of every operation of every service, from the public models."""
    form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    loader = botocore.loaders.Loader()
    for service, version in SERVICES.items():
        model = loader.load_service_model(service, "service-2", version)
        for name, operation in model["operations"].items():
            if model["metadata"]["protocol"] == "rest-json":
                path = operation["http"]["requestUri"]
                for member in ("FunctionName", "LayerName", "Resource", "ResourceArn", "Arn"):
                    path = path.replace("{%s}" % member, "x")
                while "{" in path:
                    before, _, rest = path.partition("{")
                    path = before + "1" + rest.partition("}")[2]
                yield service, name, operation["http"]["method"], path, {}, None
            elif model["metadata"]["protocol"] == "rest-xml":
                path, own = rest_xml(operation, model["shapes"])
                yield service, name, operation["http"]["method"], path, own, None
            elif "json" in model["metadata"].get("protocols", [model["metadata"]["protocol"]]):
                target = f"{model['metadata']['targetPrefix']}.{name}"
                yield service, name, "POST", "/", {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"}, "{}"
            else:
                yield service, name, "POST", "/", form, f"Action={name}&Version={version}"


def rest_xml(operation, shapes):
    """Its path and headers. Members in the query or a header tell some operations of S3 from others."""
    path, headers = operation["http"]["requestUri"].replace("{Bucket}", "bucket").replace("{Key+}", "key"), {}
    shape = shapes[operation["input"]["shape"]] if "input" in operation else {}
    for member in shape.get("required", ()):
        where = shape["members"][member]
        if where.get("location") == "querystring":
            path += ("&" if "?" in path else "?") + where["locationName"] + "=1"
        elif where.get("location") == "header":
            headers[where["locationName"]] = "bucket/other"
    return path, headers


ROUTES = list(routes())


def test_the_walk_covers_every_service_there_is(enforced):
    health = json.loads(ask(enforced.url, "GET", "/_hearth/health")[1])
    assert set(health["services"]) == set(SERVICES), "a new service must be walked, too"
    assert len(ROUTES) > 250


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_answers_without_credentials(enforced, service):
    is_query = service in ("iam", "sts", "sns")
    no_token = "MissingAuthenticationToken" if is_query else "MissingAuthenticationTokenException"
    no_such_key = "InvalidClientTokenId" if is_query else "UnrecognizedClientException"
    if service == "s3":
        # To S3 who does not sign is anonymous, and buckets may let anonymous callers in.
        no_token, no_such_key = "AccessDenied", "InvalidAccessKeyId"
    for of, name, method, path, own, body in ROUTES:
        if of != service or name in NEEDS_NO_SIGNATURE:
            continue
        status, text, headers = ask(enforced.url, method, path, own, body)
        expected = (403, no_token)
        if name in LINKS:
            expected = (400, "InvalidParameter")
        if service == "s3":
            # Whether somebody anonymous may is asked when the request could be read. Without a body: answers to HEAD, and
            # to a request that does not show it is for S3.
            code = code_of(text, headers) if "<Code>" in text else no_token
            assert status in (400, 403, 501) and code in NOT_READ | {no_token}, f"{name}: {status} {text}"
        else:
            assert (status, code_of(text, headers)) == expected, f"{name}: {status} {text}"
        scope = f"20261126/us-east-1/{service}/aws4_request"
        unknown = {
            "authorization": f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
            "x-amz-date": "20261126T000000Z",
        }
        status, text, headers = ask(enforced.url, method, path, own | unknown, body)
        assert (status, code_of(text, headers, method) or no_such_key) == (403, no_such_key), f"{name}: {status} {text}"


def test_hearth_s_own_pages_need_credentials_but_for_health(enforced):
    assert ask(enforced.url, "GET", "/_hearth/health")[0] == 200
    assert ask(enforced.url, "GET", "/_localstack/health")[0] == 200
    for path in ("/_hearth/logs?group=/aws/lambda/x", "/_hearth/metrics", "/_hearth/", "/_hearth/audit", "/_hearth/x"):
        assert ask(enforced.url, "GET", path)[0] == 403, path
    assert ask(enforced.url, "GET", f"/_hearth/code/{aws.ACCOUNT}/us-east-1/x/1?expires=9&signature=x")[0] in (400, 403, 404)
    for path in ("/", "/x", "/2015-03-31/functions/x/y/z"):
        assert ask(enforced.url, "GET", path)[0] in (403, 404), path


def test_a_token_instead_of_a_signature_must_be_one(enforced):
    body = (
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=s1"
        f"&RoleArn=arn:aws:iam::{aws.ACCOUNT}:role/x&WebIdentityToken=not-a-token"
    )
    status, text, headers = ask(enforced.url, "POST", "/", {"content-type": "application/x-www-form-urlencoded"}, body)
    assert (status, code_of(text, headers)) == (400, "InvalidIdentityToken"), text


def test_the_first_start_shows_a_root_key_once(tmp_path):
    data, log = tmp_path / "data", tmp_path / "log"
    server = Server(data, log, arguments=["--auth", "enforce"])
    key, secret = server.root_key
    # AWS's form. Source: IAM user guide, "Unique identifiers"; secrets have 40 characters.
    assert key.startswith("AKIA") and len(key) == 20 and len(secret) == 40
    root = Principal(server.url, "", key, secret)
    assert root.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{aws.ACCOUNT}:root"
    assert secret not in server.log_text()
    server.stop()
    again = Server(data, log, arguments=["--auth", "enforce"])
    try:
        assert again.root_key is None
        assert Principal(again.url, "", key, secret).may("iam", "list_users")
    finally:
        again.stop()


def refusal(client, operation="get_caller_identity", **arguments):
    with pytest.raises(client.exceptions.ClientError) as refused:
        getattr(client, operation)(**arguments)
    error = refused.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


INVALID = "The security token included in the request is invalid."


def test_keys_that_are_void_are_refused_in_every_mode(server):
    """Source: IAM user guide, "Managing access keys": a deactivated key cannot be used."""
    root = Principal(server.url, "", "test", "test")
    name = aws.function_name("void")
    user = root.user(name)
    iam = root.client("iam")
    sts = user.client("sts")
    assert sts.get_caller_identity()["Arn"] == user.arn
    iam.update_access_key(UserName=name, AccessKeyId=user.keys[0], Status="Inactive")
    assert refusal(sts) == (403, "InvalidClientTokenId", INVALID)
    iam.update_access_key(UserName=name, AccessKeyId=user.keys[0], Status="Active")
    sts.get_caller_identity()
    iam.delete_access_key(UserName=name, AccessKeyId=user.keys[0])
    assert refusal(sts) == (403, "InvalidClientTokenId", INVALID)
    iam.delete_user(UserName=name)


def test_a_wrong_secret_or_token_is_refused_in_every_mode(server, enforced):
    for root in (Principal(server.url, "", "test", "test"), enforced.home):
        user = root.user(aws.function_name("wrong"))
        key, secret, _ = user.keys
        wrong = Principal(user.url, "", key, secret[:-1] + ("A" if secret[-1] != "A" else "B"))
        assert refusal(wrong.client("sts"))[:2] == (403, "SignatureDoesNotMatch")
        assert refusal(wrong.client("lambda"), "list_functions")[:2] == (403, "InvalidSignatureException")
        with_token = Principal(user.url, "", key, secret, "IQoJb3JpZ2luX2Vj")
        assert refusal(with_token.client("sts")) == (403, "InvalidClientTokenId", INVALID)
        temporary = user.client("sts").get_session_token()["Credentials"]
        for token in (None, temporary["SessionToken"][:-4] + "AAAA", "HEARTH"):
            cut = Principal(user.url, "", temporary["AccessKeyId"], temporary["SecretAccessKey"], token)
            assert refusal(cut.client("sts"))[:2] == (403, "InvalidClientTokenId")


def signed_at(principal, seconds, service="sts", expires=None):
    """A GetCallerIdentity that was signed so long ago, by header or, with `expires`, as a URL."""
    credentials = botocore.credentials.Credentials(*principal.keys)
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    url = f"{principal.url}/"
    if expires is None:
        request = botocore.awsrequest.AWSRequest("POST", url, {"content-type": "application/x-www-form-urlencoded"}, body)
        signer = botocore.auth.SigV4Auth(credentials, service, "us-east-1")
    else:
        request = botocore.awsrequest.AWSRequest("GET", f"{url}?{body}")
        signer = botocore.auth.SigV4QueryAuth(credentials, service, "us-east-1", expires)
    now = botocore.auth.get_current_datetime
    then = now() + datetime.timedelta(seconds=seconds)
    botocore.auth.get_current_datetime = lambda *_, **__: then
    try:
        signer.add_auth(request)
    finally:
        botocore.auth.get_current_datetime = now
    prepared = request.prepare()
    target = prepared.url.removeprefix(principal.url)
    status, text, headers = ask(principal.url, prepared.method, target, dict(prepared.headers), prepared.body)
    return status, code_of(text, headers) if status != 200 else None, text


def test_a_signature_is_valid_for_a_quarter_of_an_hour_or_as_its_url_says(home):
    # Source: "Troubleshoot Signature Version 4": within five minutes of the stamp and up to 15 either way as seen in
    # practice; presigned URLs by X-Amz-Expires.
    cases = [
        (0, None, None),
        (-14 * 60, None, None),
        (-16 * 60, None, "Signature expired"),
        (14 * 60, None, None),
        (16 * 60, None, "Signature not yet current"),
        (-30, 60, None),
        (-90, 60, "Signature expired"),
        (-6 * 24 * 3600, 604_800, None),
    ]
    for seconds, expires, refused in cases:
        status, code, text = signed_at(home, seconds, expires=expires)
        if refused is None:
            assert status == 200, (seconds, expires, text)
        else:
            assert (status, code) == (403, "SignatureDoesNotMatch") and refused in text, (seconds, expires, text)


def test_a_signature_for_one_service_is_none_for_another(home):
    status, code, text = signed_at(home, 0, service="iam")
    assert (status, code) == (403, "SignatureDoesNotMatch") and "scoped to correct service" in text, text
    assert signed_at(home, 0, service="s3")[0] in (403, 501)


def test_temporary_credentials_expire(home):
    user = home.user("hasty", policy=document(statement(action="sts:AssumeRole")))
    role = home.role("hasty", trust({"AWS": user.arn}))
    keys = user.client("sts").assume_role(RoleArn=role, RoleSessionName="s1", DurationSeconds=900)["Credentials"]
    left = keys["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(seconds=880) < left <= datetime.timedelta(seconds=900)
    with pytest.raises(user.client("sts").exceptions.ClientError) as refused:
        user.client("sts").assume_role(RoleArn=role, RoleSessionName="s1", DurationSeconds=3601)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_temporary_credentials_outlive_a_restart(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "log", arguments=["--auth", "enforce"])
    root = Principal(server.url, "", *server.root_key)
    user = root.user("lasting", policy=document(statement(action="sts:AssumeRole")))
    session = user.assume(root.role("lasting", trust({"AWS": user.arn})))
    server.kill()
    server.start()
    try:
        again = Principal(server.url, "", *session.keys)
        assert again.client("sts").get_caller_identity()["Arn"] == session.arn
    finally:
        server.stop()


def test_open_mode_takes_any_credentials_and_soft_mode_says_what_would_be_denied(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "log", arguments=["--auth", "soft"])
    try:
        root = Principal(server.url, "", "test", "test")
        nobody = root.user("nobody")
        assert nobody.may("iam", "list_users")
        assert "is not authorized to perform: iam:ListUsers" in server.log_text()
    finally:
        server.stop()


def test_another_account_is_another_world_in_open_mode_too(server):
    mine = Principal(server.url, "", "test", "test")
    theirs = Principal(server.url, "", AWAY, "test")
    name = aws.function_name("world")
    role = mine.role(name, trust({"Service": "lambda.amazonaws.com"}))
    assert name not in [role["RoleName"] for role in theirs.client("iam").list_roles()["Roles"]]
    arn = f"arn:aws:lambda:us-east-1:{aws.ACCOUNT}:function:{name}"
    assert not theirs.may("lambda", "get_function", FunctionName=arn)
    mine.client("iam").delete_role(RoleName=name)
    assert role
