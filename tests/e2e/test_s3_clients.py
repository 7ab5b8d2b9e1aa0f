"""S3 with the tools people use: the AWS CLI, boto3's transfer manager, the JavaScript SDK, s3cmd."""

import filecmp
import hashlib
import os
import subprocess
import urllib.request

import pytest
from boto3.s3.transfer import TransferConfig

from support import aws, packages
from support.paths import ROOT, TOOLS
from test_clients import CLI_V1, environment, node  # noqa: F401 (a fixture)
from test_s3 import content, new_bucket

MIB = 1 << 20


@pytest.fixture
def s3(server):
    return aws.client(server.url, "s3")


@pytest.fixture
def text(server, tmp_path):
    """Runs `aws …` and answers its words."""
    packages.needs(CLI_V1, "the AWS CLI")
    variables = environment(server, tmp_path)

    def run(*arguments):
        done = subprocess.run(
            [CLI_V1, "--endpoint-url", server.url, *arguments], env=variables, cwd=tmp_path, capture_output=True, text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_the_aws_cli_copies_syncs_moves_and_removes(text, server, tmp_path):
    name = aws.function_name("cli")
    text("s3", "mb", f"s3://{name}")
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "one.txt").write_bytes(b"one")
    (tree / "deep" / "two words.txt").write_bytes(b"two")
    # More than the CLI sends at once: in parts.
    (tree / "deep" / "er" / "large.bin").write_bytes(os.urandom(20 * MIB))
    # Objects' times are whole seconds: a file of the same second would be younger.
    for path in tree.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    text("s3", "sync", str(tree), f"s3://{name}/tree")
    assert text("s3", "sync", str(tree), f"s3://{name}/tree") == "", "nothing has changed"
    back = tmp_path / "back"
    text("s3", "cp", "--recursive", f"s3://{name}/tree", str(back))
    for path in ("one.txt", "deep/two words.txt", "deep/er/large.bin"):
        assert filecmp.cmp(tree / path, back / path, shallow=False), path
    text("s3", "mv", f"s3://{name}/tree/one.txt", f"s3://{name}/moved.txt")
    listed = text("s3", "ls", "--recursive", f"s3://{name}")
    assert "moved.txt" in listed and "tree/one.txt" not in listed
    text("s3", "cp", f"s3://{name}/tree/deep/er/large.bin", f"s3://{name}/copied.bin")
    link = text("s3", "presign", f"s3://{name}/moved.txt").strip()
    assert urllib.request.urlopen(link).read() == b"one"
    text("s3", "rm", "--recursive", f"s3://{name}")
    text("s3", "rb", f"s3://{name}")


def test_the_transfer_manager_sends_and_gets_in_parts(s3, tmp_path):
    bucket = new_bucket(s3)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content(23 * MIB + 7))
    settings = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_file(str(source), bucket, "large", Config=settings, ExtraArgs={"Metadata": {"a": "b"}})
    head = s3.head_object(Bucket=bucket, Key="large")
    assert head["ETag"].strip('"').endswith("-5") and head["Metadata"] == {"a": "b"}
    s3.download_file(bucket, "large", str(target), Config=settings)
    assert filecmp.cmp(source, target, shallow=False)
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy", Config=settings)
    copied = s3.get_object(Bucket=bucket, Key="copy")["Body"].read()
    assert hashlib.md5(copied).digest() == hashlib.md5(source.read_bytes()).digest()


def test_the_javascript_sdk_streams_pages_links_and_is_told(node):  # noqa: F811
    packages.needs(TOOLS / "node" / "node_modules" / "@aws-sdk" / "lib-storage", "lib-storage for JavaScript")
    said = node("s3.mjs", aws.function_name("js"))
    assert said["stream"] == {
        "same": True, "etag": True, "checksum": True, "length": True, "type": "text/plain", "metadata": {"color": "blue"},
        "tags": 1,
    }
    assert said["range"] == ["stream ", f"bytes 2-8/{3 * MIB + 5}", 206]
    assert said["parts"] == {"etag": True, "steps": [1, 2, 3], "same": True, "second": 3}
    assert said["givenUp"] == [True, "NoSuchUpload", 404]
    assert said["link"] == [200, 200, "by link", 'attachment; filename="x"']
    assert said["pages"] == {"sizes": [10, 10, 5], "same": True}
    assert said["folders"] == ["page/", "by link", "in parts", "stream"]
    assert said["nowhere"] == [True, "InvalidArgument", 400], "the queue has to be there"
    assert said["configured"] == [["pictures", ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], ["pictures/", ".png"]]]
    assert said["told"] == [
        "ObjectCreated:Copy pictures/c.png", "ObjectCreated:Put pictures/a+b.png", "ObjectRemoved:Delete pictures/a+b.png",
    ]
    assert said["errors"] == {
        "key": [True, "NoSuchKey", 404],
        "head": [True, "NotFound", 404],
        "bucket": [True, "NoSuchBucket", 404],
        "absent": [True, "PreconditionFailed", 412],
        "digest": [True, "BadDigest", 400],
        "full": [True, "BucketNotEmpty", 409],
    }


def test_s3cmd_signs_by_itself_and_is_understood(server, tmp_path):
    program = ROOT / ".venv" / "bin" / "s3cmd"
    packages.needs(program, "s3cmd")
    address = server.url.removeprefix("http://")
    settings = tmp_path / "s3cfg"
    settings.write_text(
        f"[default]\naccess_key = test\nsecret_key = test\nhost_base = {address}\nhost_bucket = {address}\nuse_https = False\n"
        "bucket_location = us-east-1\nmultipart_chunk_size_mb = 5\n"
    )
    bucket = f"s3://{aws.function_name('s3cmd')}"

    def run(*arguments):
        done = subprocess.run(
            [program, "-c", str(settings), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, f"s3cmd {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    (tmp_path / "small").write_bytes(b"small")
    (tmp_path / "large").write_bytes(os.urandom(12 * MIB))
    run("mb", bucket)
    run("put", "small", "large", f"{bucket}/dir/")
    run("get", f"{bucket}/dir/large", "back")
    assert filecmp.cmp(tmp_path / "large", tmp_path / "back", shallow=False)
    assert "5" in run("ls", f"{bucket}/dir/small") and "dir/" in run("ls", bucket)
    run("cp", f"{bucket}/dir/small", f"{bucket}/copy")
    run("mv", f"{bucket}/copy", f"{bucket}/moved")
    assert "moved" in run("ls", bucket)
    run("del", "--recursive", "--force", bucket)
    run("rb", bucket)
