"""What was acknowledged: a load of events, messages and objects, and whether all of it is still there."""

import collections
import json
import threading
import time
from pathlib import Path

from support import aws, packages

CODE = """
def handler(event, context):
    if event["do"] == "fail":
        raise RuntimeError("as asked")
    return event["at"]
"""
FUNCTION = "work"
#: Of every server.
CONFIG = Path(__file__).with_name("server.toml")
#: Messages that were taken and not deleted are visible again after this.
VISIBILITY_SECONDS = 2
#: Longer than an audit takes between taking and deleting, far shorter than it waits for more.
RESULTS_VISIBILITY_SECONDS = 20
#: Waits of a second in which nothing came: only then something is lost. Machines may be slow, and stand still.
EMPTY_WAITS_MAX = 60
THREADS = {"events": 4, "send": 3, "take": 3, "publish": 2, "put": 2}
BUCKET = "crash-objects"
#: Of every tenth object, which is a file; the others lie beside their records.
LARGE_BYTES = 100_000
#: Nothing is tried again: an answer that was lost is not an acknowledgement.
ONCE = {"retries": {"total_max_attempts": 1}, "read_timeout": 20, "connect_timeout": 5}
#: Of an audit, which loses nothing by asking again: what it took is visible again after a while.
PATIENT = {"retries": {"total_max_attempts": 5}}
#: Looks at a load for something of each kind, each after a tenth of a second.
LOOKS_MAX = 1_200


def client(server, name):
    return aws.client(server.url, name, **ONCE)


def queue(sqs, name):
    return sqs.get_queue_url(QueueName=name)["QueueUrl"]


def prepare(server):
    """A queue for work, a function whose events are told to a queue of outcomes, however they end, and a topic of news that
    a queue is told of; a bucket, of whose objects another queue is told."""
    sqs, functions, sns = (aws.client(server.url, name) for name in ("sqs", "lambda", "sns"))
    results = {"VisibilityTimeout": str(RESULTS_VISIBILITY_SECONDS)}
    sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
    outcomes = sqs.create_queue(QueueName="outcomes", Attributes=results)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=outcomes, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.create(functions, packages.zip_of({"app.py": CODE}), name=FUNCTION, handler="app.handler")
    functions.put_function_event_invoke_config(
        FunctionName=FUNCTION,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
    )
    sqs.create_queue(QueueName="news", Attributes=results)
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn.replace("outcomes", "news"))
    s3, put = aws.client(server.url, "s3"), arn.replace("outcomes", "put")
    policy = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": put}
    policy = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [policy]})}
    sqs.create_queue(QueueName="put", Attributes=results | policy)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": put, "Events": ["s3:ObjectCreated:*"]}]},
    )


class Ledger:
    """What the servers have acknowledged so far, and what was found of it. A copy is what had been acknowledged at that
    moment."""

    def __init__(self):
        self.events = set()
        self.sent = set()
        self.published = set()
        #: Keys.
        self.objects = set()
        #: Deletions begun: whether these messages are there is not known until they are acknowledged.
        self.deleting = set()
        self.deleted = set()
        #: How often each event's outcome was told, and each notification.
        self.told = collections.Counter()
        self.heard = collections.Counter()
        self.seen = collections.Counter()

    def summary(self):
        """Of an audit that found everything."""
        again = sum(counts.total() - len(counts) for counts in (self.told, self.heard, self.seen))
        return (
            f"{len(self.events)} events, {len(self.published)} notifications, {len(self.objects)} objects,"
            f" {len(self.sent)} messages sent,"
            f" {len(self.deleted)} deleted; none lost; {again} outcomes and notifications told twice"
        )

    def copy(self):
        # What is acknowledged first is copied first: a deletion begun in between only makes less certain.
        ledger = Ledger()
        ledger.events, ledger.sent, ledger.published = set(self.events), set(self.sent), set(self.published)
        ledger.objects = set(self.objects)
        ledger.deleted, ledger.deleting = set(self.deleted), set(self.deleting)
        return ledger

    def doubt(self, later):
        """What had begun at a later moment: whether it happened is not known."""
        self.deleting |= later.deleting

    def add(self, other):
        for name, entries in vars(other).items():
            getattr(self, name).update(entries)


class Load:
    """Threads that use a server until it is gone, or until they are stopped."""

    def __init__(self, server, ledger):
        self.server, self.process, self.ledger = server, server.process, ledger
        self.stopped = threading.Event()
        self.threads = [
            threading.Thread(target=self._until_gone, args=(getattr(self, kind), at))
            for kind, count in THREADS.items()
            for at in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def go_on(self, seconds):
        """For so long, and until something of each kind is acknowledged, however slow the machine is."""
        time.sleep(seconds)
        kinds = self.ledger.events, self.ledger.sent, self.ledger.published, self.ledger.deleted, self.ledger.objects
        for _ in range(LOOKS_MAX):
            if all(kinds):
                return
            time.sleep(0.1)
        raise AssertionError("the load did too little")

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def _until_gone(self, work, at):
        while not self.stopped.is_set() and self.process.poll() is None:
            try:
                work(at)
            except Exception:
                # Nothing was acknowledged: the server may be gone, or its database for a while, or the machine stood still.
                # What else goes wrong is found in the ledger, or shows as a load that acknowledged nothing.
                time.sleep(0.05)

    def events(self, at):
        functions = client(self.server, "lambda")
        for turn in range(1_000_000):
            if self.stopped.is_set():
                return
            event = json.dumps({"do": "fail" if turn % 3 == 0 else "ok", "at": [at, turn]})
            answer = functions.invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=event)
            self.ledger.events.add(answer["ResponseMetadata"]["RequestId"])
            time.sleep(0.002)

    def send(self, at):
        sqs = client(self.server, "sqs")
        url = queue(sqs, "work")
        for turn in range(1_000_000):
            if self.stopped.is_set():
                return
            if turn % 2:
                sent = [sqs.send_message(QueueUrl=url, MessageBody=f"{at} {turn}")]
            else:
                entries = [{"Id": str(number), "MessageBody": f"{at} {turn} {number}"} for number in range(10)]
                sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]
            self.ledger.sent.update(message["MessageId"] for message in sent)

    def publish(self, at):
        sns = client(self.server, "sns")
        topic = sns.create_topic(Name="news")["TopicArn"]
        for turn in range(1_000_000):
            if self.stopped.is_set():
                return
            published = sns.publish(TopicArn=topic, Message=f"{at} {turn}")
            self.ledger.published.add(published["MessageId"])
            time.sleep(0.02)

    def put(self, at):
        s3 = client(self.server, "s3")
        for turn in range(1_000_000):
            if self.stopped.is_set():
                return
            key = f"{at}-{turn}-{time.monotonic_ns()}"
            s3.put_object(Bucket=BUCKET, Key=key, Body=body_of(key, is_large=turn % 10 == 0))
            self.ledger.objects.add(key)
            time.sleep(0.02)

    def take(self, _):
        sqs = client(self.server, "sqs")
        url = queue(sqs, "work")
        while not self.stopped.is_set():
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", [])[:7]:
                self.ledger.deleting.add(message["MessageId"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                self.ledger.deleted.add(message["MessageId"])


def body_of(key, is_large):
    return (key * (LARGE_BYTES // len(key)) if is_large else key).encode()


def audit(server, ledger):
    """Whether all that was acknowledged is accounted for on that server, which runs what is left. All is taken away."""
    sqs = aws.client(server.url, "sqs", **PATIENT)
    url, empty = queue(sqs, "outcomes"), EmptyWaits()
    while missing := ledger.events - ledger.told.keys():
        messages = empty.count(taken(sqs, url), f"{len(missing)} of {len(ledger.events)} acknowledged events are lost")
        bodies = [json.loads(message["Body"]) for message in messages]
        ledger.told.update(body["requestContext"]["requestId"] for body in bodies)

    url, empty = queue(sqs, "news"), EmptyWaits()
    while missing := ledger.published - ledger.heard.keys():
        lost = f"{len(missing)} of {len(ledger.published)} acknowledged notifications are lost"
        ledger.heard.update(json.loads(message["Body"])["MessageId"] for message in empty.count(taken(sqs, url), lost))

    s3 = aws.client(server.url, "s3", **PATIENT)
    for key in ledger.objects:
        found = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert found in (body_of(key, True), body_of(key, False)), f"the object {key} is not what was put"
    url, empty = queue(sqs, "put"), EmptyWaits()
    while missing := ledger.objects - ledger.seen.keys():
        lost = f"{len(missing)} of {len(ledger.objects)} acknowledged objects are not told of"
        bodies = [json.loads(message["Body"]) for message in empty.count(taken(sqs, url), lost)]
        ledger.seen.update(record["s3"]["object"]["key"] for body in bodies for record in body.get("Records", []))

    # Those that were taken by somebody who is gone are visible again after a while.
    found, url, empty = set(), queue(sqs, "work"), EmptyWaits()
    while waiting := size(sqs, url):
        messages = empty.count(taken(sqs, url), f"{waiting} messages are counted that nobody gets")
        found.update(message["MessageId"] for message in messages)
    again = found & ledger.deleted
    assert not again, f"{len(again)} deleted messages came back"
    lost = ledger.sent - ledger.deleting - found
    assert not lost, f"{len(lost)} of {len(ledger.sent)} acknowledged messages are lost"


class EmptyWaits:
    """One after the other."""

    def __init__(self):
        self.waits = 0

    def count(self, messages, lost):
        self.waits = 0 if messages else self.waits + 1
        assert self.waits < EMPTY_WAITS_MAX, lost
        return messages


def size(sqs, url):
    """Messages in a queue, also those that are taken."""
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return sum(int(count) for name, count in attributes.items() if name.startswith("ApproximateNumberOfMessages"))


def taken(sqs, url):
    """Up to ten messages, which are then deleted."""
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    if messages:
        entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return messages
