"""A server in enforce mode with two accounts."""

import json
import shutil

import pytest

from support import aws
from support.command_line import hearth
from support.server import Server

#: The account of the first root key, and another.
HOME = aws.ACCOUNT
AWAY = "111122223333"


class Principal:
    """Someone with credentials: the root of an account, a user, or a session of a role."""

    def __init__(self, url, arn, key, secret, token=None):
        self.url = url
        self.arn = arn
        self.keys = (key, secret, token)
        self._clients = {}

    def client(self, service):
        if service not in self._clients:
            key, secret, token = self.keys
            self._clients[service] = aws.client(self.url, service, key, secret, token)
        return self._clients[service]

    def may(self, service, operation, **arguments):
        """Whether the call goes through; the text of the denial if it does not."""
        client = self.client(service)
        try:
            getattr(client, operation)(**arguments)
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
                raise
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
            self.denial = error.response["Error"]["Message"]
            return False
        return True

    def user(self, name, path="/", boundary=None, policy=None):
        """A user of this account, with an inline policy."""
        iam = self.client("iam")
        extra = {"PermissionsBoundary": boundary} if boundary else {}
        user = iam.create_user(UserName=name, Path=path, **extra)["User"]
        if policy:
            iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Principal(self.url, user["Arn"], key["AccessKeyId"], key["SecretAccessKey"])

    def role(self, name, trust, boundary=None, policy=None, path="/"):
        """The ARN of a new role of this account."""
        iam = self.client("iam")
        extra = {"PermissionsBoundary": boundary} if boundary else {}
        role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust), **extra)["Role"]
        if policy:
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
        return role["Arn"]

    def assume(self, role, name="session", **arguments):
        answer = self.client("sts").assume_role(RoleArn=role, RoleSessionName=name, **arguments)
        keys = answer["Credentials"]
        return Principal(
            self.url,
            answer["AssumedRoleUser"]["Arn"],
            keys["AccessKeyId"],
            keys["SecretAccessKey"],
            keys["SessionToken"],
        )


def statement(effect="Allow", action="*", resource="*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource} | more


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(principal, effect="Allow", action="sts:AssumeRole", **more):
    return document({"Effect": effect, "Principal": principal, "Action": action} | more)


LAMBDA_TRUST = trust({"Service": "lambda.amazonaws.com"})


def away_key(data):
    """A root key of the other account, made as an operator makes one."""
    made = hearth("root-key", "--account", AWAY, "--data", str(data))
    assert made.returncode == 0, made.stderr
    return [line.split("=", 1)[1] for line in made.stdout.splitlines() if "_KEY" in line and "=" in line]


@pytest.fixture(scope="session")
def enforced(tmp_path_factory):
    """The shared server in enforce mode; `home` and `away` are the roots of its two accounts."""
    directory = tmp_path_factory.mktemp("enforced")
    other = away_key(directory / "data")
    server = Server(directory / "data", directory / "server.log", arguments=["--auth", "enforce"])
    server.home = Principal(server.url, f"arn:aws:iam::{HOME}:root", *server.root_key)
    server.away = Principal(server.url, f"arn:aws:iam::{AWAY}:root", *other)
    yield server
    try:
        assert server.stop() == 0, server.log_text()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def home(enforced):
    return enforced.home


@pytest.fixture(scope="session")
def away(enforced):
    return enforced.away
