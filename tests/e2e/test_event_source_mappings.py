"""Event source mappings of SQS queues: messages become events, and what comes of them, with the clients people use."""

import json
import re
import time

import pytest

from support import aws, packages
from support.command_line import logs_of
from support.server import Server
from test_clients import cli  # noqa: F401
from test_terraform import start

#: Does as the messages say: `{"sleep": s}`, `{"fail": n}` fails the first n times, `{"report": n}` reports it so often.
CODE = """
import json, os, time

def handler(event, context):
    records = event["Records"]
    print("GOT", json.dumps({"event": event, "trace": os.environ["_X_AMZN_TRACE_ID"]}))
    asked = [json.loads(r["body"]) if r["body"].startswith("{") else {} for r in records]
    received = [int(r["attributes"]["ApproximateReceiveCount"]) for r in records]
    time.sleep(max(one.get("sleep", 0) for one in asked))
    if any(count <= one.get("fail", 0) for one, count in zip(asked, received)):
        raise RuntimeError("as asked")
    failed = [r for r, one, count in zip(records, asked, received) if count <= one.get("report", 0)]
    print("DONE", json.dumps([r["messageId"] for r in records]))
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in failed]}
"""


class Mapped:
    """A queue, a function and a mapping between them."""

    def __init__(self, server, attributes=None, timeout=3, **mapping):
        self.server = server
        self.connect()
        fifo = (attributes or {}).get("FifoQueue") == "true"
        name = aws.function_name("mapped") + (".fifo" if fifo else "")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes or {})["QueueUrl"]
        self.arn = self.attribute("QueueArn")
        package = packages.zip_of({"app.py": CODE})
        self.function = aws.create(self.client, package, handler="app.handler", Timeout=timeout)
        made = self.client.create_event_source_mapping(
            EventSourceArn=self.arn, FunctionName=self.function.name, **mapping
        )
        self.uuid = made["UUID"]
        self.made = made
        self.until("Enabled")

    def connect(self):
        """Clients of the server, which is elsewhere after each start."""
        self.sqs = aws.client(self.server.url, "sqs")
        self.client = aws.client(self.server.url, "lambda")
        if hasattr(self, "url"):
            self.url = self.sqs.get_queue_url(QueueName=self.url.rsplit("/", 1)[1])["QueueUrl"]

    def attribute(self, name):
        return self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])["Attributes"][name]

    def send(self, body, **options):
        body = body if isinstance(body, str) else json.dumps(body)
        return self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **options)["MessageId"]

    def until(self, state, seconds=30):
        deadline = time.monotonic() + seconds
        while (shown := self.client.get_event_source_mapping(UUID=self.uuid))["State"] != state:
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        return shown

    def lines(self, word):
        log = logs_of(self.server, self.function.name)
        return [json.loads(text) for text in re.findall(rf"{word} ([\[{{].*)$", log, re.MULTILINE)]

    def got(self):
        """Events the function was given, in their order."""
        return [line["event"]["Records"] for line in self.lines("GOT")]

    def wait(self, messages, seconds=30):
        """Waits until as many messages, each time counted, have been seen; the batches."""
        deadline = time.monotonic() + seconds
        while sum(map(len, batches := self.got())) < messages:
            assert time.monotonic() < deadline, f"{sum(map(len, batches))} of {messages} messages"
            time.sleep(0.2)
        return batches

    def wait_empty(self, seconds=30):
        deadline = time.monotonic() + seconds
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        while True:
            counts = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
            if all(count == "0" for count in counts.values()):
                return
            assert time.monotonic() < deadline, counts
            time.sleep(0.1)

    def delete(self):
        try:
            self.client.delete_event_source_mapping(UUID=self.uuid)
        except self.client.exceptions.ResourceNotFoundException:
            pass
        self.client.delete_function(FunctionName=self.function.name)
        self.sqs.delete_queue(QueueUrl=self.url)


@pytest.fixture
def mapped(server):
    """`mapped(attributes, **settings)` makes a mapping on the shared server."""
    made = []

    def mapped(attributes=None, **settings):
        made.append(Mapped(server, attributes, **settings))
        return made[-1]

    yield mapped
    for one in made:
        one.delete()


def test_a_message_becomes_the_event_that_lambda_documents(mapped):
    one = mapped()
    attributes = {
        "text": {"DataType": "String", "StringValue": "v"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x01\x02\xff"},
    }
    sent = one.sqs.send_message(QueueUrl=one.url, MessageBody="Hello from SQS!", MessageAttributes=attributes)
    [[record]] = one.wait(1)
    assert set(record) == {
        "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfMessageAttributes", "md5OfBody",
        "eventSource", "eventSourceARN", "awsRegion",
    }
    assert record["messageId"] == sent["MessageId"] and record["body"] == "Hello from SQS!"
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", one.arn, "us-east-1")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])
    lists = {"stringListValues": [], "binaryListValues": []}
    assert record["messageAttributes"] == {
        "text": {"stringValue": "v", "dataType": "String", **lists},
        "raw": {"binaryValue": "AQL/", "dataType": "Binary", **lists},
    }
    one.wait_empty()


def test_messages_that_fail_come_back_and_go_to_the_dead_letters(mapped, server):
    sqs = aws.client(server.url, "sqs")
    dead = sqs.create_queue(QueueName=aws.function_name("dead"))["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "2"})
    one = mapped({"VisibilityTimeout": "3", "RedrivePolicy": redrive}, BatchSize=1)
    lost, saved = one.send({"fail": 9}), one.send({"fail": 1})
    letters = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=20)["Messages"]
    assert [letter["MessageId"] for letter in letters] == [lost]
    one.wait_empty()
    counts = {}
    for record in sum(one.got(), []):
        counts.setdefault(record["messageId"], []).append(record["attributes"]["ApproximateReceiveCount"])
    assert counts == {lost: ["1", "2"], saved: ["1", "2"]}
    sqs.delete_queue(QueueUrl=dead)


def test_only_the_messages_that_the_function_names_come_back(mapped):
    one = mapped({"VisibilityTimeout": "3"}, FunctionResponseTypes=["ReportBatchItemFailures"])
    entries = [{"Id": str(at), "MessageBody": json.dumps({"report": at % 2})} for at in range(4)]
    sent = {e["Id"]: e["MessageId"] for e in one.sqs.send_message_batch(QueueUrl=one.url, Entries=entries)["Successful"]}
    records = sum(one.wait(6), [])
    one.wait_empty()
    times = {number: sum(record["messageId"] == sent[number] for record in records) for number in sent}
    assert times == {"0": 1, "1": 2, "2": 1, "3": 2}


def test_a_filter_keeps_messages_from_the_function(mapped):
    pattern = json.dumps({"body": {"kind": ["order"], "size": [{"numeric": [">", 5]}]}})
    one = mapped(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for body in ({"kind": "order", "size": 1}, {"kind": "other", "size": 9}, "text"):
        one.send(body)
    wanted = one.send({"kind": "order", "size": 9})
    [[record]] = one.wait(1)
    assert record["messageId"] == wanted
    one.wait_empty()
    assert sum(map(len, one.got())) == 1


def test_a_window_gathers_larger_batches(mapped):
    one = mapped(BatchSize=50, MaximumBatchingWindowInSeconds=3)
    for _ in range(3):
        one.sqs.send_message_batch(QueueUrl=one.url, Entries=[{"Id": str(at), "MessageBody": "x"} for at in range(10)])
    batches = one.wait(30)
    assert max(map(len, batches)) > 10, [len(batch) for batch in batches]
    one.wait_empty()


def test_groups_of_a_fifo_queue_stay_in_order(mapped):
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "false", "VisibilityTimeout": "3"}
    one = mapped(attributes, FunctionResponseTypes=["ReportBatchItemFailures"])
    sent = {group: [] for group in "ab"}
    for at in range(8):
        group = "ab"[at % 2]
        body = {"at": at, "report": int(at == 2)}
        options = {"MessageGroupId": group, "MessageDeduplicationId": str(at)}
        sent[group].append(one.send(body, **options))
    one.wait_empty(60)
    records = sum(one.got(), [])
    for group, ids in sent.items():
        of_group = [r["messageId"] for r in records if r["attributes"]["MessageGroupId"] == group]
        last = [len(of_group) - 1 - of_group[::-1].index(message) for message in ids]
        assert last == sorted(last), of_group
    assert {"SequenceNumber", "MessageDeduplicationId"} <= set(records[0]["attributes"])


def test_a_mapping_is_made_changed_switched_off_and_deleted(mapped):
    one = mapped()
    client = one.client
    assert (one.made["State"], one.made["BatchSize"]) == ("Creating", 10)
    assert one.made["ResponseMetadata"]["HTTPStatusCode"] == 202
    with pytest.raises(client.exceptions.ResourceConflictException) as again:
        client.create_event_source_mapping(EventSourceArn=one.arn, FunctionName=one.function.name)
    assert again.value.response["Error"]["Message"].endswith(f"with UUID {one.uuid}")
    changed = client.update_event_source_mapping(UUID=one.uuid, BatchSize=1, Enabled=False)
    assert (changed["State"], changed["BatchSize"]) == ("Disabling", 1)
    one.until("Disabled")
    one.send("waits")
    time.sleep(1)
    assert one.attribute("ApproximateNumberOfMessages") == "1" and one.got() == []
    client.update_event_source_mapping(UUID=one.uuid, Enabled=True)
    one.until("Enabled")
    assert [len(batch) for batch in one.wait(1)] == [1]
    one.wait_empty()
    pages = client.get_paginator("list_event_source_mappings").paginate(EventSourceArn=one.arn)
    assert [m["UUID"] for page in pages for m in page["EventSourceMappings"]] == [one.uuid]
    assert client.delete_event_source_mapping(UUID=one.uuid)["State"] == "Deleting"
    deadline = time.monotonic() + 20
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        while time.monotonic() < deadline:
            client.get_event_source_mapping(UUID=one.uuid)
            time.sleep(0.05)


def test_a_queue_that_is_not_there_or_hides_too_short_is_refused(mapped, make, client):
    one = mapped({"VisibilityTimeout": "5"})
    slow = make(packages.zip_of({"app.py": CODE}), handler="app.handler", Timeout=6)
    for arn, text in [
        (
            one.arn + "-absent",
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist.",
        ),
        (one.arn, "Queue visibility timeout: 5 seconds is less than Function timeout: 6 seconds"),
    ]:
        with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
            client.create_event_source_mapping(EventSourceArn=arn, FunctionName=slow.name)
        assert refused.value.response["Error"]["Message"] == text


def test_a_chain_of_messages_that_comes_back_to_its_function_is_stopped(mapped):
    one = mapped({"VisibilityTimeout": "3600"})
    trace = None

    def hand_on(request, **_):
        # As SDKs do within a function.
        if trace:
            request.headers["X-Amzn-Trace-Id"] = trace

    one.sqs.meta.events.register("before-sign.sqs.SendMessage", hand_on)
    for run in range(16):
        one.send("on")
        one.wait(run + 1)
        trace = one.lines("GOT")[-1]["trace"]
    one.wait_empty()
    one.send("once too often")
    time.sleep(3)
    assert len(one.got()) == 16
    assert one.attribute("ApproximateNumberOfMessagesNotVisible") == "1", "it comes again, and never runs"


def test_messages_survive_a_server_that_is_killed(own_server):
    one = Mapped(own_server, {"VisibilityTimeout": "5"}, BatchSize=1)
    sent = {one.send({"sleep": 0.3, "at": at}) for at in range(30)}
    one.wait(5)
    own_server.kill()
    own_server.start()
    one.connect()
    one.wait_empty(90)
    assert {message for batch in one.lines("DONE") for message in batch} == sent
    assert one.client.get_event_source_mapping(UUID=one.uuid)["State"] == "Enabled"


def test_a_server_that_is_stopped_lets_batches_end(own_server):
    one = Mapped(own_server, {"VisibilityTimeout": "600"}, BatchSize=1)
    sent = one.send({"sleep": 2})
    one.wait(1)
    assert own_server.stop() == 0
    own_server.start()
    one.connect()
    one.wait_empty(5)
    assert one.lines("DONE") == [[sent]]


def test_faster_time_delivers_no_message_twice(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--time-scale", "60"])
    try:
        one = Mapped(server, {"VisibilityTimeout": "5"}, timeout=5, BatchSize=1)
        sent = sorted(one.send({"sleep": 2}) for _ in range(8))
        one.wait_empty(60)
        assert sorted(record["messageId"] for batch in one.got() for record in batch) == sent
    finally:
        server.stop()


def test_the_function_s_role_must_let_the_mapping_read_the_queue(tmp_path):
    """In enforce mode; nobody's leave to invoke is needed."""
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce"])
    try:
        key, secret = server.root_key
        iam, sqs, client = (aws.client(server.url, name, key, secret) for name in ("iam", "sqs", "lambda"))
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        package = packages.zip_of({"app.py": CODE})
        function = aws.create(client, package, handler="app.handler", Role=role, Timeout=3)

        def allow(*actions):
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": arn}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=policy)

        allowed = ["sqs:SendMessage"]
        for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"]:
            allow(*allowed)
            with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
                client.create_event_source_mapping(EventSourceArn=arn, FunctionName=function.name)
            text = f"The provided execution role does not have permissions to call {action} on SQS"
            assert refused.value.response["Error"]["Message"] == text
            allowed.append(f"sqs:{action}")
        iam.delete_role_policy(RoleName="reader", PolicyName="p")
        managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
        iam.attach_role_policy(RoleName="reader", PolicyArn=managed)
        client.create_event_source_mapping(EventSourceArn=arn, FunctionName=function.name)
        sqs.send_message(QueueUrl=url, MessageBody="x")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + 20
        while any(int(n) for n in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        server.stop()


def test_the_aws_cli_leads_a_mapping_through_its_life(cli, make, server):  # noqa: F811
    function = make(packages.zip_of({"app.py": CODE}), handler="app.handler", Timeout=3)
    queue = cli("sqs", "create-queue", "--queue-name", aws.function_name("cli"))["QueueUrl"]
    attributes = cli("sqs", "get-queue-attributes", "--queue-url", queue, "--attribute-names", "QueueArn")
    arn = attributes["Attributes"]["QueueArn"]
    made = cli(
        "lambda", "create-event-source-mapping", "--function-name", function.name, "--event-source-arn", arn,
        "--batch-size", "5", "--scaling-config", "MaximumConcurrency=4",
    )
    named = ["--uuid", made["UUID"]]

    def until(state):
        deadline = time.monotonic() + 20
        while (shown := cli("lambda", "get-event-source-mapping", *named))["State"] != state:
            assert time.monotonic() < deadline, shown
        return shown

    shown = until("Enabled")
    assert (shown["BatchSize"], shown["ScalingConfig"]) == (5, {"MaximumConcurrency": 4})
    cli("sqs", "send-message", "--queue-url", queue, "--message-body", "from the command line")
    deadline = time.monotonic() + 20
    while "from the command line" not in logs_of(server, function.name):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    cli("lambda", "update-event-source-mapping", *named, "--no-enabled")
    until("Disabled")
    listed = cli("lambda", "list-event-source-mappings", "--function-name", function.name)["EventSourceMappings"]
    assert [one["State"] for one in listed] == ["Disabled"]
    assert cli("lambda", "delete-event-source-mapping", *named)["State"] == "Deleting"
    deadline = time.monotonic() + 20
    while cli("lambda", "list-event-source-mappings", "--event-source-arn", arn)["EventSourceMappings"]:
        assert time.monotonic() < deadline
    cli("sqs", "delete-queue", "--queue-url", queue)


@pytest.mark.timeout(600)
def test_terraform_makes_changes_and_destroys_a_mapping(server, client, tmp_path):
    (tmp_path / "package.zip").write_bytes(packages.zip_of({"app.py": CODE}))
    terraform = start(
        tmp_path, "event_source", endpoint=server.url, batch_size=5, concurrency="[3]", kinds='["order"]', metrics='["EventCount"]')
    name = terraform.environment["TF_VAR_name"]
    made = terraform.apply()
    shown = client.get_event_source_mapping(UUID=made["mapping"])
    assert (shown["BatchSize"], shown["ScalingConfig"]) == (5, {"MaximumConcurrency": 3})
    assert shown["MetricsConfig"] == {"Metrics": ["EventCount"]}
    sqs = aws.client(server.url, "sqs")
    sqs.send_message(QueueUrl=made["queue"], MessageBody=json.dumps({"kind": "order"}))
    deadline = time.monotonic() + 20
    while "DONE" not in logs_of(server, name):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    terraform.set(batch_size=7, concurrency="[]", kinds="[]", metrics="[]")
    assert terraform.apply()["mapping"] == made["mapping"]
    shown = client.get_event_source_mapping(UUID=made["mapping"])
    assert shown["BatchSize"] == 7
    assert not {"ScalingConfig", "FilterCriteria", "MetricsConfig"} & set(shown)

    terraform.destroy()
    assert client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"] == []
