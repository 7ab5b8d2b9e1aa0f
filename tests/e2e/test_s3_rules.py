"""What a bucket's rules do by themselves: objects expire, and web pages are let in or kept out."""

import time
import urllib.error
import urllib.request

import pytest

from support import aws
from support.server import Server
from test_s3 import new_bucket, refused
from test_s3_notifications import Queue, to_queue

#: A day in some nine seconds.
SCALE = 10_000


def until(what, seconds=90):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "nothing expired"
        time.sleep(0.5)


def test_objects_versions_and_uploads_expire_by_the_service_clock(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--time-scale", str(SCALE)])
    try:
        s3 = aws.client(server.url, "s3")
        plain, versioned = new_bucket(s3), new_bucket(s3)
        s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Enabled"})
        queue = Queue(server, plain)
        s3.put_bucket_notification_configuration(Bucket=plain, NotificationConfiguration=to_queue(queue, "s3:LifecycleExpiration:*"))
        s3.put_object(Bucket=plain, Key="tmp/a", Body=b"x")
        s3.put_object(Bucket=plain, Key="keep/a", Body=b"x")
        s3.create_multipart_upload(Bucket=plain, Key="tmp/unfinished")
        for body in (b"1", b"2"):
            s3.put_object(Bucket=versioned, Key="k", Body=body)
        rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
        rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": 1}
        s3.put_bucket_lifecycle_configuration(Bucket=plain, LifecycleConfiguration={"Rules": [rule]})
        assert 'rule-id="r"' in s3.put_object(Bucket=plain, Key="tmp/b", Body=b"x")["Expiration"]
        old = {"ID": "old", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
        s3.put_bucket_lifecycle_configuration(Bucket=versioned, LifecycleConfiguration={"Rules": [old]})
        until(lambda: [entry["Key"] for entry in s3.list_objects_v2(Bucket=plain)["Contents"]] == ["keep/a"])
        until(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket=plain))
        until(lambda: len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 1)
        assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"2"
        told = {record["eventName"] for record in queue.records(2)}
        assert told == {"LifecycleExpiration:Delete"}
    finally:
        server.stop()


def preflight(server, bucket, origin, method="GET"):
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    request = urllib.request.Request(f"{server.url}/{bucket}/k", method="OPTIONS", headers=headers)
    try:
        return urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        return error


def test_pages_are_let_in_by_the_bucket_s_cors_rules_only(server):
    s3 = aws.client(server.url, "s3")
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    closed = preflight(server, bucket, "https://a.example")
    assert closed.status == 403 and b"CORS is not enabled for this bucket" in closed.read()
    rule = {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    opened = preflight(server, bucket, "https://a.example")
    assert opened.status == 200
    assert opened.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert opened.headers["Access-Control-Max-Age"] == "60"
    assert preflight(server, bucket, "https://b.example").status == 403
    assert preflight(server, bucket, "https://a.example", "PUT").status == 403
    link = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    got = urllib.request.urlopen(urllib.request.Request(link, headers={"Origin": "https://a.example"}))
    assert got.read() == b"x" and got.headers["Access-Control-Expose-Headers"] == "ETag"
    with pytest.raises(urllib.error.HTTPError) as kept_out:
        urllib.request.urlopen(urllib.request.Request(link, headers={"Origin": "https://b.example"}))
    assert kept_out.value.code == 403
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)
