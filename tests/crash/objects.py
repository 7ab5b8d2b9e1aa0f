"""As ledger.py, of small objects only, as many as can be put: each is told to a queue, every twentieth to a function.

Requests are made without a client: it would take more of the machine than the server.
"""

import collections
import http.client
import json
import threading
import time

from ledger import EmptyWaits, PATIENT, RESULTS_VISIBILITY_SECONDS, queue, taken
from support import aws, packages

CODE = """
def handler(event, context):
    return [record["s3"]["object"]["key"] for record in event["Records"]]
"""
BUCKET = "many-objects"
FUNCTION = "told-of-objects"
THREADS = 16
TO_FUNCTION_EACH = 20
#: Every so many objects one is a file; the others lie beside their records.
LARGE_EACH = 50
LARGE_BYTES = 20_000
#: On average, some more.
OBJECTS_PER_ROUND = 500
REQUEST_SECONDS_MAX = 20
#: Looks at a load until it has done enough, each after a tenth of a second.
LOOKS_MAX = 1_200


def prepare(server):
    """A bucket of whose objects a queue is told, or a function, whose outcome goes to a queue."""
    sqs, functions, s3 = (aws.client(server.url, name) for name in ("sqs", "lambda", "s3"))
    arn = f"arn:aws:sqs:{aws.REGION}:{aws.ACCOUNT}:"
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn + "put"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    results = {"VisibilityTimeout": str(RESULTS_VISIBILITY_SECONDS)}
    sqs.create_queue(QueueName="put", Attributes=results | {"Policy": policy})
    sqs.create_queue(QueueName="outcomes", Attributes=results)
    function = aws.create(functions, packages.zip_of({"app.py": CODE}), name=FUNCTION, handler="app.handler")
    functions.put_function_event_invoke_config(
        FunctionName=FUNCTION, DestinationConfig={"OnSuccess": {"Destination": arn + "outcomes"}}
    )
    functions.add_permission(
        FunctionName=FUNCTION, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceAccount=aws.ACCOUNT, SourceArn=f"arn:aws:s3:::{BUCKET}",
    )
    s3.create_bucket(Bucket=BUCKET)

    def told(prefix):
        return {
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
        }

    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn + "put"} | told("queue/")],
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": function.arn} | told("function/")],
        },
    )


class Ledger:
    """Keys that were acknowledged so far, and how often each was told of."""

    def __init__(self):
        self.objects = set()
        self.told = collections.Counter()
        #: How long was put, servers that were gone not counted.
        self.seconds = 0

    def copy(self):
        ledger = Ledger()
        ledger.objects, ledger.seconds = set(self.objects), self.seconds
        return ledger

    def doubt(self, later):
        """Nothing here is taken back."""

    def add(self, other):
        self.objects |= other.objects
        self.told.update(other.told)
        self.seconds += other.seconds

    def summary(self):
        again = sum(count - 1 for count in self.told.values())
        return (
            f"{len(self.objects)} objects, {60 * len(self.objects) / self.seconds:.0f} a minute; none lost, each told of;"
            f" {again} told of twice, {len(self.told.keys() - self.objects)} that were not acknowledged"
        )


class Load:
    """Threads that put objects until the server is gone, or until they are stopped."""

    def __init__(self, server, ledger):
        self.server, self.process, self.ledger = server, server.process, ledger
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._until_gone, args=(at,)) for at in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def go_on(self, share):
        """Until so much of a round's objects is acknowledged."""
        begun, looks = time.monotonic(), 0
        while len(self.ledger.objects) < share * OBJECTS_PER_ROUND:
            time.sleep(0.1)
            looks += 1
            assert looks < LOOKS_MAX, "the load did too little"
        self.ledger.seconds += time.monotonic() - begun

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def _until_gone(self, at):
        connection, turn = None, 0
        while not self.stopped.is_set() and self.process.poll() is None:
            turn += 1
            kind = "queue" if turn % TO_FUNCTION_EACH else "function"
            key = f"{kind}/{at}-{turn}-{time.monotonic_ns()}"
            try:
                connection = connection or connect(self.server)
                status, _ = request(connection, "PUT", key, body_of(key))
                if status == 200:
                    self.ledger.objects.add(key)
            except (OSError, http.client.HTTPException):
                # Nothing was acknowledged.
                connection = None
                time.sleep(0.05)


def connect(server):
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=REQUEST_SECONDS_MAX)


def request(connection, method, key, body=None):
    connection.request(method, f"/{BUCKET}/{key}", body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def body_of(key):
    turn = int(key.split("-")[1])
    return (key * (LARGE_BYTES // len(key)) if turn % LARGE_EACH == 0 else key).encode()


def audit(server, ledger):
    """Whether all that was acknowledged is there, byte for byte, and told of. What tells of it is taken away."""
    connection = connect(server)
    for key in ledger.objects:
        status, found = request(connection, "GET", key)
        assert (status, found) == (200, body_of(key)), f"the object {key} is not what was put: {status}"
    sqs = aws.client(server.url, "sqs", **PATIENT)
    for kind, read in (("queue", in_message), ("function", in_outcome)):
        wanted = {key for key in ledger.objects if key.startswith(kind)}
        url, empty = queue(sqs, "put" if kind == "queue" else "outcomes"), EmptyWaits()
        while missing := wanted - ledger.told.keys():
            lost = f"{len(missing)} of {len(wanted)} acknowledged objects are not told to the {kind}: {sorted(missing)[:3]}"
            for message in empty.count(taken(sqs, url), lost):
                ledger.told.update(read(json.loads(message["Body"])))


def in_message(body):
    return [record["s3"]["object"]["key"] for record in body.get("Records", [])]


def in_outcome(body):
    return body["responsePayload"]
