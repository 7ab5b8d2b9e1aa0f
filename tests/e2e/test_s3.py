"""Buckets and objects, with boto3: what is put is found again, whole or in ranges, whatever happens to the server."""

import base64
import hashlib
import os
import re
import threading
import time
import urllib.request
import zlib

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import aws

MIB = 1 << 20
PART = 5 * MIB


def client(server, **config):
    return aws.client(server.url, "s3", **config)


@pytest.fixture
def s3(server):
    return client(server)


def new_bucket(s3, region=None):
    name = aws.function_name("bucket")
    if region:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    else:
        s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def body(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def content(size):
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


# Empty, beside the record, just in a file, several blocks of it.
@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 300_001])
def test_an_object_comes_back_as_it_was_put(s3, bucket, size):
    data = content(size)
    put = s3.put_object(
        Bucket=bucket,
        Key="a/b ü+&.txt",
        Body=data,
        ContentType="text/x-test",
        CacheControl="no-cache",
        ContentDisposition='attachment; filename="x"',
        ContentLanguage="de",
        Metadata={"colour": "red", "Size": "large"},
    )
    etag = f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ETag"] == etag and put["ServerSideEncryption"] == "AES256" and "VersionId" not in put
    got = s3.get_object(Bucket=bucket, Key="a/b ü+&.txt")
    assert got["Body"].read() == data
    assert (got["ContentLength"], got["ETag"], got["ContentType"]) == (size, etag, "text/x-test")
    assert (got["CacheControl"], got["ContentLanguage"]) == ("no-cache", "de")
    assert got["ContentDisposition"] == 'attachment; filename="x"'
    assert got["Metadata"] == {"colour": "red", "size": "large"}
    head = s3.head_object(Bucket=bucket, Key="a/b ü+&.txt", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ETag"]) == (size, etag)
    # boto3 sends one unless told otherwise.
    assert head["ChecksumCRC32"] == base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    s3.delete_object(Bucket=bucket, Key="a/b ü+&.txt")
    assert refused(s3.get_object, Bucket=bucket, Key="a/b ü+&.txt") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=bucket, Key="a/b ü+&.txt") == ("404", 404)


@pytest.mark.parametrize("size", [100, 200_000])
def test_ranges_are_read_and_what_lies_outside_is_refused(s3, bucket, size):
    data = content(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    for text, part in [
        ("bytes=0-0", data[:1]),
        ("bytes=10-19", data[10:20]),
        (f"bytes={size - 7}-", data[-7:]),
        ("bytes=-7", data[-7:]),
        (f"bytes=5-{size * 9}", data[5:]),
    ]:
        got = s3.get_object(Bucket=bucket, Key="k", Range=text)
        assert got["Body"].read() == part, text
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=10-19")["ContentRange"] == f"bytes 10-19/{size}"
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range=f"bytes={size}-") == ("InvalidRange", 416)


def test_a_listing_shows_every_key_once_in_order_by_pages_and_prefixes(s3, bucket):
    keys = sorted([f"dir{number % 3}/{number:03}" for number in range(40)] + ["a b", "z+ü", "dir1", "dir10/x"], key=str.encode)
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = s3.get_paginator("list_objects_v2")
    found = [entry["Key"] for page in pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": 7}) for entry in page["Contents"]]
    assert found == keys
    old = s3.get_paginator("list_objects")
    assert [entry["Key"] for page in old.paginate(Bucket=bucket, PaginationConfig={"PageSize": 7}) for entry in page["Contents"]] == keys
    shown = list(pages.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}))
    prefixes = [entry["Prefix"] for page in shown for entry in page.get("CommonPrefixes", [])]
    assert prefixes == ["dir0/", "dir1/", "dir10/", "dir2/"]
    assert [entry["Key"] for page in shown for entry in page.get("Contents", [])] == ["a b", "dir1", "z+ü"]
    some = s3.list_objects_v2(Bucket=bucket, Prefix="dir1/", StartAfter="dir1/010")
    assert [entry["Key"] for entry in some["Contents"]] == [key for key in keys if key.startswith("dir1/") and key > "dir1/010"]
    assert some["KeyCount"] == len(some["Contents"]) and not some["IsTruncated"]


def test_a_write_may_depend_on_what_is_there(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first["ETag"])
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"3", IfMatch=first["ETag"]) == ("PreconditionFailed", 412)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch=first["ETag"]) == ("PreconditionFailed", 412)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=second["ETag"]) == ("304", 304)
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=modified) == ("304", 304)
    assert body(s3, bucket, "k", IfUnmodifiedSince=modified) == b"2"
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatch=first["ETag"]) == ("PreconditionFailed", 412)


def test_of_many_who_make_the_same_key_one_does(s3, bucket):
    outcomes = []

    def put(number):
        try:
            s3.put_object(Bucket=bucket, Key="one", Body=str(number).encode(), IfNoneMatch="*")
            outcomes.append(number)
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")

    threads = [threading.Thread(target=put, args=(number,)) for number in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(outcomes) == 1
    assert body(s3, bucket, "one") == str(outcomes[0]).encode()


def test_an_upload_in_parts_becomes_one_object(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", ContentType="text/plain", Metadata={"a": "b"})["UploadId"]
    datas = [content(PART), content(PART + 1), b"end"]
    parts = []
    for number, data in enumerate(datas, 1):
        put = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=data)
        parts.append({"PartNumber": number, "ETag": put["ETag"]})
    assert refused(s3.get_object, Bucket=bucket, Key="big") == ("NoSuchKey", 404)
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in listed] == [
        (number, len(data), f'"{hashlib.md5(data).hexdigest()}"') for number, data in enumerate(datas, 1)
    ]
    assert [entry["Key"] for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["big"]
    wrong = [parts[1], parts[0], parts[2]]
    complete = dict(Bucket=bucket, Key="big", UploadId=upload)
    assert refused(s3.complete_multipart_upload, **complete, MultipartUpload={"Parts": wrong}) == ("InvalidPartOrder", 400)
    other = [parts[0], {"PartNumber": 2, "ETag": parts[0]["ETag"]}]
    assert refused(s3.complete_multipart_upload, **complete, MultipartUpload={"Parts": other}) == ("InvalidPart", 400)
    done = s3.complete_multipart_upload(**complete, MultipartUpload={"Parts": parts})
    digest = hashlib.md5(b"".join(hashlib.md5(data).digest() for data in datas)).hexdigest()
    assert done["ETag"] == f'"{digest}-3"'
    whole = b"".join(datas)
    assert body(s3, bucket, "big") == whole
    assert body(s3, bucket, "big", Range=f"bytes={PART - 2}-{PART + 3}") == whole[PART - 2 : PART + 4]
    second = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert second["Body"].read() == datas[1] and second["PartsCount"] == 3
    head = s3.head_object(Bucket=bucket, Key="big")
    assert (head["ContentType"], head["Metadata"], head["ContentLength"]) == ("text/plain", {"a": "b"}, len(whole))
    attributes = s3.get_object_attributes(Bucket=bucket, Key="big", ObjectAttributes=["ObjectParts", "ObjectSize", "ETag"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3 and attributes["ObjectSize"] == len(whole)
    assert refused(s3.list_parts, Bucket=bucket, Key="big", UploadId=upload) == ("NoSuchUpload", 404)

    small = s3.create_multipart_upload(Bucket=bucket, Key="small")["UploadId"]
    tags = [s3.upload_part(Bucket=bucket, Key="small", UploadId=small, PartNumber=n, Body=b"x")["ETag"] for n in (1, 2)]
    both = {"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]}
    refusal = refused(s3.complete_multipart_upload, Bucket=bucket, Key="small", UploadId=small, MultipartUpload=both)
    assert refusal == ("EntityTooSmall", 400)
    s3.abort_multipart_upload(Bucket=bucket, Key="small", UploadId=small)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def outcomes_of(*calls):
    """What each answered, done at the same time: `None`, or an error's code."""
    outcomes = [None] * len(calls)

    def do(at, call):
        try:
            call()
        except ClientError as error:
            outcomes[at] = error.response["Error"]["Code"]

    threads = [threading.Thread(target=do, args=(at, call)) for at, call in enumerate(calls)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return outcomes


def test_of_the_same_part_sent_many_times_at_once_one_stays(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 1}
    # Beside the record, and in a file.
    bodies = {hashlib.md5(data).hexdigest(): data for n in range(12) for data in [content(10 if n % 2 else 50_000) + str(n).encode()]}
    sent = outcomes_of(*(lambda data=data: s3.upload_part(**part, Body=data) for data in bodies.values()))
    assert set(sent) == {None}
    [kept] = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["Parts"]
    named = {"Parts": [{"PartNumber": 1, "ETag": kept["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=named)
    assert body(s3, bucket, "k") == bodies[kept["ETag"].strip('"')]


def test_an_upload_has_one_end_also_when_its_bucket_goes(s3):
    for _ in range(8):
        bucket = new_bucket(s3)
        upload = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
        tag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
        named = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
        completed, deleted, _ = outcomes_of(
            lambda: s3.complete_multipart_upload(**upload, MultipartUpload=named),
            lambda: s3.delete_bucket(Bucket=bucket),
            lambda: s3.upload_part(**upload, PartNumber=2, Body=b"y"),
        )
        assert (completed, deleted) in ((None, "BucketNotEmpty"), ("NoSuchBucket", None), ("NoSuchUpload", None))
        if completed is None:
            assert body(s3, bucket, "k") == b"x"


def test_copies_have_the_same_bytes_and_the_headers_that_are_asked_for(s3, bucket):
    other = new_bucket(s3)
    for key, size in (("small", 10), ("large", 100_000)):
        data = content(size)
        s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata={"a": "1"}, ContentType="text/one", Tagging="t=1")
        source = {"Bucket": bucket, "Key": key}
        copied = s3.copy_object(Bucket=other, Key="copy", CopySource=source)["CopyObjectResult"]
        assert copied["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
        head = s3.head_object(Bucket=other, Key="copy")
        assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "text/one")
        assert s3.get_object_tagging(Bucket=other, Key="copy")["TagSet"] == [{"Key": "t", "Value": "1"}]
        s3.copy_object(Bucket=bucket, Key=key, CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
        assert s3.head_object(Bucket=bucket, Key=key)["Metadata"] == {"b": "2"}
        assert refused(s3.copy_object, Bucket=bucket, Key=key, CopySource=source) == ("InvalidRequest", 400)
        s3.delete_object(Bucket=bucket, Key=key)
        assert body(s3, other, "copy") == data, "the original is gone, the copy is not"
    upload = s3.create_multipart_upload(Bucket=other, Key="parts")["UploadId"]
    part = s3.upload_part_copy(
        Bucket=other, Key="parts", UploadId=upload, PartNumber=1,
        CopySource={"Bucket": other, "Key": "copy"}, CopySourceRange="bytes=70000-70009",
    )["CopyPartResult"]
    named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=other, Key="parts", UploadId=upload, MultipartUpload=named)
    assert body(s3, other, "parts") == content(100_000)[70_000:70_010]


def test_versions_are_kept_hidden_and_found(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    one = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["VersionId"]
    two = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    assert [body(s3, bucket, "k", VersionId=version) for version in ("null", one, two)] == [b"null", b"one", b"two"]
    hidden = s3.delete_object(Bucket=bucket, Key="k")
    assert hidden["DeleteMarker"] is True
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId=hidden["VersionId"]) == ("MethodNotAllowed", 405)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    listed = s3.list_object_versions(Bucket=bucket)
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["Versions"]] == [(two, False), (one, False), ("null", False)]
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["DeleteMarkers"]] == [(hidden["VersionId"], True)]
    paged = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [entry["VersionId"] for page in paged for entry in page.get("Versions", [])] == [two, one, "null"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=hidden["VersionId"])
    assert body(s3, bucket, "k") == b"two"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=two)
    assert body(s3, bucket, "k") == b"one"
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId=two) == ("NoSuchVersion", 404)
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="nonsense") == ("InvalidArgument", 400)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"new null").get("VersionId") in (None, "null")
    versions = [entry["VersionId"] for entry in s3.list_object_versions(Bucket=bucket)["Versions"]]
    assert versions == ["null", one], "there is one null version"
    assert refused(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    wanted = {"Objects": [{"Key": "k", "VersionId": version} for version in versions]}
    assert len(s3.delete_objects(Bucket=bucket, Delete=wanted)["Deleted"]) == 2
    s3.delete_bucket(Bucket=bucket)
    assert refused(s3.list_objects_v2, Bucket=bucket) == ("NoSuchBucket", 404)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_compared_kept_and_told(s3, bucket, algorithm):
    data = content(70_000)
    digest = {
        "CRC32": zlib.crc32(data).to_bytes(4, "big"),
        "SHA1": hashlib.sha1(data).digest(),
        "SHA256": hashlib.sha256(data).digest(),
    }[algorithm]
    right = base64.b64encode(digest).decode()
    assert s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=algorithm)[f"Checksum{algorithm}"] == right
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[f"Checksum{algorithm}"] == right
    wrong = base64.b64encode(bytes(len(digest))).decode()
    assert refused(s3.put_object, Bucket=bucket, Key="bad", Body=data, **{f"Checksum{algorithm}": wrong}) == ("BadDigest", 400)
    bad_md5 = base64.b64encode(bytes(16)).decode()
    assert refused(s3.put_object, Bucket=bucket, Key="bad", Body=data, ContentMD5=bad_md5) == ("BadDigest", 400)
    assert refused(s3.head_object, Bucket=bucket, Key="bad") == ("404", 404)


def test_a_presigned_link_is_enough_until_it_expires(server, bucket):
    s3 = client(server, signature_version="s3v4")
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    request = urllib.request.Request(put, data=b"by link", method="PUT", headers={"Content-Type": ""})
    assert urllib.request.urlopen(request).status == 200
    overrides = {"ResponseContentType": "text/x-other", "ResponseCacheControl": "max-age=7"}
    link = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k", **overrides}, ExpiresIn=60)
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"by link"
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("text/x-other", "max-age=7")


def test_hosts_name_buckets(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    virtual = client(server, s3={"addressing_style": "virtual"})
    port = server.url.rsplit(":", 1)[1]
    for host in (f"{bucket}.s3.localhost:{port}", f"{bucket}.localhost:{port}"):
        request = urllib.request.Request(f"{server.url}/k", headers={"Host": host})
        assert urllib.request.urlopen(request).read() == b"x"
    assert virtual.list_buckets()["Buckets"]


def test_buckets_have_one_name_for_all_and_a_region(server, s3):
    name = new_bucket(s3)
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}", "again changes nothing in the first region"
    other = aws.client(server.url, "s3", key="123456789012")
    assert refused(other.create_bucket, Bucket=name) == ("BucketAlreadyExists", 409)
    assert refused(other.list_objects_v2, Bucket=name) == ("AccessDenied", 403)
    away = aws.client(server.url, "s3", region="eu-central-1")
    there = new_bucket(away, "eu-central-1")
    assert away.get_bucket_location(Bucket=there)["LocationConstraint"] == "eu-central-1"
    assert away.head_bucket(Bucket=there)["BucketRegion"] == "eu-central-1"
    assert refused(away.create_bucket, Bucket=there, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}) == (
        "BucketAlreadyOwnedByYou",
        409,
    )
    assert refused(s3.create_bucket, Bucket="A_b") [0] in ("InvalidBucketName", "ParamValidationError")
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} >= {name, there}


@pytest.mark.timeout(300)
def test_a_large_upload_and_download_take_no_memory(own_server):
    s3 = aws.client(own_server.url, "s3", request_checksum_calculation="when_required")
    bucket = new_bucket(s3)
    size = 1 << 30

    class Large:
        """So many bytes, made as they are read."""

        def __init__(self):
            self.at = 0

        def read(self, count=-1):
            count = min(count if count >= 0 else size, size - self.at, MIB)
            self.at += count
            return content(MIB)[:count]

        def __len__(self):
            return size

        def tell(self):
            return self.at

        def seek(self, at, whence=0):
            self.at = at if whence == 0 else size + at
            return self.at

    def rss():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{own_server.pid}/status").read())[1]) * 1024

    s3.put_object(Bucket=bucket, Key="warm", Body=content(PART))
    before, most, stop = rss(), [0], threading.Event()

    def watch():
        while not stop.wait(0.05):
            most[0] = max(most[0], rss())

    watcher = threading.Thread(target=watch)
    watcher.start()
    link = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "large"}, ExpiresIn=600)
    request = urllib.request.Request(link, data=Large(), method="PUT", headers={"Content-Length": str(size), "Content-Type": ""})
    assert urllib.request.urlopen(request).status == 200
    got, total = s3.get_object(Bucket=bucket, Key="large")["Body"], 0
    for piece in got.iter_chunks(MIB):
        total += len(piece)
    stop.set()
    watcher.join()
    assert total == size
    assert most[0] - before < 64 * MIB, f"{(most[0] - before) / MIB:.0f} MiB more"


def test_what_was_acknowledged_survives_kill_9(own_server):
    acknowledged = {}
    deleted = set()
    for _ in range(4):
        s3 = aws.client(own_server.url, "s3")
        if not acknowledged:
            s3.create_bucket(Bucket="kept-bucket")
        stop = threading.Event()

        def write(worker, s3=s3, stop=stop):
            number = 0
            while not stop.is_set():
                number += 1
                key, data = f"{worker}/{time.monotonic_ns()}", content(10 if number % 3 else 50_000) + str(number).encode()
                try:
                    s3.put_object(Bucket="kept-bucket", Key=key, Body=data)
                    acknowledged[key] = hashlib.sha256(data).digest()
                    if number % 5 == 0:
                        s3.delete_object(Bucket="kept-bucket", Key=key)
                        deleted.add(key)
                except (ClientError, BotoCoreError):
                    # What became of it is not known.
                    if key in acknowledged and key not in deleted:
                        del acknowledged[key]
                    return

        workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        [worker.start() for worker in workers]
        time.sleep(1.5)
        own_server.kill()
        stop.set()
        [worker.join() for worker in workers]
        own_server.start()
    s3 = aws.client(own_server.url, "s3")
    lost = []
    for key, digest in acknowledged.items():
        if key in deleted:
            assert refused(s3.head_object, Bucket="kept-bucket", Key=key) == ("404", 404)
        else:
            try:
                if hashlib.sha256(body(s3, "kept-bucket", key)).digest() != digest:
                    lost.append(key)
            except ClientError:
                lost.append(key)
    assert len(acknowledged) > 100 and not lost, f"{len(lost)} of {len(acknowledged)}"
    own_server.stop()
    own_server.start()
    files = [name for _, _, names in os.walk(own_server.data / "objects") for name in names]
    there = sum(1 for key in acknowledged if key not in deleted)
    assert len(files) <= there, "files that no object names are gone"
