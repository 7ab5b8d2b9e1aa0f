"""Notifications: functions, queues, topics and EventBridge are told of what happens in a bucket, and nothing is lost."""

import json
import re
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import aws, packages
from support.command_line import logs_of
from support.server import Server
from test_s3 import new_bucket, refused

CODE = """
import json

def handler(event, context):
    print("GOT", json.dumps(event))
"""


def allow(service_arn, action, bucket):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "s3.amazonaws.com"},
                    "Action": action,
                    "Resource": service_arn,
                    "Condition": {
                        "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
                        "StringEquals": {"aws:SourceAccount": aws.ACCOUNT},
                    },
                }
            ],
        }
    )


class Queue:
    def __init__(self, server, bucket=None, name=None, key="test", secret="test"):
        self.sqs = aws.client(server.url, "sqs", key, secret)
        self.url = self.sqs.create_queue(QueueName=name or aws.function_name("queue"))["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        if bucket:
            policy = allow(self.arn, "sqs:SendMessage", bucket)
            self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def take(self):
        received = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = received.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def records(self, number, seconds=30):
        found, deadline = [], time.monotonic() + seconds
        while len(found) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number} records"
            found += [message["Records"][0] for message in self.take() if "Records" in message]
        return found


@pytest.fixture
def s3(server):
    return aws.client(server.url, "s3")


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def to_queue(queue, *events, **more):
    return {"QueueConfigurations": [{"QueueArn": queue.arn, "Events": list(events), **more}]}


def test_a_queue_is_told_of_what_it_asked_for_in_the_documented_form(server, s3, bucket):
    queue = Queue(server, bucket)
    rules = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".txt"}]}}
    configuration = to_queue(queue, "s3:ObjectCreated:*", "s3:ObjectRemoved:*", Id="mine", Filter=rules)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    shown = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert shown == configuration["QueueConfigurations"]
    [test] = queue.take()
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
    s3.put_object(Bucket=bucket, Key="out/a.txt", Body=b"no")
    s3.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"no")
    put = s3.put_object(Bucket=bucket, Key="in/a b+c.txt", Body=b"hello")
    s3.copy_object(Bucket=bucket, Key="in/copy.txt", CopySource={"Bucket": bucket, "Key": "in/a b+c.txt"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="in/parts.txt")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="in/parts.txt", UploadId=upload, PartNumber=1, Body=b"part")
    s3.complete_multipart_upload(
        Bucket=bucket, Key="in/parts.txt", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    s3.delete_object(Bucket=bucket, Key="in/a b+c.txt")
    records = {(record["eventName"], record["s3"]["object"]["key"]): record for record in queue.records(4)}
    assert set(records) == {
        ("ObjectCreated:Put", "in/a+b%2Bc.txt"),
        ("ObjectCreated:Copy", "in/copy.txt"),
        ("ObjectCreated:CompleteMultipartUpload", "in/parts.txt"),
        ("ObjectRemoved:Delete", "in/a+b%2Bc.txt"),
    }
    told = records["ObjectCreated:Put", "in/a+b%2Bc.txt"]
    assert (told["eventVersion"], told["eventSource"], told["awsRegion"]) == ("2.1", "aws:s3", aws.REGION)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["eventTime"])
    assert told["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert set(told["userIdentity"]) == {"principalId"} and set(told["requestParameters"]) == {"sourceIPAddress"}
    assert (told["s3"]["s3SchemaVersion"], told["s3"]["configurationId"]) == ("1.0", "mine")
    assert told["s3"]["bucket"]["name"] == bucket and told["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    created, removed = told["s3"]["object"], records["ObjectRemoved:Delete", "in/a+b%2Bc.txt"]["s3"]["object"]
    assert (created["size"], created["eTag"]) == (5, put["ETag"].strip('"'))
    assert set(removed) == {"key", "sequencer"}
    assert removed["sequencer"] > created["sequencer"] and len(removed["sequencer"]) == len(created["sequencer"])


def test_versions_and_tags_are_told_of(server, s3, bucket):
    queue = Queue(server, bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    configuration = to_queue(queue, "s3:ObjectRemoved:*", "s3:ObjectTagging:*")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    found = {record["eventName"]: record["s3"]["object"]["versionId"] for record in queue.records(4)}
    assert found == {
        "ObjectTagging:Put": version,
        "ObjectTagging:Delete": version,
        "ObjectRemoved:DeleteMarkerCreated": marker,
        "ObjectRemoved:Delete": version,
    }


def test_destinations_that_do_not_take_it_are_refused_in_the_recorded_words(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce"])
    try:
        refuse_destinations(server, *server.root_key)
    finally:
        server.stop()


def refuse_destinations(server, key, secret):
    s3 = aws.client(server.url, "s3", key, secret)
    bucket = new_bucket(s3)
    iam = aws.client(server.url, "iam", key, secret)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="e2e", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    closed, missing = Queue(server, key=key, secret=secret), "arn:aws:sqs:us-east-1:000000000000:missing-queue"
    put = s3.put_bucket_notification_configuration
    for arn, want in [
        (closed.arn, "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"),
        (missing, "The destination queue does not exist"),
    ]:
        configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        with pytest.raises(ClientError) as error:
            put(Bucket=bucket, NotificationConfiguration=configuration)
        told = error.value.response["Error"]
        assert (told["Code"], told["Message"]) == ("InvalidArgument", "Unable to validate the following destination configurations")
        assert (told["ArgumentName1"], told["ArgumentValue1"]) == (arn, want)
        put(Bucket=bucket, NotificationConfiguration=configuration, SkipDestinationValidation=True)
        put(Bucket=bucket, NotificationConfiguration={})
    lambda_client = aws.client(server.url, "lambda", key, secret)
    function = aws.create(lambda_client, packages.zip_of({"app.py": CODE}), handler="app.handler")
    arn = lambda_client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    configuration = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    with pytest.raises(ClientError) as error:
        put(Bucket=bucket, NotificationConfiguration=configuration)
    told = error.value.response["Error"]
    assert told["ArgumentName1"] == f"{arn}, null"
    assert told["ArgumentValue1"] == f"Not authorized to invoke function [{arn}]"
    lambda_client.delete_function(FunctionName=function.name)
    both = [{"QueueArn": closed.arn, "Events": [event]} for event in ("s3:ObjectCreated:*", "s3:ObjectCreated:Put")]
    refusal = refused(put, Bucket=bucket, NotificationConfiguration={"QueueConfigurations": both}, SkipDestinationValidation=True)
    assert refusal == ("InvalidArgument", 400)


def test_a_function_and_a_topic_are_told(server, s3, bucket):
    lambda_client, sns = aws.client(server.url, "lambda"), aws.client(server.url, "sns")
    function = aws.create(lambda_client, packages.zip_of({"app.py": CODE}), handler="app.handler")
    arn = lambda_client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    lambda_client.add_permission(
        FunctionName=function.name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=aws.ACCOUNT,
    )
    topic = sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=allow(topic, "SNS:Publish", bucket))
    queue = Queue(server)
    queue.sqs.set_queue_attributes(
        QueueUrl=queue.url,
        Attributes={"Policy": allow(queue.arn, "sqs:SendMessage", "x").replace("s3.amazonaws.com", "sns.amazonaws.com")
                    .replace("arn:aws:s3:::x", topic)},
    )
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "true"})
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:Put"]}],
            "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectRemoved:Delete"]}],
        },
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    s3.delete_object(Bucket=bucket, Key="k")
    [removed] = queue.records(1)
    assert removed["eventName"] == "ObjectRemoved:Delete"
    deadline = time.monotonic() + 30
    while not (lines := re.findall(r"GOT (\{.*)$", logs_of(server, function.name), re.MULTILINE)):
        assert time.monotonic() < deadline, "the function was not told"
        time.sleep(0.2)
    [record] = json.loads(lines[0])["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "k")
    lambda_client.delete_function(FunctionName=function.name)


def test_no_notification_of_an_acknowledged_object_is_lost_by_kill_9(own_server):
    acknowledged, told = set(), set()
    for round_number in range(3):
        s3 = aws.client(own_server.url, "s3")
        if round_number == 0:
            s3.create_bucket(Bucket="told-bucket")
            queue = Queue(own_server, "told-bucket", "told")
            s3.put_bucket_notification_configuration(
                Bucket="told-bucket", NotificationConfiguration=to_queue(queue, "s3:ObjectCreated:*")
            )
        stop = threading.Event()

        def write(worker, s3=s3, stop=stop):
            while not stop.is_set():
                key = f"{worker}-{time.monotonic_ns()}"
                try:
                    s3.put_object(Bucket="told-bucket", Key=key, Body=b"x")
                    acknowledged.add(key)
                except (ClientError, BotoCoreError):
                    return

        workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        [worker.start() for worker in workers]
        time.sleep(1)
        own_server.kill()
        stop.set()
        [worker.join() for worker in workers]
        own_server.start()
    queue = Queue(own_server, None, "told")
    deadline = time.monotonic() + 60
    while acknowledged - told:
        assert time.monotonic() < deadline, f"{len(acknowledged - told)} of {len(acknowledged)} are not told of"
        told |= {record["s3"]["object"]["key"] for message in queue.take() for record in message.get("Records", [])}
    assert len(acknowledged) > 50


def test_eventbridge_is_told_of_everything_in_its_own_form(server, s3, bucket):
    events, queue = aws.client(server.url, "events"), Queue(server)
    queue.sqs.set_queue_attributes(
        QueueUrl=queue.url,
        Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue.arn}
        ]})},
    )
    name = aws.function_name("rule")
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": queue.arn}])
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["EventBridgeConfiguration"] == {}
    put = s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    s3.delete_object(Bucket=bucket, Key="a b")
    found, deadline = {}, time.monotonic() + 30
    while len(found) < 2:
        assert time.monotonic() < deadline, found
        found |= {event["detail-type"]: event for event in queue.take()}
    created, removed = found["Object Created"], found["Object Deleted"]
    assert created["resources"] == [f"arn:aws:s3:::{bucket}"] and created["source"] == "aws.s3"
    detail = created["detail"]
    assert detail["object"] | {"sequencer": None} == {
        "key": "a b", "size": 5, "etag": put["ETag"].strip('"'), "sequencer": None
    }
    assert (detail["version"], detail["reason"], detail["requester"]) == ("0", "PutObject", aws.ACCOUNT)
    assert detail["request-id"] == put["ResponseMetadata"]["RequestId"]
    assert (removed["detail"]["reason"], removed["detail"]["deletion-type"]) == ("DeleteObject", "Permanently Deleted")
