"""AssumeRoleWithWebIdentity: tokens of a configured provider, as GitHub Actions and Kubernetes make them."""

import base64
import json
import shutil
import subprocess
import time

import pytest

from support import aws
from support.server import Server

from .conftest import Principal, document, statement

ISSUER = "https://token.example.com/tenant"
PROVIDER = f"arn:aws:iam::{aws.ACCOUNT}:oidc-provider/token.example.com/tenant"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """An identity provider with an RSA key."""

    def __init__(self, directory):
        self.key = directory / "key.pem"
        self.openssl("genrsa", "-out", self.key, "2048")
        modulus = self.openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        self.jwks = directory / "jwks.json"
        jwk = {"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig", "e": "AQAB", "n": encode(bytes.fromhex(modulus))}
        self.jwks.write_text(json.dumps({"keys": [jwk]}))

    @staticmethod
    def openssl(*arguments, stdin=None):
        return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout

    def token(self, header=None, **claims):
        now = int(time.time())
        standard = {"iss": ISSUER, "aud": "sts.amazonaws.com", "sub": "repo:me/app", "iat": now, "exp": now + 300}
        parts = [{"alg": "RS256", "kid": "k1", "typ": "JWT"} | (header or {}), standard | claims]
        text = ".".join(encode(json.dumps(part).encode()) for part in parts)
        return f"{text}.{encode(self.openssl('dgst', '-sha256', '-sign', self.key, stdin=text.encode()))}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: it makes the provider's keys")
    directory = tmp_path_factory.mktemp("idp")
    provider = Provider(directory)
    config = directory / "hearth.toml"
    config.write_text(f'[[web_identity]]\nissuer = "{ISSUER}"\naudiences = ["sts.amazonaws.com"]\njwks = "{provider.jwks}"\n')
    server = Server(directory / "data", directory / "log", config, arguments=["--auth", "enforce"])
    root = Principal(server.url, "", *server.root_key)
    condition = {"StringEquals": {"token.example.com/tenant:aud": "sts.amazonaws.com"}, "StringLike": {"token.example.com/tenant:sub": "repo:me/*"}}
    trust = document({"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition})
    role = root.role("deployer", trust, policy=document(statement(action="lambda:ListFunctions")))
    yield server, provider, role
    server.stop()


def assume(server, role, token):
    # Nobody has signed this: the client has no credentials at all.
    from botocore import UNSIGNED

    sts = aws.client(server.url, "sts", signature_version=UNSIGNED)
    return sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="run-1", WebIdentityToken=token)


def test_a_token_of_the_provider_assumes_the_role_that_trusts_it(world):
    server, provider, role = world
    answer = assume(server, role, provider.token())
    assert answer["SubjectFromWebIdentityToken"] == "repo:me/app" and answer["Audience"] == "sts.amazonaws.com"
    keys = answer["Credentials"]
    session = Principal(server.url, "", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert session.client("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{aws.ACCOUNT}:assumed-role/deployer/run-1"
    assert session.may("lambda", "list_functions")
    assert not session.may("iam", "list_users")


@pytest.mark.parametrize(
    "change, code",
    [
        ({"sub": "repo:you/app"}, "AccessDenied"),
        ({"aud": "someone-else"}, "InvalidIdentityToken"),
        ({"iss": "https://evil.example.com"}, "InvalidIdentityToken"),
        ({"exp": 1_700_000_000}, "ExpiredTokenException"),
        ({"header": {"alg": "none"}}, "InvalidIdentityToken"),
        ({"header": {"alg": "HS256"}}, "InvalidIdentityToken"),
        ({"header": {"kid": "k2"}}, "InvalidIdentityToken"),
    ],
)
def test_any_other_token_assumes_nothing(world, change, code):
    server, provider, role = world
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as refused:
        assume(server, role, provider.token(**change))
    assert refused.value.response["Error"]["Code"] == code, refused.value


def test_a_forged_signature_is_refused(world):
    server, provider, role = world
    from botocore.exceptions import ClientError

    head, body, signature = provider.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = ".".join([head, encode(json.dumps(claims | {"sub": "repo:me/other"}).encode()), signature])
    with pytest.raises(ClientError) as refused:
        assume(server, role, forged)
    assert refused.value.response["Error"]["Code"] == "InvalidIdentityToken"
