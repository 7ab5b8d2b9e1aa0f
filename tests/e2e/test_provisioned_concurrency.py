"""Provisioned concurrency with boto3: environments that are there before the invocations."""

import concurrent.futures
import time

import pytest

from support import aws, packages

SLOW_START = """
import os, time, uuid
time.sleep({seconds})
HERE = str(uuid.uuid4())

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return {{"type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "here": HERE, "version": context.function_version}}
"""


def slow_start(seconds):
    return packages.zip_of({"app.py": SLOW_START.format(seconds=seconds)})


def settled(client, function, qualifier, status="READY", deadline_s=60):
    end = time.monotonic() + deadline_s
    while True:
        config = client.get_provisioned_concurrency_config(FunctionName=function.name, Qualifier=qualifier)
        if config["Status"] != "IN_PROGRESS":
            assert config["Status"] == status, config
            return config
        assert time.monotonic() < end, config
        time.sleep(0.1)


def test_no_invocation_waits_for_a_start_until_more_come_than_are_provisioned(make, client):
    function = make(slow_start(2), handler="app.handler", Timeout=20)
    client.publish_version(FunctionName=function.name)
    client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    put = client.put_provisioned_concurrency_config(
        FunctionName=function.name, Qualifier="live", ProvisionedConcurrentExecutions=2)
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (put["Status"], put["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
    config = settled(client, function, "live")
    assert config["AvailableProvisionedConcurrentExecutions"] == config["AllocatedProvisionedConcurrentExecutions"] == 2

    began = time.monotonic()
    answer = function.invoke({}, Qualifier="live", LogType="Tail")
    assert answer.ok()["type"] == "provisioned-concurrency" and time.monotonic() - began < 1.5
    assert "Init Duration" not in answer.log
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [answer.ok() for answer in pool.map(
            lambda _: function.invoke({"seconds": 4}, Qualifier="live"), range(3))]
    assert sorted(answer["type"] for answer in answers) == ["on-demand"] + 2 * ["provisioned-concurrency"]
    assert function.invoke({}, Qualifier="1").ok()["type"] == "on-demand", "only who calls by the alias"

    listed = client.get_paginator("list_provisioned_concurrency_configs").paginate(FunctionName=function.name)
    assert [item["FunctionArn"] for page in listed for item in page["ProvisionedConcurrencyConfigs"]] == [
        f"{function.arn}:live"]
    client.delete_provisioned_concurrency_config(FunctionName=function.name, Qualifier="live")
    with pytest.raises(client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        client.get_provisioned_concurrency_config(FunctionName=function.name, Qualifier="live")


def test_a_deployment_moves_the_environments_with_the_alias(make, client):
    function = make(slow_start(0), handler="app.handler")
    client.publish_version(FunctionName=function.name)
    aws.update(function, Description="second")
    client.publish_version(FunctionName=function.name)
    client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    client.put_provisioned_concurrency_config(
        FunctionName=function.name, Qualifier="live", ProvisionedConcurrentExecutions=1)
    settled(client, function, "live")
    first = function.invoke({}, Qualifier="live").ok()
    client.update_alias(FunctionName=function.name, Name="live", FunctionVersion="2")
    settled(client, function, "live")
    second = function.invoke({}, Qualifier="live").ok()
    kept = "provisioned-concurrency"
    assert (first["version"], first["type"], second["version"], second["type"]) == ("1", kept, "2", kept)


def test_a_function_that_cannot_start_fails_with_the_reason(make, client):
    function = make(packages.zip_of({"app.py": "raise RuntimeError('no')"}), handler="app.handler")
    client.publish_version(FunctionName=function.name)
    client.put_provisioned_concurrency_config(
        FunctionName=function.name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    config = settled(client, function, "1", "FAILED")
    assert config["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert config["AvailableProvisionedConcurrentExecutions"] == 0
