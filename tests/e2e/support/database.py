"""A PostgreSQL server of a test's own, spoken to through a Unix socket."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PORT = 5432
USER = "hearth"
#: Looks, each after a tenth of a second: machines may stand still meanwhile.
START_LOOKS_MAX = 600
STOP_SECONDS_MAX = 60
#: Whom it runs as when the tests run as root, whom PostgreSQL refuses: `nobody`.
NOBODY = 65534


def programs():
    """The directory with initdb and the others."""
    installed = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    for directory in map(Path, [*os.environ["PATH"].split(os.pathsep), *installed]):
        if all((directory / program).is_file() for program in ("initdb", "postgres", "psql")):
            return directory
    return pytest.skip("no PostgreSQL here: `make setup` installs it (Debian: apt-get install postgresql)")


class Database:
    """Starts on construction; `url` is what `hearth up --store` takes. Its data are on a disk that may lose power if they
    have a place of their own. `prefix` is a command that starts the server that follows it."""

    def __init__(self, data=None, prefix=(), settings=()):
        self.programs = programs()
        self.directory = Path(tempfile.mkdtemp(prefix="hearth-pg-"))
        self.directory.chmod(0o755)
        self.identity = {}
        if os.getuid() == 0:
            os.chown(self.directory, NOBODY, NOBODY)
            self.identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self.prefix, self.settings = prefix, settings
        self.process = None
        self.data = data or self.directory / "data"
        if data:
            data.mkdir()
            os.chown(data, *(self.identity.get(who, -1) for who in ("user", "group")))
        sync = [] if data else ["--no-sync"]
        self._run("initdb", "--auth=trust", "--no-locale", "--encoding=UTF8", *sync, "-U", USER, "-D", self.data)
        self.start()
        self.sql("CREATE DATABASE hearth", database="postgres")

    @property
    def url(self):
        return f"postgres://{USER}@{str(self.directory).replace('/', '%2F')}:{PORT}/hearth"

    def start(self):
        """Also after a kill -9, whose remains may still be ending."""
        command = [*self.prefix, self.programs / "postgres", "-D", self.data, "-k", self.directory]
        for setting in ("listen_addresses=", *self.settings):
            command += ["-c", setting]
        with open(self.directory / "log", "ab") as log:
            for _ in range(START_LOOKS_MAX):
                if self.process is None or self.process.poll() is not None:
                    self.process = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, **self.identity
                    )
                if self._psql("SELECT 1", "postgres").returncode == 0:
                    return
                time.sleep(0.1)
        raise AssertionError((self.directory / "log").read_text())

    def shared_memory(self):
        """The id of its segment, as ipcrm takes it: in the seventh line of the file that PostgreSQL locks its data with."""
        return (self.data / "postmaster.pid").read_text().splitlines()[6].split()[1]

    def kill(self):
        """kill -9 of the first process; the others end when they notice."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """As a machine's shutdown would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(STOP_SECONDS_MAX)

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(STOP_SECONDS_MAX)
        shutil.rmtree(self.directory, ignore_errors=True)

    def sql(self, text, database="hearth"):
        """What psql prints."""
        done = self._psql(text, database)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _psql(self, text, database):
        who = ["-h", self.directory, "-p", str(PORT), "-U", USER, "-d", database]
        command = [self.programs / "psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", *who, "-c", text]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.directory, check=False, **self.identity)

    def _run(self, program, *arguments):
        command = [self.programs / program, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.directory, **self.identity)
