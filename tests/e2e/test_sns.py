"""Topics: what is published reaches queues and functions, with the clients people use."""

import itertools
import json
import re
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import aws, packages
from support.command_line import logs_of
from support.server import Server
from test_clients import cli  # noqa: F401
from test_terraform import start

CODE = """
import json

def handler(event, context):
    print("GOT", json.dumps(event))
"""

PREFIX = "arn:aws:sns:us-east-1:000000000000"


class Queue:
    """A queue that SNS may send to."""

    def __init__(self, server, open_to_sns=True, key="test", secret="test"):
        self.sqs = aws.client(server.url, "sqs", key, secret)
        self.url = self.sqs.create_queue(QueueName=aws.function_name("queue"))["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        if open_to_sns:
            self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": self.policy()})

    def policy(self, topic=f"{PREFIX}:*"):
        return json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "sns.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": self.arn,
                        "Condition": {"ArnLike": {"aws:SourceArn": topic}},
                    }
                ],
            }
        )

    def messages(self, number, seconds=20):
        """As many messages, received and deleted."""
        found, deadline = [], time.monotonic() + seconds
        while len(found) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number} messages"
            received = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"]
            )
            for message in received.get("Messages", []):
                found.append(message)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        assert len(found) == number
        return found

    def bodies(self, number):
        return sorted(message["Body"] for message in self.messages(number))


@pytest.fixture
def sns(server):
    return aws.client(server.url, "sns")


@pytest.fixture
def topic(sns):
    arn = sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def subscribe(sns, topic, queue, **attributes):
    return sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes, ReturnSubscriptionArn=True)[
        "SubscriptionArn"
    ]


def test_what_is_published_reaches_the_queues_that_subscribed(server, sns, topic):
    queues = [Queue(server), Queue(server)]
    arns = [subscribe(sns, topic, queue) for queue in queues]
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert sorted(one["SubscriptionArn"] for one in listed) == sorted(arns)
    published = sns.publish(
        TopicArn=topic,
        Message="hello",
        Subject="about",
        MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00"}},
    )
    for queue, arn in zip(queues, arns):
        [message] = queue.messages(1)
        body = json.loads(message["Body"])
        url = body.pop("UnsubscribeURL")
        assert url.startswith(server.url) and "Action=Unsubscribe" in url
        assert body.pop("Signature") and re.fullmatch(
            re.escape(server.url) + r"/SimpleNotificationService-[0-9a-f]{32}\.pem", body.pop("SigningCertURL")
        )
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("Timestamp"))
        assert body == {
            "Type": "Notification",
            "MessageId": published["MessageId"],
            "TopicArn": topic,
            "Subject": "about",
            "Message": "hello",
            "SignatureVersion": "2",
            "MessageAttributes": {"n": {"Type": "Number", "Value": "1"}, "b": {"Type": "Binary", "Value": "AA=="}},
        }
        assert "MessageAttributes" not in message


def test_raw_delivery_filters_and_batches(server, sns, topic):
    everything, some, by_body = Queue(server), Queue(server), Queue(server)
    subscribe(sns, topic, everything, RawMessageDelivery="true")
    subscribe(sns, topic, some, RawMessageDelivery="true", FilterPolicy=json.dumps({"kind": ["a", {"prefix": "b"}]}))
    body = json.dumps({"total": [{"numeric": [">", 5]}]})
    subscribe(sns, topic, by_body, RawMessageDelivery="true", FilterPolicy=body, FilterPolicyScope="MessageBody")
    kind = lambda text: {"kind": {"DataType": "String", "StringValue": text}}  # noqa: E731
    entries = [
        {"Id": "1", "Message": "one", "MessageAttributes": kind("a")},
        {"Id": "2", "Message": "two", "MessageAttributes": kind("bcd")},
        {"Id": "3", "Message": '{"total":6}', "MessageAttributes": kind("c")},
        {"Id": "4", "Message": '{"total":5}'},
        {"Id": "5", "Message": "five", "Subject": ""},
    ]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["1", "2", "3", "4"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [("5", "InvalidParameter", True)]
    assert everything.bodies(4) == sorted(["one", "two", '{"total":6}', '{"total":5}'])
    assert sorted(message["MessageAttributes"]["kind"]["StringValue"] for message in some.messages(2)) == ["a", "bcd"]
    assert by_body.bodies(1) == ['{"total":6}']


def test_a_function_is_told_when_its_policy_says_so(server, sns, topic):
    client = aws.client(server.url, "lambda")
    function = aws.create(client, packages.zip_of({"app.py": CODE}), handler="app.handler")
    arn = client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)["SubscriptionArn"]
    client.add_permission(
        FunctionName=function.name,
        StatementId="sns",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    published = sns.publish(TopicArn=topic, Message="hello")
    deadline = time.monotonic() + 30
    while not (lines := re.findall(r"GOT (\{.*)$", logs_of(server, function.name), re.MULTILINE)):
        assert time.monotonic() < deadline, "the function was not told"
        time.sleep(0.2)
    [record] = json.loads(lines[0])["Records"]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", subscription)
    told = record["Sns"]
    assert (told["Message"], told["Subject"], told["MessageId"]) == ("hello", None, published["MessageId"])
    assert (told["TopicArn"], told["Type"], told["MessageAttributes"]) == (topic, "Notification", {})
    assert {"SigningCertUrl", "UnsubscribeUrl", "Signature", "SignatureVersion", "Timestamp"} <= set(told)
    client.delete_function(FunctionName=function.name)


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(server, sns, topic):
    gone, dead = Queue(server), Queue(server)
    subscribe(sns, topic, gone, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn}), RawMessageDelivery="true")
    gone.sqs.delete_queue(QueueUrl=gone.url)
    sns.publish(TopicArn=topic, Message="hello")
    assert dead.bodies(1) == ["hello"]


def test_in_enforce_mode_the_queue_s_policy_decides(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce"])
    try:
        key, secret = server.root_key
        sns = aws.client(server.url, "sns", key, secret)
        topic = sns.create_topic(Name="t")["TopicArn"]
        closed, dead = Queue(server, False, key, secret), Queue(server, True, key, secret)
        elsewhere = closed.policy(f"{PREFIX}:another-topic")
        closed.sqs.set_queue_attributes(QueueUrl=closed.url, Attributes={"Policy": elsewhere})
        redrive = json.dumps({"deadLetterTargetArn": dead.arn})
        subscribe(sns, topic, closed, RedrivePolicy=redrive, RawMessageDelivery="true")
        sns.publish(TopicArn=topic, Message="hello")
        assert dead.bodies(1) == ["hello"]
        closed.sqs.set_queue_attributes(QueueUrl=closed.url, Attributes={"Policy": closed.policy(topic)})
        sns.publish(TopicArn=topic, Message="again")
        assert closed.bodies(1) == ["again"]
    finally:
        server.stop()


def test_a_function_s_failed_events_go_to_a_topic(server, sns, topic):
    queue = Queue(server)
    subscribe(sns, topic, queue, RawMessageDelivery="true")
    client = aws.client(server.url, "lambda")
    package = packages.zip_of({"app.py": "def handler(event, context):\n    raise RuntimeError('as asked')\n"})
    function = aws.create(client, package, handler="app.handler", DeadLetterConfig={"TargetArn": topic})
    client.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    client.invoke(FunctionName=function.name, InvocationType="Event", Payload=b'{"a": 1}')
    [letter] = queue.messages(1, seconds=40)
    assert json.loads(letter["Body"]) == {"a": 1}
    assert "as asked" in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    client.delete_function(FunctionName=function.name)


def test_the_link_in_a_notification_ends_its_subscription(server, sns, topic):
    queue = Queue(server)
    subscribe(sns, topic, queue)
    sns.publish(TopicArn=topic, Message="hello")
    [message] = queue.messages(1)
    with urllib.request.urlopen(json.loads(message["Body"])["UnsubscribeURL"], timeout=10) as answer:
        assert answer.status == 200
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_what_was_acknowledged_survives_a_kill(own_server):
    sns, queue = aws.client(own_server.url, "sns"), Queue(own_server)
    topic = sns.create_topic(Name="t", Tags=[{"Key": "k", "Value": "v"}])["TopicArn"]
    subscription = subscribe(sns, topic, queue, RawMessageDelivery="true")
    acknowledged = []

    def publish(publisher):
        for number in itertools.count():
            body = f"{publisher}-{number}"
            try:
                sns.publish(TopicArn=topic, Message=body)
            except (BotoCoreError, ClientError):
                return
            acknowledged.append(body)

    with ThreadPoolExecutor(8) as publishers:
        for publisher in range(8):
            publishers.submit(publish, publisher)
        time.sleep(1.5)
        own_server.kill()
    assert len(acknowledged) > 20
    own_server.start()
    sns, queue.sqs = aws.client(own_server.url, "sns"), aws.client(own_server.url, "sqs")
    queue.url = queue.sqs.get_queue_url(QueueName=queue.arn.rsplit(":", 1)[1])["QueueUrl"]
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "k", "Value": "v"}]
    shown = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert (shown["RawMessageDelivery"], shown["Endpoint"]) == ("true", queue.arn)
    # At least once: some may come twice.
    missing, deadline = set(acknowledged), time.monotonic() + 60
    while missing:
        assert time.monotonic() < deadline, f"{len(missing)} of {len(acknowledged)} are lost"
        answer = queue.sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        missing -= {message["Body"] for message in answer.get("Messages", [])}


def test_the_command_line_makes_subscribes_publishes_and_deletes(server, cli):  # noqa: F811
    queue = Queue(server)
    topic = cli("sns", "create-topic", "--name", aws.function_name("topic"))["TopicArn"]
    arguments = ["--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue.arn]
    subscription = cli("sns", "subscribe", *arguments)["SubscriptionArn"]
    value = ["--attribute-name", "RawMessageDelivery", "--attribute-value", "true"]
    cli("sns", "set-subscription-attributes", "--subscription-arn", subscription, *value)
    cli("sns", "publish", "--topic-arn", topic, "--message", "hello")
    assert queue.bodies(1) == ["hello"]
    assert topic in [one["TopicArn"] for one in cli("sns", "list-topics")["Topics"]]
    cli("sns", "unsubscribe", "--subscription-arn", subscription)
    cli("sns", "delete-topic", "--topic-arn", topic)
    assert topic not in [one["TopicArn"] for one in cli("sns", "list-topics")["Topics"]]


def test_terraform_makes_changes_and_destroys_a_topic(server, sns, tmp_path):
    terraform = start(tmp_path, "topic", endpoint=server.url, kinds='["a"]', raw="true")
    made = terraform.apply()
    [subscription] = sns.list_subscriptions_by_topic(TopicArn=made["topic"])["Subscriptions"]
    assert subscription["Endpoint"] == made["queue"]
    show = lambda: sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]  # noqa: E731
    assert (show()["RawMessageDelivery"], json.loads(show()["FilterPolicy"])) == ("true", {"kind": ["a"]})
    topic = sns.get_topic_attributes(TopicArn=made["topic"])["Attributes"]
    assert (topic["DisplayName"], json.loads(topic["Policy"])["Statement"][0]["Action"]) == ("News", "sns:Publish")

    terraform.set(kinds='["a", "b"]', raw="false")
    terraform.apply()
    assert (show()["RawMessageDelivery"], json.loads(show()["FilterPolicy"])) == ("false", {"kind": ["a", "b"]})

    terraform.destroy()
    assert made["topic"] not in [one["TopicArn"] for one in sns.list_topics()["Topics"]]
