"""`hearth backup` beside a running server, and `hearth restore` of what it wrote."""

import shutil
import time

import botocore.exceptions
import pytest
from ledger import Ledger, Load, audit, prepare

from support import aws, images, packages
from support.command_line import hearth, logs_of
from support.server import Server

LOAD_SECONDS_MAX = 60
SECRET = "correct horse battery staple"


def variable():
    import os

    print("I was here")
    return os.environ["SECRET"]


def back_up(server, target, *arguments):
    done = hearth("backup", str(target), "--data", str(server.data), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def start(tmp_path):
    """`start(directory)` starts a server on that data; it ends with the test."""
    servers = []

    def start(data, config=None):
        servers.append(Server(data, tmp_path / f"{data.name}.log", config))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    shutil.rmtree(tmp_path, ignore_errors=True)


def until(condition):
    deadline = time.monotonic() + LOAD_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "the load does not get on"
        time.sleep(0.05)


def test_a_backup_of_a_busy_server_holds_all_that_was_acknowledged_before(start, tmp_path):
    server = start(tmp_path / "data")
    prepare(server)
    functions, logs = aws.client(server.url, "lambda"), aws.client(server.url, "logs")
    layer = functions.publish_layer_version(
        LayerName="words", Content={"ZipFile": packages.zip_of({"python/words.py": "WORD = 'layered'"})}
    )["LayerVersionArn"]
    function = aws.create(
        functions, packages.python("remote"), Environment={"Variables": {"SECRET": SECRET}}, Layers=[layer]
    )
    assert function.run(variable).ok() == SECRET
    logs.create_log_group(logGroupName="/mine")
    logs.create_log_stream(logGroupName="/mine", logStreamName="s")
    now_ms = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName="/mine", logStreamName="s", logEvents=[{"timestamp": now_ms, "message": "kept"}]
    )
    until(lambda: "I was here" in logs_of(server, function.name))

    ledger = Ledger()
    load = Load(server, ledger)
    until(lambda: min(map(len, (ledger.events, ledger.sent, ledger.published, ledger.deleted))) > 100)
    before = ledger.copy()
    said = back_up(server, tmp_path / "backup.tar.zst")
    # Whether what was deleted meanwhile is in it nobody knows.
    before.deleting = set(ledger.deleting)
    assert len(ledger.sent) > len(before.sent), "the load went on"
    load.stop()
    assert "The master keys are NOT in it" in said and str(server.data / "keys" / "secrets.key") in said
    shutil.copy2(server.data / "keys" / "secrets.key", tmp_path / "safe.key")
    # Its tail of logs may be behind; what is asked for below was there before.
    server.kill()
    shutil.rmtree(server.data)

    restored = hearth(
        "restore", str(tmp_path / "backup.tar.zst"), "--data", str(tmp_path / "restored"),
        "--keys", str(tmp_path / "safe.key"),
    )
    assert restored.returncode == 0, restored.stderr
    assert f"hearth up --data {tmp_path / 'restored'}" in restored.stdout
    server = start(tmp_path / "restored")
    audit(server, before)
    print(before.summary())
    function = aws.Function(aws.client(server.url, "lambda"), function.name, function.arn)
    assert function.run(variable).ok() == SECRET
    assert function.run(word).ok() == "layered"
    assert "I was here" in logs_of(server, function.name)
    events = aws.client(server.url, "logs").get_log_events(logGroupName="/mine", logStreamName="s")["events"]
    assert [event["message"] for event in events] == ["kept"]
    assert "damaged" not in server.log_text()


def word():
    import words

    return words.WORD


def test_a_server_that_does_not_run_is_backed_up_with_its_keys(start, tmp_path):
    server = start(tmp_path / "data")
    function = aws.create(
        aws.client(server.url, "lambda"), packages.python("remote"), Environment={"Variables": {"SECRET": SECRET}}
    )
    server.kill()
    (tmp_path / "backups").mkdir()
    said = back_up(server, tmp_path / "backups", "--with-keys")
    assert "whoever can read the file can read every secret" in said
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.name.startswith("hearth-20") and backup.name.endswith("Z.tar.zst")
    assert backup.stat().st_mode & 0o777 == 0o600
    # A directory somebody has made, as a mounted disk is.
    (tmp_path / "restored").mkdir()
    restored = hearth("restore", str(backup), "--data", str(tmp_path / "restored"))
    assert restored.returncode == 0, restored.stderr
    authority = (server.data / "tls" / "ca.pem").read_text()
    server = start(tmp_path / "restored")
    again = aws.Function(aws.client(server.url, "lambda"), function.name, function.arn)
    assert again.run(variable).ok() == SECRET
    assert (server.data / "tls" / "ca.pem").read_text() == authority


def test_images_of_functions_are_fetched_again(start, tmp_path, program):
    config = tmp_path / "hearth.toml"
    config.write_text(f'[images]\nlayouts = ["{tmp_path}"]\n')
    image = images.Image({"runtime": (program, 0o755), "data": "from the image"}, Entrypoint=["/runtime"])
    images.write_layout(tmp_path / "app", {"v1": image})
    server = start(tmp_path / "data", config)
    functions = aws.client(server.url, "lambda")
    functions.create_function(
        FunctionName="f", Role=aws.ROLE, PackageType="Image", Code={"ImageUri": f"oci:{tmp_path}/app:v1"}, Timeout=10
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig=aws.WAITER)
    back_up(server, tmp_path / "backup.tar.zst", "--with-keys")
    server.stop()
    restored = hearth("restore", str(tmp_path / "backup.tar.zst"), "--data", str(tmp_path / "restored"))
    assert restored.returncode == 0, restored.stderr
    server = start(tmp_path / "restored", config)
    functions = aws.client(server.url, "lambda")
    # Until it is there, the function fails.
    until(lambda: answer(functions) == "from the image")


def answer(functions):
    try:
        return aws.Result(functions.invoke(FunctionName="f", Payload='"read:/data"')).payload
    except botocore.exceptions.ClientError:
        return None


def test_a_damaged_backup_and_a_used_directory_are_refused(start, tmp_path):
    server = start(tmp_path / "data")
    aws.client(server.url, "sqs").create_queue(QueueName="q")
    backup = tmp_path / "backup.tar.zst"
    back_up(server, backup, "--with-keys")

    def refused(source, data):
        done = hearth("restore", str(source), "--data", str(data))
        assert done.returncode == 1 and done.stdout == ""
        return done.stderr

    whole = backup.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    (tmp_path / "damaged").write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    for name in ("cut", "damaged"):
        said = refused(tmp_path / name, tmp_path / "restored")
        assert "is damaged or not complete" in said and "nothing was restored" in said
        assert [path.name for path in (tmp_path / "restored").iterdir()] == ["lock"]
    assert f"in use by process {server.pid}" in refused(backup, server.data)
    server.stop()
    said = refused(backup, server.data)
    assert "is not empty" in said and "mv " in said
    again = hearth("backup", str(backup), "--data", str(server.data))
    assert again.returncode == 1 and "is there already" in again.stderr
    assert backup.read_bytes() == whole


def test_keys_of_another_server_are_refused_and_without_keys_no_server_starts(start, tmp_path):
    server, other = start(tmp_path / "data"), start(tmp_path / "other")
    back_up(server, tmp_path / "backup.tar.zst")
    arguments = ["restore", str(tmp_path / "backup.tar.zst"), "--data", str(tmp_path / "restored")]
    done = hearth(*arguments, "--keys", str(other.data / "keys" / "secrets.key"))
    assert done.returncode == 1 and "give the key file of the server that was backed up" in done.stderr
    done = hearth(*arguments)
    assert done.returncode == 0 and "does not start without them" in done.stdout
    with pytest.raises(RuntimeError, match="that file is missing: put it back"):
        start(tmp_path / "restored")
    keys = tmp_path / "restored" / "keys"
    keys.mkdir(mode=0o700)
    shutil.copy2(server.data / "keys" / "secrets.key", keys)
    start(tmp_path / "restored")


def test_objects_are_in_a_backup_and_come_back(start, tmp_path):
    server = start(tmp_path / "data")
    s3 = aws.client(server.url, "s3")
    s3.create_bucket(Bucket="kept-bucket")
    small, large = b"small", bytes(range(256)) * 2_000
    s3.put_object(Bucket="kept-bucket", Key="small", Body=small)
    s3.put_object(Bucket="kept-bucket", Key="large", Body=large)
    told = back_up(server, tmp_path / "backup", "--with-keys")
    assert "1 object files" in told
    s3.delete_object(Bucket="kept-bucket", Key="large")
    done = hearth("restore", str(tmp_path / "backup"), "--data", str(tmp_path / "restored"))
    assert done.returncode == 0, done.stderr
    restored = aws.client(start(tmp_path / "restored").url, "s3")
    for key, data in (("small", small), ("large", large)):
        assert restored.get_object(Bucket="kept-bucket", Key=key)["Body"].read() == data
    assert "NoSuchKey" in str(pytest.raises(botocore.exceptions.ClientError, s3.get_object, Bucket="kept-bucket", Key="large").value)
