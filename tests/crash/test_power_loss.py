"""The power fails at random moments under load. The data lies on an ext4 of its own on a loop device; the device's image is
copied while the server stands still, and a server is started on the copy: what was only in the kernel's memory is gone.

A server whose syncs do nothing must not pass.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ledger import Ledger, Load, audit, prepare
from support.server import Server

IMAGE_MIB = 512
AUDIT_SECONDS = 90
#: The disk must be at rest for the copy to be one moment's.
COPY_TRIES = 50
UNMOUNT_TRIES = 50
NO_SYNC = "int fsync(int fd) { return 0; }\nint fdatasync(int fd) { return 0; }\n"


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Disk:
    """An ext4 in a file, mounted."""

    def __init__(self, image, at):
        self.image, self.at = image, at
        at.mkdir(exist_ok=True)
        self.device = run("losetup", "--find", "--show", image)
        try:
            run("mount", "-t", "ext4", self.device, at)
        except subprocess.CalledProcessError:
            run("losetup", "--detach", self.device)
            raise

    @classmethod
    def make(cls, image, at):
        run("truncate", "--size", f"{IMAGE_MIB}M", image)
        run("mkfs.ext4", "-q", image)
        return cls(image, at)

    def activity(self):
        """Writes and flushes so far, and requests under way."""
        fields = Path(f"/sys/block/{Path(self.device).name}/stat").read_text().split()
        return fields[4], fields[15], fields[8]

    def end(self):
        # Helpers of a server that was killed may still be ending.
        for _ in range(UNMOUNT_TRIES):
            if subprocess.run(["umount", self.at], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.2)
        else:
            subprocess.run(["umount", "--lazy", self.at], check=False)
        subprocess.run(["losetup", "--detach", self.device], check=False)


def cut(disk, server, copy):
    """The image as it is at this moment."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        for _ in range(COPY_TRIES):
            time.sleep(0.02)
            before = disk.activity()
            run("cp", "--sparse=always", disk.image, copy)
            if before[2] == "0" and disk.activity() == before:
                return
        raise AssertionError("the disk was never at rest")
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def fail_the_power(tmp_path, rounds, seconds=AUDIT_SECONDS, **started):
    """Of each round: what was acknowledged before is there on the copy. The duplicates, and the ledger of the last."""
    seeded, ledger, again = random.Random(20261127), Ledger(), 0
    disk = Disk.make(tmp_path / "disk", tmp_path / "mount")
    server = None
    try:
        server = Server(disk.at / "data", tmp_path / "server.log", **started)
        prepare(server)
        for number in range(rounds):
            load = Load(server, ledger)
            time.sleep(seeded.uniform(0.3, 2.0))
            acknowledged = ledger.copy()
            cut(disk, server, tmp_path / "copy")
            # Begun while it was copied, or before: what became of these is not known.
            acknowledged.deleting |= ledger.deleting
            load.stop()
            assert min(map(len, (acknowledged.events, acknowledged.sent))) > 0, "the load did too little"
            other = Disk(tmp_path / "copy", tmp_path / "copied")
            try:
                after = Server(other.at / "data", tmp_path / f"after-{number}.log")
                try:
                    again += audit(after, acknowledged, seconds)
                finally:
                    after.kill()
            finally:
                other.end()
        return again, ledger
    finally:
        if server:
            server.kill()
        disk.end()


@pytest.fixture(autouse=True)
def tools():
    if missing := [tool for tool in ("losetup", "mkfs.ext4", "mount") if not shutil.which(tool)]:
        pytest.skip(f"power losses take {', '.join(missing)}")


def test_what_was_acknowledged_survives_a_power_loss(tmp_path, rounds):
    again, ledger = fail_the_power(tmp_path, rounds)
    print(f"{rounds} power losses: {ledger.told(again)}")


def test_a_server_that_does_not_sync_does_not_pass(tmp_path):
    (tmp_path / "nosync.c").write_text(NO_SYNC)
    library = tmp_path / "nosync.so"
    run("cc", "-shared", "-fPIC", "-o", library, tmp_path / "nosync.c")
    with pytest.raises((AssertionError, RuntimeError, ClientError)) as lost:
        fail_the_power(tmp_path, 3, seconds=20, prefix=("env", f"LD_PRELOAD={library}"))
    assert "did too little" not in str(lost.value) and "never at rest" not in str(lost.value)
