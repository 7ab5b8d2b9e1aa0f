"""FIFO topics, as AWS's tutorial has them: one topic, queues that filter, and the order of each group."""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import aws
from test_clients import cli  # noqa: F401
from test_sns import Queue, subscribe


class FifoQueue(Queue):
    """A FIFO queue that SNS may send to."""

    def __init__(self, server, **attributes):
        self.sqs = aws.client(server.url, "sqs")
        name = f"{aws.function_name('queue')}.fifo"
        self.url = self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} | attributes)["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": self.policy()})

    def in_order(self, number, seconds=30):
        """So many messages, as they come."""
        return self.until(lambda found: len(found) >= number, seconds)

    def until(self, is_enough, seconds):
        found, deadline = [], time.monotonic() + seconds
        while not is_enough(found):
            assert time.monotonic() < deadline, f"{len(found)} messages are not enough"
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["All"], MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                found.append(message)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found


def fifo_topic(sns, **attributes):
    return sns.create_topic(Name=f"{aws.function_name('topic')}.fifo", Attributes={"FifoTopic": "true"} | attributes)["TopicArn"]


def test_price_updates_reach_the_queues_that_want_them_in_order(server):
    """The developer guide's example: a topic of price updates, for wholesale, retail and an archive."""
    sns = aws.client(server.url, "sns")
    topic = fifo_topic(sns, ContentBasedDeduplication="false")
    wholesale, retail, analytics = FifoQueue(server), FifoQueue(server), Queue(server)
    subscribe(sns, topic, wholesale, FilterPolicy=json.dumps({"business": ["wholesale"]}))
    subscribe(sns, topic, retail, FilterPolicy=json.dumps({"business": ["retail"]}), RawMessageDelivery="true")
    subscribe(sns, topic, analytics, RawMessageDelivery="true")
    sequence = []
    for number in range(20):
        business = ("wholesale", "retail")[number % 2]
        published = sns.publish(
            TopicArn=topic,
            Subject="Price Update",
            Message=json.dumps({"product": 214, "price": number}),
            MessageGroupId="PID-214",
            MessageDeduplicationId=f"update-{number}",
            MessageAttributes={"business": {"DataType": "String", "StringValue": business}},
        )
        sequence.append(published["SequenceNumber"])
    assert sequence == sorted(set(sequence)) and all(len(number) == 20 for number in sequence)
    bodies = [json.loads(message["Body"]) for message in wholesale.in_order(10)]
    assert [json.loads(body["Message"])["price"] for body in bodies] == list(range(0, 20, 2))
    assert [body["SequenceNumber"] for body in bodies] == sequence[::2]
    messages = retail.in_order(10)
    assert [json.loads(message["Body"])["price"] for message in messages] == list(range(1, 20, 2))
    system = [message["Attributes"] for message in messages]
    assert {attributes["MessageGroupId"] for attributes in system} == {"PID-214"}
    assert [attributes["MessageDeduplicationId"] for attributes in system] == [f"update-{n}" for n in range(1, 20, 2)]
    assert len(analytics.messages(20)) == 20
    again = sns.publish(TopicArn=topic, Message="x", MessageGroupId="PID-214", MessageDeduplicationId="update-7")
    assert again["SequenceNumber"] == sequence[7], "it is known already"


def test_batches_have_a_number_for_each_message(server):
    # A queue knows ids by group only when it is told to, too.
    sns, queue = aws.client(server.url, "sns"), FifoQueue(server, DeduplicationScope="messageGroup")
    topic = fifo_topic(sns, ContentBasedDeduplication="true", FifoThroughputScope="MessageGroup")
    subscribe(sns, topic, queue, RawMessageDelivery="true")
    entries = [{"Id": str(n), "Message": "same", "MessageGroupId": f"g{n % 3}"} for n in range(10)]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert len({entry["SequenceNumber"] for entry in answer["Successful"]}) == 3
    assert sorted(message["Attributes"]["MessageGroupId"] for message in queue.in_order(3)) == ["g0", "g1", "g2"]


def test_what_was_acknowledged_comes_in_order_after_a_kill(own_server):
    sns, queue = aws.client(own_server.url, "sns"), FifoQueue(own_server)
    topic = sns.create_topic(Name="t.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    subscribe(sns, topic, queue, RawMessageDelivery="true")
    acknowledged = {publisher: [] for publisher in range(4)}

    def publish(publisher):
        for number in itertools.count():
            try:
                sns.publish(TopicArn=topic, Message=f"{publisher}-{number}", MessageGroupId=str(publisher))
            except (BotoCoreError, ClientError):
                return
            acknowledged[publisher].append(number)

    with ThreadPoolExecutor(4) as publishers:
        for publisher in acknowledged:
            publishers.submit(publish, publisher)
        time.sleep(1.5)
        own_server.kill()
    assert all(acknowledged.values())
    own_server.start()
    queue.sqs = aws.client(own_server.url, "sqs")
    queue.url = queue.sqs.get_queue_url(QueueName=queue.arn.rsplit(":", 1)[1])["QueueUrl"]

    def by_publisher(messages):
        got = {publisher: [] for publisher in acknowledged}
        for message in messages:
            publisher, number = map(int, message["Body"].split("-"))
            got[publisher].append(number)
        return got

    def is_enough(messages):
        # Each publisher's last may have been published without an answer, so that counting all does not tell.
        got = by_publisher(messages)
        return all(len(got[publisher]) >= len(numbers) for publisher, numbers in acknowledged.items())

    got = by_publisher(queue.until(is_enough, seconds=60))
    for publisher, numbers in acknowledged.items():
        assert got[publisher][: len(numbers)] == numbers


def test_the_command_line_and_what_a_fifo_topic_refuses(server, cli):  # noqa: F811
    name = f"{aws.function_name('topic')}.fifo"
    topic = cli("sns", "create-topic", "--name", name, "--attributes", "FifoTopic=true")["TopicArn"]
    published = cli("sns", "publish", "--topic-arn", topic, "--message", "m", "--message-group-id", "g", "--message-deduplication-id", "d")
    assert published["SequenceNumber"].isdigit()
    sns = aws.client(server.url, "sns")
    with pytest.raises(ClientError, match="Please use FIFO SQS queue"):
        sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://example.com/")
    with pytest.raises(ClientError, match="ArchivePolicy is not supported"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue='{"MessageRetentionPeriod":"30"}')
    cli("sns", "delete-topic", "--topic-arn", topic)
