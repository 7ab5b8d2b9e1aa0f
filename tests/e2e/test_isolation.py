"""What a function sees from inside: its own files, processes and network, and nothing of the machine."""

import os
import socket

from support import aws, packages
from support.paths import ROOT

# The functions below run inside the sandbox: each imports what it uses.


def test_no_host_file_is_visible(remote, tmp_path):
    (tmp_path / "secret").write_text("host")

    def look(paths):
        import os

        return [path for path in paths if os.path.lexists(path)]

    host_paths = [
        str(tmp_path / "secret"), str(ROOT), "/root/.profile", "/root/.bashrc", "/home", "/etc/shadow",
        "/etc/machine-id", "/var/lib/dpkg", "/var/log", "/boot", "/proc/kcore", "/proc/1/root/root", "/sys/kernel",
        "/sys/fs/cgroup/memory", "/run/systemd", "/dev/sda", "/dev/kmsg", "/dev/mem", "/dev/kvm",
    ]
    assert remote.run(look, host_paths).ok() == []


def test_files_in_etc_are_not_the_host_s(remote):
    def read(paths):
        import os
        import socket

        texts = {}
        for path in paths:
            if os.path.exists(path):
                with open(path) as file:
                    texts[path] = file.read()
        return texts, socket.gethostname()

    paths = ["/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/group", "/etc/resolv.conf", "/etc/os-release"]
    inside, host_name = remote.run(read, paths).ok()
    same = [path for path, text in inside.items() if os.path.exists(path) and open(path).read() == text]
    assert same == []
    assert host_name != socket.gethostname()


def test_only_the_function_s_own_processes_are_visible(remote):
    def processes():
        import os

        return sorted(int(pid) for pid in os.listdir("/proc") if pid.isdigit()), os.getpid()

    seen, own = remote.run(processes).ok()
    assert own in seen and len(seen) <= 3, seen


def test_a_host_process_cannot_be_signalled(remote):
    def signal(pid):
        import os

        try:
            os.kill(pid, 0)
        except OSError as error:
            return type(error).__name__
        return "signalled"

    # Ids of host processes mean nothing inside.
    assert remote.run(signal, os.getpid()).ok() == "ProcessLookupError"


def test_no_host_port_is_reachable(remote, server):
    def connect(addresses):
        import socket

        reached = []
        for host, port in addresses:
            connection = socket.socket()
            connection.settimeout(2)
            try:
                connection.connect((host, port))
                reached.append([host, port])
            except OSError:
                pass
            connection.close()
        return reached

    with socket.create_server(("0.0.0.0", 0)) as listener:
        own = listener.getsockname()[1]
        hearth = int(server.url.rsplit(":", 1)[1])
        host = socket.gethostbyname(socket.gethostname())
        addresses = [["127.0.0.1", own], ["127.0.0.1", hearth], [host, own], ["169.254.169.254", 80], ["169.254.100.1", own]]
        assert remote.run(connect, addresses).ok() == []


def test_everything_but_tmp_is_read_only(remote):
    def write():
        import errno
        import os

        outcome = {}
        for directory in ("/", "/etc", "/usr", "/var", "/var/task", "/var/runtime", "/var/lang", "/opt", "/dev", "/proc", "/home"):
            try:
                with open(os.path.join(directory, "probe"), "w"):
                    outcome[directory] = "written"
            except OSError as error:
                outcome[directory] = errno.errorcode[error.errno]
        with open("/tmp/probe", "w"):
            outcome["/tmp"] = "written"
        os.unlink("/tmp/probe")
        return outcome

    outcome = remote.run(write).ok()
    assert outcome.pop("/tmp") == "written"
    assert "written" not in outcome.values(), outcome
    assert outcome["/var/task"] == "EROFS" and outcome["/"] == "EROFS"


def test_the_function_is_an_unprivileged_user_without_capabilities(remote):
    def identity():
        import os
        import pwd

        with open("/proc/self/status") as status:
            fields = {name: value.strip() for name, _, value in (line.partition(":") for line in status)}
        return {
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "capabilities": {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0},
            "no_new_privs": fields["NoNewPrivs"],
            "seccomp": fields["Seccomp"],
        }

    assert remote.run(identity).ok() == {
        "user": "sbx_user1051", "capabilities": True, "no_new_privs": "1", "seccomp": "2",
    }


def test_namespaces_mounts_and_devices_are_out_of_reach(remote):
    def attempt():
        import ctypes
        import errno
        import os

        libc = ctypes.CDLL(None, use_errno=True)
        calls = {
            "unshare user": lambda: libc.unshare(0x10000000),
            "unshare mount": lambda: libc.unshare(0x00020000),
            "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
            "umount": lambda: libc.umount2(b"/var/task", 0),
            "chroot": lambda: libc.chroot(b"/tmp"),
            "mknod": lambda: libc.mknod(b"/tmp/null", 0o020666, os.makedev(1, 3)),
            "setuid": lambda: libc.setuid(0),
            "ptrace": lambda: libc.ptrace(16, 1, 0, 0),
            "keyctl": lambda: libc.syscall(250, 0, -3, 0, 0, 0),
            "bpf": lambda: libc.syscall(321, 0, 0, 0),
            "io_uring_setup": lambda: libc.syscall(425, 1, 0),
            "raw socket": lambda: libc.socket(2, 3, 1),
            "vsock": lambda: libc.socket(40, 1, 0),
            "af_alg": lambda: libc.socket(38, 5, 0),
        }
        allowed = []
        for name, call in calls.items():
            ctypes.set_errno(0)
            if call() != -1:
                allowed.append(name)
            elif ctypes.get_errno() not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT):
                allowed.append(f"{name}: {errno.errorcode[ctypes.get_errno()]}")
        return allowed

    assert remote.run(attempt).ok() == []


def test_128_mb_is_128_mb(make):
    function = make(packages.python("remote"), MemorySize=128, Timeout=20)

    def fill(megabytes):
        block = bytearray(megabytes * 1024 * 1024)
        block[:: 4096] = b"x" * len(block[:: 4096])
        return len(block)

    assert function.run(fill, 80).ok() == 80 * 1024 * 1024
    refused = function.run(fill, 128)
    assert refused.payload["errorType"] == "Runtime.ExitError", "128 MB of data fitted beside the interpreter"


def test_more_memory_is_there_when_it_was_asked_for(make):
    function = make(packages.python("remote"), MemorySize=512, Timeout=20)

    def fill(megabytes):
        block = bytearray(megabytes * 1024 * 1024)
        block[:: 4096] = b"x" * len(block[:: 4096])
        return len(block)

    assert function.run(fill, 400).ok() == 400 * 1024 * 1024
    assert function.run(fill, 512).error == "Unhandled"


def test_tmp_holds_what_was_asked_for_and_no_more(make):
    # What is in /tmp counts as the function's memory, so there must be enough of it.
    function = make(packages.python("remote"), MemorySize=1024, Timeout=60, EphemeralStorage={"Size": 512})

    def fill():
        import errno
        import os

        block = b"x" * (4 * 1024 * 1024)
        written = 0
        try:
            with open("/tmp/fill", "wb") as file:
                while written < 700 * 1024 * 1024:
                    written += file.write(block)
                    file.flush()
            outcome = "fitted"
        except OSError as error:
            outcome = errno.errorcode[error.errno]
        os.unlink("/tmp/fill")
        return outcome, written // (1024 * 1024)

    outcome, megabytes = function.run(fill).ok()
    assert outcome == "ENOSPC" and 512 <= megabytes <= 540, (outcome, megabytes)


def test_processes_are_bounded(make):
    function = make(packages.python("remote"), MemorySize=512, Timeout=30)

    def multiply():
        import os
        import signal

        children = []
        try:
            while len(children) < 2000:
                child = os.fork()
                if child == 0:
                    signal.pause()
                children.append(child)
        except BlockingIOError:
            pass
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return len(children)

    result = function.run(multiply)
    # Running out of memory first is a bound as well.
    assert result.error == "Unhandled" or 0 < result.ok() <= 1024


def test_environments_of_two_functions_share_nothing(make):
    def leave():
        with open("/tmp/mine", "w") as file:
            file.write("secret")
        return True

    def find():
        import os

        return os.listdir("/tmp")

    one, other = make(packages.python("remote")), make(packages.python("remote"))
    one.run(leave).ok()
    assert "mine" not in other.run(find).ok()


def test_the_environment_holds_what_the_reference_lists(remote):
    def variables():
        import os

        return dict(os.environ), os.getcwd()

    seen, directory = remote.run(variables).ok()
    expected = {
        "AWS_REGION": aws.REGION,
        "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_LAMBDA_FUNCTION_NAME": remote.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{remote.name}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "_HANDLER": "remote.handler",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PWD": "/var/task",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert directory == "/var/task"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME",
                 "AWS_LAMBDA_RUNTIME_API", "AWS_ENDPOINT_URL"):
        assert seen.get(name), name
    assert not [name for name in seen if name.startswith(("CARGO", "HEARTH"))]


def test_made_up_credentials_are_nobody_inside(remote):
    def ask():
        import os
        import urllib.error
        import urllib.request

        request = urllib.request.Request(
            os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/",
            headers={
                "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/lambda/aws4_request, "
                "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
                "X-Amz-Date": "20261123T000000Z",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    assert remote.run(ask).ok() == 403
