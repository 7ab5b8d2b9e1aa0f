"""What becomes of events that fail: retries, dead-letter queues and destinations, with a clock that goes faster."""

import json
import time

import pytest
from support import aws, packages

#: The retries of a function error come after one and two minutes: after one and two seconds here.
FASTER = "time_scale = 60\n"


@pytest.fixture
def world(serve):
    """Clients of a server whose retries go sixty times faster, and a queue."""
    server = serve(FASTER)
    lambdas, queues = aws.client(server.url, "lambda"), aws.client(server.url, "sqs")
    url = queues.create_queue(QueueName="told")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return server, lambdas, queues, url, arn


def received(queues, url, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = queues.receive_message(
            QueueUrl=url, WaitTimeSeconds=2, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
        )
        if messages := answer.get("Messages"):
            assert len(messages) == 1
            return messages[0]
    raise AssertionError("no message came")


def succeed():
    return "fine"


def fail():
    raise RuntimeError("as asked")


def test_an_event_that_fails_three_times_goes_to_the_dead_letter_queue(world):
    _, lambdas, queues, url, arn = world
    function = aws.create(lambdas, packages.python("remote"), DeadLetterConfig={"TargetArn": arn})
    shown = lambdas.get_function_configuration(FunctionName=function.name)
    assert shown["DeadLetterConfig"] == {"TargetArn": arn}
    started = time.monotonic()
    answer = function.run(fail, InvocationType="Event")
    assert answer.status == 202
    message = received(queues, url)
    # One and two minutes, sixty times faster.
    assert 3 <= time.monotonic() - started < 20
    told = {name: (value["DataType"], value["StringValue"]) for name, value in message["MessageAttributes"].items()}
    assert told == {
        "RequestID": ("String", answer.request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "as asked"),
    }
    assert json.loads(message["Body"])["name"] == "fail", "the event as it was sent"
    assert message["Attributes"]["AWSTraceHeader"].startswith("Root=1-")
    log = aws.client(lambdas.meta.endpoint_url, "logs").filter_log_events(logGroupName=f"/aws/lambda/{function.name}")
    starts = [event for event in log["events"] if event["message"].startswith(f"START RequestId: {answer.request_id}")]
    assert len(starts) == 3


def test_queues_are_told_of_success_and_of_failure(world):
    _, lambdas, queues, url, arn = world
    function = aws.create(lambdas, packages.python("remote"))
    lambdas.put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
    )
    for outcome, condition in ((succeed, "Success"), (fail, "RetriesExhausted")):
        answer = function.run(outcome, InvocationType="Event")
        message = received(queues, url)
        queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        record = json.loads(message["Body"])
        context = record["requestContext"]
        assert (context["requestId"], context["condition"]) == (answer.request_id, condition)
        assert context["functionArn"] == f"{function.arn}:$LATEST"
        assert context["approximateInvokeCount"] == 1
        assert record["responseContext"].get("functionError") == (None if condition == "Success" else "Unhandled")
        assert "MessageAttributes" not in message


def test_a_queue_that_is_gone_does_not_hold_up_others(world):
    server, lambdas, queues, url, arn = world
    function = aws.create(lambdas, packages.python("remote"))
    gone = arn.replace(":told", ":gone")
    lambdas.put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": gone}, "OnFailure": {"Destination": arn}},
    )
    function.run(succeed, InvocationType="Event")
    function.run(fail, InvocationType="Event")
    assert json.loads(received(queues, url)["Body"])["requestContext"]["condition"] == "RetriesExhausted"
    deadline = time.monotonic() + 10
    while "a message is given up" not in (log := server.log_text()):
        assert time.monotonic() < deadline, log[-2000:]
        time.sleep(0.1)


def test_what_is_on_its_way_to_a_queue_survives_a_kill(world):
    server, lambdas, queues, url, arn = world
    function = aws.create(lambdas, packages.python("remote"))
    lambdas.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    ids = {function.run(fail, InvocationType="Event").request_id for _ in range(8)}
    server.kill()
    server.start()
    queues = aws.client(server.url, "sqs")
    url = queues.get_queue_url(QueueName="told")["QueueUrl"]
    told = set()
    deadline = time.monotonic() + 60
    while told < ids:
        assert time.monotonic() < deadline, f"{len(ids - told)} of {len(ids)} are missing"
        for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            told.add(json.loads(message["Body"])["requestContext"]["requestId"])
    assert told == ids
