"""Layers with boto3: modules under /opt, files over each other, extensions, and layers of other accounts."""

import time

import pytest

from support import aws, packages
from support.aws import ACCOUNT, PYTHON, REGION


@pytest.fixture
def publish(client):
    """Publishes layer versions, and deletes them at the end."""
    made = []

    def publish(files, name=None, **settings):
        name = name or aws.function_name("layer")
        answer = client.publish_layer_version(LayerName=name, Content={"ZipFile": packages.zip_of(files)}, **settings)
        made.append((name, answer["Version"]))
        return answer

    yield publish
    for name, number in made:
        client.delete_layer_version(LayerName=name, VersionNumber=number)


def read(path):
    with open(path) as file:
        return file.read()


def listing(path):
    import os

    return sorted(os.listdir(path))


def test_python_finds_the_modules_of_a_layer(make, client, publish):
    layer = publish(
        {
            "python/greeting.py": "TEXT = 'from the layer'\n",
            f"python/lib/{PYTHON}/site-packages/shouting.py": "def shout(text): return text.upper()\n",
        },
        CompatibleRuntimes=[PYTHON],
        Description="greetings",
    )
    app = "import greeting, shouting\ndef handler(event, context): return shouting.shout(greeting.TEXT)\n"
    function = make(packages.zip_of({"app.py": app}), handler="app.handler", Layers=[layer["LayerVersionArn"]])
    assert function.invoke({}).ok() == "FROM THE LAYER"
    shown = client.get_function_configuration(FunctionName=function.name)["Layers"]
    assert shown == [{"Arn": layer["LayerVersionArn"], "CodeSize": layer["Content"]["CodeSize"]}]


def test_two_layers_that_bring_the_same_file(make, publish):
    lower = publish({"same.txt": "lower", "lower.txt": "only here", "deep/a.txt": "a"})["LayerVersionArn"]
    upper = publish({"same.txt": "upper", "upper.txt": "only there", "deep/b.txt": "b"})["LayerVersionArn"]
    function = make(packages.python("remote"), Layers=[lower, upper])
    assert function.run(read, "/opt/same.txt").ok() == "upper", "the later one wins"
    assert function.run(read, "/opt/lower.txt").ok() == "only here"
    assert function.run(read, "/opt/upper.txt").ok() == "only there"
    assert function.run(listing, "/opt/deep").ok() == ["a.txt", "b.txt"]
    # The other way round after an update.
    aws.update(function, Layers=[upper, lower])
    assert function.run(read, "/opt/same.txt").ok() == "lower"
    aws.update(function, Layers=[])
    assert "same.txt" not in function.run(listing, "/opt").ok()


EXTENSION = """#!/usr/bin/env python3
import http.client, json, os, sys

name = os.path.basename(sys.argv[0])


def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.getheaders(), answer.read()


headers, _ = call("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": name}, '{"events": ["INVOKE"]}')
identifier = {"Lambda-Extension-Identifier": dict(headers)["Lambda-Extension-Identifier"]}
while True:
    _, event = call("GET", "/2020-01-01/extension/event/next", identifier)
    event = json.loads(event)
    with open("/tmp/told", "a") as told:
        told.write(event["eventType"] + " " + event["requestId"] + "\\n")
    print(f"{name} was told of {event['requestId']}", flush=True)
"""


def test_an_extension_of_a_layer_runs_beside_the_function(make, publish):
    layer = publish({"extensions/watcher": (EXTENSION.encode(), 0o755)})
    function = make(packages.python("remote"), Layers=[layer["LayerVersionArn"]])
    first = function.run(read, "/proc/self/comm", LogType="Tail")
    first.ok()
    # The extension is done with an invocation before the next begins.
    told = function.run(read, "/tmp/told").ok().splitlines()
    assert told[0] == f"INVOKE {first.request_id}"
    assert f"watcher was told of {first.request_id}" in first.log


def test_a_deleted_layer_goes_on_working_where_it_is_used(make, client, publish):
    name = aws.function_name("layer")
    layer = publish({"text": "still here"}, name=name)
    function = make(packages.python("remote"), Layers=[layer["LayerVersionArn"]])
    client.delete_layer_version(LayerName=name, VersionNumber=1)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_layer_version(LayerName=name, VersionNumber=1)
    # A new environment needs the layer again.
    aws.update(function, Timeout=9)
    assert function.run(read, "/opt/text").ok() == "still here"
    assert publish({"text": "new"}, name=name)["Version"] == 2
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.update_function_configuration(FunctionName=function.name, Layers=[layer["LayerVersionArn"]])


def test_paginators_and_the_code_location(client, publish):
    import urllib.request

    files = {"a.txt": "a"}
    name = aws.function_name("layer")
    versions = [publish(files, name=name)["Version"] for _ in range(5)]
    pages = client.get_paginator("list_layer_versions").paginate(LayerName=name, PaginationConfig={"PageSize": 2})
    assert [version["Version"] for page in pages for version in page["LayerVersions"]] == versions[::-1]
    pages = client.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1})
    latest = {layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for page in pages for layer in page["Layers"]}
    assert latest[name] == 5
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}:3"
    shown = client.get_layer_version_by_arn(Arn=arn)
    assert shown["LayerVersionArn"] == arn
    with urllib.request.urlopen(shown["Content"]["Location"], timeout=10) as answer:
        assert answer.read() == packages.zip_of(files)


def test_another_account_s_layer_needs_its_permission(make, client, server):
    owner = aws.client(server.url, "lambda", key="111122223333")
    name = aws.function_name("layer")
    layer = owner.publish_layer_version(LayerName=name, Content={"ZipFile": packages.zip_of({"text": "shared"})})
    arn = layer["LayerVersionArn"]
    assert arn == f"arn:aws:lambda:{REGION}:111122223333:layer:{name}:1"
    function = make(packages.python("remote"))
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.update_function_configuration(FunctionName=function.name, Layers=[arn])
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "lambda:GetLayerVersion" in refused.value.response["Error"]["Message"]
    owner.add_layer_version_permission(
        LayerName=name, VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal=ACCOUNT
    )
    aws.update(function, Layers=[arn])
    assert function.run(read, "/opt/text").ok() == "shared"
    assert client.get_layer_version_by_arn(Arn=arn)["Version"] == 1
    # What is given stays given.
    owner.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="s")
    owner.delete_layer_version(LayerName=name, VersionNumber=1)
    aws.update(function, Timeout=9)
    assert function.run(read, "/opt/text").ok() == "shared"


def test_a_thousand_layers_are_listed_at_once(serve):
    """Issue: 1,000 layers, list calls under 50 ms."""
    server = serve("")
    client = aws.client(server.url, "lambda")
    package = packages.zip_of({"a.txt": "a"})
    for number in range(1000):
        client.publish_layer_version(LayerName=f"layer-{number:04}", Content={"ZipFile": package})
    began = time.monotonic()
    first = client.list_layers()
    took = time.monotonic() - began
    assert len(first["Layers"]) == 50
    names = [layer["LayerName"] for page in client.get_paginator("list_layers").paginate() for layer in page["Layers"]]
    assert names == [f"layer-{number:04}" for number in range(1000)]
    # The client's own time and a busy machine are in it, too.
    assert took < 0.5, f"{took * 1000:.0f} ms"


def test_node_finds_the_modules_of_a_layer(make, publish):
    layer = publish({"nodejs/node_modules/greeting/index.js": "exports.text = 'from the layer';\n"})
    app = "const { text } = require('greeting');\nexports.handler = async () => text;\n"
    function = make(
        packages.zip_of({"app.js": app}), runtime=aws.NODE, handler="app.handler", Layers=[layer["LayerVersionArn"]]
    )
    assert function.invoke({}).ok() == "from the layer"


def test_a_layer_s_files_and_libraries_are_on_the_paths(make, publish):
    """/opt/bin is searched for programs, /opt/lib for libraries."""
    layer = publish({"bin/hello": (b"#!/bin/sh\necho hello from /opt/bin\n", 0o755)})
    function = make(packages.python("remote"), Layers=[layer["LayerVersionArn"]])

    def run():
        import os
        import subprocess

        assert "/opt/lib" in os.environ["LD_LIBRARY_PATH"].split(":")
        return subprocess.run(["hello"], capture_output=True, text=True, check=True).stdout

    assert function.run(run).ok() == "hello from /opt/bin\n"
