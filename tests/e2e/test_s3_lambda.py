"""Lambda and S3: packages come from a bucket, and records of failed events go to one."""

import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from support import aws, packages
from test_s3 import new_bucket

LAYER = {"python/shared.py": "TEXT = 'from a layer'\n"}
CODE = "def handler(event, context):\n    return {text!r}\n"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


def test_a_package_in_s3_becomes_a_function_and_a_layer(server):
    s3, client = aws.client(server.url, "s3"), aws.client(server.url, "lambda")
    bucket = new_bucket(s3)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="code.zip", Body=packages.zip_of({"app.py": CODE.format(text="one")}))["VersionId"]
    s3.put_object(Bucket=bucket, Key="code.zip", Body=packages.zip_of({"app.py": CODE.format(text="two")}))
    name = aws.function_name("from-s3")
    settings = dict(FunctionName=name, Runtime=aws.PYTHON, Role=aws.ROLE, Handler="app.handler")
    code = {"S3Bucket": bucket, "S3Key": "code.zip"}
    # Recorded.
    assert refusal(client.create_function, **settings, Code={"S3Bucket": "missing-" + bucket, "S3Key": "x"}) == (
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist",
    )
    assert refusal(client.create_function, **settings, Code={"S3Bucket": bucket, "S3Key": "x"}) == (
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
    )
    client.create_function(**settings, Code=code | {"S3ObjectVersion": first})
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=aws.WAITER)
    function = aws.Function(client, name, None)
    assert function.invoke({}).ok() == "one"
    client.update_function_code(FunctionName=name, **code)
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=aws.WAITER)
    assert function.invoke({}).ok() == "two"
    s3.put_object(Bucket=bucket, Key="layer.zip", Body=packages.zip_of(LAYER))
    layer = client.publish_layer_version(LayerName=name, Content={"S3Bucket": bucket, "S3Key": "layer.zip"})
    assert layer["Version"] == 1 and layer["Content"]["CodeSize"] > 0
    client.delete_function(FunctionName=name)


def test_the_record_of_a_failed_event_goes_to_a_bucket(server):
    s3, client = aws.client(server.url, "s3"), aws.client(server.url, "lambda")
    bucket = new_bucket(s3)
    code = "def handler(event, context):\n    raise Exception('no')\n"
    function = aws.create(client, packages.zip_of({"app.py": code}), handler="app.handler")
    client.put_function_event_invoke_config(
        FunctionName=function.name, MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    client.invoke(FunctionName=function.name, InvocationType="Event", Payload=b'{"a": 1}')
    deadline = time.monotonic() + 60
    while not (found := s3.list_objects_v2(Bucket=bucket).get("Contents", [])):
        assert time.monotonic() < deadline, "no record"
        time.sleep(0.2)
    [entry] = found
    day = r"\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d"
    assert re.fullmatch(rf"aws/lambda/async/{function.name}/{day}-{aws.UUID}", entry["Key"])
    record = json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
    assert record["requestContext"]["condition"] == "RetriesExhausted" and record["requestPayload"] == {"a": 1}
    client.delete_function(FunctionName=function.name)
