"""`settings.tsv`: every input member is enforced by a named test or refused with a named error.

The rows are checked against the API models, so that a member without a row fails, and against the tests, so that a row
without its test fails. Refusals are carried out here.
"""

import csv
import json
import re
from functools import cache

import pytest

from support import aws, packages
from support.paths import ROOT

MODELS = {service: ROOT / "crates" / "wire" / "models" / f"{service}.json" for service in ("lambda", "iam", "sts")}
#: Where each service registers its operations with the protocol front.
SERVICES = {
    "lambda": ROOT / "crates" / "lambda" / "src",
    "iam": ROOT / "crates" / "services" / "iam" / "src",
    "sts": ROOT / "crates" / "services" / "sts" / "src",
}
REGISTERED = re.compile(r"\.(?:op|op_with_status|raw)\(\s*\"(\w+)\"")


@cache
def model(service):
    return json.loads(MODELS[service].read_text())


@cache
def rows():
    with open(ROOT / "settings.tsv", newline="") as file:
        lines = [line for line in file if not line.startswith("#")]
    return [tuple(row) for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def operations(service):
    text = "".join(path.read_text() for path in SERVICES[service].rglob("*.rs"))
    found = set(REGISTERED.findall(text))
    assert found, f"no operation of {service} is registered: has the builder changed?"
    return sorted(found)


def leaves(service, operation):
    """Every input member that is no structure, as a path: `FunctionName`, `Code.ZipFile`."""
    shapes = model(service)["shapes"]

    def walk(shape, prefix, seen):
        for name, member in shapes[shape].get("members", {}).items():
            target = member["shape"]
            if shapes[target]["type"] == "structure" and shapes[target].get("members") and target not in seen:
                yield from walk(target, f"{prefix}{name}.", seen | {target})
            else:
                yield f"{prefix}{name}"

    given = model(service)["operations"][operation].get("input")
    return list(walk(given["shape"], "", {given["shape"]})) if given else []


def row_of(service, operation, path):
    """The row of the member or of the structure around it, the nearest one."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        for row in rows():
            if row[:3] == (service, operation, ".".join(parts[:length])):
                return row
    return None


@pytest.mark.parametrize("service", MODELS)
def test_every_input_member_has_a_row(service):
    missing = [
        f"{service}\t{operation}\t{path}"
        for operation in operations(service)
        for path in leaves(service, operation)
        if row_of(service, operation, path) is None
    ]
    assert not missing, "no row in settings.tsv for:\n" + "\n".join(missing)


def test_every_row_is_about_a_member_that_exists():
    known = {
        (service, operation, ".".join(path.split(".")[: length + 1]))
        for service in MODELS
        for operation in operations(service)
        for path in leaves(service, operation)
        for length in range(path.count(".") + 1)
    }
    assert not [row for row in rows() if row[:3] not in known]
    assert len({row[:3] for row in rows()}) == len(rows()), "two rows about one member"


def test_every_row_says_enforced_by_or_refused_with():
    assert not [row for row in rows() if len(row) != 5 or row[3] not in ("enforced-by", "refused-with") or not row[4]]


def test_every_test_a_row_names_exists():
    missing = []
    for row in rows():
        if row[3] != "enforced-by":
            continue
        for test in row[4].split(", "):
            path, _, name = test.partition("::")
            file = ROOT / path
            keyword = "def" if path.endswith(".py") else "fn"
            if not file.is_file() or not re.search(rf"\b{keyword} {name}\(", file.read_text()):
                missing.append(test)
    assert not missing, sorted(set(missing))


def value_for(service, shape_name):
    """A valid value that asks for something."""
    shapes = model(service)["shapes"]
    shape = shapes[shape_name]
    match shape["type"]:
        case "structure":
            wanted = shape.get("required") or list(shape["members"])[:1]
            return {name: value_for(service, shape["members"][name]["shape"]) for name in wanted}
        case "list":
            return [value_for(service, shape["member"]["shape"])]
        case "map":
            return {"key": value_for(service, shape["value"]["shape"])}
        case "integer" | "long" | "double" | "float":
            return max(shape.get("min", 1), 1)
        case "boolean":
            return True
        case "blob":
            return b"x"
        case "timestamp":
            return 0
    default = shape["enum"][-1] if "enum" in shape else "x" * max(shape.get("min", 1), 1)
    return TEXTS.get(shape_name, default)


#: Texts that satisfy the patterns of the model and ask for something else than the default.
TEXTS = {
    "LogFormat": "JSON",
    "PackageType": "Image",
    "S3ObjectStorageMode": "REFERENCE",
    "SnapStartApplyOn": "PublishedVersions",
    "TracingMode": "Active",
    "S3Bucket": "bucket",
    "KMSKeyArn": f"arn:aws:kms:{aws.REGION}:{aws.ACCOUNT}:key/k",
    "KMSKeyArnNonEmpty": f"arn:aws:kms:{aws.REGION}:{aws.ACCOUNT}:key/k",
    "CodeSigningConfigArn": f"arn:aws:lambda:{aws.REGION}:{aws.ACCOUNT}:code-signing-config:csc-0123456789abcdef0",
    "LayerVersionArn": f"arn:aws:lambda:{aws.REGION}:{aws.ACCOUNT}:layer:l:1",
    "ResourceArn": f"arn:aws:sqs:{aws.REGION}:{aws.ACCOUNT}:q",
    "FileSystemArn": f"arn:aws:elasticfilesystem:{aws.REGION}:{aws.ACCOUNT}:access-point/fsap-0123456789abcdef0",
    "LocalMountPath": "/mnt/x",
    "CapacityProviderArn": f"arn:aws:lambda:{aws.REGION}:{aws.ACCOUNT}:capacity-provider:c",
    "MasterRegion": "us-east-1",
    "arnType": "arn:aws:iam::aws:policy/AdministratorAccess",
}


def nested(path, value):
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def merged(base, more):
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(base.get(name), dict)
        base = base | {name: merged(base[name], value) if both else value}
    return base


def shape_at(service, operation, path):
    shapes = model(service)["shapes"]
    name = model(service)["operations"][operation]["input"]["shape"]
    for part in path.split("."):
        name = shapes[name]["members"][part]["shape"]
    return name


TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})


def valid_input(operation, name):
    """What the operation accepts; a refused member is added to it."""
    return {
        "CreateFunction": {
            "FunctionName": aws.function_name("refused"), "Runtime": aws.PYTHON, "Handler": "echo.handler",
            "Role": aws.ROLE, "Code": {"ZipFile": packages.python("echo")},
        },
        "UpdateFunctionCode": {"FunctionName": name, "ZipFile": packages.python("echo")},
        "CreateRole": {"RoleName": aws.function_name("refused"), "AssumeRolePolicyDocument": TRUST},
        "ListFunctions": {},
    }.get(operation, {"FunctionName": name})


@pytest.fixture(scope="module")
def untouched(server):
    """A function that every refused change must leave as it is."""
    client = aws.client(server.url, "lambda")
    function = aws.create(client, packages.python("echo"), name=aws.function_name("untouched"), handler="echo.handler")
    yield function
    client.delete_function(FunctionName=function.name)


@pytest.mark.parametrize(
    ("service", "operation", "member", "error"),
    [(row[0], row[1], row[2], row[4]) for row in rows() if row[3] == "refused-with"],
    ids=lambda value: value if isinstance(value, str) and "Exception" not in value else "",
)
def test_a_refused_member_is_refused_by_name(server, untouched, service, operation, member, error):
    client = aws.client(server.url, service, parameter_validation=False)
    before = untouched.client.get_function_configuration(FunctionName=untouched.name)
    value = value_for(service, shape_at(service, operation, member))
    request = merged(valid_input(operation, untouched.name), nested(member, value))
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    with pytest.raises(client.exceptions.ClientError) as refused:
        getattr(client, method)(**request)
    told = refused.value.response["Error"]
    assert told["Code"] == error, told
    assert member.split(".")[0] in told["Message"], told
    after = untouched.client.get_function_configuration(FunctionName=untouched.name)
    assert after["RevisionId"] == before["RevisionId"]
