"""HTTPS on the port of HTTP, by an authority of the server's own: curl, Python, boto3 and the AWS CLI."""

import json
import os
import socket
import ssl
import stat
import subprocess
import urllib.parse
import urllib.request

import boto3
import pytest

from support import aws, packages, urls
from support.command_line import hearth
from support.paths import ROOT

CLI_V1 = ROOT / ".venv" / "bin" / "aws"


@pytest.fixture
def authority(server, tmp_path):
    """The certificate in a file, as `hearth ca --print` gives it."""
    printed = hearth("ca", "--print", "--data", str(server.data))
    assert printed.returncode == 0, printed.stderr
    path = tmp_path / "ca.pem"
    path.write_text(printed.stdout)
    return str(path)


def port_of(server):
    return urllib.parse.urlsplit(server.url).port


def test_the_authority_is_made_once_and_its_key_stays_private(server, authority):
    directory = server.data / "tls"
    assert stat.S_IMODE((directory / "authority.key").stat().st_mode) == 0o600
    with urllib.request.urlopen(f"{server.url}/_hearth/ca.pem", timeout=10) as answer:
        assert answer.read().decode() == open(authority).read()
    told = hearth("ca", "--data", str(server.data)).stdout
    for word in [str(directory / "ca.pem"), "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "--cacert", "SHA-256"]:
        assert word in told
    assert "PRIVATE" not in told + open(authority).read()


def test_one_port_speaks_http_and_https(server, authority):
    port = port_of(server)
    for host in ["localhost", "127.0.0.1"]:
        shown = urls.curl("--cacert", authority, f"https://{host}:{port}/_hearth/health")
        assert json.loads(shown)["status"] == "ok"
    assert json.loads(urls.curl(f"{server.url}/_hearth/health"))["status"] == "ok"
    health = f"https://localhost:{port}/_hearth/health"
    version = urls.curl("--cacert", authority, "-o", "/dev/null", "-w", "%{http_version}", health)
    assert version == "2"


def test_who_does_not_trust_the_authority_is_not_served(server):
    with pytest.raises(AssertionError, match="certificate"):
        urls.curl(f"https://localhost:{port_of(server)}/_hearth/health")


def test_names_of_others_have_no_certificate(server, authority):
    context = ssl.create_default_context(cafile=authority)
    for name, is_ours in [("localhost", True), ("a.lambda-url.us-east-1.on.aws", True), ("example.com", False)]:
        with socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as plain:
            if is_ours:
                with context.wrap_socket(plain, server_hostname=name) as secure:
                    assert secure.version() == "TLSv1.3"
            else:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_hostname=name)


def test_aws_clients_work_over_https(server, authority, tmp_path):
    endpoint = f"https://localhost:{port_of(server)}"
    client = boto3.client(
        "lambda", endpoint_url=endpoint, region_name=aws.REGION, verify=authority,
        aws_access_key_id="test", aws_secret_access_key="test",
    )
    function = aws.create(client, packages.python("echo"), handler="echo.handler")
    try:
        assert function.invoke({"a": 1}).ok() is not None
        # What is handed out leads back over HTTPS.
        assert client.get_function(FunctionName=function.name)["Code"]["Location"].startswith(endpoint)
        packages.needs(CLI_V1, "the AWS CLI")
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": aws.REGION,
        }
        done = subprocess.run(
            [CLI_V1, "--endpoint-url", endpoint, "--ca-bundle", authority, "lambda", "get-function-configuration",
             "--function-name", function.name],
            env=environment, capture_output=True, text=True, timeout=90,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["FunctionName"] == function.name
    finally:
        client.delete_function(FunctionName=function.name)


def test_function_urls_over_https(server, authority, make, client):
    code = "handler = lambda event, context: event['headers'] | {'domain': event['requestContext']['domainName']}"
    function = make(packages.zip_of({"app.py": code}), handler="app.handler")
    secure = boto3.client(
        "lambda", endpoint_url=f"https://localhost:{port_of(server)}", region_name=aws.REGION, verify=authority,
        aws_access_key_id="test", aws_secret_access_key="test",
    )
    url = secure.create_function_url_config(FunctionName=function.name, AuthType="NONE")["FunctionUrl"]
    assert url.startswith("https://")
    shown = json.loads(urls.curl("--cacert", authority, url))
    assert (shown["x-forwarded-proto"], shown["x-forwarded-port"]) == ("https", str(port_of(server)))
    assert (shown["x-amzn-tls-version"], shown["x-amzn-tls-cipher-suite"][:4]) == ("TLSv1.3", "TLS_")
    older = ("--tls-max", "1.2", "-H", "x-amzn-tls-version: TLSv1.9")
    shown_older = json.loads(urls.curl("--cacert", authority, url, *older))
    assert shown_older["x-amzn-tls-version"] == "TLSv1.2"
    assert shown_older["x-amzn-tls-cipher-suite"].startswith("ECDHE-")
    assert shown["domain"] == urllib.parse.urlsplit(url).hostname
    # As code that has the address of the real service calls it.
    name = shown["domain"].replace("localhost", "on.aws")
    to_us = f"{name}:443:127.0.0.1:{port_of(server)}"
    on_aws = urls.curl("--cacert", authority, f"https://{name}/", "--connect-to", to_us)
    assert (json.loads(on_aws)["domain"], json.loads(on_aws)["x-forwarded-port"]) == (name, "443")


def test_a_silent_or_broken_client_holds_nobody_up(server, authority):
    port = port_of(server)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(20)]
    half = socket.create_connection(("127.0.0.1", port), timeout=20)
    half.sendall(b"\x16\x03\x01")
    garbage = socket.create_connection(("127.0.0.1", port), timeout=20)
    garbage.sendall(b"\x16" + b"x" * 100)
    try:
        assert server.health() == 200
        shown = urls.curl("--cacert", authority, f"https://localhost:{port}/_hearth/health")
        assert json.loads(shown)["status"] == "ok"
        # An alert, or nothing: it is not kept.
        garbage.settimeout(20)
        while garbage.recv(100):
            pass
    finally:
        for connection in [*silent, half, garbage]:
            connection.close()
