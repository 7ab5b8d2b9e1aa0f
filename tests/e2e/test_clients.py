"""Other unmodified clients: the AWS CLI in both versions, and the JavaScript SDK."""

import datetime
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from support import aws, packages
from support.aws import CUSTOM, PYTHON
from support.paths import E2E, ROOT, TOOLS

CLI_V1 = ROOT / ".venv" / "bin" / "aws"
CLI_V2 = next((path for path in ("/usr/bin/aws", "/usr/local/bin/aws") if os.path.exists(path)), "/usr/bin/aws")
SECONDS_MAX = 90


def environment(server, home):
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_REGION": aws.REGION,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
    }


@pytest.fixture(params=[(CLI_V1, "aws-cli/1"), (CLI_V2, "aws-cli/2")], ids=["v1", "v2"])
def cli(request, server, tmp_path):
    """Runs `aws …` against the shared server and answers its parsed output."""
    program, version = request.param
    packages.needs(program, f"the AWS CLI ({version})")
    variables = environment(server, tmp_path)
    shown = subprocess.run([program, "--version"], env=variables, capture_output=True, text=True, timeout=SECONDS_MAX)
    if not (shown.stdout + shown.stderr).startswith(version):
        pytest.skip(f"{program} is not {version}: see what tools/setup-tests.sh said")
    # Version 2 from before AWS_ENDPOINT_URL (2.13) needs the option.
    endpoint = ["--endpoint-url", server.url]

    def run(*arguments, fails=False):
        done = subprocess.run(
            [program, *endpoint, "--output", "json", *arguments],
            env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS_MAX,
        )
        if fails:
            assert done.returncode != 0, done.stdout
            return done.stderr
        assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_the_aws_cli_leads_a_function_through_its_life(cli, tmp_path):
    name = aws.function_name("cli")
    (tmp_path / "one.zip").write_bytes(packages.python("echo"))
    (tmp_path / "two.zip").write_bytes(packages.zip_of({"echo.py": "handler = lambda e, c: ['two', e]"}))
    (tmp_path / "event.json").write_text('{"from": "cli"}')

    made = cli(
        "lambda", "create-function", "--function-name", name, "--runtime", PYTHON, "--handler", "echo.handler",
        "--role", aws.ROLE, "--zip-file", "fileb://one.zip", "--environment", "Variables={GREETING=hello}",
    )
    assert made["FunctionName"] == name
    cli("lambda", "wait", "function-active-v2", "--function-name", name)

    answer = cli("lambda", "invoke", "--function-name", name, "--payload", "fileb://event.json", "--log-type", "Tail", "out")
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST" and "LogResult" in answer
    body = json.loads((tmp_path / "out").read_text())
    assert body["event"] == {"from": "cli"} and body["greeting"] == "hello"

    cli("lambda", "update-function-code", "--function-name", name, "--zip-file", "fileb://two.zip")
    cli("lambda", "wait", "function-updated-v2", "--function-name", name)
    cli("lambda", "update-function-configuration", "--function-name", name, "--timeout", "9")
    cli("lambda", "wait", "function-updated-v2", "--function-name", name)
    assert cli("lambda", "get-function-configuration", "--function-name", name)["Timeout"] == 9

    assert cli("lambda", "publish-version", "--function-name", name)["Version"] == "1"
    cli("lambda", "invoke", "--function-name", name, "--qualifier", "1", "--payload", "fileb://event.json", "out")
    assert json.loads((tmp_path / "out").read_text()) == ["two", {"from": "cli"}]
    assert [v["Version"] for v in cli("lambda", "list-versions-by-function", "--function-name", name)["Versions"]] == [
        "$LATEST", "1",
    ]
    assert name in [f["FunctionName"] for f in cli("lambda", "list-functions")["Functions"]]

    cli("lambda", "delete-function", "--function-name", name)
    assert "ResourceNotFoundException" in cli("lambda", "get-function", "--function-name", name, fails=True)


def test_the_aws_cli_provisions_concurrency(cli, make, client):
    function = make(packages.python("echo"), handler="echo.handler")
    client.publish_version(FunctionName=function.name)
    of = ["--function-name", function.name, "--qualifier", "1"]
    cli("lambda", "put-provisioned-concurrency-config", *of, "--provisioned-concurrent-executions", "1")
    deadline = time.monotonic() + SECONDS_MAX
    while (shown := cli("lambda", "get-provisioned-concurrency-config", *of))["Status"] == "IN_PROGRESS":
        assert time.monotonic() < deadline, shown
    assert (shown["Status"], shown["AvailableProvisionedConcurrentExecutions"]) == ("READY", 1)
    listed = cli("lambda", "list-provisioned-concurrency-configs", "--function-name", function.name)
    assert [item["FunctionArn"] for item in listed["ProvisionedConcurrencyConfigs"]] == [f"{function.arn}:1"]
    cli("lambda", "delete-provisioned-concurrency-config", *of)
    assert "ProvisionedConcurrencyConfigNotFoundException" in cli(
        "lambda", "get-provisioned-concurrency-config", *of, fails=True)


def test_the_aws_cli_knows_who_it_is(cli):
    assert cli("sts", "get-caller-identity") == {
        "UserId": aws.ACCOUNT, "Account": aws.ACCOUNT, "Arn": f"arn:aws:iam::{aws.ACCOUNT}:root",
    }


@pytest.fixture
def node(server, tmp_path):
    """`node(program, *arguments)` runs a program of tests/e2e/js against the shared server and answers what it printed."""
    packages.needs(TOOLS / "node" / "node_modules", "the AWS SDK for JavaScript")
    if not shutil.which("node"):
        pytest.skip("node is not installed: see what tools/setup-tests.sh said")

    def run(program, *arguments):
        done = subprocess.run(
            ["node", str(E2E / "js" / program), str(TOOLS / "node"), *arguments],
            env=environment(server, tmp_path), capture_output=True, text=True, timeout=SECONDS_MAX,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_javascript_sdk_waits_for_and_invokes_a_function(make, node):
    function = make(packages.python("echo"), handler="echo.handler")
    answer = node("invoke.mjs", function.name, '{"from": "js"}')
    assert (answer["state"], answer["status"], answer["version"], answer["error"]) == ("Active", 200, "$LATEST", None)
    assert answer["payload"]["event"] == {"from": "js"}
    assert re.search(r"^START RequestId: ", answer["log"], re.MULTILINE)


def test_the_javascript_sdk_follows_the_tutorials_of_sqs(node, server):
    name = aws.function_name("js")
    said = node("sqs.mjs", name)
    assert said["found"] and said["queue"] == f"{server.url}/{aws.ACCOUNT}/{name}" and said["listed"] == [said["queue"]]
    assert said["received"] == {
        "body": "Information about current NY Times fiction bestseller for week of 12/11/2016.",
        "title": "The Whistler",
        "weeks": "6",
        "receives": "1",
    }
    assert (said["hidden"], said["again"]) == (0, "2")
    assert said["late"]["body"] == "late" and 900 <= said["late"]["waited_ms"] < 15_000
    assert said["batch"] == {"successful": 10, "failed": 0} and said["deleted"] == 10
    assert said["bodies"] == [f"batch {number}" for number in range(10)]
    assert said["fifo"] == ["one", "two", "three"]
    assert (said["sources"], said["left"]) == ([said["queue"]], 0)
    assert said["letter"] == {"body": "nobody can", "from": name}
    assert said["gone"] == "QueueDoesNotExist"


def test_the_javascript_sdk_follows_the_tutorials_of_sns(node):
    name = aws.function_name("js")
    said = node("sns.mjs", name)
    assert said["topic"] == f"arn:aws:sns:{aws.REGION}:{aws.ACCOUNT}:{name}"
    assert said["listed"] and said["displayed"] == "News"
    assert said["subscriptions"] == [["sqs", f"{name}-all"], ["sqs", f"{name}-some"]]
    assert said["batch"] == ["a", "b"]
    assert said["all"] == ["an order_cancelled", "an order_placed", "batch a", "batch b"]
    assert said["envelope"] == {
        "type": "Notification", "topic": True, "subject": "orders", "attribute": "order_placed",
    }
    assert said["some"] == ["an order_placed"] and said["others"] == []
    assert (said["left"], said["gone"]) == (1, "NotFoundException")


def http_api_event(method, path, query="", body=None):
    """What an HTTP API sends a function. Source: API Gateway developer guide, payload format version 2.0."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", "host": "api.example.com", "x-forwarded-proto": "https"},
        "queryStringParameters": dict(pair.split("=") for pair in query.split("&")) if query else {},
        "requestContext": {
            "accountId": aws.ACCOUNT,
            "apiId": "api-id",
            "domainName": "api.example.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": False,
    }
    return event | ({"body": body} if body is not None else {})


def test_a_fastapi_application_runs_by_mangum(make):
    function = make(packages.fastapi_app(), handler="app.handler", MemorySize=512)
    for _ in range(2):
        answer = function.invoke(http_api_event("GET", "/items/7", "q=tea")).ok()
        assert answer["statusCode"] == 200
        assert json.loads(answer["body"]) == {"item_id": 7, "q": "tea"}
    refused = function.invoke(http_api_event("GET", "/items/seven")).ok()
    assert refused["statusCode"] == 422


def test_powertools_logs_counts_routes_and_learns_where_it_runs(make, server):
    function = make(packages.powertools_app(), handler="app.handler", MemorySize=512)
    for is_cold in (True, False):
        result = function.invoke(http_api_event("GET", "/orders/7"), LogType="Tail")
        answer = result.ok()
        assert answer["statusCode"] == 200, answer
        assert json.loads(answer["body"]) == {"order": "7", "zone": "use1-az1"}
        lines = [json.loads(line) for line in result.log.splitlines() if line.startswith("{")]
        [record] = [line for line in lines if line.get("message") == "looked up"]
        assert (record["service"], record["order"], record["cold_start"]) == ("orders", "7", is_cold)
        assert record["function_request_id"] == result.request_id
        assert (record["function_name"], record["function_memory_size"]) == (function.name, "512")
        # The embedded metric format: CloudWatch makes metrics of these lines.
        counted = [line for line in lines if "_aws" in line]
        assert sum(line.get("Lookups") == [1.0] for line in counted) == 1, counted
        assert sum(line.get("ColdStart") == [1.0] for line in counted) == is_cold, counted
    missing = function.invoke(http_api_event("GET", "/nowhere")).ok()
    assert missing["statusCode"] == 404
    assert shop_metrics(server, function) == {"Lookups": 2, "ColdStart": 1}


def shop_metrics(server, function):
    """What GetMetricData knows of the function, once both metrics are there."""
    cloudwatch, now = aws.client(server.url, "cloudwatch"), datetime.datetime.now(datetime.UTC)
    dimensions = {"Lookups": [("service", "orders")], "ColdStart": [("function_name", function.name), ("service", "orders")]}
    queries = [
        {"Id": name.lower(), "Label": name, "MetricStat": {
            "Metric": {
                "Namespace": "Shop", "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions[name]]},
            "Period": 3600, "Stat": "Sum"}}
        for name in dimensions
    ]
    for _ in range(100):
        found = cloudwatch.get_metric_data(
            MetricDataQueries=queries, StartTime=now - datetime.timedelta(hours=1),
            EndTime=now + datetime.timedelta(hours=1))["MetricDataResults"]
        values = {one["Label"]: sum(one["Values"]) for one in found}
        if values["Lookups"] >= 2 and values["ColdStart"]:
            break
        time.sleep(0.2)
    return values


def test_an_express_application_runs_by_serverless_http(make):
    function = make(packages.express_app(), runtime=aws.NODE, handler="index.handler", MemorySize=256)
    answer = function.invoke(http_api_event("GET", "/items/7", "q=tea")).ok()
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"item_id": "7", "q": "tea"})
    answer = function.invoke(http_api_event("POST", "/items", body='{"name": "cup"}')).ok()
    assert (answer["statusCode"], json.loads(answer["body"])) == (201, {"made": "cup"})
    assert function.invoke(http_api_event("GET", "/nowhere")).ok()["statusCode"] == 404


def test_a_lambda_runtime_binary_runs(make):
    function = make(packages.lambda_runtime_app(), runtime=CUSTOM, handler="bootstrap")
    for number in range(3):
        assert function.invoke({"n": number}).ok() == {"n": number}


def test_awslambdaric_runs_as_the_bootstrap_of_a_custom_runtime(make):
    function = make(packages.awslambdaric_app(), runtime=CUSTOM, handler="function.handler", MemorySize=256)
    answer = function.invoke({"n": 1})
    body = answer.ok()
    assert body["client"] == "awslambdaric" and body["event"] == {"n": 1}
    assert body["request_id"] == answer.request_id and body["function_name"] == function.name
    failed = function.invoke({"fail": True})
    assert failed.error == "Unhandled"
    assert (failed.payload["errorType"], failed.payload["errorMessage"]) == ("ValueError", "as asked")
    assert function.invoke({"n": 2}).ok()["event"] == {"n": 2}
