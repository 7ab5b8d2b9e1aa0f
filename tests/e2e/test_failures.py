"""Functions that fail: the payload of each failure, and that the next invocation works."""

import re

import pytest

from support import packages
from support.aws import NODE, PYTHON, UUID

# Source of the payloads: recordings of the real service (reference, section 2.2).


def crash():
    import ctypes

    ctypes.string_at(0)


def exit_with(code):
    import os

    os._exit(code)


def sleep_long():
    import time

    time.sleep(60)


def take_memory():
    hoard = []
    while True:
        hoard.append(bytearray(8 * 1024 * 1024))


def works():
    return "works"


def platform_error(result, error_type, text):
    assert result.status == 200 and result.error == "Unhandled"
    assert result.payload["errorType"] == error_type
    found = re.fullmatch(rf"RequestId: ({UUID}) Error: (.*)", result.payload["errorMessage"])
    assert found and found[1] == result.request_id and found[2] == text, result.payload
    return True


@pytest.fixture
def function(make):
    return make(packages.python("remote"), Timeout=10)


def test_an_exception_is_reported_with_its_type_text_and_trace(function):
    def fail():
        raise KeyError("as asked")

    result = function.run(fail)
    assert result.status == 200 and result.error == "Unhandled"
    assert result.payload["errorType"] == "KeyError"
    assert result.payload["errorMessage"] == "'as asked'"
    assert result.payload["requestId"] == result.request_id
    assert any("remote.py" in line for line in result.payload["stackTrace"])
    assert function.run(works).ok() == "works"


def test_exit_status_zero_is_an_exit_without_reason(function):
    result = function.run(exit_with, 0, LogType="Tail")
    assert platform_error(result, "Runtime.ExitError", "Runtime exited without providing a reason")
    assert "Status: error\tError Type: Runtime.ExitError" in result.log
    assert function.run(works).ok() == "works"


def test_another_exit_status_is_told(function):
    result = function.run(exit_with, 7)
    assert platform_error(result, "Runtime.ExitError", "Runtime exited with error: exit status 7")
    assert function.run(works).ok() == "works"


def test_a_crash_by_signal_is_told(function):
    result = function.run(crash)
    assert platform_error(result, "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault")
    assert function.run(works).ok() == "works"


def test_too_much_memory_kills_the_function_and_nothing_else(function, remote):
    result = function.run(take_memory, LogType="Tail")
    assert platform_error(result, "Runtime.ExitError", "Runtime exited with error: signal: killed")
    assert re.search(r"Max Memory Used: 128 MB", result.log), result.log
    assert function.run(works).ok() == "works"
    assert remote.run(works).ok() == "works"


def test_a_time_out_ends_the_function_on_time(make):
    import time

    function = make(packages.python("remote"), Timeout=1)
    function.run(works).ok()
    began = time.monotonic()
    result = function.run(sleep_long, LogType="Tail")
    assert 0.9 < time.monotonic() - began < 5
    assert result.status == 200 and result.error == "Unhandled"
    assert result.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert "Status: timeout" in result.log
    assert function.run(works).ok() == "works"


def test_a_reset_loses_memory_and_keeps_tmp(make):
    function = make(packages.python("remote"), Timeout=10)

    def write():
        with open("/tmp/kept", "w") as file:
            file.write("kept")
        return state["environment"]  # noqa: F821

    def read():
        with open("/tmp/kept") as file:
            return [state["environment"], file.read()]  # noqa: F821

    before = function.run(write).ok()
    function.run(exit_with, 1)
    environment, text = function.run(read).ok()
    assert text == "kept" and environment != before


def test_a_background_process_does_not_survive_a_time_out(make):
    function = make(packages.python("remote"), Timeout=1)

    def leave_one_behind():
        import subprocess
        import time

        subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
        time.sleep(60)

    def processes():
        import os

        names = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with open(f"/proc/{pid}/comm") as comm:
                names.append(comm.read().strip())
        return names

    function.run(leave_one_behind)
    assert "sleep" not in function.run(processes).ok()


@pytest.mark.parametrize(
    ("code", "handler", "error_type", "text"),
    [
        ("x = 1", "m.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'm'"),
        ("import nowhere", "m.handler", "Runtime.ImportModuleError", "Unable to import module 'm': No module named 'nowhere'"),
        ("x = 1", "other.handler", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"),
        ("def broken(:", "m.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'm': "),
        ("x = 1", "nodots", "Runtime.MalformedHandlerName", "Bad handler 'nodots': "),
        ("raise RuntimeError('at import')", "m.handler", "RuntimeError", "at import"),
    ],
    ids=["no-handler", "missing-import", "no-module", "syntax", "malformed", "raises"],
)
def test_a_python_function_that_cannot_load_says_why(make, code, handler, error_type, text):
    function = make(packages.zip_of({"m.py": code}), handler=handler)
    for _ in range(2):
        result = function.invoke({})
        assert result.status == 200 and result.error == "Unhandled"
        assert result.payload["errorType"] == error_type
        assert result.payload["errorMessage"].startswith(text), result.payload


def test_a_custom_runtime_without_bootstrap_is_an_invalid_entrypoint(make):
    function = make(packages.zip_of({"readme": "nothing to start"}), runtime="provided.al2023", handler="x")
    result = function.invoke({})
    assert result.status == 200 and result.error == "Unhandled"
    assert result.payload["errorType"] == "Runtime.InvalidEntrypoint"


@pytest.fixture
def node(make):
    from support.paths import FUNCTIONS

    source = (FUNCTIONS / "node_faults.mjs").read_text()
    return make(packages.zip_of({"index.mjs": source}), runtime=NODE, handler="index.handler", Timeout=3)


def test_a_node_error_is_reported_with_its_type_text_and_trace(node):
    result = node.invoke({"fault": "throw"})
    assert result.status == 200 and result.error == "Unhandled"
    assert (result.payload["errorType"], result.payload["errorMessage"]) == ("RangeError", "as asked")
    assert result.payload["trace"][0] == "RangeError: as asked"
    assert node.invoke({}).ok()["ok"]


def test_a_node_exit_is_told(node):
    assert platform_error(node.invoke({"fault": "exit", "code": 3}), "Runtime.ExitError",
                          "Runtime exited with error: exit status 3")
    assert node.invoke({}).ok()["ok"]


def test_a_node_function_that_never_yields_times_out(node):
    result = node.invoke({"fault": "forever"})
    assert result.payload["errorMessage"].endswith("Error: Task timed out after 3.00 seconds")
    assert node.invoke({}).ok()["ok"]


def test_a_response_over_six_megabytes_is_refused(remote):
    def large(size):
        return "x" * size

    result = remote.run(large, 6_291_557)
    assert result.error == "Unhandled"
    assert result.payload == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    # Two characters are the quotes.
    assert len(remote.run(large, 6_291_554).ok()) == 6_291_554


def test_python_runtimes_say_what_they_are(remote):
    def runtime():
        import os
        import sys

        return [os.environ["AWS_EXECUTION_ENV"], "%d.%d" % sys.version_info[:2]]

    assert remote.run(runtime).ok() == [f"AWS_Lambda_{PYTHON}", PYTHON.removeprefix("python")]
