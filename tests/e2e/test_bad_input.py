"""Bad input: each gets AWS's error, and nothing is left behind."""

import http.client
import io
import json
import os
import stat
import time
import zipfile
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import aws, packages

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def target(server):
    """A function to aim at. It must work afterwards as it did before."""
    # The SDK's own checks would keep the worst from the server.
    client = aws.client(server.url, "lambda", parameter_validation=False)
    function = aws.create(client, packages.python("remote"), name=aws.function_name("target"))
    yield function
    client.delete_function(FunctionName=function.name)


def files(directory):
    return {str(path.relative_to(directory)) for path in Path(directory).rglob("*") if path.is_file() or path.is_symlink()}


@pytest.fixture(autouse=True)
def nothing_is_left_behind(server, target):
    """No function and no file more than before, and the server works."""
    settle(server)
    functions, before = listed(target.client), files(server.data)
    yield
    assert listed(target.client) == functions
    deadline = time.monotonic() + 10
    # Logs of the invocations themselves may come; packages, trees and temporary files may not stay.
    while left := {path for path in files(server.data) - before if not path.startswith("logs/")}:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.2)
    assert server.health() == 200
    assert target.run(works).ok() == "works"


def works():
    return "works"


def settle(server):
    """Waits until what an earlier test deleted is gone from the disk, too."""
    seen, deadline = None, time.monotonic() + 5
    while (now := files(server.data)) != seen and time.monotonic() < deadline:
        seen = now
        time.sleep(0.3)


def listed(client):
    return {f["FunctionName"] for page in client.get_paginator("list_functions").paginate() for f in page["Functions"]}


def raw(server, method, path, body=b"", headers=None, service="lambda", credentials=Credentials("test", "test")):
    """A signed request no SDK would send: status, error code, message."""
    headers = {"Content-Type": "application/json"} | (headers or {})
    request = AWSRequest(method, server.url + path, data=body, headers=headers)
    SigV4Auth(credentials, service, aws.REGION).add_auth(request)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, body=body, headers=dict(request.headers))
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    finally:
        connection.close()
    code = answer.getheader("x-amzn-ErrorType", "").split(":")[0]
    try:
        fields = json.loads(text)
        message = fields.get("message") or fields.get("Message")
    except ValueError:
        message = text
    return answer.status, code, message


def refused(operation, **arguments):
    """The status, code and message with which an operation is refused."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as error:
        operation(**arguments)
    told = error.value.response
    return told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"], told["Error"]["Message"]


def create(client, package=None, **changes):
    arguments = {
        "FunctionName": aws.function_name("bad"), "Runtime": aws.PYTHON, "Handler": "remote.handler", "Role": aws.ROLE,
        "Code": {"ZipFile": package or packages.python("remote")},
    }
    return refused(client.create_function, **arguments | changes)


# Operations and requests ---------------------------------------------------------------------------------------------


def test_an_unknown_path_is_an_unknown_operation(server):
    for method, path in (("GET", "/2015-03-31/nonsense"), ("PATCH", "/2015-03-31/functions"), ("GET", "/")):
        status, code, _ = raw(server, method, path)
        assert (status, code) == (404, "UnknownOperationException"), (method, path)


def test_an_operation_of_the_model_that_is_missing_says_so(server):
    status, code, message = refused(aws.client(server.url, "logs").describe_queries)
    assert (status, code) == (501, "NotImplementedException") and "DescribeQueries" in message


def test_an_unknown_query_action_is_invalid(server):
    for service, version in (("iam", "2010-05-08"), ("sts", "2011-06-15")):
        status, _, text = raw(
            server, "POST", "/", f"Action=Nonsense&Version={version}".encode(), service=service,
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
        )
        assert status == 400 and "<Code>InvalidAction</Code>" in text, text
        assert f"Could not find operation Nonsense for version {version}" in text


@pytest.mark.parametrize("body", [b"{", b"[]", b"null x", b'{"FunctionName": ', b"\xff\xfe", b'"text"', b"{'a': 1}"])
def test_malformed_json_is_a_serialization_exception(server, body):
    status, code, _ = raw(server, "POST", "/2015-03-31/functions", body)
    assert (status, code) == (400, "SerializationException")


def test_a_member_of_the_wrong_type_is_a_serialization_exception(server):
    status, code, _ = raw(server, "POST", "/2015-03-31/functions", json.dumps({"FunctionName": {"a": 1}}).encode())
    assert (status, code) == (400, "SerializationException")


def test_deeply_nested_json_is_refused(server):
    body = b'{"Environment":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    status, code, _ = raw(server, "POST", "/2015-03-31/functions", body)
    assert (status, code) == (400, "SerializationException")


def test_a_payload_that_is_no_json_is_invalid_request_content(target):
    for payload in (b"{", b"not json", b'{"a": }', b"\xff"):
        status, code, message = refused(target.client.invoke, FunctionName=target.name, Payload=payload)
        assert (status, code) == (400, "InvalidRequestContentException")
        assert message.startswith("Could not parse request body into json: Could not parse payload into json: ")


def test_a_payload_over_six_megabytes_is_refused(target):
    at_limit = b'"' + b"x" * (6_291_456 - 2) + b'"'
    assert target.invoke(at_limit).error == "Unhandled", "the largest payload reaches the function, which wants another"
    status, code, message = refused(target.client.invoke, FunctionName=target.name, Payload=at_limit + b" ")
    assert status == 413 and code in ("RequestEntityTooLargeException", "RequestTooLargeException")
    assert message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"


def test_an_event_over_one_megabyte_is_refused(target):
    payload = b'"' + b"x" * MEGABYTE + b'"'
    status, code, _ = refused(target.client.invoke, FunctionName=target.name, Payload=payload, InvocationType="Event")
    assert status == 413 and code in ("RequestEntityTooLargeException", "RequestTooLargeException")


def test_an_unknown_invocation_type_is_refused(target):
    status, code, message = refused(target.client.invoke, FunctionName=target.name, InvocationType="Sometime")
    assert (status, code) == (400, "ValidationException")
    assert message.startswith("1 validation error detected: Value 'Sometime' at 'invocationType' failed to satisfy constraint:")


# Signatures ----------------------------------------------------------------------------------------------------------


def test_a_wrong_signature_of_a_known_key_is_refused(server, target):
    def credentials():
        import os

        return [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]

    key, secret, token = target.run(credentials).ok()
    # The keys are good, whatever their role allows.
    assert aws.client(server.url, "sts", key, secret, token).get_caller_identity()["Arn"].endswith(f"/{target.name}")
    status, code, message = refused(
        aws.client(server.url, "lambda", key, "x" * 40, token).get_function, FunctionName=target.name
    )
    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match the signature you provided.")
    status, code, _ = refused(
        aws.client(server.url, "lambda", key, secret, token[:-4] + "AAAA").get_function, FunctionName=target.name
    )
    assert (status, code) == (403, "UnrecognizedClientException")


def test_a_changed_body_breaks_the_signature_of_a_known_key(server, target):
    def credentials():
        import os

        return [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]

    path = f"/2015-03-31/functions/{target.name}/invocations"
    request = AWSRequest("POST", server.url + path, data=b'{"a": 1}', headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(*target.run(credentials).ok()), "lambda", aws.REGION).add_auth(request)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.request("POST", path, body=b'{"a": 2}', headers=dict(request.headers))
    answer = connection.getresponse()
    assert answer.status == 403 and answer.getheader("x-amzn-ErrorType").startswith("InvalidSignatureException")
    connection.close()


def test_an_authorization_header_that_makes_no_sense_is_refused(server):
    for header in ("AWS4-HMAC-SHA256 nonsense", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256", "Basic eDp5"):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        connection.request("GET", "/2015-03-31/functions", headers={"Authorization": header})
        assert connection.getresponse().status in (400, 403), header
        connection.close()


# Names and settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("a b", "ValidationException", "regular expression pattern"),
        ("ünicode", "ValidationException", "regular expression pattern"),
        ("a/b", "ValidationException", "regular expression pattern"),
        ("../escape", "ValidationException", "regular expression pattern"),
        ("invalid:function:name", "ValidationException", "regular expression pattern"),
        ("arn:aws:s3:::bucket", "ValidationException", "regular expression pattern"),
        ("x" * 65, "InvalidParameterValueException", "length less than or equal to 64"),
        ("x" * 141, "ValidationException", "length less than or equal to 140"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_names_and_arns_out_of_pattern_are_refused(target, name, code, text):
    status, told, message = create(target.client, FunctionName=name)
    assert (status, told) == (400, code), message
    assert f"'{name}'" in message and "at 'functionName' failed to satisfy constraint" in message and text in message


@pytest.mark.parametrize("role", ["r1", "arn:aws:iam::12:role/x", "arn:aws:iam::000000000000:user/x"])
def test_a_role_arn_out_of_pattern_is_refused(target, role):
    assert create(target.client, Role=role) == (
        400, "ValidationException",
        f"1 validation error detected: Value '{role}' at 'role' failed to satisfy constraint: Member must satisfy regular "
        r"expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
    )


def test_an_unknown_runtime_is_refused(target):
    status, code, message = create(target.client, Runtime="cobol85")
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message.startswith("Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [")


@pytest.mark.parametrize(
    "change", [{"Timeout": 0}, {"Timeout": 901}, {"MemorySize": 127}, {"MemorySize": 10_241},
               {"EphemeralStorage": {"Size": 511}}, {"EphemeralStorage": {"Size": 10_241}}], ids=str,
)
def test_numbers_out_of_range_are_refused(target, change):
    status, code, message = create(target.client, **change)
    assert status == 400 and code in ("ValidationException", "InvalidParameterValueException")
    assert "Member must have value" in message


def test_an_environment_over_four_kilobytes_is_refused(target):
    variables = {"LARGE_VAR": "x" * 4096}
    assert create(target.client, Environment={"Variables": variables}) == (
        400, "InvalidParameterValueException",
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "exceeded the 4KB limit. String measured: " + json.dumps(variables, separators=(",", ":")),
    )


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "AWS_SESSION_TOKEN"])
def test_reserved_variables_are_refused(target, name):
    status, code, message = create(target.client, Environment={"Variables": {name: "mine"}})
    assert (status, code) == (400, "InvalidParameterValueException") and name in message


def test_functions_of_other_regions_and_accounts_are_out_of_reach(target):
    elsewhere = f"arn:aws:lambda:ap-southeast-1:{aws.ACCOUNT}:function:{target.name}"
    assert refused(target.client.get_function, FunctionName=elsewhere) == (
        404, "ResourceNotFoundException",
        f"Functions from 'ap-southeast-1' are not reachable in this region ('{aws.REGION}')",
    )
    other = f"arn:aws:lambda:{aws.REGION}:111122223333:function:{target.name}"
    status, code, _ = refused(target.client.get_function, FunctionName=other)
    assert (status, code) == (403, "AccessDeniedException")


def test_qualifiers_that_differ_are_refused(target):
    assert refused(target.client.get_function, FunctionName=f"{target.name}:1", Qualifier="2") == (
        400, "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
    )


# Packages ------------------------------------------------------------------------------------------------------------

NO_ZIP = (
    400, "InvalidParameterValueException",
    "Could not unzip uploaded file. Please check your file, then try to upload again.",
)


def archive(*entries):
    """A zip of `(name, content, mode)` exactly as given, however wrong."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = mode << 16
            file.writestr(entry, content)
    return buffer.getvalue()


REGULAR = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777


def test_a_package_that_is_no_zip_is_refused(target):
    good = packages.python("remote")
    for package in (b"not a zip", b"PK\x03\x04", good[: len(good) // 2], good[:-10], os.urandom(1000)):
        assert create(target.client, package) == NO_ZIP


def test_a_package_with_a_broken_checksum_is_refused(target):
    package = bytearray(packages.python("remote"))
    package[60] ^= 0xFF
    assert create(target.client, bytes(package)) == NO_ZIP


@pytest.mark.parametrize(
    "name", ["../slip.py", "a/../../slip.py", "/etc/slip.py", "a/./../..//slip.py", "..\\slip.py", "a/..", "\x00slip"],
    ids=["parent", "through-a-folder", "absolute", "dots", "backslash", "folder-parent", "nul"],
)
def test_entries_that_leave_the_tree_are_refused(target, name):
    if name == "\x00slip":
        # zipfile cuts names at NUL: the bytes are put in afterwards.
        package = archive(("xslip", b"x", REGULAR)).replace(b"xslip", b"\x00slip")
    else:
        package = archive((name, b"x", REGULAR))
    assert create(target.client, package) == NO_ZIP


@pytest.mark.parametrize("to", ["/etc/passwd", "../../outside", "sub/../../outside"])
def test_links_out_of_the_tree_are_refused(target, to):
    assert create(target.client, archive(("remote.py", b"", REGULAR), ("link", to.encode(), LINK))) == NO_ZIP


def test_writing_through_a_link_is_refused(target):
    package = archive(("dir", b"/tmp", LINK), ("dir/slip.py", b"x", REGULAR))
    assert create(target.client, package) == NO_ZIP
    assert not Path("/tmp/slip.py").exists()


def test_devices_and_pipes_are_refused_or_left_out(target):
    for kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        assert create(target.client, archive(("remote.py", b"", REGULAR), ("node", b"", kind | 0o666))) == NO_ZIP


def test_a_bomb_is_refused(target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        with file.open("zeros", "w", force_zip64=True) as entry:
            for _ in range(251):
                entry.write(bytes(MEGABYTE))
    assert create(target.client, buffer.getvalue()) == (
        400, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes",
    )


def test_a_bomb_that_lies_about_its_size_is_refused(target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("zeros", bytes(200 * MEGABYTE))
        file.writestr("more", bytes(200 * MEGABYTE))
    # Both the central directory and the local header now claim one byte each.
    size = (200 * MEGABYTE).to_bytes(4, "little")
    lying = buffer.getvalue().replace(size, (1).to_bytes(4, "little"))
    status, code, message = create(target.client, lying)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message in (NO_ZIP[2], "Unzipped size must be smaller than 262144000 bytes")


def test_a_bomb_of_many_small_files_is_refused(target):
    package = packages.zip_of({f"d{number % 100}/{number}": b"" for number in range(210_000)})
    status, code, _ = create(target.client, package)
    assert (status, code) == (400, "InvalidParameterValueException")


def test_a_package_over_fifty_megabytes_is_refused(target):
    noise = os.urandom(51 * MEGABYTE)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.writestr("noise", noise)
    status, code, message = create(target.client, buffer.getvalue())
    assert status == 413 and code == "RequestEntityTooLargeException", (status, code, message)


def test_a_setuid_bit_does_not_arrive(target):
    package = archive(("remote.py", (Path(__file__).parent / "functions" / "remote.py").read_bytes(), REGULAR),
                      ("suid", b"#!/bin/sh\n", stat.S_IFREG | 0o6755))
    function = aws.create(target.client, package)

    def mode():
        import os

        return os.stat("/var/task/suid").st_mode & 0o7777

    try:
        assert function.run(mode).ok() == 0o755
    finally:
        target.client.delete_function(FunctionName=function.name)


def test_base64_that_is_none_is_a_serialization_exception(server):
    body = {"FunctionName": aws.function_name("bad"), "Runtime": aws.PYTHON, "Handler": "a.b", "Role": aws.ROLE,
            "Code": {"ZipFile": "%%%"}}
    status, code, _ = raw(server, "POST", "/2015-03-31/functions", json.dumps(body).encode())
    assert (status, code) == (400, "SerializationException")


# HTTP ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 64,
    ],
    ids=["garbage", "version", "length", "smuggling", "chunk", "tls", "zeros"],
)
def test_bytes_that_are_no_request_harm_nobody(server, request_bytes):
    import errno
    import socket

    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(request_bytes)
        try:
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        except OSError as error:
            # The server may have hung up by now.
            assert error.errno in (errno.ENOTCONN, errno.ECONNRESET), error
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer


def test_headers_without_end_are_cut_off(server):
    import socket

    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\n" + b"X-Filler: " + b"x" * (4 * MEGABYTE))
            answer = connection.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")), answer


def test_a_request_refused_by_its_head_does_not_cost_the_connection(server):
    """Clients that send head and body apart, as Python's do, would else meet a closed connection with the next one."""
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    try:
        for body in (b"Action=ListRoles&Version=2010-05-08", b"x" * 100_000):
            connection.putrequest("POST", "/")
            connection.putheader("content-length", str(len(body)))
            connection.putheader("content-type", "application/x-www-form-urlencoded")
            connection.putheader("authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request")
            connection.endheaders()
            # The server has all it needs to refuse it.
            time.sleep(0.2)
            connection.send(body)
            answer = connection.getresponse()
            assert answer.status in (400, 403) and answer.getheader("connection") is None, answer.getheaders()
            answer.read()
            kept = connection.sock
            connection.request("GET", "/_hearth/health")
            answer = connection.getresponse()
            assert answer.status == 200 and connection.sock is kept
            answer.read()
    finally:
        connection.close()
