"""AWS's own runtime client for Node.js, aws-lambda-ric, as the entry point of container images: as its documentation has it."""

import json
import os
import re

import pytest

from languages import fetched
from languages.table import HERE, LANGUAGES
from support import aws, images
from support.aws import ROLE, WAITER
from support.images import Image
from support.paths import LANGUAGES as FETCHED
from support.server import Server

CLIENT = FETCHED / "aws-lambda-ric"
#: Those that it runs on.
MAJORS = (18, 22, 24)


def tree(directory, to):
    """A directory as files of an image."""
    files = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            place = os.path.join(to, os.path.relpath(path, directory))
            if os.path.islink(path):
                files[place] = images.link(place, os.readlink(path))
                continue
            with open(path, "rb") as file:
                files[place] = (file.read(), os.stat(path).st_mode & 0o777)
    return files


def image_of(node):
    """What the Dockerfile of the client's documentation makes: Node.js, the function, and the client among its packages. It starts
    the client by npx, which looks it up where this image names it."""
    function = {"function/app.js": (HERE / "node/function.js").read_text()}
    system = images.with_libraries("/bin/sh", "/usr/bin/env")
    interpreter = images.with_libraries(f"{node}/bin/node", at=lambda _: "/usr/local/bin/node")
    return Image(
        system | interpreter,
        tree(CLIENT / "node_modules", "function/node_modules") | function,
        Entrypoint=["/function/node_modules/.bin/aws-lambda-ric"],
        Cmd=["app.handler"],
        WorkingDir="/function",
        Env=["PATH=/usr/local/bin:/usr/bin:/bin"],
    )


@pytest.fixture(scope="module")
def cloud(request, tmp_path_factory):
    """A server that reads layouts in a directory."""
    if not request.config.getoption("--all-languages"):
        pytest.skip("`make test-all` builds aws-lambda-ric")
    if why := fetched.missing().get(CLIENT.name):
        pytest.skip(why)
    directory = tmp_path_factory.mktemp("aws-lambda-ric")
    config = directory / "hearth.toml"
    config.write_text(f'[images]\nlayouts = ["{directory}"]\n')
    server = Server(directory / "data", directory / "server.log", config)
    yield directory, aws.client(server.url, "lambda")
    assert server.stop() == 0, server.log_text()


@pytest.fixture(scope="module", params=MAJORS)
def function(request, cloud):
    if why := fetched.missing().get(f"nodejs{request.param}.x"):
        pytest.skip(why)
    directory, client = cloud
    name = f"node{request.param}"
    images.write_layout(directory / name, {"v1": image_of(FETCHED / f"runtimes/nodejs{request.param}")})
    created = client.create_function(
        FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": f"oci:{directory}/{name}:v1"}, Timeout=20, MemorySize=512
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAITER)
    function = aws.Function(client, name, created["FunctionArn"])
    function.major = request.param
    return function


def test_events_come_back(function):
    event = {"do": "echo", "text": "é😀", "numbers": [1, 2.5, -3]}
    assert function.invoke(event).ok() == event
    assert function.invoke(event).ok() == event, "warm, too"


def test_the_environment_is_that_of_an_image(function):
    variables = function.invoke({"do": "environment"}).ok()
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == function.name
    assert variables["_HANDLER"] == "app.handler"
    assert "AWS_EXECUTION_ENV" not in variables


def test_an_uncaught_error_has_the_shape_of_hearths_own_client(function):
    result = function.invoke({"do": "error"})
    assert (result.status, result.error) == (200, "Unhandled")
    assert (result.payload["errorMessage"], result.payload["errorType"]) == ("as asked", LANGUAGES["node"].error)
    assert set(result.payload) == LANGUAGES["node"].fields
    assert result.payload["trace"][0] == "Error: as asked" and "app.js" in result.payload["trace"][1]
    assert function.invoke({"do": "echo"}).ok() == {"do": "echo"}


def test_an_exit_is_told(function):
    result = function.invoke({"do": "exit"})
    text = f"RequestId: {result.request_id} Error: Runtime exited with error: exit status 7"
    assert result.payload == {"errorType": "Runtime.ExitError", "errorMessage": text}
    assert function.invoke({"do": "echo"}).ok() == {"do": "echo"}


def test_a_large_response_is_refused(function):
    result = function.invoke({"do": "big", "bytes": 7 << 20})
    assert result.payload["errorType"] == "Function.ResponseSizeTooLarge", json.dumps(result.payload)[:500]
    assert len(function.invoke({"do": "big", "bytes": 6 << 20}).ok()) == 6 << 20


def test_lines_reach_the_log_with_time_request_and_level(function):
    result = function.invoke({"do": "log"}, LogType="Tail")
    lines = [line for line in result.log.splitlines() if "line" in line]
    assert len(lines) == 2, result.log
    for line, text in zip(lines, ["first line", "second line é"]):
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\S+Z\t{result.request_id}\tINFO\t{text}", line), line
