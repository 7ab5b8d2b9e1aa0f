"""Objects far larger than what a server holds in memory: they stream in and out. STRESS_OBJECT_MIB=5120 of one object."""

import os
import re
import threading
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from support import aws

MIB = 1 << 20
OBJECT_MIB = int(os.environ.get("STRESS_OBJECT_MIB", "5120"))
PART_MIB = 16
UPLOADERS = 4
#: What the server may hold of it, however large it is: pieces of the parts that are under way, and of what is read ahead.
GROWTH_MIB_MAX = 64
PATTERN = bytes(range(256)) * (MIB // 256)


def block(number):
    """The object's mebibyte of that number, unlike any other."""
    return number.to_bytes(8, "big") + PATTERN[8:]


class Blocks:
    """A file of so many blocks, made as they are read."""

    def __init__(self, count):
        self.at, self.size = 0, count * MIB

    def read(self, count=-1):
        end = self.size if count < 0 else min(self.at + count, self.size)
        first, last = self.at // MIB, -(-end // MIB)
        found = b"".join(block(number) for number in range(first, last))[self.at - first * MIB : end - first * MIB]
        self.at = end
        return found


def memory_mib(pid, which):
    """Source: proc_pid_status(5)."""
    return int(re.search(rf"{which}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


class Watch:
    """The most memory of its own that a process has, while this is open."""

    def __init__(self, pid):
        self.pid, self.before, self.most = pid, memory_mib(pid, "RssAnon"), 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _watch(self):
        while not self.stop.wait(0.05):
            self.most = max(self.most, memory_mib(self.pid, "RssAnon"))

    def line(self, what):
        return f"{what}: {self.before:.0f} MiB before, {self.most:.0f} at most; peak of all memory {memory_mib(self.pid, 'VmHWM'):.0f}"


@pytest.mark.timeout(3600)
def test_an_object_of_five_gigabytes_does_not_grow_memory(serve, report):
    server = serve()
    s3 = aws.client(server.url, "s3")
    s3.create_bucket(Bucket="large-objects")
    s3.put_object(Bucket="large-objects", Key="warm", Body=b"".join(map(block, range(PART_MIB))))
    settings = TransferConfig(multipart_chunksize=PART_MIB * MIB, max_concurrency=UPLOADERS)
    lines = []
    try:
        with Watch(server.pid) as up:
            s3.upload_fileobj(Blocks(OBJECT_MIB), "large-objects", "large", Config=settings)
        lines.append(up.line(f"{OBJECT_MIB} MiB up, in parts of {PART_MIB}"))
        with Watch(server.pid) as down:
            got = s3.get_object(Bucket="large-objects", Key="large")["Body"]
            for number in range(OBJECT_MIB):
                assert got.read(MIB) == block(number), f"mebibyte {number}"
            assert got.read() == b""
        lines.append(down.line("and down, at once"))
    finally:
        report("large objects", lines)
    for watch in (up, down):
        assert watch.most - watch.before < GROWTH_MIB_MAX
