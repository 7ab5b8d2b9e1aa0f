"""`hearth up --store postgres://…`: all that a server keeps in records is in a database, which may come and go."""

import datetime
import json
import os
import subprocess
import time

import botocore.exceptions
import pytest

from support import aws, packages
from support.database import Database
from support.paths import HEARTH
from support.server import Server

CODE = """
def handler(event, context):
    return event["n"] + 1
"""
#: The server waits for its database a while before it refuses.
BACK_SECONDS_MAX = 30
EVENT_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def shared_database():
    database = Database()
    yield database
    database.remove()


@pytest.fixture
def database():
    """One that a test may kill."""
    database = Database()
    yield database
    database.remove()


@pytest.fixture
def start(tmp_path):
    """`start(database)` starts a server with its data directory in the test's."""
    servers = []

    def start(database, data="data"):
        arguments = ["--store", database.url]
        servers.append(Server(tmp_path / data, tmp_path / "server.log", arguments=arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def refusal(*arguments, **environment):
    """What `hearth up` says that does not start."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "HEARTH_", "PG"))}
    command = [str(HEARTH), "up", "--listen", "127.0.0.1:0", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean | environment, check=False)
    assert done.returncode != 0
    return done.stderr


def until(what, seconds):
    """What `what` answers once it does not fail any more."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return what()
        except (botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def take(sqs, url, seconds=EVENT_SECONDS_MAX):
    """The body of a message, which is then deleted."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return message["Body"]
    raise AssertionError("no message came")


def test_functions_events_and_queues_survive_restarts_of_server_and_database(database, start):
    server = start(database)
    functions, sqs = aws.client(server.url, "lambda"), aws.client(server.url, "sqs")
    outcomes = sqs.create_queue(QueueName="outcomes")["QueueUrl"]
    kept = sqs.create_queue(QueueName="kept")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=outcomes, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    function = aws.create(functions, packages.zip_of({"app.py": CODE}), name="add", handler="app.handler")
    functions.put_function_event_invoke_config(
        FunctionName="add", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    assert function.invoke({"n": 1}).ok() == 2
    assert function.invoke({"n": 2}, InvocationType="Event").status == 202
    assert json.loads(take(sqs, outcomes))["responsePayload"] == 3
    sqs.send_message(QueueUrl=kept, MessageBody="still here")
    # Nothing of it is anywhere else.
    assert not (server.data / "store" / "hearth.db").exists()
    assert int(database.sql("SELECT count(*) FROM hearth.entry")) > 3

    assert server.stop() == 0
    database.stop()
    database.start()
    server.start()
    functions, sqs = aws.client(server.url, "lambda"), aws.client(server.url, "sqs")
    function = aws.Function(functions, "add", function.arn)
    assert function.invoke({"n": 3}).ok() == 4
    assert take(sqs, server.url + "/000000000000/kept") == "still here"


def test_while_the_database_is_gone_requests_fail_clearly_and_afterwards_they_work(database, start):
    server = start(database)
    functions, sqs = aws.client(server.url, "lambda"), aws.client(server.url, "sqs")
    function = aws.create(functions, packages.zip_of({"app.py": CODE}), name="add", handler="app.handler")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    database.kill()
    with pytest.raises(functions.exceptions.ServiceException) as refused:
        functions.update_function_configuration(FunctionName="add", Description="new")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        sqs.send_message(QueueUrl=url, MessageBody="not taken")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    with pytest.raises(functions.exceptions.ServiceException):
        function.invoke({"n": 1}, InvocationType="Event")
    # What needs no record goes on.
    assert function.invoke({"n": 1}).ok() == 2
    assert server.health() == 200

    database.start()
    until(lambda: sqs.send_message(QueueUrl=url, MessageBody="taken"), BACK_SECONDS_MAX)
    assert take(sqs, url) == "taken"
    until(lambda: functions.update_function_configuration(FunctionName="add", Description="newer"), BACK_SECONDS_MAX)
    aws.wait_updated(function)
    assert functions.get_function_configuration(FunctionName="add")["Description"] == "newer"
    assert function.invoke({"n": 2}, InvocationType="Event").status == 202
    assert server.process.poll() is None


def test_a_short_restart_of_the_database_is_a_wait_and_no_error(database, start):
    server = start(database)
    sqs = aws.client(server.url, "sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    database.stop()
    database.start()
    sqs.send_message(QueueUrl=url, MessageBody="taken")
    assert take(sqs, url) == "taken"


def test_a_second_server_is_refused_while_the_first_lives(shared_database, start, tmp_path):
    first = start(shared_database)
    said = refusal("--data", tmp_path / "other", "--store", shared_database.url)
    assert "another Hearth server" in said and "stop it first" in said and str(first.data) in said
    assert first.health() == 200
    # Killed, and started again at once: the database has to notice first.
    first.kill()
    first.start()
    assert first.stop() == 0


def test_a_data_directory_belongs_to_its_database(database, start, tmp_path):
    server = start(database)
    aws.client(server.url, "sqs").create_queue(QueueName="q")
    assert server.stop() == 0
    said = refusal("--data", server.data)
    assert "are in a PostgreSQL database" in said and "--store" in said
    command = [str(HEARTH), "backup", "--data", str(server.data), str(tmp_path / "backup")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode != 0 and "pg_dump" in said.stderr, said.stderr
    said = refusal("--data", tmp_path / "other", "--store", database.url)
    assert "give the data directory that they were made with" in said
    database.sql("CREATE DATABASE second")
    said = refusal("--data", server.data, "--store", database.url.removesuffix("hearth") + "second")
    assert "belongs to another database" in said
    server.arguments = []
    server.data = tmp_path / "embedded"
    server.start()
    assert server.stop() == 0
    assert "are not moved to a database" in refusal("--data", server.data, "--store", database.url)


def test_what_cannot_be_used_is_refused_with_what_to_do(tmp_path):
    data = tmp_path / "data"
    said = refusal("--data", data, HEARTH_STORE="postgres://somebody:s3cret@127.0.0.1:1/db")
    assert "somebody@127.0.0.1:1/db" in said and "Is PostgreSQL running there" in said and "s3cret" not in said
    assert "sslmode" in refusal("--data", data, "--store", "postgres://u@127.0.0.1/db?sslmode=require")
    assert "postgres://user@host/database" in refusal("--data", data, "--store", "mysql://h/d")
    assert "--ephemeral" in refusal("--ephemeral", "--store", "postgres://u@h/d")


def test_a_root_key_is_made_where_the_records_are(database, start):
    server = start(database)
    command = [str(HEARTH), "root-key", "--data", str(server.data), "--store", database.url]
    busy = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert busy.returncode != 0, "the server has the data directory"
    assert server.stop() == 0
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    key, secret = (line.split("=", 1)[1] for line in made.splitlines() if "=" in line)
    server.arguments += ["--auth", "enforce"]
    server.start()
    identity = aws.client(server.url, "sts", key=key, secret=secret).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{aws.ACCOUNT}:root"


def test_metrics_are_in_the_database_and_survive_a_kill(database, start):
    server = start(database)
    functions, metrics = aws.client(server.url, "lambda"), aws.client(server.url, "cloudwatch")
    function = aws.create(functions, packages.zip_of({"app.py": CODE}), name="add", handler="app.handler")
    assert function.invoke({"n": 1}).ok() == 2
    data = [{"MetricName": "Orders", "Dimensions": [{"Name": "Shop", "Value": "north"}], "Values": [1, 2, 4], "Unit": "Count"}]
    metrics.put_metric_data(Namespace="App", MetricData=data)
    expected = {"Orders": [7.0], "Invocations": [1.0], "p50": [2.0]}
    assert points(metrics) == expected, "what is asked for is written down"
    server.kill()
    server.start()
    metrics = aws.client(server.url, "cloudwatch")
    assert points(metrics) == expected
    metrics.put_metric_data(Namespace="App", MetricData=data)
    assert points(metrics) == expected | {"Orders": [14.0]}
    listed = [metric["MetricName"] for metric in metrics.list_metrics(Namespace="App")["Metrics"]]
    assert listed == ["Orders"]


def points(metrics):
    """By name, of the last two hours put together."""
    now = datetime.datetime.now(datetime.UTC)
    orders = {"Namespace": "App", "MetricName": "Orders", "Dimensions": [{"Name": "Shop", "Value": "north"}]}
    add = {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": [{"Name": "FunctionName", "Value": "add"}]}
    queries = [
        {"Id": f"q{at}", "Label": label, "MetricStat": {"Metric": metric, "Period": 7_200, "Stat": statistic}}
        for at, (label, metric, statistic) in enumerate([("Orders", orders, "Sum"), ("Invocations", add, "Sum"), ("p50", orders, "p50")])
    ]
    found = metrics.get_metric_data(
        MetricDataQueries=queries, StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1))
    return {result["Label"]: result["Values"] for result in found["MetricDataResults"]}
