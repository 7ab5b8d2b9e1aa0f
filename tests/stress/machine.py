"""What of this machine a server holds, and a fence of memory around a server."""

import contextlib
import os
import time
from pathlib import Path

import pytest

from support.server import sandbox_processes

CGROUPS = Path("/sys/fs/cgroup")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
#: What a server keeps by promise and lets grow: records, log lines, decisions.
KEPT = ("store", "logs", "audit")
FENCE_END_SECONDS_MAX = 20


def memory_mib(which):
    """`MemTotal`, `MemAvailable` or another. Source: proc_meminfo(5)."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) // 1024
    raise AssertionError(f"no {which}")


@contextlib.contextmanager
def memory_fence(mib):
    """A command prefix; what it starts shares `mib` of memory: a server that lets too much in harms nobody else.

    By cgroup v1, whose groups may hold processes and groups alike. Skips the test, loudly, where there is none.
    """
    memory = _v1_memory_group()
    if memory is None or os.geteuid() != 0:
        pytest.skip("needs root and the memory controller of cgroup v1: without a fence this test could end other "
                    "programs of the machine")
    fence = memory / f"hearth-stress-fence-{os.getpid()}"
    fence.mkdir()
    try:
        (fence / "memory.limit_in_bytes").write_text(str(mib << 20))
        yield ["sh", "-c", f'echo $$ > {fence}/cgroup.procs && exec "$@"', "fence"]
    finally:
        _remove(fence)


def _v1_memory_group():
    """This process's own group: what is made below it holds to this process's limits, too."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            group = CGROUPS / "memory" / path.lstrip("/")
            return group if (group / "memory.limit_in_bytes").exists() else None
    return None


def _remove(group):
    """The server inside has been told to end; its spawner may still be tidying up."""
    deadline = time.monotonic() + FENCE_END_SECONDS_MAX
    while True:
        try:
            for directory, _, _ in os.walk(group, topdown=False):
                os.rmdir(directory)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def children(pid, name):
    """Ids of the direct children of a process that go by that name."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            before, after = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)
            if int(after.split()[1]) == pid and before.split("(", 1)[1] == name:
                found.append(int(entry))
    return found


def control_groups(server):
    """Directories of this server's environments, in every hierarchy."""
    found = set()
    for directory, names, _ in os.walk(CGROUPS):
        if f"/{server.cgroup}/" in f"{directory}/":
            found.update(os.path.join(directory, name) for name in names)
    return found


def belongings(server):
    """How much of everything that must not pile up there is: `{what: count}`.

    Processes, namespaces and mounts are those of this server and what it started, so that other programs on the machine
    do not change them.
    """
    spawners = children(server.pid, "hearth-spawner")
    networks = children(server.pid, "hearth-network")
    assert len(spawners) == 1, f"one spawner, not {spawners}"
    own = [server.pid, *spawners, *networks]
    inside = sandbox_processes(server)
    counts = {
        "descriptors of the server": _descriptors([server.pid]),
        "descriptors of the spawner": _descriptors(spawners),
        "descriptors of the network process": _descriptors(networks),
        "processes in sandboxes": len(inside),
        "threads of the server": _entries(f"/proc/{server.pid}/task"),
        "namespaces": len(_namespaces([*own, *inside])),
        "mounts of the machine": _mounts("self"),
        "mounts of the spawner": _mounts(spawners[0]),
        "control groups": len(control_groups(server)),
        "loop devices": loop_devices(server),
        "limits of devices that show nothing": _stale_limits(),
        "files": _files(server.data),
    }
    return counts


def loop_devices(server):
    """Those whose image was made below the server's data directory, or where temporary files of it are."""
    found = 0
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found += backing.read_text().startswith(str(server.data))
    return found


def _stale_limits():
    """Rows of cgroup v1's table for loop devices that nobody has: who gets the device next would have the limit."""
    table = Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")
    devices = [line.split()[0] for line in table.read_text().splitlines()] if table.exists() else []
    return sum(not Path(f"/sys/dev/block/{device}/loop/backing_file").exists()
               for device in devices if device.startswith("7:"))


def _descriptors(pids):
    return sum(_entries(f"/proc/{pid}/fd") for pid in pids)


def _entries(directory):
    with contextlib.suppress(OSError):
        return len(os.listdir(directory))
    return 0


def _mounts(pid):
    return len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())


def _namespaces(pids):
    """Those that processes are in, and those that descriptors keep alive."""
    found = set()
    for pid in pids:
        for name in NAMESPACES:
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/ns/{name}"))
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                    if target.split(":", 1)[0] in NAMESPACES:
                        found.add(target)
    return found


def _files(data):
    found = 0
    for directory, names, files in os.walk(data):
        if directory == str(data):
            names[:] = [name for name in names if name not in KEPT]
        found += len(files) + len(names)
    return found
