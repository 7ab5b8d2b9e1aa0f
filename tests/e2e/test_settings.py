"""`settings.tsv`: every input member is enforced by a named test or refused with a named error.

The rows are checked against the API models, so that a member without a row fails, and against the tests of this same
run, so that a row without its test fails. The refusals are carried out by the tests of each service's crate.
"""

import csv
import json
import re
from functools import cache

from support.paths import ROOT

NAMES = ("lambda", "iam", "sts", "logs", "sqs", "sns", "events", "scheduler", "cloudwatch", "s3")
MODELS = {service: ROOT / "crates" / "wire" / "models" / f"{service}.json" for service in NAMES}
#: Where each service registers its operations with the protocol front.
SERVICES = {
    "lambda": ROOT / "crates" / "lambda" / "src",
    "iam": ROOT / "crates" / "services" / "iam" / "src",
    "sts": ROOT / "crates" / "services" / "sts" / "src",
    "logs": ROOT / "crates" / "services" / "logs" / "src",
    "sqs": ROOT / "crates" / "services" / "sqs" / "src",
    "sns": ROOT / "crates" / "services" / "sns" / "src",
    "events": ROOT / "crates" / "services" / "eventbridge" / "src",
    "scheduler": ROOT / "crates" / "services" / "scheduler" / "src",
    "cloudwatch": ROOT / "crates" / "services" / "cloudwatch" / "src",
    "s3": ROOT / "crates" / "services" / "s3" / "src",
}
REGISTERED = re.compile(r"\.(?:op|op_with_status|poll|raw|event_stream)\(\s*\"(\w+)\"")

#: Its operations are those of a trait, in `api.rs`.
OF_S3 = re.compile(r"\w+\((\w+)Input\) -> \1Output: ")


@cache
def model(service):
    return json.loads(MODELS[service].read_text())


@cache
def rows():
    with open(ROOT / "settings.tsv", newline="") as file:
        lines = [line for line in file if not line.startswith("#")]
    return [tuple(row[:4]) for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def operations(service):
    text = "".join(path.read_text() for path in SERVICES[service].rglob("*.rs"))
    found = set((OF_S3 if service == "s3" else REGISTERED).findall(text))
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


def members():
    return {(operation, path) for service in MODELS for operation in operations(service) for path in leaves(service, operation)}


def test_every_input_member_has_exactly_one_row():
    about = [row[:2] for row in rows()]
    missing, unknown = members() - set(about), set(about) - members()
    assert not missing and not unknown, f"missing: {sorted(missing)}\nunknown: {sorted(unknown)}"
    assert len(about) == len(set(about)), "two rows about one member"


def test_every_row_says_enforced_by_or_refused_with():
    assert not [row for row in rows() if len(row) != 4 or row[2] not in ("enforced-by", "refused-with") or not row[3]]


def test_every_test_a_row_names_is_part_of_this_run():
    missing = set()
    for test in {row[3] for row in rows() if row[2] == "enforced-by"}:
        # The tests of the lambda crate go by their module path.
        path = re.sub(r"^hearth-lambda::api::(\w+)::", r"crates/lambda/tests/api/\1.rs::", test)
        path, _, name = path.partition("::")
        definition = rf"(?m)^(async )?def {name}\(" if path.endswith(".py") else rf"(?m)#\[(tokio::)?test.*\]\n(async )?fn {name}\("
        file = ROOT / path
        if not file.is_file() or not re.search(definition, file.read_text()):
            missing.add(test)
    assert not missing, sorted(missing)
