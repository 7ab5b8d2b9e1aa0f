"""Terraform with its AWS provider: what it makes it finds as it made it, can change, and can destroy."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import aws, packages, urls
from support.command_line import logs_of
from support.paths import E2E
from support.server import Server

#: Starting the provider alone takes seconds, and it waits between its own questions.
SECONDS_MAX = 300
#: Exit status of `terraform plan -detailed-exitcode`; with changes it is 2.
NOTHING_TO_DO = 0
#: Where Terraform itself looks for providers that are installed already. Source: Terraform documentation, "Provider
#: Installation", implied local mirrors.
MIRRORS = [
    Path.home() / ".terraform.d" / "plugins",
    Path("/usr/local/share/terraform/plugins"),
    Path("/usr/share/terraform/plugins"),
]

CODE = "import os\nhandler = lambda event, context: [{number}, os.environ['GREETING'], context.memory_limit_in_mb]\n"


def mirror():
    """A directory with the AWS provider: the one named by TF_PLUGIN_DIR, else the first of Terraform's own."""
    named = os.environ.get("TF_PLUGIN_DIR")
    for directory in [Path(named)] if named else MIRRORS:
        if any(directory.glob("registry.terraform.io/hashicorp/aws/*")):
            return directory
    pytest.skip("Terraform's AWS provider is not installed: set TF_PLUGIN_DIR to a directory that mirrors it")


class Terraform:
    """One configuration in a directory of its own."""

    def __init__(self, program, directory, **variables):
        self.program = program
        self.directory = directory
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
        }
        self.set(**variables)

    def set(self, **variables):
        self.environment |= {f"TF_VAR_{name}": str(value) for name, value in variables.items()}

    def run(self, command, *arguments, expect=0):
        done = subprocess.run(
            [self.program, command, *arguments],
            cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=SECONDS_MAX,
        )
        assert done.returncode == expect, f"terraform {command}: {done.stdout[-4_000:]}\n{done.stderr[-4_000:]}"
        return done.stdout

    def apply(self):
        """What the configuration outputs, once there is nothing left to do."""
        self.run("apply", "-no-color", "-auto-approve")
        self.run("plan", "-no-color", "-detailed-exitcode", expect=NOTHING_TO_DO)
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}

    def destroy(self):
        self.run("destroy", "-no-color", "-auto-approve")


def start(tmp_path, configuration, **variables):
    program = shutil.which("terraform")
    if not program:
        pytest.skip("terraform is not installed: see developer.hashicorp.com/terraform/install")
    providers = mirror()
    shutil.copy(E2E / "terraform" / configuration / "main.tf", tmp_path)
    terraform = Terraform(program, tmp_path, name=aws.function_name("tf"), **variables)
    terraform.run("init", "-no-color", f"-plugin-dir={providers}")
    return terraform


@pytest.fixture
def terraform(server, tmp_path):
    return start(tmp_path, "function", endpoint=server.url)


def test_terraform_makes_changes_and_destroys_a_function(terraform, client, server, tmp_path):
    name = terraform.environment["TF_VAR_name"]
    function = aws.Function(client, name, None)
    for number in (1, 2):
        (tmp_path / f"{number}.zip").write_bytes(packages.zip_of({"app.py": CODE.format(number=number)}))

    terraform.set(package="1.zip", memory=128, greeting="hello")
    assert terraform.apply() == {"account": aws.ACCOUNT, "version": "1"}
    assert function.invoke({}).ok() == [1, "hello", "128"]
    assert "REPORT RequestId:" in logs_of(server, f"/terraform/{name}")

    terraform.set(package="2.zip", memory=256, greeting="hi")
    assert terraform.apply()["version"] == "2"
    assert function.invoke({}).ok() == [2, "hi", "256"]
    assert function.invoke({}, Qualifier="1").ok() == [1, "hello", "128"]

    terraform.destroy()
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=name)
    iam = aws.client(server.url, "iam")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=name)


# Six runs of the provider, each of which takes most of a minute where two processors do everything.
@pytest.mark.timeout(900)
def test_terraform_makes_changes_and_destroys_what_is_around_a_function(client, server, tmp_path):
    terraform = start(tmp_path, "deployment", endpoint=server.url)
    name = terraform.environment["TF_VAR_name"]
    function = aws.Function(client, name, None)
    code = "from shared import TEXT\nhandler = lambda event, context: [TEXT, {number}]\n"
    for number in (1, 2):
        (tmp_path / f"{number}.zip").write_bytes(packages.zip_of({"app.py": code.format(number=number)}))
        (tmp_path / f"layer-{number}.zip").write_bytes(packages.zip_of({"python/shared.py": f"TEXT = 'layer {number}'\n"}))

    terraform.set(package="1.zip", layer="layer-1.zip", stage="test", reserved=5, live=1, canary="{}", retries=0)
    terraform.set(authorization="NONE", origins='["https://a.example"]')
    made = terraform.apply()
    assert made["layer"].endswith(f":layer:{name}-shared:1") and made["newest_layer"] == 1
    assert made["alias"].endswith(f":function:{name}:live")
    assert function.invoke({}, Qualifier="live").ok() == ["layer 1", 1]
    assert client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 5
    url = made["url"]
    assert made["url_id"] in url and urls.send(server, url).json() == ["layer 1", 1]
    let_in = urls.send(server, url, headers={"Origin": "https://a.example"})
    assert let_in.headers["Access-Control-Allow-Origin"] == "https://a.example"

    # The next version, with another layer, gets all of the traffic, by weight.
    terraform.set(package="2.zip", layer="layer-2.zip", stage="live", reserved=-1, canary='{"2" = 1}', retries=1)
    terraform.set(authorization="AWS_IAM", origins="[]")
    changed = terraform.apply()
    assert changed["layer"].endswith(":2") and changed["url"] == url
    assert urls.send(server, url).status == 403
    assert "Cors" not in client.get_function_url_config(FunctionName=name, Qualifier="live")
    answer = function.invoke({}, Qualifier="live")
    assert (answer.ok(), answer.version) == (["layer 2", 2], "2")
    assert function.invoke({}, Qualifier="1").ok() == ["layer 1", 1], "its layer is deleted, and still there for it"
    whole = client.get_function(FunctionName=name)
    assert whole["Tags"] == {"team": "hearth", "stage": "live"} and "Concurrency" not in whole
    shown = client.get_function_event_invoke_config(FunctionName=name, Qualifier="live")
    assert (shown["MaximumRetryAttempts"], shown["MaximumEventAgeInSeconds"]) == (1, 120)

    terraform.destroy()
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=name)
    assert name not in str(client.list_layers()["Layers"])


def test_terraform_makes_changes_and_destroys_who_may_do_what(tmp_path):
    """In enforce mode, with the root key; what it made decides."""
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce"])
    try:
        key, secret = server.root_key
        iam = aws.client(server.url, "iam", key, secret)
        directory = tmp_path / "terraform"
        directory.mkdir()
        (directory / "1.zip").write_bytes(packages.zip_of({"app.py": "handler = lambda event, context: 1\n"}))
        terraform = start(
            directory, "identity", endpoint=server.url, access_key=key, secret_key=secret, package="1.zip",
            action="lambda:GetFunction",
        )
        name = terraform.environment["TF_VAR_name"]
        made = terraform.apply()
        deployer = aws.client(server.url, "lambda", *made["key"])
        assert deployer.get_function(FunctionName=name)["Configuration"]["Role"] == made["role"]
        with pytest.raises(deployer.exceptions.ClientError) as refused:
            deployer.delete_function(FunctionName=name)
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
        aws.client(server.url, "sts", *made["key"]).assume_role(RoleArn=made["role"], RoleSessionName="s1")

        terraform.set(action="lambda:GetFunctionConfiguration")
        terraform.apply()
        with pytest.raises(deployer.exceptions.ClientError):
            deployer.get_function(FunctionName=name)
        assert deployer.get_function_configuration(FunctionName=name)["FunctionName"] == name

        terraform.destroy()
        left = [iam.list_users()["Users"], iam.list_roles()["Roles"], iam.list_groups()["Groups"]]
        left += [iam.list_policies(Scope="Local")["Policies"], iam.list_instance_profiles()["InstanceProfiles"]]
        assert left == [[], [], [], [], []]
    finally:
        server.stop()


def test_terraform_makes_changes_and_destroys_log_groups(server, tmp_path):
    terraform = start(tmp_path, "log_group", endpoint=server.url, days=7, team="red")
    group = f"/terraform/{terraform.environment['TF_VAR_name']}"
    logs = aws.client(server.url, "logs")
    assert terraform.apply() == {"arn": f"arn:aws:logs:us-east-1:{aws.ACCOUNT}:log-group:{group}"}

    def shown():
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return [(found["logGroupName"], found.get("retentionInDays")) for found in groups]

    assert shown() == [(group, 7), (f"{group}/for-ever", None)]
    assert [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=f"{group}/for-ever")["logStreams"]] == ["stream"]
    # 0 stands for ever.
    terraform.set(days=0, team="blue")
    terraform.apply()
    assert shown()[0] == (group, None)
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"team": "blue"}
    terraform.destroy()
    assert shown() == []
