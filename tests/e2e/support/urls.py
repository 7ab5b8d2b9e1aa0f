"""Clients of function URLs."""

import http.client
import json
import shutil
import subprocess
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .aws import REGION

SECONDS_MAX = 60


class Response:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    def json(self):
        return json.loads(self.body)


def send(server, url, method="GET", path="", body=None, headers=None):
    """As a client whose resolver knows where `*.localhost` is."""
    parts = urllib.parse.urlsplit(url.rstrip("/") + path)
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=SECONDS_MAX)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers={"Host": parts.netloc} | (headers or {}))
        return Response(connection.getresponse())
    finally:
        connection.close()


def signed(url, keys, method="GET", path="", body=None, headers=None, service="lambda", region=REGION):
    """Headers of a request that boto's signer signed."""
    request = AWSRequest(method, url.rstrip("/") + path, headers=headers or {}, data=body)
    SigV4Auth(Credentials(*keys), service, region).add_auth(request)
    return dict(request.headers)


def path_form(server, url):
    """The URL by its path, which needs no name to resolve."""
    return f"{server.url}/_hearth/url/{urllib.parse.urlsplit(url).hostname.split('.')[0]}/"


def curl(*arguments):
    done = subprocess.run(
        [shutil.which("curl"), "--silent", "--show-error", "--max-time", str(SECONDS_MAX), *arguments],
        capture_output=True, text=True, timeout=SECONDS_MAX + 5, env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
