"""What functions reach: the internet, and of this machine and its networks nothing but what is opened for them."""

import http.server
import threading

import pytest
from support import aws, packages
from support.server import Server


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from the host")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def services():
    """Two servers on the host's loopback: one that is opened, one that is not. Their ports."""
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [server.server_port for server in servers]
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="module")
def function(services, tmp_path_factory):
    directory = tmp_path_factory.mktemp("network")
    config = directory / "hearth.toml"
    config.write_text(f'[network]\nallow = ["host.hearth.internal:{services[0]}"]\n')
    server = Server(directory / "data", directory / "server.log", config)
    yield aws.create(aws.client(server.url, "lambda"), packages.python("remote"))
    assert server.stop() == 0


def fetch(url):
    import urllib.request

    try:
        return urllib.request.urlopen(url, timeout=5).read().decode()
    except OSError as error:
        return str(error)


def connect(host, port):
    import errno
    import socket

    try:
        socket.create_connection((host, port), 5).close()
        return "connected"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def resolve(name):
    import socket

    return socket.gethostbyname(name)


def test_a_service_of_the_host_that_is_opened_answers(function, services):
    assert function.run(fetch, f"http://host.hearth.internal:{services[0]}/").ok() == "hello from the host"


def test_one_that_is_not_does_not(function, services):
    assert "unreachable" in function.run(fetch, f"http://host.hearth.internal:{services[1]}/").ok()


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "224.0.0.1", "169.254.100.2"],
)
def test_metadata_private_and_special_addresses_are_unreachable(function, host):
    assert function.run(connect, host, 80).ok() in ("ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "EACCES")


def test_the_hosts_loopback_is_not_the_functions(function, services):
    assert function.run(connect, "127.0.0.1", services[0]).ok() == "ECONNREFUSED"


def test_the_hosts_other_addresses_are_unreachable(function, services):
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        own = probe.getsockname()[0]
    assert function.run(connect, own, services[0]).ok() in ("ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED")


def test_the_platforms_names_resolve_inside(function):
    assert function.run(resolve, "host.hearth.internal").ok() == "169.254.100.2"
    assert function.run(resolve, "sandbox.localdomain").ok() == "169.254.100.1"
