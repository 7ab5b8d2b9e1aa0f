"""The same seven functions in every language, on every runtime this machine has: what callers and logs see is what they see of
the real service. What the machine lacks is skipped with its reason; a skip that the table does not expect is a failure. With
--all-languages the runtimes of tools/setup-languages.sh have to run, too."""

import json
import os
import re
import shutil
from collections import Counter

import pytest

from languages import fetched
from languages.table import FETCHED, LANGUAGES, NOT_BUILT_EVERYWHERE, NOT_EVERYWHERE, Absent
from support import aws
from support.paths import TOOLS
from support.server import Server

#: The seconds a function may take, and its start.
TIMEOUT_SECONDS = 3
BIG_BYTES = 7 << 20
LARGE_RESPONSE = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."

CASES = [(language, runtime) for language, row in LANGUAGES.items() for runtime in row.runtimes]


@pytest.fixture(scope="module")
def machine(request, tmp_path_factory):
    """A server that finds the .NET of the tests, too; with --all-languages what was fetched for it."""
    directory = tmp_path_factory.mktemp("languages")
    if request.config.getoption("--all-languages"):
        fetched.give(directory / "data")
    for dotnet in TOOLS.glob("dotnet/lib/python3*/site-packages/dnv/net/runtime/.net"):
        os.environ["DOTNET_ROOT"] = str(dotnet)
    server = Server(directory / "data", directory / "server.log")
    yield server
    os.environ.pop("DOTNET_ROOT", None)
    assert server.stop() == 0, server.log_text()
    # The images of runtimes are unpacked in there.
    shutil.rmtree(directory / "data")


@pytest.fixture(scope="module")
def excuses(request):
    """Why a runtime may be absent, by identifier."""
    if not request.config.getoption("--all-languages"):
        return NOT_EVERYWHERE
    excused = {runtime: why for runtime, why in NOT_EVERYWHERE.items() if runtime not in FETCHED}
    return excused | fetched.missing()


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """`packages(language)` is the language's deployment package, built once."""
    built = {}

    def package(language):
        if language not in built:
            try:
                built[language] = LANGUAGES[language].build(tmp_path_factory.mktemp(language))
            except Absent as why:
                built[language] = why
        return built[language]

    return package


@pytest.fixture(scope="module")
def count(request):
    """Says at the end what ran, to whoever watches."""
    seen = Counter()
    yield seen
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nLANGUAGES: {seen['ran']} runtimes ran, {seen['absent']} are not on this machine (-ra says which)")


@pytest.fixture(scope="module", params=CASES, ids=[f"{language}-{runtime}" for language, runtime in CASES])
def function(request, machine, packages, count, excuses):
    language, runtime = request.param
    package = packages(language)
    if isinstance(package, Absent):
        absent(count, NOT_BUILT_EVERYWHERE.get(language), package)
    client = aws.client(machine.url, "lambda")
    name = aws.function_name("seven")
    client.create_function(
        FunctionName=name, Runtime=runtime, Handler=LANGUAGES[language].handler, Role=aws.ROLE, Code={"ZipFile": package},
        Timeout=TIMEOUT_SECONDS, MemorySize=512, Environment={"Variables": {"OWN": "é = 1"}},
    )  # fmt: skip
    state = settled(client, name)
    if state["State"] == "Failed":
        client.delete_function(FunctionName=name)
        absent(count, excuses.get(runtime), state["StateReason"])
    count["ran"] += 1
    function = aws.Function(client, name, state["FunctionArn"])
    function.runtime, function.language = runtime, LANGUAGES[language]
    yield function
    client.delete_function(FunctionName=name)


def absent(count, reason, why):
    count["absent"] += 1
    assert reason, f"a skip that the table does not expect: {why}"
    pytest.skip(f"{reason}: {why}")


def settled(client, name):
    import time

    for _ in range(4000):
        state = client.get_function_configuration(FunctionName=name)
        if state["State"] != "Pending":
            return state
        time.sleep(0.05)
    raise AssertionError(f"{name} stays pending")


def works(function):
    event = {"do": "echo", "text": "é😀", "numbers": [1, 2.5, -3], "nested": {"true": True}}
    assert function.invoke(event).ok() == event
    return True


def test_an_event_comes_back(function):
    assert works(function)
    assert works(function), "warm, too"


def test_the_environment_is_the_documented_one(function):
    """Source: Lambda developer guide, "Defined runtime environment variables"."""
    variables = function.invoke({"do": "environment"}).ok()
    wanted = {
        "OWN": "é = 1",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_REGION": aws.REGION,
        "AWS_DEFAULT_REGION": aws.REGION,
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "TZ": ":UTC",
        "_HANDLER": function.language.handler,
    }
    assert {name: variables.get(name) for name in wanted} == wanted
    custom = function.runtime.startswith("provided.")
    assert variables.get("AWS_EXECUTION_ENV") == (None if custom else f"AWS_Lambda_{function.runtime}")
    assert variables["AWS_ACCESS_KEY_ID"] and variables["AWS_SECRET_ACCESS_KEY"] and variables["AWS_SESSION_TOKEN"]
    assert "_HEARTH_PREPARED" not in variables


def test_an_uncaught_error_has_the_shape_of_its_language(function):
    result = function.invoke({"do": "error"})
    assert (result.status, result.error) == (200, "Unhandled")
    assert result.payload["errorMessage"] == "as asked"
    assert set(result.payload) == function.language.fields, result.payload
    if function.language.error:
        assert result.payload["errorType"] == function.language.error
    assert works(function)


def test_an_exit_is_told(function):
    result = function.invoke({"do": "exit"})
    assert (result.status, result.error) == (200, "Unhandled")
    text = f"RequestId: {result.request_id} Error: Runtime exited with error: exit status 7"
    assert result.payload == {"errorType": "Runtime.ExitError", "errorMessage": text}
    assert works(function)


def test_a_time_out_is_told(function):
    assert works(function)
    result = function.invoke({"do": "sleep"}, LogType="Tail")
    assert (result.status, result.error) == (200, "Unhandled")
    text = f"RequestId: {result.request_id} Error: Task timed out after {TIMEOUT_SECONDS}.00 seconds"
    assert result.payload == {"errorType": "Sandbox.Timedout", "errorMessage": text}
    assert "Status: timeout" in result.log
    assert works(function)


def test_a_response_over_six_megabytes_is_refused(function):
    result = function.invoke({"do": "big", "bytes": BIG_BYTES})
    assert (result.status, result.error) == (200, "Unhandled")
    assert result.payload == {"errorMessage": LARGE_RESPONSE, "errorType": "Function.ResponseSizeTooLarge"}
    assert works(function)
    assert len(function.invoke({"do": "big", "bytes": 6 << 20}).ok()) == 6 << 20, "and one below the limit is not"


def test_lines_reach_the_log(function):
    log = function.invoke({"do": "log"}, LogType="Tail").log
    lines = log.splitlines()
    assert re.match(r"START RequestId: \S+ Version: \$LATEST", next(line for line in lines if line.startswith("START")))
    assert any(line.startswith("REPORT RequestId:") for line in lines)
    assert any("first line" in line for line in lines) and any("second line é" in line for line in lines), log
    assert log.index("first line") < log.index("second line"), log


def test_every_runtime_of_the_catalogue_is_in_the_table(machine):
    """Those that can be created, but for the one that customers manage themselves."""
    client = aws.client(machine.url, "lambda")
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.create_function(FunctionName="x", Runtime="none", Handler="x", Role=aws.ROLE, Code={"ZipFile": b"x"})
    listed = re.search(r"enum value set: \[(.*?)\]", str(refused.value))[1].split(", ")
    ours = {runtime for row in LANGUAGES.values() for runtime in row.runtimes}
    assert set(listed) <= ours, json.dumps(sorted(set(listed) - ours))
