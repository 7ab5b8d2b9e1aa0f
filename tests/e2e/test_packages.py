"""Packages that everybody uses, as they come from their registries: native libraries, large trees, middleware."""

import base64
import json
import struct
import zlib

from support import aws, packages


def test_numpy_and_pandas_come_from_a_bucket_and_calculate(server, make):
    """A package of this size goes to a bucket first. Source: Lambda developer guide, "Deployment package size"."""
    s3 = aws.client(server.url, "s3")
    bucket = aws.function_name("code")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="pandas.zip", Body=packages.pandas_app())
    function = make({"S3Bucket": bucket, "S3Key": "pandas.zip"}, handler="app.handler", MemorySize=1024, Timeout=60)
    answer = function.invoke({"csv": "city,sold\nRome,2\nOslo,3\nRome,5\n", "matrix": [[1, 2], [3, 4]]}).ok()
    assert answer == {"sums": {"Oslo": 3, "Rome": 7}, "product": [[7, 10], [15, 22]]}
    s3.delete_object(Bucket=bucket, Key="pandas.zip")
    s3.delete_bucket(Bucket=bucket)


def test_powertools_for_typescript_logs_and_counts_behind_middy(make):
    function = make(packages.powertools_node_app(), runtime=aws.NODE, handler="index.handler", MemorySize=256)
    for is_cold in (True, False):
        result = function.invoke({"order": "7"}, LogType="Tail")
        assert result.ok() == {"order": "7"}
        lines = [json.loads(line) for line in _json_of(result.log)]
        [record] = [line for line in lines if line.get("message") == "looked up"]
        assert (record["service"], record["order"], record["cold_start"]) == ("orders", "7", is_cold)
        assert (record["function_name"], record["function_request_id"]) == (function.name, result.request_id)
        counted = [line for line in lines if "_aws" in line]
        assert sum("Lookups" in line for line in counted) == 1, counted
        assert sum("ColdStart" in line for line in counted) == is_cold, counted
    failed = function.invoke({"order": "7", "fail": True})
    assert (failed.error, failed.payload["errorType"], failed.payload["errorMessage"]) == (
        "Unhandled",
        "RangeError",
        "as asked",
    )


def _json_of(log):
    """What is JSON of a text log's lines: at their start, or behind time, request and level."""
    return [line[line.index("{") :] for line in log.splitlines() if "{" in line]


def test_sharp_makes_a_thumbnail(make):
    function = make(packages.sharp_app(), runtime=aws.NODE, handler="index.handler", MemorySize=512, Timeout=30)
    answer = function.invoke({"picture": base64.b64encode(_png(64, 32)).decode(), "width": 16}).ok()
    assert (answer["width"], answer["height"], answer["format"]) == (16, 8, "png")
    assert base64.b64decode(answer["thumbnail"]).startswith(b"\x89PNG")


def _png(width, height):
    """A red picture. Source: the PNG specification, chunks IHDR, IDAT and IEND."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + b"\xff\0\0" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
