"""Who gets through when identity policy, resource policy, boundary and session policy say different things, within an
account and across accounts.

Source of the expected results: IAM user guide, "Policy evaluation logic" with its pages "Policy evaluation for requests
within a single account" (how each form of principal in a resource policy weighs against implicit denies) and
"Cross-account policy evaluation logic". `expected` below restates them; it shares nothing with the server.
"""

import itertools
import json

import pytest

from support import aws, packages

from .conftest import AWAY, HOME, document, statement, trust

ACTION = "lambda:GetFunction"
#: Grants the action, or says nothing of it; a deny stands beside an allow.
IDENTITY = {
    "nothing": document(statement(action="iam:ListUsers")),
    "allow": document(statement(action=ACTION)),
    "deny": document(statement(action=ACTION), statement("Deny", ACTION)),
}
LIMITS = ("absent", "allows", "lacks", "denies")
LIMIT = {
    "allows": document(statement(action=ACTION)),
    "lacks": document(statement(action="iam:*")),
    "denies": document(statement(), statement("Deny", ACTION)),
}
#: How a function's policy names the caller.
RESOURCE = ("nothing", "caller", "role", "account", "anyone")


def expected(kind, identity, boundary, session, resource, same_account):
    """The answer of the guide for a caller of that kind: root, user, or role session."""
    if kind == "root":
        # The account itself needs no policy of its own; another account's resource must let it in.
        return same_account or resource in ("account", "anyone")
    limits = {boundary, session} - {"absent"}
    if identity == "deny" or "denies" in limits:
        return False
    within_limits = "lacks" not in limits
    identity_side = identity == "allow" and within_limits
    if not same_account:
        return identity_side and resource != "nothing"
    if identity_side:
        return True
    if resource == "caller":
        # A user, or a role's session by its own ARN: implicit denies elsewhere do not limit it.
        return True
    if resource == "anyone":
        return kind == "user" or within_limits
    if resource == "role":
        # The role's ARN: limited by boundary and session policy.
        return within_limits
    # An account only delegates to its own identity policies.
    return False


class Cast:
    """Every caller of one account: one for each combination of identity policy and boundary."""

    def __init__(self, root, account):
        iam = root.client("iam")
        self.account = account
        self.root = root
        self.sessions = {}
        boundaries = {"absent": None}
        for name, policy in LIMIT.items():
            made = iam.create_policy(PolicyName=f"matrix-{name}", PolicyDocument=json.dumps(policy))
            boundaries[name] = made["Policy"]["Arn"]
        self.users, self.roles = {}, {}
        assuming = root.user("assumer", policy=document(statement(action="sts:AssumeRole")))
        for identity, boundary in itertools.product(IDENTITY, LIMITS):
            name, policy = f"matrix-{identity}-{boundary}", IDENTITY[identity]
            self.users[identity, boundary] = root.user(name, boundary=boundaries[boundary], policy=policy)
            trusting = trust({"AWS": assuming.arn})
            role = root.role(name, trusting, boundary=boundaries[boundary], policy=policy)
            self.roles[identity, boundary] = role
            for limit in LIMITS:
                extra = {} if limit == "absent" else {"Policy": json.dumps(LIMIT[limit])}
                self.sessions[identity, boundary, limit] = assuming.assume(role, f"s-{limit}", **extra)

    def callers(self):
        """(kind, identity, boundary, session policy, caller)"""
        yield "root", "allow", "absent", "absent", self.root
        for (identity, boundary), user in self.users.items():
            yield "user", identity, boundary, "absent", user
        for (identity, boundary, session), caller in self.sessions.items():
            yield "session", identity, boundary, session, caller


@pytest.fixture(scope="module")
def casts(home, away):
    return {"home": Cast(home, HOME), "away": Cast(away, AWAY)}


@pytest.fixture(scope="module")
def functions(home, casts):
    """A function for each way its policy may name the callers."""
    role = home.role("matrix-execution", trust({"Service": "lambda.amazonaws.com"}))
    client = home.client("lambda")
    package = packages.python("echo")
    made = {}
    for resource in RESOURCE:
        made[resource] = aws.create(client, package, handler="echo.handler", name=f"matrix-{resource}", Role=role)

    def grant(resource, principal, number=itertools.count()):
        client.add_permission(
            FunctionName=made[resource].name, StatementId=f"s{next(number)}", Action=ACTION, Principal=principal
        )

    grant("anyone", "*")
    for cast in casts.values():
        grant("account", cast.account)
        for role in cast.roles.values():
            grant("role", role)
        for user in cast.users.values():
            grant("caller", user.arn)
        for session in cast.sessions.values():
            # 20 KB hold a statement for each session of one account's roles; another's need no more than the role.
            if cast.account == HOME:
                grant("caller", session.arn)
    return made


@pytest.mark.parametrize("resource", RESOURCE)
@pytest.mark.parametrize("account", ["home", "away"])
def test_policies_together_decide_as_the_guide_says(casts, functions, account, resource):
    wrong, tried = [], 0
    for kind, identity, boundary, session, caller in casts[account].callers():
        if resource == "role" and kind != "session":
            continue
        if resource == "caller" and (kind == "root" or (account == "away" and kind == "session")):
            continue
        got = caller.may("lambda", "get_function", FunctionName=functions[resource].arn)
        want = expected(kind, identity, boundary, session, resource, account == "home")
        tried += 1
        if got != want:
            wrong.append(f"{kind} identity={identity} boundary={boundary} session={session}: {got}, not {want}")
    assert not wrong, f"{len(wrong)} of {tried}:\n" + "\n".join(wrong)
    assert tried >= 12


def test_a_grant_is_for_the_name_it_was_given_for(home, casts, functions):
    """Source: Lambda developer guide, "Using resource-based policies": a grant for a version is for that version."""
    client = home.client("lambda")
    name = functions["nothing"].name
    version = client.publish_version(FunctionName=name)["Version"]
    user = casts["home"].users["nothing", "absent"]
    assert not user.may("lambda", "get_function", FunctionName=name, Qualifier=version)
    client.add_permission(FunctionName=name, Qualifier=version, StatementId="v", Action=ACTION, Principal=user.arn)
    try:
        assert user.may("lambda", "get_function", FunctionName=name, Qualifier=version)
        assert not user.may("lambda", "get_function", FunctionName=name)
        assert not user.may("lambda", "get_function", FunctionName=name, Qualifier="$LATEST")
    finally:
        client.remove_permission(FunctionName=name, Qualifier=version, StatementId="v")
    assert not user.may("lambda", "get_function", FunctionName=name, Qualifier=version)


#: trust policy's principal, as a function of the caller's ARN and account
TRUSTED = {
    "nobody": lambda user, account: trust({"Service": "lambda.amazonaws.com"}),
    "caller": lambda user, account: trust({"AWS": user}),
    "account": lambda user, account: trust({"AWS": f"arn:aws:iam::{account}:root"}),
    "anyone": lambda user, account: trust("*"),
    "all but deny": lambda user, account: {
        **trust("*"),
        "Statement": trust("*")["Statement"] + trust({"AWS": user}, effect="Deny")["Statement"],
    },
}
MAY_ASSUME = {
    "nothing": document(statement(action="iam:ListUsers")),
    "allow": document(statement(action="sts:AssumeRole")),
    "deny": document(statement(action="sts:AssumeRole"), statement("Deny", "sts:AssumeRole")),
}


@pytest.mark.parametrize("trusted", TRUSTED)
@pytest.mark.parametrize("account", ["home", "away"])
def test_a_role_is_assumed_when_both_sides_agree(home, away, account, trusted):
    """Source: "How trust policies work" and "Switching to a role across accounts": within an account naming the caller
    is enough; an account as principal, and another account in any case, need the identity's policy too."""
    cast = {"home": home, "away": away}[account]
    suffix = f"{account}-{trusted}".replace(" ", "-")
    for identity, policy in MAY_ASSUME.items():
        user = cast.user(f"trust-{identity}-{suffix}", policy=policy)
        role = home.role(f"trust-{identity}-{suffix}", TRUSTED[trusted](user.arn, HOME if account == "home" else AWAY))
        got = user.may("sts", "assume_role", RoleArn=role, RoleSessionName="session")
        if trusted in ("nobody", "all but deny") or identity == "deny":
            want = False
        elif identity == "allow":
            want = True
        else:
            want = account == "home" and trusted in ("caller", "anyone")
        assert got == want, f"{identity} {trusted}"


def test_the_account_itself_assumes_no_role(home):
    """Source: STS API reference, AssumeRole: it cannot be called with root credentials."""
    role = home.role("trust-root", trust({"AWS": home.arn}))
    assert not home.may("sts", "assume_role", RoleArn=role, RoleSessionName="session")
    assert home.denial == "Roles may not be assumed by root accounts."
