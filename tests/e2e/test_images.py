"""Functions from container images with boto3: from OCI layouts and registries, built here, run as Lambda runs them."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError, WaiterError

from support import aws, images, packages
from support.aws import ROLE, WAITER
from support.images import Image, link
from support.paths import TOOLS

#: bcrypt of "secret".
BCRYPT = "$2b$04$4F37xZJef1Ssp4QxHuV7ruUIKtPSM8muXqdTwUM3MqhZm8yAAwpW."
REGISTRY = TOOLS / "bin" / "docker-registry"
#: The architecture this machine does not have, as images and as Lambda name it.
OTHER = {"amd64": ("arm64", "arm64"), "arm64": ("amd64", "x86_64")}[images.ARCHITECTURE]


@pytest.fixture
def layouts(tmp_path):
    """A directory that the server's configuration lists."""
    directory = tmp_path / "images"
    directory.mkdir()
    return directory


@pytest.fixture
def cloud(serve, layouts):
    """A Lambda client of a server that reads layouts below `layouts`."""
    client = aws.client(serve(f'[images]\nlayouts = ["{layouts}"]\n').url, "lambda")
    client.layouts = layouts
    return client


@pytest.fixture
def registry(tmp_path):
    """Host and port of a registry of one's own."""
    packages.needs(REGISTRY, "Debian's docker-registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = tmp_path / "registry.yml"
    storage = tmp_path / "registry"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {host}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {storage}}}}}\n"
    )
    process = subprocess.Popen([str(REGISTRY), "serve", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(f"http://{host}/v2/", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None, "the registry does not start"
                time.sleep(0.05)
        yield host
    finally:
        process.kill()
        process.wait()


def create(client, uri, name="f", wait=True, **settings):
    answer = client.create_function(
        FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": uri}, Timeout=10, **settings
    )
    if wait:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAITER)
    return answer


def update(client, uri, name="f", **settings):
    answer = client.update_function_code(FunctionName=name, ImageUri=uri, **settings)
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=WAITER)
    return answer


def ask(client, event, name="f", **arguments):
    return aws.Result(client.invoke(FunctionName=name, Payload=json.dumps(event), **arguments)).ok()


def refused(call, *arguments, **settings):
    with pytest.raises(ClientError) as refusal:
        call(*arguments, **settings)
    return refusal.value.response["Error"]


def test_an_image_from_a_layout_is_the_root_of_its_function(cloud, program):
    image = Image(
        {"runtime": (program, 0o755), "data/a": "one", "data/b": "one", "gone/x": "one", "etc/": None},
        {"data/a": "two", "data/.wh.b": "", ".wh.gone": "", "etc/app.conf": "mine", "lnk": link("lnk", "/data")},
        Entrypoint=["/runtime", "-v"],
        Cmd=["app.handler"],
        Env=["FROM_IMAGE=1", "OVERRIDDEN=image", "PATH=/image/bin"],
        WorkingDir="/data",
    )
    images.write_layout(cloud.layouts / "app", {"v1": image})
    created = create(cloud, f"oci:{cloud.layouts}/app:v1", Environment={"Variables": {"OVERRIDDEN": "function"}})
    assert created["State"] == "Pending"
    assert created["PackageType"] == "Image"
    assert created["CodeSha256"] == image.digest.removeprefix("sha256:")
    assert created["CodeSize"] == 0
    assert not {"Runtime", "Handler", "RuntimeVersionConfig", "ImageConfigResponse"} & set(created)
    shown = cloud.get_function(FunctionName="f")
    assert shown["Code"] == {
        "RepositoryType": "ECR",
        "ImageUri": f"oci:{cloud.layouts}/app:v1",
        "ResolvedImageUri": f"oci:{cloud.layouts}/app@{image.digest}",
    }
    about = ask(cloud, "about")
    assert about["arguments"] == ["/runtime", "-v", "app.handler"]
    assert about["directory"] == "/data"
    variables = about["variables"]
    assert (variables["FROM_IMAGE"], variables["OVERRIDDEN"]) == ("1", "function")
    assert variables["PATH"] == "/image/bin"
    assert variables["_HANDLER"] == "app.handler"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert "LD_LIBRARY_PATH" not in variables
    # Layers lie over each other, and nothing of the host is there.
    assert ask(cloud, "list:/") == ["data", "dev", "etc", "lnk", "proc", "runtime", "sys", "tmp"]
    assert ask(cloud, "read:/lnk/a") == "two"
    assert "error" in ask(cloud, "read:/data/b")
    assert ask(cloud, "read:/etc/app.conf") == "mine"
    assert "nameserver 169.254.100.1" in ask(cloud, "read:/etc/resolv.conf")
    assert "localhost" in ask(cloud, "read:/etc/hosts")
    assert ask(cloud, "list:/sys") == []
    assert {"null", "zero", "urandom"} <= set(ask(cloud, "list:/dev"))
    # The walls are those of any function.
    assert ask(cloud, "write:/tmp/x") == "written"
    for path in ("/x", "/data/a", "/etc/resolv.conf"):
        assert "error" in ask(cloud, f"write:{path}"), path
    status = dict(line.split(":\t", 1) for line in ask(cloud, "read:/proc/self/status").splitlines() if ":\t" in line)
    assert status["Uid"].split()[0] == "1051"
    assert (status["Seccomp"], status["NoNewPrivs"], int(status["CapBnd"], 16)) == ("2", "1", 0)
    assert str(cloud.layouts.parent) not in ask(cloud, "read:/proc/self/mountinfo")


def test_entry_point_command_and_directory_can_be_overridden(cloud, program):
    image = Image({"bin/runtime": (program, 0o755), "w/x": ""}, Entrypoint=["/nothing"], Cmd=["a", "b"])
    images.write_layout(cloud.layouts / "app", {"v1": image})
    # A bare name is looked for in PATH.
    config = {"EntryPoint": ["runtime"], "Command": ["mine.handler"], "WorkingDirectory": "/w"}
    created = create(cloud, f"oci:{cloud.layouts}/app:v1", ImageConfig=config)
    assert created["ImageConfigResponse"] == {"ImageConfig": config}
    about = ask(cloud, "about")
    assert about["arguments"] == ["/bin/runtime", "mine.handler"]
    assert about["directory"] == "/w"
    assert about["variables"]["_HANDLER"] == "mine.handler"
    cloud.update_function_configuration(FunctionName="f", ImageConfig={"EntryPoint": ["/bin/runtime"]})
    cloud.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=WAITER)
    about = ask(cloud, "about")
    assert (about["arguments"], about["directory"]) == (["/bin/runtime", "a", "b"], "/")
    cloud.update_function_configuration(FunctionName="f", ImageConfig={})
    cloud.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=WAITER)
    assert "ImageConfigResponse" not in cloud.get_function_configuration(FunctionName="f")
    failed = aws.Result(cloud.invoke(FunctionName="f", Payload='"about"'))
    assert failed.payload["errorType"] == "Runtime.InvalidEntrypoint"
    assert "/nothing: no such file or directory" in failed.payload["errorMessage"]


def test_a_script_starts_the_runtime_as_in_aws_base_images(cloud, program):
    script = '#!/bin/sh\nexport _HANDLER="$1"\nexec /var/runtime/bootstrap\n'
    files = images.with_libraries("/bin/sh") | {
        "lambda-entrypoint.sh": (script, 0o755),
        "var/runtime/bootstrap": (program, 0o755),
        "var/task/": None,
    }
    image = Image(files, Entrypoint=["/lambda-entrypoint.sh"], Cmd=["app.one"], WorkingDir="/var/task")
    images.write_layout(cloud.layouts / "app", {"v1": image})
    create(cloud, f"oci:{cloud.layouts}/app:v1", ImageConfig={"Command": ["app.two"]})
    about = ask(cloud, "about")
    assert (about["arguments"], about["directory"]) == (["/var/runtime/bootstrap"], "/var/task")
    assert about["variables"]["_HANDLER"] == "app.two"


def test_an_extension_of_an_image_runs_beside_the_function(cloud, program):
    """It registers before the function's first event, and is told of each."""
    files = {"runtime": (program, 0o755), "opt/extensions/watcher": (program, 0o755)}
    images.write_layout(cloud.layouts / "app", {"v1": Image(files, Entrypoint=["/runtime"], Cmd=["h"])})
    create(cloud, f"oci:{cloud.layouts}/app:v1")
    results = [aws.Result(cloud.invoke(FunctionName="f", Payload='"read:/tmp/told"')) for _ in range(3)]
    # It is done with an invocation before the next begins.
    told = [json.loads(line) for line in results[-1].ok().splitlines()]
    assert [event["eventType"] for event in told[:2]] == ["INVOKE", "INVOKE"]
    assert [event["requestId"] for event in told[:2]] == [result.request_id for result in results[:2]]
    assert told[0]["invokedFunctionArn"].endswith(":function:f")


def test_an_extension_of_an_image_that_cannot_run_fails_the_function(cloud, program):
    script = "#!/nowhere\n"
    image = Image(
        {"runtime": (program, 0o755), "opt/extensions/broken": (script, 0o755)}, Entrypoint=["/runtime"], Cmd=["h"]
    )
    images.write_layout(cloud.layouts / "app", {"v1": image})
    create(cloud, f"oci:{cloud.layouts}/app:v1")
    failed = aws.Result(cloud.invoke(FunctionName="f", Payload='"about"'))
    assert failed.payload["errorType"] == "Extension.LaunchError"


def test_a_version_keeps_its_image_when_the_tag_moves(cloud, program):
    first, second = (
        Image({"runtime": (program, 0o755), "version": text}, Entrypoint=["/runtime"]) for text in ("one", "two")
    )
    uri = f"oci:{cloud.layouts}/app:latest"
    images.write_layout(cloud.layouts / "app", {"latest": first})
    create(cloud, uri, Publish=True)
    images.write_layout(cloud.layouts / "app", {"latest": second})
    # The tag is looked at when it is given, and not again.
    cloud.update_function_configuration(FunctionName="f", Description="changed")
    cloud.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=WAITER)
    assert ask(cloud, "read:/version") == "one"
    assert update(cloud, uri)["CodeSha256"] == second.digest.removeprefix("sha256:")
    assert ask(cloud, "read:/version") == "two"
    assert ask(cloud, "read:/version", Qualifier="1") == "one"
    shown = cloud.get_function(FunctionName="f", Qualifier="1")
    assert shown["Code"]["ResolvedImageUri"].endswith(first.digest)
    assert shown["Configuration"]["CodeSha256"] == first.digest.removeprefix("sha256:")


def test_what_contradicts_an_image_is_refused(cloud, program):
    image = Image({"runtime": (program, 0o755)}, Entrypoint=["/runtime"])
    images.write_layout(cloud.layouts / "app", {"v1": image})
    uri = f"oci:{cloud.layouts}/app:v1"
    text = "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
    for member in ({"Runtime": "python3.11"}, {"Handler": "a.b"}):
        error = refused(create, cloud, uri, **member)
        assert (error["Code"], error["Message"]) == ("InvalidParameterValueException", text)
    zipped = {"FunctionName": "z", "Role": ROLE, "Runtime": "provided.al2023", "Handler": "x"}
    assert "ImageUri" in refused(cloud.create_function, **zipped, Code={"ImageUri": uri})["Message"]
    content = {"ZipFile": packages.zip_of({"bootstrap": "x"})}
    zip_as_image = {"FunctionName": "z", "Role": ROLE, "PackageType": "Image", "Code": content}
    assert "ImageUri" in refused(cloud.create_function, **zip_as_image)["Message"]
    config = {"Command": ["x"]}
    assert "ImageConfig" in refused(cloud.create_function, **zipped, Code=content, ImageConfig=config)["Message"]
    create(cloud, uri)
    for settings, text in (
        (content, "Please provide ImageUri when updating a function with packageType Image."),
        ({}, "Please provide ImageUri when updating a function with packageType Image."),
    ):
        assert refused(cloud.update_function_code, FunctionName="f", **settings)["Message"] == text
    error = refused(cloud.update_function_configuration, FunctionName="f", Handler="a.b")
    assert error["Code"] == "InvalidParameterValueException"


def test_images_that_cannot_be_run_are_refused_when_the_function_is_made(cloud, program, tmp_path):
    runtime = {"runtime": (program, 0o755)}
    foreign = Image(runtime, architecture=OTHER[0], Entrypoint=["/runtime"])
    images.write_layout(cloud.layouts / "app", {"other": foreign})
    error = refused(create, cloud, f"oci:{cloud.layouts}/app:other")
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"].startswith("Architectures mismatch") and OTHER[0] in error["Message"]
    assert "machine" in refused(create, cloud, f"oci:{cloud.layouts}/app:other", Architectures=[OTHER[1]])["Message"]
    uri = f"oci:{cloud.layouts}/app:absent"
    error = refused(create, cloud, uri)
    assert error["Message"] == f"Source image {uri} does not exist. Provide a valid source image."
    # Layouts elsewhere on the machine are nobody's business, whether they exist or not.
    images.write_layout(tmp_path / "elsewhere", {"v1": Image(runtime, Entrypoint=["/runtime"])})
    for path in (tmp_path / "elsewhere", tmp_path / "nowhere", "/etc"):
        error = refused(create, cloud, f"oci:{path}:v1")
        assert "images.layouts" in error["Message"], path
    (cloud.layouts / "out").symlink_to(tmp_path / "elsewhere")
    assert "Source image" in refused(create, cloud, f"oci:{cloud.layouts}/out:v1")["Message"]
    for uri in ("", "python:3.12", f"oci:{cloud.layouts}/../elsewhere:v1", "ftp://x/y"):
        assert refused(create, cloud, uri)["Code"] == "InvalidParameterValueException", uri
    assert cloud.list_functions()["Functions"] == []


def failed_state(client, name="f"):
    with pytest.raises(WaiterError):
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAITER)
    shown = client.get_function_configuration(FunctionName=name)
    return shown["State"], shown["StateReasonCode"]


def test_an_image_that_does_not_come_fails_its_function(cloud, program):
    image = Image({"runtime": (program, 0o755)}, Entrypoint=["/runtime"])
    images.write_layout(cloud.layouts / "app", {"v1": image})
    blob = cloud.layouts / "app" / "blobs" / "sha256" / image.layers[0].removeprefix("sha256:")
    good = blob.read_bytes()
    uri = f"oci:{cloud.layouts}/app:v1"
    blob.unlink()
    create(cloud, uri, wait=False)
    assert failed_state(cloud) == ("Failed", "ImageDeleted")
    assert refused(cloud.invoke, FunctionName="f")["Code"] == "ResourceConflictException"
    # Another content under the same name, and as long.
    blob.write_bytes(good[:-9] + b"x" + good[-8:])
    create(cloud, uri, name="g", wait=False)
    assert failed_state(cloud, "g") == ("Failed", "InvalidImage")
    # An update mends it.
    blob.write_bytes(good)
    cloud.update_function_code(FunctionName="f", ImageUri=uri)
    cloud.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig=WAITER)
    assert ask(cloud, "about")["arguments"] == ["/runtime"]


def test_a_failed_update_leaves_the_former_image_running(cloud, program):
    first = Image({"runtime": (program, 0o755), "version": "one"}, Entrypoint=["/runtime"])
    hostile = Image({"../../etc/evil": "x"}, Entrypoint=["/runtime"])
    images.write_layout(cloud.layouts / "app", {"v1": first, "v2": hostile})
    create(cloud, f"oci:{cloud.layouts}/app:v1")
    with pytest.raises(WaiterError):
        update(cloud, f"oci:{cloud.layouts}/app:v2")
    shown = cloud.get_function_configuration(FunctionName="f")
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Failed")
    assert shown["LastUpdateStatusReasonCode"] == "InvalidImage"
    assert ask(cloud, "read:/version") == "one"
    update(cloud, f"oci:{cloud.layouts}/app:v1")
    assert ask(cloud, "read:/version") == "one"


def test_an_image_nobody_names_any_more_is_deleted(serve, layouts, program):
    server = serve(f'[images]\nlayouts = ["{layouts}"]\n')
    cloud = aws.client(server.url, "lambda")
    image = Image({"runtime": (program, 0o755)}, Entrypoint=["/runtime"])
    images.write_layout(layouts / "app", {"v1": image})
    tree = server.data / "trees" / image.digest.removeprefix("sha256:")
    for name in ("f", "g"):
        create(cloud, f"oci:{layouts}/app:v1", name=name)
    assert (tree / "runtime").is_file()
    cloud.delete_function(FunctionName="f")
    # The layout is not needed any more: it was unpacked once.
    shutil.rmtree(layouts / "app")
    assert ask(cloud, "about", name="g")["arguments"] == ["/runtime"]
    server.kill()
    server.start()
    cloud = aws.client(server.url, "lambda")
    assert ask(cloud, "about", name="g")["arguments"] == ["/runtime"]
    cloud.delete_function(FunctionName="g")
    deadline = time.monotonic() + 20
    while tree.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_image_from_a_registry_runs(serve, registry, program):
    server = serve("")
    cloud = aws.client(server.url, "lambda")
    first, second = (
        Image({"runtime": (program, 0o755), "version": text}, Entrypoint=["/runtime"]) for text in ("one", "two")
    )
    images.push(registry, "team/app", "latest", first)
    uri = f"{registry}/team/app:latest"
    # As a user of the AWS CLI does it.
    if shutil.which("aws"):
        command = ["aws", "--endpoint-url", server.url, "--region", "us-east-1", "lambda", "create-function"]
        command += ["--function-name", "f", "--role", ROLE, "--package-type", "Image", "--code", f"ImageUri={uri}"]
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "PATH": "/usr/local/bin:/usr/bin:/bin"}
        made = json.loads(subprocess.run(command, env=keys, check=True, capture_output=True, text=True).stdout)
        assert made["CodeSha256"] == first.digest.removeprefix("sha256:")
        cloud.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig=WAITER)
    else:
        create(cloud, uri)
    assert ask(cloud, "read:/version") == "one"
    version = cloud.publish_version(FunctionName="f")["Version"]
    images.push(registry, "team/app", "latest", second)
    update(cloud, uri)
    assert ask(cloud, "read:/version") == "two"
    assert ask(cloud, "read:/version", Qualifier=version) == "one"
    resolved = cloud.get_function(FunctionName="f", Qualifier=version)["Code"]["ResolvedImageUri"]
    assert resolved == f"{registry}/team/app@{first.digest}"
    # By digest, as AWS recommends.
    update(cloud, resolved)
    assert ask(cloud, "read:/version") == "one"
    absent = f"{registry}/team/absent:latest"
    error = refused(update, cloud, absent)
    assert error["Message"] == f"Source image {absent} does not exist. Provide a valid source image."


def test_a_registry_that_lies_about_a_blob_fails_the_function(serve, registry, program, tmp_path):
    cloud = aws.client(serve("").url, "lambda")
    image = Image({"runtime": (program, 0o755)}, Entrypoint=["/runtime"])
    images.push(registry, "app", "v1", image)
    name = image.layers[0].removeprefix("sha256:")
    [blob] = (tmp_path / "registry").glob(f"**/blobs/sha256/{name[:2]}/{name}/data")
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    create(cloud, f"{registry}/app:v1", wait=False)
    assert failed_state(cloud) == ("Failed", "InvalidImage")


def test_an_ecr_name_can_stand_for_another_registry_and_needs_its_password(serve, tmp_path, program):
    packages.needs(REGISTRY, "Debian's docker-registry")
    ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    image = Image({"runtime": (program, 0o755)}, Entrypoint=["/runtime"])
    password = tmp_path / "htpasswd"
    password.write_text("me:" + BCRYPT + "\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        f"http: {{addr: {host}}}\nauth: {{htpasswd: {{realm: r, path: {password}}}}}\n"
    )
    process = subprocess.Popen([str(REGISTRY), "serve", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", int(host.split(":")[1]))):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        basic = base64.b64encode(b"me:secret").decode()
        images.push(host, "hello", "v1", image, {"Authorization": f"Basic {basic}"})
        docker = tmp_path / "config.json"
        docker.write_text(json.dumps({"auths": {host: {"auth": basic}}}))
        mirrors = f'mirrors = {{ "{ecr}" = "{host}" }}'
        cloud = aws.client(serve(f'[images]\n{mirrors}\ndocker_config = "{docker}"\n').url, "lambda")
        create(cloud, f"{ecr}/hello:v1")
        assert ask(cloud, "about")["arguments"] == ["/runtime"]
        assert cloud.get_function(FunctionName="f")["Code"]["ResolvedImageUri"] == f"{ecr}/hello@{image.digest}"
        # The mirror has other credentials than a registry of that port under another name.
        error = refused(create, cloud, f"localhost:{host.split(':')[1]}/hello:v1", name="g")
        assert error["Code"] == "AccessDeniedException"
        assert error["Message"] == "Lambda does not have permission to access the ECR image. Check the ECR permissions."
    finally:
        process.kill()
        process.wait()


def test_a_token_an_index_and_blobs_elsewhere(serve, tmp_path, program):
    """What large registries do: a token server, an index of platforms, and redirects to where the blobs are."""
    ours = Image({"runtime": (program, 0o755)}, Entrypoint=["/runtime"])
    foreign = Image({"runtime": ("x", 0o755)}, architecture=OTHER[0], Entrypoint=["/runtime"])
    index = images.index({images.ARCHITECTURE: ours, OTHER[0]: foreign})
    documents = {image.digest: image.manifest for image in (ours, foreign)} | {"v1": index}
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    tokens, leaked = [], []

    def elsewhere(request):
        leaked.append(request.headers["Authorization"])
        return 200, {}, ours.blobs[request.path.removeprefix("/")]

    def registry(request):
        path, _, query = request.path.partition("?")
        if path == "/token":
            tokens.append((request.headers["Authorization"], query))
            return 200, {}, b'{"token": "t0k"}'
        if request.headers["Authorization"] != "Bearer t0k":
            challenge = f'Bearer realm="http://{host}/token",service="s",scope="repository:a/b:pull"'
            return 401, {"WWW-Authenticate": challenge}, b""
        kind, _, name = path.removeprefix("/v2/a/b/").partition("/")
        if kind == "manifests" and name in documents:
            return 200, {}, documents[name]
        if kind == "blobs" and name in ours.blobs:
            return 307, {"Location": f"http://{blobs}/{name}"}, b""
        return 404, {}, b""

    with images.served(elsewhere) as blobs, images.served(registry) as host:
        docker = tmp_path / "config.json"
        docker.write_text(json.dumps({"auths": {host: {"username": "me", "password": "secret"}}}))
        cloud = aws.client(serve(f'[images]\ndocker_config = "{docker}"\n').url, "lambda")
        created = create(cloud, f"{host}/a/b:v1")
        assert created["CodeSha256"] == ours.digest.removeprefix("sha256:")
        assert ask(cloud, "about")["arguments"] == ["/runtime"]
    assert set(tokens) == {(basic, "service=s&scope=repository%3Aa%2Fb%3Apull")}
    assert leaked and set(leaked) == {None}, "a token went to another server"


def test_a_registry_of_another_host_is_spoken_to_by_https(serve, tmp_path, program, monkeypatch):
    packages.needs("/usr/bin/openssl", "openssl")
    name = socket.gethostname()

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "san").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", f"/CN={name}")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san", "-days", "2"]
    openssl("x509", "-req", "-in", "csr.pem", "-out", "cert.pem", *signing)
    image = Image({"runtime": (program, 0o755)}, Entrypoint=["/runtime"])

    def registry(request):
        kind, _, what = request.path.removeprefix("/v2/app/").partition("/")
        content = image.manifest if kind == "manifests" else image.blobs[what]
        return 200, {}, content

    with images.served(registry, tls=(tmp_path / "cert.pem", tmp_path / "key.pem")) as address:
        uri = f"{name}:{address.split(':')[1]}/app:v1"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        cloud = aws.client(serve("").url, "lambda")
        create(cloud, uri)
        assert ask(cloud, "about")["arguments"] == ["/runtime"]
    # And nobody listens there any more.
    error = refused(create, cloud, uri, name="g")
    assert error["Message"].startswith(f"Hearth cannot reach the registry of the source image {uri}")
