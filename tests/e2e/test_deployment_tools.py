"""Tools that deploy functions, unmodified: Chalice and cargo-lambda. Terraform has a file of its own."""

import json
import os
import shutil
import subprocess

import pytest

from support import aws, packages
from support.paths import ROOT, TARGET, TOOLS

PROGRAMS = TOOLS / "deploy" / "bin"
SECONDS_MAX = 240

CHALICE_APP = """
from chalice import Chalice

app = Chalice(app_name="greeter")

@app.lambda_function(name="hello")
def hello(event, context):
    return {"hello": event.get("name", GREETED)}

GREETED = "world"
"""


@pytest.fixture
def run(server, tmp_path):
    """Runs a program against the shared server and answers what it printed."""
    variables = os.environ | {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_REGION": aws.REGION,
    }

    def run(*arguments, directory=tmp_path, text=None):
        done = subprocess.run(arguments, env=variables, cwd=directory, input=text, capture_output=True, text=True,
                              timeout=SECONDS_MAX)
        assert done.returncode == 0, f"{' '.join(map(str, arguments))}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_chalice_deploys_changes_and_deletes(run, client, tmp_path):
    packages.needs(PROGRAMS / "chalice", "Chalice")
    app = tmp_path / "app"
    (app / ".chalice").mkdir(parents=True)
    (app / "requirements.txt").write_text("")
    config = {"version": "2.0", "app_name": "greeter", "stages": {"dev": {"manage_iam_role": True}}}
    (app / ".chalice" / "config.json").write_text(json.dumps(config))
    for greeted in ("world", "all"):
        (app / "app.py").write_text(CHALICE_APP.replace('"world"', f'"{greeted}"'))
        assert "greeter-dev-hello" in run("chalice", "deploy", directory=app)
        answer = run("chalice", "invoke", "-n", "hello", directory=app, text="{}")
        assert json.loads(answer) == {"hello": greeted}
    run("chalice", "delete", directory=app)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="greeter-dev-hello")


def test_cargo_lambda_deploys_and_invokes(run, client):
    packages.needs(PROGRAMS / "cargo-lambda", "cargo-lambda")
    binary = TARGET / "debug" / "hello-rust"
    packages.needs(binary, "the example hello-rust (make build)")
    if not shutil.which("cargo"):
        pytest.skip("cargo is not installed")
    name = aws.function_name("cargo-lambda")
    example = ROOT / "examples" / "hello-rust"
    run("cargo-lambda", "lambda", "deploy", "--binary-path", str(binary), name, directory=example)
    try:
        answer = run("cargo-lambda", "lambda", "invoke", "--remote", name, "--data-ascii", '{"name": "x"}')
        assert json.loads(answer) == {"hello": "x", "from": "rust"}
        assert client.get_function_configuration(FunctionName=name)["Runtime"] == "provided.al2023"
    finally:
        client.delete_function(FunctionName=name)
