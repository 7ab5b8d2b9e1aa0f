"""Queues behind another endpoint: two servers, one of which has the queues and the other the functions."""

import json
import re
import socket
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from support import aws, packages
from support.command_line import logs_of
from support.paths import HEARTH
from support.server import Server

#: Whose queues they are: another account's, and some of the functions' own.
OTHER = "111122223333"
OWN = aws.ACCOUNT
#: Names of those of one's own account that live elsewhere.
PREFIX = "away-"

#: Fails the first time with what begins with "fail", reports what begins with "report" the first time.
CODE = """
import json, time

def handler(event, context):
    if "Records" not in event:
        raise RuntimeError("as asked")
    records = event["Records"]
    first = lambda r: r["attributes"]["ApproximateReceiveCount"] == "1"
    print("GOT", json.dumps(records))
    if any(r["body"].startswith("fail") and first(r) for r in records):
        raise RuntimeError("as asked")
    failed = [r["messageId"] for r in records if r["body"].startswith("report") and first(r)]
    print("DONE", json.dumps([r["body"] for r in records if r["messageId"] not in failed]))
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
"""

#: What the other account's queues let others do.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "sqs:*", "Resource": "*"}],
}


def entry(port, account, key, secret, more=""):
    return f"""
[[remote_queues]]
endpoint = "http://127.0.0.1:{port}"
account = "{account}"
region = "{aws.REGION}"
access_key_id = "{key}"
secret_access_key = "{secret}"
{more}
"""


class Elsewhere:
    """The server that has the queues, on a port that stays the same. It knows its clients."""

    def __init__(self, directory):
        directory.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = directory / "hearth.toml"
        config.write_text('auth = "enforce"\n')
        self.server = Server(directory / "data", directory / "server.log", config, port=self.port)
        self.keys = {OWN: self.server.root_key}
        self.server.stop()
        command = [str(HEARTH), "root-key", "--account", OTHER, "--data", str(directory / "data")]
        made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.keys[OTHER] = tuple(re.findall(r"_KEY\S*=(\S+)", made))
        self.server.start()

    def sqs(self, account):
        return aws.client(self.server.url, "sqs", *self.keys[account])

    def queue(self, account, name, **attributes):
        return self.sqs(account).create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def bodies(self, account, url, count, seconds=30):
        """Takes so many messages and answers what is in them."""
        found, deadline = [], time.monotonic() + seconds
        while len(found) < count:
            assert time.monotonic() < deadline, found
            answer = self.sqs(account).receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
            found += [message["Body"] for message in answer.get("Messages", [])]
        return found

    def wait_empty(self, account, url, seconds=60):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + seconds
        while True:
            counts = self.sqs(account).get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            if all(count == "0" for count in counts.values()):
                return
            assert time.monotonic() < deadline, counts
            time.sleep(0.1)


class Here:
    """The server that has the functions."""

    def __init__(self, directory, elsewhere):
        directory.mkdir()
        self.config = directory / "hearth.toml"
        self.configure(elsewhere)
        self.server = Server(directory / "data", directory / "server.log", self.config)

    def configure(self, elsewhere, secrets=None):
        """`secrets`: others than those that are good."""
        secret = {account: (secrets or {}).get(account, keys[1]) for account, keys in elsewhere.keys.items()}
        port, keys = elsewhere.port, elsewhere.keys
        policy = f"policy = '{json.dumps(POLICY)}'"
        entries = [
            entry(port, OTHER, keys[OTHER][0], secret[OTHER], policy),
            entry(port, OWN, keys[OWN][0], secret[OWN], f'name_prefix = "{PREFIX}"'),
        ]
        self.config.write_text("".join(entries))

    def client(self, service):
        return aws.client(self.server.url, service)

    def function(self, **settings):
        """With a role that may use queues."""
        iam, name = self.client("iam"), aws.function_name("role")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [trust]}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [allowed]}
        iam.put_role_policy(RoleName=name, PolicyName="queues", PolicyDocument=json.dumps(document))
        package = packages.zip_of({"app.py": CODE})
        return aws.create(self.client("lambda"), package, handler="app.handler", Role=role, Timeout=3, **settings)

    def map(self, function, arn, **settings):
        made = self.client("lambda").create_event_source_mapping(
            EventSourceArn=arn, FunctionName=function.name, FunctionResponseTypes=["ReportBatchItemFailures"], **settings
        )
        return made["UUID"]

    def done(self, function):
        """Bodies that the function was done with, each time it was."""
        log = logs_of(self.server, function.name)
        return [body for line in re.findall(r"DONE (\[.*)$", log, re.MULTILINE) for body in json.loads(line)]

    def records(self, function):
        log = logs_of(self.server, function.name)
        return [record for line in re.findall(r"GOT (\[.*)$", log, re.MULTILINE) for record in json.loads(line)]

    def problem(self, uuid, text, seconds=60):
        """Waits until the mapping says this."""
        deadline = time.monotonic() + seconds
        while True:
            shown = self.client("lambda").get_event_source_mapping(UUID=uuid)
            result = shown.get("LastProcessingResult")
            if result is None if text is None else text in (result or ""):
                return result
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    elsewhere = Elsewhere(tmp_path_factory.mktemp("elsewhere") / "there")
    yield elsewhere
    elsewhere.server.stop()


@pytest.fixture(scope="module")
def here(tmp_path_factory, elsewhere):
    here = Here(tmp_path_factory.mktemp("here") / "here", elsewhere)
    yield here
    here.server.stop()


def arn(account, name):
    return f"arn:aws:sqs:{aws.REGION}:{account}:{name}"


def test_messages_of_another_server_run_a_function_and_are_deleted_when_it_is_done_with_them(here, elsewhere):
    name = aws.function_name("orders")
    url = elsewhere.queue(OTHER, name, VisibilityTimeout="4")
    function = here.function()
    here.map(function, arn(OTHER, name))
    bodies = ["one", "report this", "fail once", "last"]
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
    for body in bodies:
        elsewhere.sqs(OTHER).send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    elsewhere.wait_empty(OTHER, url)
    assert set(here.done(function)) == set(bodies)
    record = here.records(function)[0]
    assert (record["eventSourceARN"], record["awsRegion"]) == (arn(OTHER, name), aws.REGION)
    assert record["messageAttributes"]["kind"]["stringValue"] == "order"
    counts = {record["body"]: int(record["attributes"]["ApproximateReceiveCount"]) for record in here.records(function)}
    assert counts["report this"] >= 2 and counts["fail once"] >= 2


def test_the_groups_of_a_fifo_queue_stay_in_order(here, elsewhere):
    name = aws.function_name("groups") + ".fifo"
    url = elsewhere.queue(OTHER, name, FifoQueue="true", VisibilityTimeout="4", ContentBasedDeduplication="true")
    function = here.function()
    here.map(function, arn(OTHER, name))
    for number in range(12):
        group = f"g{number % 2}"
        elsewhere.sqs(OTHER).send_message(QueueUrl=url, MessageBody=f"{group} {number:02}", MessageGroupId=group)
    elsewhere.wait_empty(OTHER, url)
    for group in ["g0", "g1"]:
        of_group = [body for body in here.done(function) if body.startswith(group)]
        assert of_group == sorted(of_group) and len(set(of_group)) == 6


def test_nothing_is_lost_when_the_other_server_is_killed_and_comes_back(here, elsewhere):
    name = aws.function_name("lossless")
    url = elsewhere.queue(OTHER, name, VisibilityTimeout="4")
    function = here.function()
    uuid = here.map(function, arn(OTHER, name))
    sent = []
    for round_number in range(3):
        for number in range(20):
            body = f"{round_number}-{number}"
            elsewhere.sqs(OTHER).send_message(QueueUrl=url, MessageBody=body)
            sent.append(body)
        elsewhere.server.kill()
        if round_number == 0:
            assert here.problem(uuid, "does not answer").startswith("PROBLEM: ")
        elsewhere.server.start()
    elsewhere.wait_empty(OTHER, url)
    assert set(here.done(function)) == set(sent)
    assert here.problem(uuid, None) is None


def test_credentials_that_are_wrong_are_shown_where_the_mapping_is_and_never_themselves(here, elsewhere):
    name = aws.function_name("secret")
    url = elsewhere.queue(OTHER, name, VisibilityTimeout="4")
    function = here.function()
    uuid = here.map(function, arn(OTHER, name))
    here.configure(elsewhere, secrets={OTHER: "wrong" * 8})
    assert here.server.stop() == 0
    here.server.start()
    try:
        assert "Signature" in here.problem(uuid, "The credentials of [[remote_queues]] are refused")
        with pytest.raises(ClientError) as refused:
            here.map(function, arn(OTHER, name + "-other"))
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert "are refused" in refused.value.response["Error"]["Message"]
        assert "wrongwrong" not in here.server.log_text()
    finally:
        here.configure(elsewhere)
        assert here.server.stop() == 0
        here.server.start()
    elsewhere.sqs(OTHER).send_message(QueueUrl=url, MessageBody="after all")
    elsewhere.wait_empty(OTHER, url)
    assert here.done(function) == ["after all"] and here.problem(uuid, None) is None
    assert elsewhere.keys[OTHER][1] not in here.server.log_text()


def test_a_queue_that_is_not_there_and_a_role_that_may_not_are_refused_as_for_queues_here(here, elsewhere):
    function = here.function()
    with pytest.raises(ClientError, match="NonExistentQueue"):
        here.map(function, arn(OTHER, "nobody-made-it"))
    name = aws.function_name("closed")
    elsewhere.queue(OTHER, name)
    package = packages.zip_of({"app.py": CODE})
    # A role without policies: another account's queues are not for it, in any mode.
    weak = aws.create(here.client("lambda"), package, handler="app.handler", Timeout=3)
    with pytest.raises(ClientError, match="does not have permissions to call ReceiveMessage on SQS"):
        here.map(weak, arn(OTHER, name))


def test_dead_letters_and_destinations_go_to_the_other_server(here, elsewhere):
    dead, failed = aws.function_name(PREFIX + "dead"), aws.function_name(PREFIX + "failed")
    urls = [elsewhere.queue(OWN, name) for name in (dead, failed)]
    function = here.function(DeadLetterConfig={"TargetArn": arn(OWN, dead)})
    here.client("lambda").put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn(OWN, failed)}},
    )
    function.invoke({"no": "records"}, InvocationType="Event")
    assert elsewhere.bodies(OWN, urls[0], 1) == ['{"no": "records"}']
    [record] = elsewhere.bodies(OWN, urls[1], 1)
    assert json.loads(record)["requestPayload"] == {"no": "records"}


def test_a_topic_tells_a_queue_of_the_other_server(here, elsewhere):
    name = aws.function_name(PREFIX + "told")
    url = elsewhere.queue(OWN, name)
    sns = here.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn(OWN, name), Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="news")
    assert elsewhere.bodies(OWN, url, 1) == ["news"]
