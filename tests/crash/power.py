"""A machine whose power can fail: its disk is an ext4 on a loop device. When the power fails all that runs on it stands
still, the device's image is copied, and the machine goes on with the copy: what was only in the kernel's memory is gone.
"""

import collections
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from ledger import CONFIG
from support.database import Database
from support.server import Server

#: Sparse; logs grow with the rounds.
IMAGE_MIB = 2048
#: The disk must be at rest for the copy to be one moment's.
COPY_TRIES = 50
UNMOUNT_TRIES = 50
#: Small, so that checkpoints are made all the time and the log fits the disk; no memory that outlives all processes.
DATABASE_SETTINGS = ("max_wal_size=64MB", "checkpoint_timeout=30s", "dynamic_shared_memory_type=mmap")
#: For a control: whoever's syncs these are keeps nothing.
NO_SYNC = """
int fsync(int fd) { return 0; }
int fdatasync(int fd) { return 0; }
int sync_file_range(int fd, long offset, long bytes, unsigned flags) { return 0; }
"""
TOOLS = ("ipcrm", "losetup", "mkfs.ext4", "mount")


def run(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    return done.stdout.strip()


class Disk:
    """An ext4 in a file, mounted."""

    def __init__(self, image, at):
        self.image, self.at = image, at
        self.device = run("losetup", "--find", "--show", image)
        try:
            run("mount", "-t", "ext4", self.device, at)
        except AssertionError:
            run("losetup", "--detach", self.device)
            raise

    @classmethod
    def make(cls, image, at):
        run("truncate", "--size", f"{IMAGE_MIB}M", image)
        # Without what the kernel would otherwise write in the background.
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        return cls(image, at)

    def copy(self, image):
        """As it is at this moment. Nobody may be writing."""
        for _ in range(COPY_TRIES):
            time.sleep(0.02)
            before = self._activity()
            run("cp", "--sparse=always", self.image, image)
            if before[2] == "0" and self._activity() == before:
                return
        raise AssertionError("the disk was never at rest")

    def _activity(self):
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
        self.image.unlink(missing_ok=True)


class Machine:
    """A server, and the database it keeps its records in if it is to have one. Whichever keeps the records may be made one
    whose syncs do nothing."""

    def __init__(self, logs, with_database=False, syncs=True):
        # Where the database's user gets to; in memory where that goes: what is promised is that syncs are made, not how
        # long they take.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = Path(tempfile.mkdtemp(prefix="hearth-power-", dir=memory))
        self.directory.chmod(0o755)
        self.images, at = 0, self.directory / "mounted"
        at.mkdir()
        self.disk = Disk.make(self._image(), at)
        self.server = self.database = None
        try:
            prefix, arguments = () if syncs else self._without_syncs(), []
            if with_database:
                self.database = Database(at / "database", prefix=prefix, settings=DATABASE_SETTINGS)
                arguments, prefix = ["--store", self.database.url], ()
            self.server = Server(at / "data", logs / "server.log", CONFIG, prefix=prefix, arguments=arguments)
        except BaseException:
            self.remove()
            raise

    def lose_power(self):
        """At this moment; then it is switched on again."""
        running = set()
        while new := self._running() - running:
            for pid in new:
                signal_if_there(pid, signal.SIGSTOP)
            running |= new
        copied = self._image()
        try:
            shared = self.database and self.database.shared_memory()
            self.disk.copy(copied)
        finally:
            self._end(running)
        self.disk = Disk(copied, self.disk.at)
        if self.database:
            # It would go with the machine's memory, and the database does not know it again on another device.
            run("ipcrm", "--shmem-id", shared)
            self.database.start()
        self.server.start()

    def remove(self):
        if self.database:
            self.database.remove()
        self._end([])
        shutil.rmtree(self.directory, ignore_errors=True)

    def _running(self):
        """All processes of the server and the database."""
        children = collections.defaultdict(list)
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                fields = Path(stat).read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children[int(fields[1])].append(int(stat.split("/")[2]))
        found = [one.process.pid for one in (self.server, self.database) if one]
        for pid in found:
            found += children[pid]
        return set(found)

    def _without_syncs(self):
        source, library = self.directory / "nosync.c", self.directory / "nosync.so"
        source.write_text(NO_SYNC)
        run("cc", "-shared", "-fPIC", "-o", library, source)
        return ("env", f"LD_PRELOAD={library}")

    def _image(self):
        self.images += 1
        return self.directory / f"disk-{self.images}"

    def _end(self, running):
        for pid in running:
            signal_if_there(pid, signal.SIGKILL)
        for one in filter(None, (self.server, self.database)):
            one.kill()
        self.disk.end()


def signal_if_there(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
