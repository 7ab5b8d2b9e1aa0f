"""The `hearth` command: what it prints, and that its errors say what to do."""

import json
import re
import signal
import socket
import subprocess
import time

import pytest

from support import packages
from support.command_line import hearth
from support.paths import HEARTH


def test_health_answers(server):
    assert server.health() == 200


def test_hearth_invoke_prints_the_answer_and_the_log(make, server):
    function = make(packages.python("echo"), handler="echo.handler")
    done = hearth("invoke", function.name, "--payload", '{"n": 1}', "--tail", server=server)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["event"] == {"n": 1}
    assert "echo says hello" in done.stderr and "REPORT RequestId:" in done.stderr


def test_hearth_invoke_takes_its_payload_from_standard_input(make, server):
    function = make(packages.python("echo"), handler="echo.handler")
    done = hearth("invoke", function.name, "--payload", "-", server=server, stdin='["piped"]')
    assert json.loads(done.stdout)["event"] == ["piped"]


def test_a_failed_function_is_exit_status_one(make, server):
    function = make(packages.zip_of({"m.py": "def handler(e, c): raise ValueError('no')"}), handler="m.handler")
    done = hearth("invoke", function.name, server=server)
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorType"] == "ValueError"


def test_an_unknown_function_is_one_clear_sentence(server):
    done = hearth("invoke", "nobody", server=server)
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"hearth: ResourceNotFoundException: Function not found: \S+nobody:\$LATEST \(404\)\n", done.stderr)


def test_hearth_logs_finds_the_log_by_every_name_of_the_function(make, server):
    function = make(packages.python("echo"), handler="echo.handler", LoggingConfig={"LogGroup": "/team/echo"})
    function.invoke({"n": 1})
    for name in (function.name, function.arn, f"{function.name}:$LATEST", "/team/echo"):
        assert "echo says hello" in hearth("logs", name, server=server).stdout, name
    function.client.delete_function(FunctionName=function.name)
    assert "echo says hello" in hearth("logs", "/team/echo", server=server).stdout


def test_the_log_of_a_deleted_function_is_still_there(make, server):
    function = make(packages.python("echo"), handler="echo.handler")
    function.invoke({"n": 1})
    function.client.delete_function(FunctionName=function.name)
    assert "echo says hello" in hearth("logs", function.name, server=server).stdout


def test_the_log_of_an_unknown_function_is_one_clear_sentence(server):
    done = hearth("logs", "nobody", server=server)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hearth: there is no function nobody, nor log lines in /aws/lambda/nobody\n"


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_known_by_both_names_that_clients_use(server, variable):
    done = hearth("invoke", "nobody", server=server, **{variable: "eu-west-1"})
    assert "arn:aws:lambda:eu-west-1:" in done.stderr


def test_no_server_is_one_clear_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = hearth("invoke", "f", "--endpoint", f"http://127.0.0.1:{port}")
    assert done.returncode == 1 and "hearth up" in done.stderr and done.stderr.count("\n") == 1


def test_a_taken_port_is_one_clear_sentence(server):
    address = server.url.removeprefix("http://")
    done = hearth("up", "--listen", address, "--ephemeral")
    assert done.returncode == 1 and address in done.stderr and "--listen" in done.stderr


@pytest.mark.parametrize("arguments", [["--listen", "nowhere"], ["--config", "/nonexistent.toml"]])
def test_a_bad_setting_is_one_clear_sentence(arguments):
    done = hearth("up", "--ephemeral", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("hearth: ") and done.stderr.count("\n") == 1


def test_an_unknown_setting_in_the_configuration_is_refused(tmp_path):
    (tmp_path / "hearth.toml").write_text("[execution]\nidle_timeout = 3\n")
    done = hearth("up", "--ephemeral", "--config", str(tmp_path / "hearth.toml"))
    assert done.returncode == 1 and "idle_timeout" in done.stderr


def test_doctor_says_what_this_machine_gives():
    done = hearth("doctor", "--json")
    findings = json.loads(done.stdout)
    assert findings and all(finding["state"] in ("ok", "weaker", "missing") for finding in findings)
    assert all(finding["remedy"] for finding in findings if finding["state"] == "missing")
    assert done.returncode == 0, "functions can run here, or no test could have"


def test_an_ephemeral_server_leaves_no_data_behind(tmp_path):
    process = subprocess.Popen(
        [HEARTH, "up", "--listen", "127.0.0.1:0", "--ephemeral"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    try:
        assert process.stdout.readline().startswith("Listening on http://127.0.0.1:")
        assert process.stdout.readline() == "Ready.\n"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after_ms", [0, 10, 20, 30, 40, 60, 80, 120, 200])
def test_a_server_that_is_stopped_while_it_starts_ends_in_good_order(after_ms, tmp_path):
    process = subprocess.Popen(
        [HEARTH, "up", "--listen", "127.0.0.1:0", "--ephemeral"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    time.sleep(after_ms / 1000)
    process.send_signal(signal.SIGTERM)
    # Its helpers have the same standard error: it ends with the last of them.
    _, said = process.communicate(timeout=40)
    # The signal may come before the program's first step.
    assert process.returncode in (0, -signal.SIGTERM)
    loud = [line for line in said.splitlines() if line.startswith("hearth-") or " ERROR " in line]
    assert not loud, said
    assert list(tmp_path.iterdir()) == []
