"""Every error that was recorded from the real Lambda is provoked here: status, code, type, the key of the text, the text.

A row of `recorded_errors.tsv` that nothing provokes must stand in `NOT_HERE`, with its reason.
"""

import base64
import http.client
import json
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from support import aws, packages
from support.aws import ACCOUNT, REGION

FUNCTIONS = "/2015-03-31/functions"
MAPPINGS = "/2015-03-31/event-source-mappings"
#: Texts of the table are cut off here.
TEXT_MAX = 480
#: Where AWS has since changed what a text lists: the model of today has another pattern and other runtimes.
CHANGED_SINCE = ("pattern: arn:(aws[a-zA-Z-]*):lambda:", "'compatibleRuntime' failed to satisfy constraint: Member must satisfy enum value set: ")
MEGABYTE = 1024 * 1024

#: Rows by the beginning of their text, and why nothing here provokes them.
NOT_HERE = {
    "Error occurred while DescribeSecurityGroups": "VPC is refused",
    "Error occurred while DescribeSubnets": "VPC is refused",
    "1 validation error detected: Value '[<security_group_id_2>]'": "VPC is refused",
    "1 validation error detected: Value '[<subnet_id_2>]'": "VPC is refused",
    "Error occurred while GetObject": "takes buckets: test_s3_lambda.py",
    "Stream not found": "no streams are polled",
    "Unsupported starting position for arn type": "no streams are polled",
    'The event source arn (" ': "no streams are polled",
    'An event source mapping with event source ("': "no Kafka is polled",
    "Please provide ImageUri when updating": "takes a function of an image: test_images.py",
}


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.code = (headers.get("x-amzn-ErrorType") or "").split(":")[0]
        try:
            fields = json.loads(body)
        except ValueError:
            fields = {}
        self.type = fields.get("Type", "-")
        self.reason = fields.get("Reason", "-")
        self.key = next((key for key in ("message", "Message") if key in fields), "-")
        self.text = fields.get(self.key) or "None"

    def __repr__(self):
        return f"{self.status} {self.code} {self.type} {self.reason} {self.key} {self.text[:300]!r}"


class Row:
    """A line of the table."""

    def __init__(self, line):
        self.code, self.status, self.type, self.reason, self.key, self.text = line.split("\t")
        self.is_whole = len(self.text) < TEXT_MAX
        for start in CHANGED_SINCE:
            if start in self.text:
                self.text = self.text.partition(start)[0] + start
                self.is_whole = False

    def __repr__(self):
        return f"{self.status} {self.code} {self.type} {self.reason} {self.key} {self.text!r}"

    def is_of(self, answer):
        text = answer.text[: len(self.text) + 100].replace(ACCOUNT, "111111111111").replace("\n", " /")
        pattern = "".join(
            ".+?" if part.startswith("<") else re.escape(part) for part in re.split(r"(<[^<>]+>)", self.text))
        return (
            (self.code, int(self.status), self.reason) == (answer.code, answer.status, answer.reason)
            # Of what is modelled nowhere only the text was recorded.
            and (self.key == "-" or (self.key, self.type) == (answer.key, answer.type))
            and (self.text == "None" or re.match(pattern + (r"\Z" if self.is_whole else ""), text))
        )


def rows():
    lines = (Path(__file__).parent / "recorded_errors.tsv").read_text().splitlines()
    return [Row(line) for line in lines if not line.startswith("#")][1:]


class Api:
    """Requests as no SDK would send them."""

    def __init__(self, url):
        self.host = url.removeprefix("http://")
        self.answers = []

    def __call__(self, method, path, body=None):
        body = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request(method, quote(path, safe="/?&=%"), body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            self.answers.append(Answer(answer.status, answer.headers, answer.read()))
        finally:
            connection.close()
        return self.answers[-1]


@pytest.fixture(scope="module")
def world(server):
    """A function with two versions, an alias, a permission, a URL, a layer and a queue that it takes messages of."""
    client = aws.client(server.url, "lambda")
    function = aws.create(client, packages.python("remote"))
    name = function.name
    client.publish_version(FunctionName=name)
    aws.update(function, Description="second")
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="custom", FunctionVersion="1")
    for statement in ("s1", "s3"):
        client.add_permission(FunctionName=name, StatementId=statement, Action="lambda:InvokeFunction",
                              Principal="s3.amazonaws.com")
    client.create_function_url_config(FunctionName=name, AuthType="NONE")
    layer = client.publish_layer_version(LayerName=name, Content={"ZipFile": packages.zip_of({"a": "a"})})
    client.publish_layer_version(LayerName=name, Content={"ZipFile": packages.zip_of({"a": "b"})})
    client.add_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="s1", Principal="*",
                                        Action="lambda:GetLayerVersion")
    sqs = aws.client(server.url, "sqs")
    queue = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    mapping = client.create_event_source_mapping(
        FunctionName=name, EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", Enabled=False)["UUID"]
    yield function, layer["LayerArn"]
    client.delete_event_source_mapping(UUID=mapping)
    for number in (1, 2):
        client.delete_layer_version(LayerName=name, VersionNumber=number)
    client.delete_function(FunctionName=name)
    sqs.delete_queue(QueueUrl=queue)


def arn(kind, service="lambda", region=REGION):
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{kind}"


def ask_about_names(api, f):
    of = f"{FUNCTIONS}/{f.name}"
    for qualifier in ("42", "1221", "aliasdoesnotexist", "non-existent-alias", "valid-with-$-but-doesnotexist",
                      "invalid-qualifier-with-?-char".replace("?", "%3F")):
        api("GET", f"{of}?Qualifier={qualifier}")
    for name in ("doesnotexist", "some-function", "csc-test-doesnotexist", f"{f.name}-unknown"):
        api("GET", f"{FUNCTIONS}/{name}")
        api("GET", f"{FUNCTIONS}/{name}?Qualifier=1")
        api("POST", f"{FUNCTIONS}/{name}/invocations", {})
    api("GET", f"{FUNCTIONS}/invalid:function:name")
    api("GET", f"{FUNCTIONS}/arn:aws:lambda:{REGION}:123400000000@function:myfn")
    api("POST", f"{FUNCTIONS}/arn:aws:lambda:{REGION}:123400000000@function:myfn/invocations", {})
    api("GET", f"{FUNCTIONS}/{f.name}:1?Qualifier=2")
    api("GET", f"{FUNCTIONS}/{arn('function:' + f.name, region='ap-southeast-1')}")
    api("GET", f"{FUNCTIONS}/{arn('function:' + f.name).replace(ACCOUNT, '222222222222')}")
    api("GET", f"{FUNCTIONS}/{arn('function:' + 'a' * 100)}")
    api("GET", f"{FUNCTIONS}?FunctionVersion=invalid")
    api("DELETE", f"{of}?Qualifier=$LATEST")
    api("GET", f"{FUNCTIONS}/doesnotexist/aliases/noalias")


def ask_about_creating(api, f, layer):
    package = base64.b64encode(packages.python("echo")).decode()
    good = {"FunctionName": aws.function_name("refused"), "Runtime": aws.PYTHON, "Handler": "echo.handler",
            "Role": aws.ROLE, "Code": {"ZipFile": package}}

    def create(**changes):
        answer = api("POST", FUNCTIONS, good | changes)
        assert answer.status != 201, changes

    for name in ("a" * 65, arn("function:" + "a" * 100), "invalid:function:name"):
        create(FunctionName=name)
    create(Role="r1")
    for runtime in ("PYTHON3.9", "non-existent-runtime", "dotnetcore3.1", "go1.x", "java8", "nodejs12.x", "nodejs14.x",
                    "provided", "python3.7", "ruby2.7"):
        create(Runtime=runtime)
    for architectures in (["X86_64"], ["x86_64", "arm64"]):
        create(Architectures=architectures)
    create(SnapStart={"ApplyOn": "invalidOption"})
    create(Code={"ZipFile": base64.b64encode(b"no zip").decode()})
    create(Code={"ZipFile": base64.b64encode(packages.zip_of({"a": b"\0" * 262_144_001})).decode()})
    create(Code={"ZipFile": base64.b64encode(b"\0" * 52_428_801).decode()})
    create(Code={"ZipFile": "A" * 70_167_212})
    for environment in ({"LARGE_VAR": "x" * 4096}, {"SMALL_VAR": "ok", "LARGE_VAR": "x" * 4096}):
        create(Environment={"Variables": environment})
        api("PUT", f"{FUNCTIONS}/{f.name}/configuration", {"Environment": {"Variables": environment}})
    for layers in (
        [layer], [f"{layer}:1", f"{layer}:1"], [f"{layer}:1", f"{layer}:2"], [f"{layer}:9"],
        [arn("layer:doesnotexist:1")], [f"{layer}:1".replace(REGION, "eu-west-1")],
        [f"{layer}{number}:1" for number in range(6)],
    ):
        create(Layers=layers)
    create(Code={"ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/a:b"})
    code = f"{FUNCTIONS}/{f.name}/code"
    api("PUT", code, {"ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/a:b"})
    api("PUT", code, {"ZipFile": package, "RevisionId": "00000000-0000-0000-0000-000000000000"})
    api("POST", f"{FUNCTIONS}/{f.name}/versions", {"CodeSha256": "a" * 64})
    api("POST", f"{FUNCTIONS}/{f.name}/versions", {"CodeSha256": "somenonexistentsha256"})


def ask_about_aliases(api, f):
    aliases = f"{FUNCTIONS}/{f.name}/aliases"
    weights = lambda weights: {"AdditionalVersionWeights": weights}
    alias = {"Name": "other", "FunctionVersion": "1"}
    api("POST", aliases, alias | {"Name": "custom"})
    api("POST", aliases, alias | {"Name": "2024"})
    api("POST", aliases, alias | {"FunctionVersion": "10"})
    api("POST", aliases, alias | {"FunctionVersion": "$LATEST", "RoutingConfig": weights({"1": 0.5})})
    for routing in ({"1": 0.5}, {"1": 0.5, "2": 0.5}, {"2": 2.0}, {"2": -1.0}, {"$LATEST": 0.5}):
        api("POST", aliases, alias | {"RoutingConfig": weights(routing)})
    for name in ("doesnotexist", "noalias", "non-existent", "alias-doesnotexist"):
        api("GET", f"{aliases}/{name}")
        api("PUT", f"{aliases}/{name}", {"FunctionVersion": "1"})
    api("PUT", f"{aliases}/custom", {"RevisionId": "00000000-0000-0000-0000-000000000000"})
    api("GET", f"{FUNCTIONS}/{f.name}?Qualifier=non-existent")


def ask_about_policies(api, f):
    policy = f"{FUNCTIONS}/{f.name}/policy"
    permission = {"StatementId": "new", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    for statement in ("s1", "s3", "example.com"):
        api("POST", policy, permission | {"StatementId": statement})
    api("POST", policy, permission | {"Principal": "not-a-principal"})
    api("POST", f"{policy}?Qualifier=$LATEST", permission)
    api("POST", policy, permission | {"RevisionId": "00000000-0000-0000-0000-000000000000"})
    for statement in ("doesnotexist", "non-existent"):
        api("DELETE", f"{policy}/{statement}")
    api("DELETE", f"{policy}/s1?Qualifier=1")
    api("DELETE", f"{FUNCTIONS}/doesnotexist/policy/s1")
    api("GET", f"{FUNCTIONS}/doesnotexist/policy")
    api("GET", f"{policy}?Qualifier=1")


def ask_about_concurrency(api, f):
    reserved = lambda function: f"/2017-10-31/functions/{function}/concurrency"
    provisioned = lambda qualifier: f"/2019-09-30/functions/{f.name}/provisioned-concurrency?Qualifier={qualifier}"
    count = lambda count: {"ProvisionedConcurrentExecutions": count}
    api("PUT", reserved(f"{f.name}:1"), {"ReservedConcurrentExecutions": 1})
    api("PUT", reserved(f.name), {"ReservedConcurrentExecutions": 901})
    api("GET", provisioned("1"))
    api("GET", provisioned("$LATEST"))
    api("GET", f"{provisioned('')[:-1]}".replace("?Qualifier", "?Qualifier=$LATEST"))
    api("PUT", provisioned("$LATEST"), count(1))
    api("PUT", provisioned("noalias"), count(1))
    api("PUT", provisioned("1"), count(0))
    api("PUT", provisioned("1"), count(1_001))
    api("PUT", provisioned("1"), count(901))
    assert api("PUT", provisioned("1"), count(2)).status == 202
    api("PUT", provisioned("custom"), count(1))
    api("PUT", reserved(f.name), {"ReservedConcurrentExecutions": 1})
    assert api("DELETE", provisioned("1")).status == 204
    assert api("PUT", provisioned("custom"), count(1)).status == 202
    api("PUT", provisioned("1"), count(1))
    assert api("DELETE", provisioned("custom")).status == 204
    assert api("PUT", reserved(f.name), {"ReservedConcurrentExecutions": 1}).status == 200
    api("PUT", provisioned("1"), count(2))
    assert api("PUT", reserved(f.name), {"ReservedConcurrentExecutions": 0}).status == 200
    api("POST", f"{FUNCTIONS}/{f.name}/invocations", {})
    assert api("DELETE", reserved(f.name)).status == 204


def ask_about_layers(api, f, layer):
    layers = "/2018-10-31/layers"
    content = {"ZipFile": base64.b64encode(packages.zip_of({"a": "a"})).decode()}
    for runtimes, architectures in ((["invalidruntime"], ["invalidarch"]),
                                    (["invalidruntime", "invalidruntime2", "nodejs20.x"], ["invalidarch", "x86_64"])):
        api("POST", f"{layers}/{f.name}/versions", {
            "Content": content, "CompatibleRuntimes": runtimes, "CompatibleArchitectures": architectures})
    api("GET", f"{layers}?CompatibleRuntime=runtimedoesnotexist")
    api("GET", f"{layers}?CompatibleArchitecture=archdoesnotexist")
    api("GET", f"{layers}/{f.name}/versions/0")
    api("GET", f"{layers}/{f.name}/versions/-1")
    api("GET", f"{layers}/{f.name}/versions/9")
    api("GET", f"{layers}?find=LayerVersion&Arn={layer}")
    permission = {"StatementId": "s2", "Action": "lambda:GetLayerVersion", "Principal": "*"}
    policy = f"{layers}/{f.name}/versions/1/policy"
    api("POST", policy, permission | {"Action": "*"})
    api("POST", policy, permission | {"StatementId": "s1"})
    api("POST", f"{policy}?RevisionId=00000000-0000-0000-0000-000000000000", permission)
    for version in (f"{f.name}-doesnotexist/versions/1", f"{f.name}-doesnotexist/versions/2"):
        api("POST", f"{layers}/{version}/policy", permission)
        api("GET", f"{layers}/{version}/policy")
        api("DELETE", f"{layers}/{version}/policy/s2")
    api("DELETE", f"{policy}/non-existent")


def ask_about_events(api, f):
    def config(name, **body):
        return api("PUT", f"/2019-09-25/functions/{name}/event-invoke-config", body)

    to = lambda where, destination: {"DestinationConfig": {where: {"Destination": destination}}}
    config(f.name)
    config("doesnotexist", MaximumRetryAttempts=1)
    config(f.name, **to("OnSuccess", arn("function:doesnotexist")))
    config(f.name, **to("OnSuccess", f.arn))
    config(f.name, **to("OnSuccess", arn(f"function:{f.name}", service="iam")))
    config(f.name, **to("OnFailure", f.arn.replace(":lambda:", ":_-/!lambda:")))
    for name, qualifier in ((f.name, ""), (f.name, "?Qualifier=1"), (f.name, "?Qualifier=1221"),
                            (f.name, "?Qualifier=doesnotexist"), (f.name, "?Qualifier=eventinvokealias"),
                            ("doesnotexist", "")):
        api("GET", f"/2019-09-25/functions/{name}/event-invoke-config{qualifier}")


def ask_about_mappings(api, f):
    def create(**changes):
        mapping = {"FunctionName": f.name, "EventSourceArn": arn(f.name, service="sqs")}
        return api("POST", MAPPINGS, {k: v for k, v in (mapping | changes).items() if v is not None})

    create()
    create(FunctionName="doesnotexist")
    create(EventSourceArn=None)
    create(EventSourceArn=arn("doesnotexist", service="sqs"))
    create(EventSourceArn=arn("stream/s", service="kinesis"))
    create(EventSourceArn=arn("stream/s", service="kinesis"), StartingPosition="invalid")
    create(EventSourceArn=None, Topics=["topic"], StartingPosition="LATEST",
           SelfManagedEventSource={"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["kafka:1000"]}})
    create(FilterCriteria={"Filters": [{"Pattern": '{"body": "no list"}'}]})
    create(BatchSize=11)
    create(DestinationConfig={"OnSuccess": {"Destination": arn(f.name, service="sqs")}})
    api("GET", f"{MAPPINGS}/00000000-0000-0000-0000-000000000000")


def ask_about_urls(api, f):
    url = lambda name, qualifier="": f"/2021-10-31/functions/{name}/url{qualifier}"
    api("POST", url(f.name), {"AuthType": "NONE"})
    api("POST", url("doesnotexist"), {"AuthType": "NONE"})
    api("GET", url("doesnotexist"))
    for qualifier in ("1", "2", "$LATEST"):
        api("POST", url(f.name, f"?Qualifier={qualifier}"), {"AuthType": "NONE"})
    api("POST", url(f.name), {"AuthType": "NONE", "InvokeMode": "UNKNOWN"})


def ask_about_tags(api, f):
    tags = lambda resource: f"/2017-03-31/tags/{quote(resource, safe='')}"
    api("POST", tags(f.arn), {"Tags": {}})
    api("POST", tags(f.arn), {"Tags": {f"k{number}": "v" for number in range(51)}})
    api("POST", tags(f"{f.arn}:1"), {"Tags": {"k": "v"}})
    api("DELETE", tags(f.arn))
    uuid = "00000000-0000-0000-0000-000000000000"
    for resource in (
        "arn:aws:something", arn("foobar:f"), arn("function:doesnotexist"), arn("capacity-provider:p"),
        arn("capacity-provider:p:alias"), arn(f"event-source-mapping:{uuid}"), arn(f"event-source-mapping:{uuid}:alias"),
    ):
        api("GET", tags(resource))


def ask_about_what_is_rare(api, f):
    signing = arn("code-signing-config:csc-0123456789abcdef0")
    api("PUT", f"/2020-06-30/functions/{f.name}/code-signing-config", {"CodeSigningConfigArn": signing})
    api("GET", f"/2020-04-22/code-signing-configs/{quote(signing, safe='')}")
    api("GET", "/2020-06-30/functions/csc-test-doesnotexist/code-signing-config")
    api("PUT", f"/2024-08-31/functions/{f.name}/recursion-config", {"RecursiveLoop": "InvalidValue"})
    for payload in (b"n\x87\x72", b"\x99\xeb"):
        api("POST", f"{FUNCTIONS}/{f.name}/invocations", payload)


def ask_about_updates(api, f):
    """Updates one behind the other: unpacking so many files takes longer than a request."""
    package = base64.b64encode(packages.zip_of({f"{number}.py": "" for number in range(3_000)})).decode()
    deadline = time.monotonic() + 30
    while api("PUT", f"{FUNCTIONS}/{f.name}/code", {"ZipFile": package}).status != 409:
        assert time.monotonic() < deadline
    aws.wait_updated(f)


def test_every_recorded_error_is_answered_as_recorded(server, world):
    function, layer = world
    api = Api(server.url)
    ask_about_names(api, function)
    ask_about_creating(api, function, layer)
    ask_about_aliases(api, function)
    ask_about_policies(api, function)
    ask_about_concurrency(api, function)
    ask_about_layers(api, function, layer)
    ask_about_events(api, function)
    ask_about_mappings(api, function)
    ask_about_urls(api, function)
    ask_about_tags(api, function)
    ask_about_what_is_rare(api, function)
    ask_about_updates(api, function)
    missing = [row for row in rows() if not any(row.is_of(answer) for answer in api.answers)]
    unexplained = [row for row in missing if not any(row.text.startswith(text) for text in NOT_HERE)]
    assert not unexplained, "\n".join(map(repr, unexplained))
    stale = [text for text in NOT_HERE if not any(row.text.startswith(text) for row in missing)]
    assert not stale, "provoked after all"
