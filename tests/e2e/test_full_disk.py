"""The disk under the data is full to the last block: nothing is lost, what is there can be read, what is new is refused
with a clear error, and room is all it takes."""

import json
import subprocess
import time

import botocore.exceptions
import pytest

from support import aws, packages
from support.server import Server

DISK_MIB = 96
TRIES = 60
BODY = "x" * 50_000
HEAL_SECONDS_MAX = 10


@pytest.fixture
def disk(tmp_path):
    """A real file system of its own, on a loop device."""
    image, at = tmp_path / "image", tmp_path / "disk"
    at.mkdir()
    subprocess.run(["truncate", "--size", f"{DISK_MIB}M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, at], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a disk here: {mounted.stderr.decode().strip()}")
    yield at
    subprocess.run(["umount", "--lazy", at], check=True)


def fill(path):
    with open(path, "ab", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            try:
                while filler.write(b"\1" * size) == size:
                    pass
            except OSError:
                pass


def refusals(change):
    """The different answers of many tries that were refused: status, code, message."""
    found = set()
    for _ in range(TRIES):
        try:
            change()
        except botocore.exceptions.ClientError as error:
            answer = error.response
            found.add(
                (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"])
            )
    return found


def works():
    return "works"


def received(sqs, url, count):
    """Bodies by message id, deleted by nobody."""
    found, deadline = {}, time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=30)
        found |= {message["MessageId"]: message["Body"] for message in answer.get("Messages", [])}
    return found


def test_a_full_disk_refuses_what_is_new_shows_what_is_there_and_heals(disk, tmp_path):
    config = tmp_path / "hearth.toml"
    config.write_text("[execution]\ndisk_reserve_mib = 0\n")
    server = Server(disk / "data", tmp_path / "server.log", config)
    try:
        def clients():
            return [aws.client(server.url, name) for name in ("sqs", "sns", "lambda", "iam", "logs")]

        sqs, sns, functions, iam, logs = clients()
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        topic = sns.create_topic(Name="t")["TopicArn"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        function = aws.create(functions, packages.python("remote"), MemorySize=128)
        assert function.run(works).ok() == "works"
        sent = {sqs.send_message(QueueUrl=url, MessageBody=f"{number} {BODY}")["MessageId"] for number in range(20)}

        fill(disk / "filler")
        # What the store's log has of the disk is used up first.
        for _ in range(TRIES):
            try:
                sent.add(sqs.send_message(QueueUrl=url, MessageBody=BODY)["MessageId"])
            except botocore.exceptions.ClientError:
                pass
        no_room = "The server has no room on its disk."
        assert refusals(lambda: sqs.send_message(QueueUrl=url, MessageBody=BODY)) == {
            (503, "ServiceUnavailable", no_room)
        }
        big = {"Message": BODY}
        assert refusals(lambda: sns.publish(TopicArn=topic, **big)) == {(503, "ServiceUnavailable", no_room)}
        event = {"source": "def f(): return 1", "name": "f", "arguments": [], "more": BODY}
        assert refusals(lambda: function.invoke(event, InvocationType="Event")) == {
            (500, "ServiceException", "The disk of this Hearth server is full: make room, then try again.")
        }
        trust = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
                },
            }
        )
        made = {"AssumeRolePolicyDocument": trust, "Description": "x" * 900}
        found = refusals(lambda: iam.create_role(RoleName=aws.function_name(), **made))
        assert found == {(500, "ServiceFailure", no_room)}
        found = refusals(lambda: logs.create_log_group(logGroupName=aws.function_name(), tags={"t": "x" * 250}))
        assert found == {(503, "ServiceUnavailableException", "the disk is full")}

        def all_there():
            assert server.health() == 200
            assert sqs.list_queues()["QueueUrls"] == [url]
            assert [found["TopicArn"] for found in sns.list_topics()["Topics"]] == [topic]
            assert functions.get_function(FunctionName=function.name)["Configuration"]["State"] == "Active"
            assert function.run(works).ok() == "works"
            there = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            assert int(there["ApproximateNumberOfMessages"]) + int(there["ApproximateNumberOfMessagesNotVisible"]) == len(sent)

        all_there()
        # It was killed and starts on the full disk.
        server.kill()
        server.start()
        sqs, sns, functions, iam, logs = clients()
        url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
        function = aws.Function(functions, function.name, function.arn)
        all_there()
        assert refusals(lambda: sqs.send_message(QueueUrl=url, MessageBody=BODY)) == {
            (503, "ServiceUnavailable", no_room)
        }
        found = received(sqs, url, len(sent))
        assert found.keys() == sent

        (disk / "filler").unlink()
        deadline = time.monotonic() + HEAL_SECONDS_MAX
        while True:
            try:
                sent.add(sqs.send_message(QueueUrl=url, MessageBody=BODY)["MessageId"])
                break
            except botocore.exceptions.ClientError:
                assert time.monotonic() < deadline, "there is room, and it is still refused"
        sns.publish(TopicArn=topic, **big)
        assert function.invoke(event, InvocationType="Event").status == 202
        aws.update(function, Description="there is room again")
        assert function.run(works).ok() == "works"
    finally:
        server.stop()
