"""HTTP endpoints of topics: they confirm by a link, are told with documented headers, and are tried again when they fail."""

import base64
import json
import queue
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import ClientError

from support import aws, packages
from support.command_line import logs_of
from support.server import Server
from test_sns import Queue


class Endpoint:
    """Serves on loopback; answers as it is told to, else 200."""

    def __init__(self):
        self.got, self.answers = queue.Queue(), []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                endpoint.got.put((time.monotonic(), self.headers, body))
                self.send_response(endpoint.answers.pop(0) if endpoint.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/told"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, seconds=30):
        return self.got.get(timeout=seconds)

    def confirm(self):
        """Follows the link that came, as a browser does; answers the message."""
        _, headers, body = self.next()
        asked = json.loads(body)
        assert (headers["x-amz-sns-message-type"], asked["Type"]) == ("SubscriptionConfirmation",) * 2
        with urllib.request.urlopen(asked["SubscribeURL"], timeout=10) as answer:
            assert b"<SubscriptionArn>" in answer.read()
        return asked

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint():
    served = Endpoint()
    yield served
    served.close()


@pytest.fixture
def faster(tmp_path):
    """Time goes sixty times as fast."""
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--time-scale", "60"])
    yield server
    server.stop()


def verified(body, tmp_path):
    """Whether openssl finds the signature good, as AWS documents it. Source: SNS developer guide, "Verifying the signatures"."""
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    if body["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    text = "".join(f"{name}\n{body[name]}\n" for name in names if name in body)
    with urllib.request.urlopen(body["SigningCertURL"], timeout=10) as answer:
        (tmp_path / "certificate.pem").write_bytes(answer.read())
    key = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "certificate.pem", "-pubkey", "-noout"], capture_output=True, check=True
    ).stdout
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "signature").write_bytes(base64.b64decode(body["Signature"]))
    digest = {"1": "-sha1", "2": "-sha256"}[body["SignatureVersion"]]
    command = ["openssl", "dgst", digest, "-verify", tmp_path / "key.pem", "-signature", tmp_path / "signature"]
    return subprocess.run(command, input=text.encode(), capture_output=True).returncode == 0


def test_an_endpoint_confirms_and_is_told(server, endpoint, tmp_path):
    sns = aws.client(server.url, "sns")
    topic = sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["SubscriptionArn"], listed["Endpoint"]) == ("PendingConfirmation", endpoint.url)
    asked = endpoint.confirm()
    assert verified(asked, tmp_path)
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arn = listed["SubscriptionArn"]
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"]) == ("false", "false")
    assert json.loads(shown["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["numRetries"] == 3

    published = sns.publish(TopicArn=topic, Message="hello", Subject="about")
    _, headers, body = endpoint.next()
    body = json.loads(body)
    assert (body["Type"], body["Message"], body["Subject"], body["MessageId"]) == ("Notification", "hello", "about", published["MessageId"])
    assert dict(headers) | {
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": published["MessageId"],
        "x-amz-sns-topic-arn": topic,
        "x-amz-sns-subscription-arn": arn,
        "content-type": "text/plain; charset=UTF-8",
        "user-agent": "Amazon Simple Notification Service Agent",
    } == dict(headers)
    assert verified(body, tmp_path)
    assert not verified(body | {"Message": "hallo"}, tmp_path)

    with urllib.request.urlopen(body["UnsubscribeURL"], timeout=10) as answer:
        assert answer.status == 200
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    _, headers, body = endpoint.next()
    assert headers["x-amz-sns-message-type"] == "UnsubscribeConfirmation"
    assert verified(json.loads(body), tmp_path)


def test_queues_and_functions_get_signatures_that_verify(server, tmp_path):
    sns, target = aws.client(server.url, "sns"), Queue(server)
    topic = sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target.arn)
    client = aws.client(server.url, "lambda")
    code = "def handler(event, context):\n    print('GOT', __import__('json').dumps(event['Records'][0]['Sns']))\n"
    function = aws.create(client, packages.zip_of({"app.py": code}), handler="app.handler")
    arn = client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, MessageStructure="json", Message=json.dumps({"default": "d", "sqs": "for queues"}))
    [message] = target.messages(1)
    body = json.loads(message["Body"])
    assert body["Message"] == "for queues" and verified(body, tmp_path)
    deadline = time.monotonic() + 30
    while "GOT" not in (text := logs_of(server, function.name)):
        assert time.monotonic() < deadline, "the function was not told"
        time.sleep(0.2)
    told = json.loads(text.split("GOT ")[1].splitlines()[0])
    told["SigningCertURL"] = told.pop("SigningCertUrl")
    assert told["Message"] == "d"
    assert verified({name: value for name, value in told.items() if value is not None}, tmp_path)
    client.delete_function(FunctionName=function.name)


def test_an_endpoint_that_fails_is_tried_again_and_one_that_is_gone_is_not(faster, endpoint):
    sns, dead = aws.client(faster.url, "sns"), Queue(faster)
    topic = sns.create_topic(Name="t")["TopicArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead.arn})
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes={"RedrivePolicy": redrive})
    endpoint.confirm()
    endpoint.answers[:] = [503, 503]
    sns.publish(TopicArn=topic, Message="hello")
    times, ids = zip(*((at, headers["x-amz-sns-message-id"]) for at, headers, _ in (endpoint.next() for _ in range(3))))
    assert len(set(ids)) == 1
    # Twenty seconds of the service's clock.
    assert all(later - earlier > 0.3 for earlier, later in zip(times, times[1:]))
    endpoint.answers[:] = [404]
    sns.publish(TopicArn=topic, Message="for nobody")
    [letter] = dead.messages(1)
    assert json.loads(letter["Body"])["Message"] == "for nobody"
    endpoint.next()
    time.sleep(1)
    assert endpoint.got.empty(), "nobody is asked again who is not there"


def test_raw_delivery_posts_the_message_with_its_own_content_type(server, endpoint):
    sns = aws.client(server.url, "sns")
    topic = sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    attributes = {"RawMessageDelivery": "true", "DeliveryPolicy": policy}
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=attributes)
    endpoint.confirm()
    sns.publish(TopicArn=topic, Message='{"a":1}')
    _, headers, body = endpoint.next()
    assert (body, headers["x-amz-sns-rawdelivery"], headers["content-type"]) == ('{"a":1}', "true", "application/json")


def test_a_link_confirms_where_everybody_has_to_sign(tmp_path, endpoint):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce"])
    try:
        key, secret = server.root_key
        sns = aws.client(server.url, "sns", key, secret)
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
        asked = endpoint.confirm()
        [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert listed["SubscriptionArn"].startswith(topic)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked["SubscribeURL"].replace(asked["Token"], "guessed"), timeout=10)
        assert refused.value.code == 400
        with pytest.raises(ClientError, match="InvalidParameter"):
            sns.confirm_subscription(TopicArn=topic, Token="guessed")
    finally:
        server.stop()


def test_nobody_has_the_server_connect_to_metadata_services(server):
    sns, dead = aws.client(server.url, "sns"), Queue(server)
    topic = sns.create_topic(Name=aws.function_name("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://169.254.169.254/latest/meta-data/")
    deadline = time.monotonic() + 20
    while "a confirmation is given up" not in server.log_text():
        assert time.monotonic() < deadline, "it was not refused"
        time.sleep(0.2)
    assert "it is link-local, where cloud metadata services are" in server.log_text()
