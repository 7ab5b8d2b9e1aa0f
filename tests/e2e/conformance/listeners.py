"""Who listens to events in test_event_shapes.py, and the forms of what the real service makes up."""

import json
import re
import time

from support import aws, packages
from support.aws import ACCOUNT, REGION

SECONDS_MAX = 60

#: Tells what it got; fails when the event asks for it.
CODE = """
import json

def handler(event, context):
    print("GOT", json.dumps(event))
    if isinstance(event, dict) and event.get("fail"):
        raise ValueError("as asked")
    return {"fine": True}
"""


class Form:
    """Any text of a form."""

    def __init__(self, pattern):
        self.pattern = pattern

    def __eq__(self, other):
        return isinstance(other, str) and re.fullmatch(self.pattern, other, re.DOTALL) is not None

    __hash__ = None

    def __repr__(self):
        return f"/{self.pattern}/"


class Whole:
    """Any whole number of at least so much."""

    def __init__(self, least):
        self.least = least

    def __eq__(self, other):
        return type(other) is int and other >= self.least

    __hash__ = None

    def __repr__(self):
        return f">={self.least}"


TEXT = Form(".+")
ID = Form(aws.UUID)
MD5 = Form("[0-9a-f]{32}")
#: Of this century: 13 digits.
MILLISECONDS = Form(r"1\d{12}")
ISO = Form(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ISO_MS = Form(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TRACE = Form(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}.*")


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


class World:
    """A server's clients, and what listens there."""

    def __init__(self, server):
        self.server = server
        services = ("lambda", "sqs", "sns", "s3", "events", "scheduler", "logs")
        for service in services:
            setattr(self, "lambdas" if service == "lambda" else service, aws.client(server.url, service))

    def function(self, *principals, code=CODE, **settings):
        """One that tells what it gets, and which these services may invoke."""
        function = aws.create(self.lambdas, packages.zip_of({"app.py": code}), handler="app.handler", **settings)
        for number, principal in enumerate(principals):
            self.lambdas.add_permission(
                FunctionName=function.name, StatementId=f"s{number}", Action="lambda:InvokeFunction", Principal=principal)
        return function

    def got(self, function, number=1):
        """The events that a function got, in the order of their arrival."""
        def look():
            pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function.name}")
            try:
                lines = [event["message"] for page in pages for event in page["events"]]
            except self.logs.exceptions.ResourceNotFoundException:
                return []
            return [json.loads(line.split("GOT ", 1)[1]) for line in lines if line.startswith("GOT ")]

        return self.wait(look, number)

    def queue(self, *principals, name=None, **attributes):
        """URL and ARN of one that these services may send to."""
        name = name or aws.function_name("queue")
        statement = {
            "Effect": "Allow", "Principal": {"Service": list(principals)}, "Action": "sqs:SendMessage", "Resource": arn("sqs", name)}
        if principals:
            attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], arn("sqs", name)

    def messages(self, url, number=1):
        found = []

        def take():
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"])
            for message in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
            return found

        return self.wait(take, number)

    def bodies(self, url, number=1):
        return [json.loads(message["Body"]) for message in self.messages(url, number)]

    def wait(self, look, number):
        deadline = time.monotonic() + SECONDS_MAX
        while len(found := look()) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number}: {self.server.log_text()[-1000:]}"
            time.sleep(0.2)
        return found

    def map(self, function, queue_arn):
        self.lambdas.create_event_source_mapping(FunctionName=function.name, EventSourceArn=queue_arn)
