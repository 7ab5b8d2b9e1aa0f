"""Container images as roots of runtimes: functions from zip packages run in them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, WaiterError

from support import aws, images, packages
from support.aws import ROLE, WAITER
from support.images import Image
from support.paths import HEARTH

#: What a Python of this machine can be taken from: the distribution's, and version managers'.
PYENV = Path.home() / ".pyenv" / "versions"

LOOK = """
import os, platform, sys
import from_layer

def attempt(path):
    try:
        open(path, "w").close()
        return "written"
    except OSError as error:
        return error.strerror

def handler(event, context):
    return {
        "version": platform.python_version(),
        "os": open("/etc/os-release").read(),
        "layer": from_layer.NAME,
        "installed": __import__("of_image").NAME,
        "uid": os.getuid(),
        "directory": os.getcwd(),
        "root": sorted(os.listdir("/")),
        "opt": sorted(os.listdir("/opt")),
        "writes": {path: attempt(path) for path in ("/tmp/x", "/x", "/var/task/x", "/opt/x", "/usr/x", "/var/runtime/x")},
        "environment": dict(os.environ),
        "name": context.function_name,
    }
"""


@pytest.fixture
def layout(tmp_path):
    return tmp_path / "runtimes"


def configured(**runtimes):
    lines = [f'"{name.replace("_", ".")}" = "{reference}"' for name, reference in runtimes.items()]
    return "[runtimes]\n" + "\n".join(lines) + "\n"


def client_of(server):
    return aws.client(server.url, "lambda")


def create(client, files, runtime, name="f", **settings):
    client.create_function(
        FunctionName=name, Role=ROLE, Runtime=runtime, Handler="app.handler", Timeout=20,
        Code={"ZipFile": packages.zip_of(files)}, **settings,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAITER)


def ask(client, event=None, name="f"):
    return aws.Result(client.invoke(FunctionName=name, Payload=json.dumps(event))).ok()


def a_layer(client, files):
    content = {"ZipFile": packages.zip_of(files)}
    return client.publish_layer_version(LayerName="layer", Content=content)["LayerVersionArn"]


def sees(client, runtime, version):
    """That a function of this runtime finds what the image has, and nothing else than on any root."""
    layer = a_layer(client, {"python/from_layer.py": "NAME = 'layer'\n"})
    settings = {"Layers": [layer], "Environment": {"Variables": {"MINE": "1", "FROM_IMAGE": "function"}}}
    create(client, {"app.py": LOOK}, runtime, **settings)
    seen = ask(client)
    assert seen["version"].startswith(version)
    assert seen["os"] == "NAME=Mine\n"
    assert (seen["layer"], seen["installed"], seen["name"]) == ("layer", "image", "f")
    assert (seen["uid"], seen["directory"], seen["opt"]) == (1051, "/var/task", ["of-image", "python"])
    writes = seen["writes"]
    assert writes.pop("/tmp/x") == "written"
    assert set(writes.values()) == {"Read-only file system"}, writes
    environment = seen["environment"]
    assert environment["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{runtime}"
    assert environment["PATH"] == "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
    assert (environment["LAMBDA_TASK_ROOT"], environment["_HANDLER"]) == ("/var/task", "app.handler")
    assert (environment["MINE"], environment["FROM_IMAGE"], environment["ONLY_IMAGE"]) == ("1", "function", "1")
    # And again, in the same environment.
    assert ask(client)["layer"] == "layer"


def image_of(files, modules):
    """An image with these files of a Python, which finds installed modules in a directory of its own."""
    extra = {
        "etc/os-release": "NAME=Mine\n",
        "opt/of-image": "",
        f"{modules}/of_image.py": "NAME = 'image'\n",
    }
    return Image(files | extra, Env=["PATH=/usr/local/bin:/usr/bin:/bin", "FROM_IMAGE=image", "ONLY_IMAGE=1"])


def test_a_python_function_runs_in_the_image_of_its_runtime(serve, layout):
    packages.needs("/usr/bin/python3.11", "the distribution's Python 3.11")
    image = image_of(images.python("/usr", 11), "usr/local/lib/python3.11/dist-packages")
    images.write_layout(layout, {"v1": image})
    sees(client_of(serve(configured(**{"python3_11": f"oci:{layout}:v1"}))), "python3.11", "3.11.")


def test_an_image_brings_a_runtime_that_the_machine_has_not(serve, layout):
    prefix = next(iter(sorted(PYENV.glob("3.12.*"))), PYENV / "3.12")
    packages.needs(prefix, "a Python 3.12 to make an image of")
    files = images.python(prefix, 12, to="/usr/local")
    images.write_layout(layout, {"v1": image_of(files, "usr/local/lib/python3.12/site-packages")})
    server = serve(configured(**{"python3_12": f"oci:{layout}:v1"}))
    sees(client_of(server), "python3.12", "3.12.")
    doctor = subprocess.run(
        [HEARTH, "doctor", "--json", "--config", str(server.config)], capture_output=True, text=True, check=False
    )
    [row] = [row for row in json.loads(doctor.stdout) if row["what"] == "runtime python3.12"]
    assert row["state"] == "ok" and row["found"].startswith(f"image oci:{layout}@sha256:")


def test_the_images_own_runtime_client_is_used(serve, layout, program):
    """As AWS's base images are made."""
    files = {"var/runtime/bootstrap": (program, 0o755), "var/lang/x": "", "opt/of-image": "image"}
    images.write_layout(layout, {"latest": Image(files, Entrypoint=["/lambda-entrypoint.sh"])})
    client = client_of(serve(configured(java21=f"oci:{layout}")))
    create(client, {"app.class": "code"}, "java21", Layers=[a_layer(client, {"lib/thing": "layer"})])
    about = ask(client, "about")
    assert (about["arguments"], about["directory"]) == (["/var/runtime/bootstrap"], "/var/task")
    assert about["variables"]["_HANDLER"] == "app.handler"
    assert about["variables"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_java21"
    assert ask(client, "read:/var/task/app.class") == "code"
    assert (ask(client, "read:/opt/lib/thing"), ask(client, "read:/opt/of-image")) == ("layer", "image")
    assert "error" in ask(client, "write:/var/task/x")


def test_a_custom_runtime_runs_in_an_image(serve, layout, program):
    images.write_layout(layout, {"v1": Image({"etc/os-release": "NAME=Mine\n"})})
    client = client_of(serve(configured(provided_al2023=f"oci:{layout}:v1")))
    create(client, {"bootstrap": (program, 0o755)}, "provided.al2023")
    assert ask(client, "about")["arguments"] == ["/var/task/bootstrap"]
    assert ask(client, "read:/etc/os-release") == "NAME=Mine\n"


def test_an_image_is_remembered_and_what_cannot_be_had_is_said(serve, layout, program):
    image = Image({"var/runtime/bootstrap": (program, 0o755)})
    images.write_layout(layout, {"v1": image})
    server = serve(configured(ruby3_4=f"oci:{layout}:v1", java21=f"oci:{layout}:none"))
    client = client_of(server)
    create(client, {"app.rb": ""}, "ruby3.4")
    assert ask(client, "about")["directory"] == "/var/task"
    tree = server.data / "trees" / image.digest.removeprefix("sha256:")
    # Only functions of the other runtime fail.
    why = f"the image oci:{layout}:none of the runtime java21 cannot be had: Source image oci:{layout}:none does not exist."
    with pytest.raises(WaiterError):
        create(client, {"app.class": ""}, "java21", name="g")
    failed = client.get_function_configuration(FunctionName="g")
    assert (failed["State"], failed["StateReasonCode"]) == ("Failed", "InvalidRuntime")
    assert why in server.log_text()
    # No function names the image; it stays, and is there at a start at which nobody can be asked.
    client.delete_function(FunctionName="f")
    server.kill()
    shutil.rmtree(layout)
    server.start()
    client = client_of(server)
    create(client, {"app.rb": ""}, "ruby3.4")
    assert ask(client, "about")["directory"] == "/var/task"
    # Until it is lost: a function that is there says why it cannot run.
    server.stop()
    shutil.rmtree(tree)
    server.start()
    with pytest.raises(ClientError) as refusal:
        client_of(server).invoke(FunctionName="f")
    error = refusal.value.response["Error"]
    assert error["Code"] == "InvalidRuntimeException"
    assert f"the image oci:{layout}:v1 of the runtime ruby3.4 cannot be had" in error["Message"]


def test_a_function_is_held_to_a_version_of_its_runtime(serve, layout, program):
    """Lambda developer guide, "Understanding how Lambda manages runtime version updates": the three modes."""

    def image(release):
        return Image({"var/runtime/bootstrap": (program, 0o755), "etc/os-release": release})

    images.write_layout(layout, {"v1": image("one")})
    server = serve(configured(ruby3_4=f"oci:{layout}:v1"))
    client = client_of(server)
    modes = ["Auto", "FunctionUpdate", "Manual"]
    for name in modes:
        create(client, {"app.rb": ""}, "ruby3.4", name=name)
        assert ask(client, "read:/etc/os-release", name) == "one"
    # The first to be created may not know yet which image it is going to be.
    first = client.get_function_configuration(FunctionName="Manual")["RuntimeVersionConfig"]["RuntimeVersionArn"]
    client.put_runtime_management_config(FunctionName="FunctionUpdate", UpdateRuntimeOn="FunctionUpdate")
    client.put_runtime_management_config(FunctionName="Manual", UpdateRuntimeOn="Manual", RuntimeVersionArn=first)

    server.stop()
    shutil.rmtree(layout)
    images.write_layout(layout, {"v1": image("two")})
    server.start()
    client = client_of(server)
    assert ask(client, "read:/etc/os-release", "Auto") == "two"
    for name in ["FunctionUpdate", "Manual"]:
        with pytest.raises(ClientError) as refusal:
            client.invoke(FunctionName=name)
        error = refusal.value.response["Error"]
        assert (error["Code"], first in error["Message"]) == ("InvalidRuntimeException", True)
    for name in ["FunctionUpdate", "Manual"]:
        client.update_function_configuration(FunctionName=name, Description="an update")
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=WAITER)
    assert ask(client, "read:/etc/os-release", "FunctionUpdate") == "two"
    with pytest.raises(ClientError, match="held to the runtime version"):
        client.invoke(FunctionName="Manual")
    shown = client.get_runtime_management_config(FunctionName="Manual")
    assert (shown["UpdateRuntimeOn"], shown["RuntimeVersionArn"]) == ("Manual", first)
    client.put_runtime_management_config(FunctionName="Manual", UpdateRuntimeOn="Auto")
    assert ask(client, "read:/etc/os-release", "Manual") == "two"


def test_a_runtime_that_cannot_mean_anything_is_refused_at_the_start(serve):
    with pytest.raises(RuntimeError, match="python2.7 is no runtime"):
        serve(configured(**{"python2_7": "oci:/srv/x"}))
