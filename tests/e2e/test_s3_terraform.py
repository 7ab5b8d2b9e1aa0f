"""Terraform makes a bucket and what is around it, finds it as it made it, changes and destroys it."""

import pytest

from support import aws
from test_s3 import refused
from test_terraform import start


@pytest.mark.timeout(900)
def test_terraform_makes_changes_and_destroys_a_bucket(server, tmp_path):
    terraform = start(tmp_path, "bucket", endpoint=server.url)
    name = terraform.environment["TF_VAR_name"]
    s3, sqs = aws.client(server.url, "s3"), aws.client(server.url, "sqs")
    terraform.set(days=30, content="hello")
    first = terraform.apply()["version"]
    assert s3.get_object(Bucket=name, Key="greetings/hello.txt")["Body"].read() == b"hello"
    queue = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    assert any("s3:TestEvent" in message["Body"] or "ObjectCreated:Put" in message["Body"] for message in received)
    terraform.set(days=60, content="hi")
    second = terraform.apply()["version"]
    assert first != second
    [rule] = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rule["Expiration"] == {"Days": 60}
    assert s3.get_object(Bucket=name, Key="greetings/hello.txt", VersionId=first)["Body"].read() == b"hello"
    # As with the real one: a bucket that is not empty stays.
    for version in s3.list_object_versions(Bucket=name)["Versions"]:
        if version["VersionId"] != second:
            s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    terraform.destroy()
    assert refused(s3.list_objects_v2, Bucket=name) == ("NoSuchBucket", 404)
