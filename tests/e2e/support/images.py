"""Container images, made in memory, as layouts on disk and in registries."""

import contextlib
import gzip
import hashlib
import http.client
import http.server
import io
import json
import platform
import ssl
import subprocess
import tarfile
import threading
import urllib.parse
from pathlib import Path

from .packages import UNUSED, UNUSED_MODULES

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
#: As images name it.
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def layer(files):
    """A layer of `{name: content}`: text, bytes, `(bytes, mode)`, `None` for a directory, or a `TarInfo`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
                continue
            content, entry.mode = content if isinstance(content, tuple) else (content, 0o644)
            content = content.encode() if isinstance(content, str) else content
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def link(name, target, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


class Image:
    """Blobs by digest, and the manifest; `settings` are `Entrypoint`, `Cmd`, `Env`, `WorkingDir`."""

    def __init__(self, *layers, architecture=ARCHITECTURE, **settings):
        self.blobs = {}
        tars = [one if isinstance(one, bytes) else layer(one) for one in layers]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._add(CONFIG, json.dumps(config).encode()),
            "layers": [self._add(LAYER, gzip.compress(tar, 1, mtime=0)) for tar in tars],
        }
        self.manifest = json.dumps(manifest).encode()
        self.digest = digest(self.manifest)

    def _add(self, kind, content):
        self.blobs[digest(content)] = content
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}

    @property
    def layers(self):
        return [entry["digest"] for entry in json.loads(self.manifest)["layers"]]


def write_layout(directory, images):
    """An OCI layout of `{tag: image}`."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    manifests = []
    for tag, image in images.items():
        for name, content in {**image.blobs, image.digest: image.manifest}.items():
            (blobs / name.removeprefix("sha256:")).write_bytes(content)
        named = {"org.opencontainers.image.ref.name": tag}
        size = len(image.manifest)
        manifests.append({"mediaType": MANIFEST, "digest": image.digest, "size": size, "annotations": named})
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))


def push(host, repository, tag, image, headers=None):
    """Pushes an image to a registry, with the few requests that takes."""
    headers = headers or {}

    def send(method, path, body=None, **more):
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request(method, path, body, {**headers, **more})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (201, 202), f"{method} {path}: {answer.status}"
        return answer

    for name, content in image.blobs.items():
        place = urllib.parse.urlsplit(send("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"])
        query = f"{place.query}&digest={urllib.parse.quote(name)}".lstrip("&")
        send("PUT", f"{place.path}?{query}", content, **{"Content-Type": "application/octet-stream"})
    send("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, **{"Content-Type": MANIFEST})


def index(by_architecture):
    """An index of `{architecture: image}`."""
    manifests = [
        {
            "mediaType": MANIFEST,
            "digest": image.digest,
            "size": len(image.manifest),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for architecture, image in by_architecture.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()


@contextlib.contextmanager
def served(answer, tls=None):
    """A server whose GETs `answer(request)` answers with status, headers and content; yields `host:port`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, content = answer(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("0.0.0.0" if tls else "127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def with_libraries(*programs, at=lambda path: path):
    """Programs of this machine and what they are linked against, as files of an image; `at` moves the programs."""
    listed = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    libraries = {word for word in listed.split() if word.startswith("/") and not word.endswith(":")}
    places = {library: library for library in libraries} | {program: at(program) for program in programs}
    return {place.lstrip("/"): (Path(path).read_bytes(), 0o755) for path, place in places.items()}


def python(prefix, minor, to="/usr"):
    """A Python 3 of this machine, with its standard library, as files of an image that has it below `to`."""
    library = Path(prefix) / "lib" / f"python3.{minor}"
    def moved(path):
        return to + str(path).removeprefix(str(prefix))
    modules = [path for path in library.rglob("*") if path.is_file() and not UNUSED & set(path.relative_to(library).parts)]
    native = [path for path in modules if path.suffix == ".so" and not path.name.startswith(UNUSED_MODULES)]
    files = {moved(path).lstrip("/"): path.read_bytes() for path in modules if path.suffix == ".py"}
    return files | with_libraries(f"{prefix}/bin/python3.{minor}", *map(str, native), at=moved)
