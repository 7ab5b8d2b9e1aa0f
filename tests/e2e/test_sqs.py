"""SQS as boto3, the AWS CLI and clients of its older protocol use it."""

import hashlib
import json
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

from support import aws

NAMESPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture
def sqs(server):
    return aws.client(server.url, "sqs")


@pytest.fixture
def queue(sqs):
    """`queue(**attributes)` makes a queue and answers its URL; it goes with the test."""
    made = []

    def make(suffix="", **attributes):
        name = aws.function_name("queue") + suffix
        made.append(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
        return made[-1]

    yield make
    for url in made:
        try:
            sqs.delete_queue(QueueUrl=url)
        except sqs.exceptions.QueueDoesNotExist:
            pass


def bodies(sqs, url, **arguments):
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **arguments)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_a_message_goes_through_a_queue(sqs, queue, server):
    url = queue()
    assert url.startswith(f"{server.url}/000000000000/")
    sent = sqs.send_message(
        QueueUrl=url, MessageBody="héllo <&>", MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}}
    )
    assert sent["MD5OfMessageBody"] == hashlib.md5("héllo <&>".encode()).hexdigest()
    # boto3 checks both digests itself.
    (message,) = sqs.receive_message(
        QueueUrl=url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=1
    )["Messages"]
    assert message["Body"] == "héllo <&>"
    assert message["MessageAttributes"]["n"]["StringValue"] == "1"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_errors_are_boto3_s_exceptions(sqs, server):
    gone = f"{server.url}/000000000000/none"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as raised:
        sqs.receive_message(QueueUrl=gone)
    error = raised.value.response["Error"]
    assert error["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert error["QueryErrorCode"] == "QueueDoesNotExist"
    assert error["Type"] == "Sender"
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        sqs.send_message(QueueUrl=gone.replace("none", "x" * 81), MessageBody="")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_long_poll_gets_what_is_sent_meanwhile(sqs, queue, server):
    url = queue()
    threading.Timer(1, lambda: aws.client(server.url, "sqs").send_message(QueueUrl=url, MessageBody="late")).start()
    started = time.monotonic()
    assert bodies(sqs, url, WaitTimeSeconds=20) == ["late"]
    assert 0.9 < time.monotonic() - started < 10


def test_a_fifo_queue_keeps_order_and_drops_duplicates(sqs, queue):
    url = queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for body in ["1", "2", "2", "3"]:
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    assert bodies(sqs, url) == ["1", "2", "3"]
    assert bodies(sqs, url) == []


def test_dead_letters_move_and_come_back(sqs, queue):
    dead = queue()
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = queue(
        VisibilityTimeout="0", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    )
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert [bodies(sqs, url) for _ in range(3)] == [["poison"], ["poison"], []]
    assert bodies(sqs, dead, VisibilityTimeout=0) == ["poison"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.start_message_move_task(SourceArn=arn)
    assert bodies(sqs, url, WaitTimeSeconds=10) == ["poison"]


def test_batches_and_paginators(sqs, queue):
    url = queue()
    entries = [{"Id": str(i), "MessageBody": str(i)} for i in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == [str(i) for i in range(10)]
    handles = [{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages]
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=handles)["Successful"]) == 10
    pages = sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1})
    assert url in [found for page in pages for found in page.get("QueueUrls", [])]


def test_messages_are_shown_without_being_taken(sqs, queue, server):
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="look")
    page = f"{server.url}/_aws/sqs/messages?QueueUrl={urllib.parse.quote(url, safe='')}"
    for _ in range(2):
        with urllib.request.urlopen(urllib.request.Request(page, headers={"Accept": "application/json"})) as answer:
            shown = json.load(answer)["ReceiveMessageResponse"]["ReceiveMessageResult"]["Message"]
        assert [message["Body"] for message in shown] == ["look"]
    assert bodies(sqs, url) == ["look"]


def ask(url, path, **form):
    """A signed request in the older protocol."""
    body = urllib.parse.urlencode({"Version": "2012-11-05", **form})
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = botocore.awsrequest.AWSRequest("POST", url + path, data=body, headers=headers)
    credentials = botocore.credentials.Credentials("test", "test")
    botocore.auth.SigV4Auth(credentials, "sqs", aws.REGION).add_auth(request)
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url + path, body.encode(), dict(request.headers.items()))
        ) as answer:
            return answer.status, ElementTree.fromstring(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, ElementTree.fromstring(error.read())


def test_clients_of_the_older_protocol_are_served(server):
    name = aws.function_name("queue")
    _, made = ask(server.url, "/", Action="CreateQueue", QueueName=name)
    url = made.findtext(f".//{NAMESPACE}QueueUrl")
    path = urllib.parse.urlparse(url).path
    _, sent = ask(server.url, path, Action="SendMessage", MessageBody="old")
    _, received = ask(server.url, path, Action="ReceiveMessage", **{"AttributeName.1": "All"})
    message = received.find(f".//{NAMESPACE}Message")
    assert message.findtext(f"{NAMESPACE}Body") == "old"
    assert message.findtext(f"{NAMESPACE}MessageId") == sent.findtext(f".//{NAMESPACE}MessageId")
    handle = message.findtext(f"{NAMESPACE}ReceiptHandle")
    assert ask(server.url, path, Action="DeleteMessage", ReceiptHandle=handle)[0] == 200
    assert ask(server.url, path, Action="DeleteQueue")[0] == 200
    status, error = ask(server.url, path, Action="ReceiveMessage")
    assert status == 400
    assert error.findtext(f".//{NAMESPACE}Code") == "AWS.SimpleQueueService.NonExistentQueue"


def test_the_command_line_drives_a_queue(server, queue):
    url = queue()

    def run(*arguments):
        command = [sys.executable, "-m", "awscli", "sqs", *arguments, "--endpoint-url", server.url, "--output", "json"]
        environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": aws.REGION,
                       "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout) if answer.stdout.strip() else None

    run("send-message", "--queue-url", url, "--message-body", "from the shell")
    (message,) = run("receive-message", "--queue-url", url, "--wait-time-seconds", "1")["Messages"]
    assert message["Body"] == "from the shell"
    assert run("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"]) is None
    assert run("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]["DelaySeconds"] == "0"


def test_sent_messages_survive_a_kill_and_deleted_ones_stay_deleted(own_server):
    sqs = aws.client(own_server.url, "sqs")
    sqs.create_queue(QueueName="q")
    path = "/000000000000/q"
    # What was asked to be deleted may be gone without an answer.
    sent, asked, deleted, stop = set(), set(), set(), threading.Event()

    def work(number):
        client = aws.client(own_server.url, "sqs")
        url = own_server.url + path
        try:
            for round in range(10_000):
                body = f"{number}-{round}"
                client.send_message(QueueUrl=url, MessageBody=body)
                sent.add(body)
                if round % 2:
                    for message in client.receive_message(QueueUrl=url, MaxNumberOfMessages=2).get("Messages", []):
                        asked.add(message["Body"])
                        client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                        deleted.add(message["Body"])
        except botocore.exceptions.BotoCoreError:
            assert stop.is_set()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(3)
    stop.set()
    own_server.kill()
    for worker in workers:
        worker.join()
    assert len(sent) > 50 and len(deleted) > 10
    own_server.start()
    sqs = aws.client(own_server.url, "sqs")
    url = own_server.url + path
    found = []
    # What was in flight when the server was killed comes back after its time-out.
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and not sent - asked <= set(found):
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
        found += [message["Body"] for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sent - asked <= set(found), "lost"
    assert not deleted & set(found), "came back"
