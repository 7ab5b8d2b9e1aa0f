"""The audit log: who did what to which resource, what was decided, and which statement decided."""

import json
import time

from support import aws
from support.command_line import hearth

from .conftest import document, statement


def audit(server, *arguments):
    done = hearth("audit", "--data", str(server.data), "--json", "-n", "10000", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def eventually(look):
    deadline = time.monotonic() + 5
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_every_decision_stands_in_the_log_with_its_statement(enforced, home):
    user = home.user("audited", policy=document(statement(action="iam:GetUser", Sid="read"), statement("Deny", "iam:ListRoles", Sid="no")))
    assert user.may("iam", "get_user", UserName="audited")
    assert not user.may("iam", "list_roles")
    assert not user.may("iam", "list_users")
    records = eventually(lambda: [r for r in audit(enforced, "--principal", "user/audited")][2:] and audit(enforced, "--principal", "user/audited"))
    seen = {record["action"]: record for record in records}
    assert seen["iam:GetUser"]["verdict"] == "allowed" and "read" in seen["iam:GetUser"]["because"]
    assert seen["iam:ListRoles"]["verdict"] == "denied" and "no" in seen["iam:ListRoles"]["because"]
    assert seen["iam:ListUsers"]["verdict"] == "denied" and "identity-based" in seen["iam:ListUsers"]["because"]
    one = seen["iam:GetUser"]
    assert one["principal"] == user.arn and one["accessKeyId"] == user.keys[0]
    assert one["resource"] == user.arn and one["sourceIp"] == "127.0.0.1" and one["account"] == aws.ACCOUNT
    denied = audit(enforced, "--principal", "user/audited", "--denied")
    assert {record["action"] for record in denied} == {"iam:ListRoles", "iam:ListUsers"}
    assert audit(enforced, "--principal", "user/audited", "--action", "iam:getU")[0]["action"] == "iam:GetUser"


def test_the_command_prints_lines_for_people(enforced, home):
    home.client("iam").list_users()
    done = eventually(lambda: (d := hearth("audit", "--data", str(enforced.data), "-n", "5")).stdout and d)
    assert done.returncode == 0 and "arn:aws:iam::000000000000:root" in done.stdout
    missing = hearth("audit", "--data", "/nonexistent")
    assert missing.returncode == 1 and "--data" in missing.stderr


def test_secrets_do_not_stand_in_it(enforced, home):
    home.user("quiet")
    text = json.dumps(audit(enforced))
    for secret in [home.keys[1]]:
        assert secret not in text
