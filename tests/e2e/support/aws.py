"""Clients and functions, as a user of boto3 has them."""

import base64
import inspect
import json
import textwrap
import uuid

import boto3
from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/e2e"

PYTHON = "python3.11"
NODE = "nodejs20.x"
CUSTOM = "provided.al2023"

#: Asks more often than the default of once a second, for as long.
WAITER = {"Delay": 0.1, "MaxAttempts": 600}

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def client(url, service, key="test", secret="test", token=None, region=REGION, **config):
    """A boto3 client that asks once: a retry would hide what the server did."""
    settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 120, "max_pool_connections": 64} | config
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(**settings),
    )


def function_name(hint="f"):
    return f"{hint}-{uuid.uuid4().hex[:8]}"


class Result:
    """What an invocation answered."""

    def __init__(self, answer):
        self.status = answer["StatusCode"]
        self.error = answer.get("FunctionError")
        self.version = answer.get("ExecutedVersion")
        self.raw = answer["Payload"].read()
        self.log = base64.b64decode(answer["LogResult"]).decode() if "LogResult" in answer else None
        self.request_id = answer["ResponseMetadata"]["RequestId"]

    @property
    def payload(self):
        return json.loads(self.raw)

    def ok(self):
        """The payload of a function that did not fail."""
        assert self.error is None, f"the function failed: {self.raw.decode(errors='replace')}"
        return self.payload


class Function:
    """A function that exists, is active, and is deleted at the end."""

    def __init__(self, client, name, arn):
        self.client = client
        self.name = name
        self.arn = arn

    def invoke(self, payload=None, **arguments):
        if payload is not None:
            arguments["Payload"] = payload if isinstance(payload, bytes) else json.dumps(payload)
        return Result(self.client.invoke(FunctionName=self.name, **arguments))

    def run(self, code, *arguments, **options):
        """Runs the Python function `code` inside the sandbox and answers what it returned.

        For functions whose package is `remote.py`. `code` may use only what it imports itself, `context` and `state`.
        """
        event = {"source": textwrap.dedent(inspect.getsource(code)), "name": code.__name__, "arguments": arguments}
        return self.invoke(event, **options)


def create(client, package, runtime=PYTHON, handler="remote.handler", name=None, **settings):
    """Creates a function and waits until it can run. `package` is a zip, or says where its code is as `Code` does."""
    name = name or function_name()
    created = client.create_function(
        FunctionName=name,
        Runtime=runtime,
        Handler=handler,
        Role=settings.pop("Role", ROLE),
        Code=package if isinstance(package, dict) else {"ZipFile": package},
        **{"Timeout": 30} | settings,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAITER)
    return Function(client, name, created["FunctionArn"])


def update(function, **settings):
    """Changes a function's configuration and waits until it is in force."""
    function.client.update_function_configuration(FunctionName=function.name, **settings)
    wait_updated(function)


def wait_updated(function):
    function.client.get_waiter("function_updated_v2").wait(
        FunctionName=function.name, WaiterConfig=WAITER
    )
