"""Every event a function, queue or bucket gets from another service, in one place: each key with its value, and no other key.

Sources, by the strength they have: recorded from the real service (SQS, S3, EventBridge and its schedules, records of events
that ended, dead letters); AWS's documentation and sample events (SNS, function URLs, CloudWatch Logs, lifecycle); reported
by users (Scheduler without an input). Values the real service makes up are forms here.

Mappings of queues have no records of failure: what fails comes back, and goes to the queue's dead-letter queue as it is.
"""

import base64
import gzip
import hashlib
import json
import re
import time

import pytest

from support import aws, urls
from support.aws import ACCOUNT, REGION, ROLE
from support.server import Server

from .listeners import ID, ISO, ISO_MS, MD5, MILLISECONDS, TEXT, TRACE, Form, Whole, World, arn


@pytest.fixture
def world(server):
    return World(server)


@pytest.fixture
def fast(tmp_path):
    """`fast(scale)`: the world of a server whose service clock goes that much faster."""
    servers = []

    def fast(scale):
        servers.append(Server(tmp_path / "data", tmp_path / "server.log", arguments=["--time-scale", str(scale)]))
        return World(servers[-1])

    yield fast
    for server in servers:
        server.stop()


# Queues.


def sqs_record(queue_arn, body, attributes=None, message_attributes=None):
    return {
        "messageId": ID,
        "receiptHandle": TEXT,
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": MILLISECONDS,
            "SenderId": TEXT,
            "ApproximateFirstReceiveTimestamp": MILLISECONDS,
        } | (attributes or {}),
        "messageAttributes": message_attributes or {},
        "md5OfMessageAttributes": MD5 if message_attributes else None,
        "md5OfBody": hashlib.md5(body.encode()).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def test_a_message_of_a_standard_queue(world):
    (url, queue), function = world.queue(VisibilityTimeout="60"), world.function()
    attributes = {
        "kind": {"DataType": "String", "StringValue": "order"},
        "count": {"DataType": "Number.int", "StringValue": "3"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    header = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}}
    world.sqs.send_message(QueueUrl=url, MessageBody="hé\n", MessageAttributes=attributes, MessageSystemAttributes=header)
    world.map(function, queue)
    lists = {"stringListValues": [], "binaryListValues": []}
    told = {
        "kind": {"stringValue": "order", "dataType": "String"} | lists,
        "count": {"stringValue": "3", "dataType": "Number.int"} | lists,
        "raw": {"binaryValue": "AAE=", "dataType": "Binary"} | lists,
    }
    record = sqs_record(queue, "hé\n", {"AWSTraceHeader": header["AWSTraceHeader"]["StringValue"]}, told)
    assert world.got(function) == [{"Records": [record]}]


def test_a_message_of_a_fifo_queue(world):
    (url, queue), function = world.queue(name=aws.function_name("q") + ".fifo", FifoQueue="true", VisibilityTimeout="60"), world.function()
    world.sqs.send_message(QueueUrl=url, MessageBody="one", MessageGroupId="g", MessageDeduplicationId="d")
    world.map(function, queue)
    own = {"SequenceNumber": Form(r"\d{20}"), "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    assert world.got(function) == [{"Records": [sqs_record(queue, "one", own)]}]


def test_what_a_function_cannot_do_with_is_in_the_dead_letter_queue_as_it_was(world):
    letters, dead = world.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    (url, queue), function = world.queue(VisibilityTimeout="3", RedrivePolicy=redrive), world.function(code="x", Timeout=3)
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
    sent = world.sqs.send_message(QueueUrl=url, MessageBody="one", MessageAttributes=attributes)
    world.map(function, queue)
    [letter] = world.messages(letters)
    assert letter == {
        "MessageId": sent["MessageId"],
        "ReceiptHandle": TEXT,
        "MD5OfBody": sent["MD5OfMessageBody"],
        "Body": "one",
        "Attributes": {
            "SenderId": TEXT, "SentTimestamp": MILLISECONDS, "ApproximateReceiveCount": "2",
            "ApproximateFirstReceiveTimestamp": MILLISECONDS, "DeadLetterQueueSourceArn": queue,
        },
        "MD5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "MessageAttributes": attributes,
    }


# Topics. Hearth signs with version 2 (SHA-256), whatever the topic says.


def sns_attributes():
    return {
        "kind": {"DataType": "String", "StringValue": "order"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }


SNS_TOLD = {"kind": {"Type": "String", "Value": "order"}, "raw": {"Type": "Binary", "Value": "AAE="}}


@pytest.mark.parametrize("subject", [None, "a subject"])
def test_a_notification_of_a_topic(world, subject):
    function = world.function("sns.amazonaws.com")
    topic = world.sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    subscription = world.sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function.arn)["SubscriptionArn"]
    more = {"Subject": subject, "MessageAttributes": sns_attributes()} if subject else {}
    id = world.sns.publish(TopicArn=topic, Message="hello", **more)["MessageId"]
    assert world.got(function) == [{"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": {
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": topic,
            "Subject": subject,
            "Message": "hello",
            "Timestamp": ISO_MS,
            "SignatureVersion": "2",
            "Signature": TEXT,
            "SigningCertUrl": Form(r"https?://.+\.pem"),
            "UnsubscribeUrl": Form(rf"https?://.+/\?Action=Unsubscribe&SubscriptionArn={re.escape(subscription)}.*"),
            "MessageAttributes": SNS_TOLD if subject else {},
        },
    }]}]


@pytest.mark.parametrize("subject", [None, "a subject"])
def test_a_notification_of_a_topic_in_a_queue(world, subject):
    url, queue = world.queue("sns.amazonaws.com")
    topic = world.sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    subscription = world.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=True)["SubscriptionArn"]
    more = {"Subject": subject, "MessageAttributes": sns_attributes()} if subject else {}
    id = world.sns.publish(TopicArn=topic, Message="hello", **more)["MessageId"]
    expected = {
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": topic,
        "Message": "hello",
        "Timestamp": ISO_MS,
        "SignatureVersion": "2",
        "Signature": TEXT,
        "SigningCertURL": Form(r"https?://.+\.pem"),
        "UnsubscribeURL": Form(rf"https?://.+/\?Action=Unsubscribe&SubscriptionArn={re.escape(subscription)}.*"),
    }
    expected |= {"Subject": subject, "MessageAttributes": SNS_TOLD} if subject else {}
    assert world.bodies(url) == [expected]


# Buckets.


def s3_record(bucket, name, key, told, version="2.1", by=None, address="127.0.0.1", rule="mine"):
    return {"Records": [{
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": ISO_MS,
        "eventName": name,
        "userIdentity": {"principalId": by or TEXT},
        "requestParameters": {"sourceIPAddress": address},
        "responseElements": {"x-amz-request-id": TEXT, "x-amz-id-2": TEXT},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule,
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": TEXT}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": key, "sequencer": Form("[0-9A-F]{16,}")} | told,
        },
    }]}


def bucket_of(world, **configuration):
    name = aws.function_name("shapes")
    world.s3.create_bucket(Bucket=name)
    if configuration:
        world.s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    return name


def content(answer, size):
    return {"size": size, "eTag": answer["ETag"].strip('"')}


def test_what_happens_in_a_bucket(world):
    function = world.function("s3.amazonaws.com")
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]
    rule = {"Id": "mine", "LambdaFunctionArn": function.arn, "Events": events}
    bucket = bucket_of(world, LambdaFunctionConfigurations=[rule])
    at = {"Bucket": bucket, "Key": "a b+ü.txt"}
    put = world.s3.put_object(**at, Body=b"hello")
    copy = world.s3.copy_object(Bucket=bucket, Key="copy", CopySource=at)["CopyObjectResult"]
    upload = {"Bucket": bucket, "Key": "parts"}
    upload["UploadId"] = world.s3.create_multipart_upload(**upload)["UploadId"]
    part = world.s3.upload_part(**upload, PartNumber=1, Body=b"part")
    parts = world.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    world.s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    world.s3.delete_object(**at)
    world.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept = world.s3.put_object(Bucket=bucket, Key="kept", Body=b"")
    marker = world.s3.delete_object(Bucket=bucket, Key="kept")["VersionId"]
    world.s3.delete_object(Bucket=bucket, Key="kept", VersionId=kept["VersionId"])
    key, empty = "a+b%2B%C3%BC.txt", "d41d8cd98f00b204e9800998ecf8427e"
    expected = [
        s3_record(bucket, "ObjectCreated:Put", key, content(put, 5)),
        s3_record(bucket, "ObjectCreated:Copy", "copy", content(copy, 5)),
        s3_record(bucket, "ObjectCreated:CompleteMultipartUpload", "parts", content(parts, 4)),
        s3_record(bucket, "ObjectTagging:Put", key, content(put, 5), "2.3"),
        s3_record(bucket, "ObjectRemoved:Delete", key, {}),
        s3_record(bucket, "ObjectCreated:Put", "kept", content(kept, 0) | {"versionId": kept["VersionId"]}),
        s3_record(bucket, "ObjectRemoved:DeleteMarkerCreated", "kept", {"eTag": empty, "versionId": marker}),
        s3_record(bucket, "ObjectRemoved:Delete", "kept", {"versionId": kept["VersionId"]}),
    ]
    # Asynchronous invocations have no order.
    sequence = lambda event: event["Records"][0]["s3"]["object"]["sequencer"]
    found = world.got(function, len(expected))
    for name in {event["Records"][0]["eventName"] for event in expected}:
        of_name = [sorted((e for e in events if e["Records"][0]["eventName"] == name), key=key) for events, key in (
            (found, sequence), (expected, lambda _: 0))]
        assert of_name[0] == of_name[1], name


def test_a_bucket_tells_a_queue_that_it_will_and_then_what(world):
    url, queue = world.queue("s3.amazonaws.com")
    rule = {"Id": "mine", "QueueArn": queue, "Events": ["s3:ObjectCreated:*"]}
    bucket = bucket_of(world, QueueConfigurations=[rule])
    assert world.bodies(url) == [{
        "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": ISO_MS, "Bucket": bucket, "RequestId": TEXT, "HostId": TEXT}]
    put = world.s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    assert world.bodies(url) == [s3_record(bucket, "ObjectCreated:Put", "k", content(put, 5))]


def test_a_bucket_s_rules_let_objects_expire(fast):
    world = fast(10_000)
    url, queue = world.queue("s3.amazonaws.com", MessageRetentionPeriod="1209600")
    rule = {"Id": "mine", "QueueArn": queue, "Events": ["s3:LifecycleExpiration:*"]}
    bucket = bucket_of(world)
    world.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [rule]}, SkipDestinationValidation=True)
    world.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    expires = {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    world.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [expires]})
    told = [body for body in world.bodies(url, 1) if "Records" in body]
    service = "s3.amazonaws.com"
    assert told == [s3_record(bucket, "LifecycleExpiration:Delete", "k", {}, "2.3", by=service, address=service)]


def test_a_bucket_s_events_on_the_bus(world):
    url, queue = world.queue("events.amazonaws.com")
    bucket = bucket_of(world, EventBridgeConfiguration={})
    name = aws.function_name("rule")
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
    world.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    world.events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": queue}])
    put = world.s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    [created] = world.bodies(url)
    world.s3.delete_object(Bucket=bucket, Key="a b")
    [removed] = world.bodies(url)
    object = {"key": "a b", "sequencer": Form("[0-9A-F]{16,}")}
    detail = {
        "version": "0", "bucket": {"name": bucket}, "request-id": TEXT, "requester": ACCOUNT, "source-ip-address": "127.0.0.1"}
    head = {"resources": [f"arn:aws:s3:::{bucket}"]}
    of = {"size": 5, "etag": content(put, 5)["eTag"]}
    assert created == event(
        "Object Created", "aws.s3", detail | {"object": object | of, "reason": "PutObject"}, **head)
    assert removed == event(
        "Object Deleted", "aws.s3",
        detail | {"object": object, "reason": "DeleteObject", "deletion-type": "Permanently Deleted"}, **head)


# EventBridge and its scheduler.


def event(detail_type, source, detail, resources=(), id=ID, time=ISO):
    return {
        "version": "0", "id": id, "detail-type": detail_type, "source": source, "account": ACCOUNT, "time": time,
        "region": REGION, "resources": list(resources), "detail": detail,
    }


def test_an_event_of_a_bus_and_what_rules_make_of_it(world):
    function = world.function("events.amazonaws.com")
    url, queue = world.queue("events.amazonaws.com")
    transformed, part, fixed = (world.function("events.amazonaws.com") for _ in range(3))
    bus, rule = aws.function_name("bus"), aws.function_name("rule")
    world.events.create_event_bus(Name=bus)
    rule_arn = world.events.put_rule(Name=rule, EventBusName=bus, EventPattern='{"source": ["my.app"]}')["RuleArn"]
    template = '{"n": <n>, "text": "n is <n>", "head": <aws.events.event>, "all": <aws.events.event.json>, "rule": "<aws.events.rule-name>"}'
    world.events.put_targets(Rule=rule, EventBusName=bus, Targets=[
        {"Id": "function", "Arn": function.arn},
        {"Id": "queue", "Arn": queue},
        {"Id": "transformed", "Arn": transformed.arn,
         "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": template}},
        {"Id": "part", "Arn": part.arn, "InputPath": "$.detail"},
        {"Id": "fixed", "Arn": fixed.arn, "Input": '{"fixed": [1]}'},
    ])
    entry = {"EventBusName": bus, "Source": "my.app", "DetailType": "order", "Resources": ["one"], "Time": 1_700_000_000}
    id = world.events.put_events(Entries=[entry | {"Detail": '{"n": 1.5}'}])["Entries"][0]["EventId"]
    expected = event("order", "my.app", {"n": 1.5}, ["one"], id, "2023-11-14T22:13:20Z")
    assert world.got(function) == [expected]
    assert world.bodies(url) == [expected]
    head = {key: value for key, value in expected.items() if key != "detail"}
    assert world.got(transformed) == [{"n": 1.5, "text": "n is 1.5", "head": head, "all": expected, "rule": rule}]
    assert rule_arn == arn("events", f"rule/{bus}/{rule}")
    assert world.got(part) == [{"n": 1.5}]
    assert world.got(fixed) == [{"fixed": [1]}]


def test_an_event_of_a_schedule_of_a_rule(fast):
    world = fast(60)
    function = world.function("events.amazonaws.com")
    rule = world.events.put_rule(Name="tick", ScheduleExpression="rate(2 minutes)")["RuleArn"]
    world.events.put_targets(Rule="tick", Targets=[{"Id": "t", "Arn": function.arn}])
    assert world.got(function)[0] == event("Scheduled Event", "aws.events", {}, [rule])


def test_an_event_of_a_schedule(fast):
    world = fast(60)
    plain, asked = world.function(), world.function()
    target, more = {"RoleArn": ROLE}, {"FlexibleTimeWindow": {"Mode": "OFF"}, "ScheduleExpression": "rate(2 minutes)"}
    schedule = world.scheduler.create_schedule(Name="plain", Target=target | {"Arn": plain.arn}, **more)["ScheduleArn"]
    text = json.dumps({
        "at": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>", "id": "<aws.scheduler.execution-id>",
        "attempt": "<aws.scheduler.attempt-number>", "other": "<aws.scheduler.other>"})
    world.scheduler.create_schedule(Name="asked", Target=target | {"Arn": asked.arn, "Input": text}, **more)
    assert world.got(plain)[0] == event("Scheduled Event", "aws.scheduler", "{}", [schedule], id=TEXT)
    assert world.got(asked)[0] == {
        "at": ISO, "of": arn("scheduler", "schedule/default/asked"), "id": TEXT, "attempt": "1", "other": "<aws.scheduler.other>"}


# Logs.


def test_log_events_of_a_subscription(world):
    function, group = world.function("logs.amazonaws.com"), aws.function_name("/shapes")
    world.logs.create_log_group(logGroupName=group)
    world.logs.create_log_stream(logGroupName=group, logStreamName="s")
    world.logs.put_subscription_filter(logGroupName=group, filterName="errors", filterPattern="", destinationArn=function.arn)
    now_ms = int(time.time() * 1_000)
    lines = [{"timestamp": now_ms + at, "message": message} for at, message in enumerate(("first", '{"n": 1}'))]
    world.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=lines)
    [found] = world.got(function)
    assert found == {"awslogs": {"data": TEXT}}
    assert json.loads(gzip.decompress(base64.b64decode(found["awslogs"]["data"]))) == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": group,
        "logStream": "s",
        "subscriptionFilters": ["errors"],
        "logEvents": [{"id": Form(r"\d{56}")} | line for line in lines],
    }


# Function URLs.


def url_event(address, method, path, query="", signed=False, headers=None, **more):
    host = address.split("/")[2]
    prefix = host.split(".")[0]
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "host": host, "accept-encoding": "identity", "x-forwarded-for": "127.0.0.1", "x-forwarded-port": host.split(":")[1],
            "x-forwarded-proto": "http", "x-amzn-trace-id": TRACE,
        } | (headers or {}),
        "requestContext": {
            "accountId": ACCOUNT if signed else "anonymous",
            "apiId": prefix,
            "domainName": host.split(":")[0],
            "domainPrefix": prefix,
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                "userAgent": (headers or {}).get("user-agent"),
            },
            "requestId": ID,
            "routeKey": "$default",
            "stage": "$default",
            "time": Form(r"\d\d/[A-Z][a-z]{2}/20\d\d:\d\d:\d\d:\d\d \+0000"),
            "timeEpoch": Whole(1_700_000_000_000),
        },
        "isBase64Encoded": False,
    } | more


def test_a_request_to_a_function_url(world):
    function = world.function()
    address = world.lambdas.create_function_url_config(FunctionName=function.name, AuthType="NONE")["FunctionUrl"]
    urls.send(world.server, address)
    agent = {"User-Agent": "shapes", "Content-Type": "application/json", "Cookie": "a=1; b=2", "X-Custom": "c"}
    urls.send(world.server, address, "POST", "/a%20b/c?x=1&x=2&y=%C3%BC", '{"n": 1}', agent)
    urls.send(world.server, address, "PUT", "/raw", b"\x00\xff", {"Content-Type": "application/octet-stream"})
    sent = {"user-agent": "shapes", "content-type": "application/json", "content-length": "8", "x-custom": "c"}
    expected = [
        url_event(address, "GET", "/"),
        url_event(
            address, "POST", "/a%20b/c", "x=1&x=2&y=%C3%BC", headers=sent, body='{"n": 1}', cookies=["a=1", "b=2"],
            queryStringParameters={"x": "1,2", "y": "ü"}),
        url_event(
            address, "PUT", "/raw", headers={"content-type": "application/octet-stream", "content-length": "2"},
            body="AP8=", isBase64Encoded=True),
    ]
    assert world.got(function, 3) == expected


def test_a_signed_request_to_a_function_url(world):
    function = world.function()
    address = world.lambdas.create_function_url_config(FunctionName=function.name, AuthType="AWS_IAM")["FunctionUrl"]
    headers = urls.signed(address, ("test", "test"))
    urls.send(world.server, address, headers=headers)
    expected = url_event(address, "GET", "/", signed=True, headers={"authorization": TEXT, "x-amz-date": TEXT})
    expected["requestContext"]["authorizer"] = {"iam": {
        "accessKey": "test", "accountId": ACCOUNT, "callerId": ACCOUNT, "cognitoIdentity": None, "principalOrgId": None,
        "userArn": f"arn:aws:iam::{ACCOUNT}:root", "userId": ACCOUNT,
    }}
    assert world.got(function) == [expected]


# What becomes of asynchronous invocations.


def record(function, id, condition, payload, response, error=None):
    return {
        "version": "1.0",
        "timestamp": ISO_MS,
        "requestContext": {
            "requestId": id, "functionArn": f"{function.arn}:$LATEST", "condition": condition, "approximateInvokeCount": 1},
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"} | ({"functionError": error} if error else {}),
        "responsePayload": response,
    }


@pytest.mark.parametrize("kind", ["function", "queue", "topic", "bus", "bucket"])
def test_a_record_of_an_event_that_ended(world, kind):
    function, listener = world.function(), world.function("events.amazonaws.com", "sns.amazonaws.com")
    url, queue = world.queue("sns.amazonaws.com")
    topic = world.sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    world.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    name = aws.function_name("told")
    bus = world.events.create_event_bus(Name=name)["EventBusArn"]
    world.events.put_rule(Name=name, EventBusName=name, EventPattern='{"source": ["lambda"]}')
    world.events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "t", "Arn": listener.arn}])
    bucket = bucket_of(world)
    to = {"function": listener.arn, "queue": queue, "topic": topic, "bus": bus, "bucket": f"arn:aws:s3:::{bucket}"}[kind]
    destinations = {"OnFailure": {"Destination": to}} | ({} if kind == "bucket" else {"OnSuccess": {"Destination": to}})
    world.lambdas.put_function_event_invoke_config(
        FunctionName=function.name, MaximumRetryAttempts=0, DestinationConfig=destinations)
    fine, failed = ({"n": 1}, {"fine": True}), ({"fail": True}, {
        "errorMessage": "as asked", "errorType": "ValueError", "requestId": ID, "stackTrace": [TEXT]})
    for number, (payload, response) in enumerate([failed] if kind == "bucket" else [fine, failed]):
        is_failed = "fail" in payload
        id = function.invoke(payload, InvocationType="Event").request_id
        expected = record(
            function, id, "RetriesExhausted" if is_failed else "Success", payload, response, "Unhandled" if is_failed else None)
        if kind in ("queue", "topic"):
            [message] = world.messages(url)
            assert json.loads(message["Body"]) == expected and "MessageAttributes" not in message
            # A topic hands on what is in its messages, and no trace.
            assert message["Attributes"].get("AWSTraceHeader") == (TRACE if kind == "queue" else None)
        elif kind == "bucket":
            [entry] = world.wait(lambda: world.s3.list_objects_v2(Bucket=bucket).get("Contents", []), 1)
            day = r"20\d\d/\d\d/\d\d/20\d\d-\d\d-\d\dT\d\d\.\d\d\.\d\d"
            assert entry["Key"] == Form(rf"aws/lambda/async/{function.name}/{day}-{aws.UUID}")
            assert json.load(world.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"]) == expected
        else:
            result = "Lambda Function Invocation Result - " + ("Failure" if is_failed else "Success")
            resources = [bus, f"{function.arn}:$LATEST"]
            told = event(result, "lambda", expected, resources) if kind == "bus" else expected
            assert world.got(listener, number + 1)[number] == told


def test_a_dead_letter_of_an_event(world):
    url, queue = world.queue()
    function = world.function(DeadLetterConfig={"TargetArn": queue})
    world.lambdas.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    id = function.invoke(b'{"fail": 1.0}', InvocationType="Event").request_id
    [letter] = world.messages(url)
    assert letter["Body"] == '{"fail": 1.0}', "as it was sent"
    assert letter["Attributes"].keys() == {
        "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "AWSTraceHeader"}
    assert letter["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "as asked"},
    }
