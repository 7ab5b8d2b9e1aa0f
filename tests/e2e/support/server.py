"""A real `hearth up`, started as a user starts it, on a port of its own."""

import json
import os
import re
import signal
import subprocess
import threading
import urllib.request

from .paths import HEARTH

LISTENING = re.compile(r"Listening on (http://[0-9.]+:\d+)")
#: Looks, each after a twentieth of a second: machines may stand still meanwhile.
START_LOOKS_MAX = 1_200
STOP_SECONDS_MAX = 40


class Server:
    """Starts on construction; `url` is where it listens. `prefix` is a command that starts what follows it, `arguments`
    go behind `hearth up`; `port` is another one after each start, unless it is given."""

    def __init__(self, data, log, config=None, prefix=(), arguments=(), port=0):
        self.port = port
        self.data = data
        self.log = log
        self.config = config
        self.prefix = prefix
        self.arguments = list(arguments)
        #: Access key id and secret, if this start made the first.
        self.root_key = None
        self.url = None
        self.cgroup = None
        self.process = None
        self.start()

    def start(self):
        command = [*self.prefix, str(HEARTH), "up", "--listen", f"127.0.0.1:{self.port}"]
        if self.data:
            command += ["--data", str(self.data)]
        command += self.arguments
        if self.config:
            command += ["--config", str(self.config)]
        # A server must not find credentials or endpoints of whoever runs the tests.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "HEARTH_"))}
        environment["HEARTH_LOG"] = os.environ.get("HEARTH_LOG", "hearth=debug,warn")
        with open(self.log, "ab") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
            )
        ready = threading.Event()
        # The pipe is read for as long as the server lives: a full one would block it.
        threading.Thread(target=self._read_stdout, args=(self.process.stdout, ready), daemon=True).start()
        looks = 0
        while not ready.wait(0.05):
            looks += 1
            if self.process.poll() is not None or looks > START_LOOKS_MAX:
                self.kill()
                raise RuntimeError(f"hearth did not get ready; its log:\n{self.log_text()}")
        with urllib.request.urlopen(f"{self.url}/_hearth/health", timeout=10) as answer:
            self.cgroup = json.load(answer)["cgroup"]

    def _read_stdout(self, stdout, ready):
        for line in stdout:
            if found := LISTENING.match(line):
                self.url = found[1]
            if "_KEY" in line and "=" in line:
                self.root_key = (self.root_key or ()) + (line.strip().split("=", 1)[1],)
            if line.strip() == "Ready.":
                ready.set()

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-20_000:]

    def health(self):
        with urllib.request.urlopen(f"{self.url}/_hearth/health", timeout=10) as answer:
            return answer.status

    def stop(self):
        """Ends the server as a service manager would; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RuntimeError(f"hearth did not stop; its log:\n{self.log_text()}") from None
        return self.process.returncode

    def kill(self):
        """kill -9, and nothing else: what the server leaves behind is for the tests to see."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def sandbox_processes(server):
    """Ids of processes below the server's cgroup, also after its end: functions and their init."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cgroup") as cgroup:
                text = cgroup.read()
            with open(f"/proc/{pid}/stat") as stat:
                state = stat.read().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"/{server.cgroup}/" in text and state != "Z":
            found.add(int(pid))
    return found
