"""What is tried from inside a sandbox. Three things in one file: `handler` and `handle`, the function that evaluates the
expressions of the table of probes; the helpers those expressions use; and, run as a program, an external extension that
evaluates them in its own process, for the function to ask it. An expression that ends in an OSError answers its name.
"""
import ctypes, errno, http.client, json, os, resource, signal, socket, stat, subprocess, sys, threading, time

EXTENSION_AT = ("127.0.0.1", 7007)
NEIGHBOUR_PORT = 7008
RECORDS_OF_MANAGED_RUNTIMES = 62
libc = ctypes.CDLL(None, use_errno=True)
CALLS = json.loads(os.environ["CALLS"])
# All that a sandbox has room for, without the rest of the machine suffering where it has more.
HOG_MIB_MAX = 1_024

def call(name, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(CALLS[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    # In the child that there should not be.
    if name == "clone" and result == 0: os._exit(0)
    return "done"

def read(path, size=100):
    with open(path, "rb") as file: return file.read(size).decode("latin-1")

def write(path, text="x"):
    with open(path, "w") as file: file.write(text)
    return "done"

def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)
    return "done"

def masked(files, directories):
    """Which of them say anything."""
    telling = []
    for name in files:
        try: telling += [name] if read("/proc/" + name) else []
        except OSError as error: telling += [] if error.errno in (errno.ENOENT, errno.EACCES) else [name]
    for name in directories:
        try: telling += [name] if os.listdir("/proc/" + name) else []
        except FileNotFoundError: pass
    return telling

def mounts():
    """Where, how mounted, what."""
    for line in open("/proc/self/mountinfo"):
        left, right = line.split(" - ")
        yield left.split()[4], set(left.split()[5].split(",")), right.split()[0]

def pids():
    return sorted(int(p) for p in os.listdir("/proc") if p.isdigit())

def own():
    """Whether these are all processes that can be seen, none of them anybody else's."""
    return {os.stat(f"/proc/{pid}").st_uid for pid in pids()} == {os.getuid()} and 1 not in pids()

def outside(file="/proc/self/uid_map"):
    """The number that the function's user or group has outside of the sandbox."""
    return [line.split()[1] for line in open(file) if line.split()[0] == str(os.getuid())][0]

def tree(manifest):
    exact, below = {e for e in manifest if not e.endswith("/")}, tuple(e for e in manifest if e.endswith("/"))
    total, strange = 0, []
    for top, directories, files in os.walk("/", followlinks=False):
        if top == "/proc": directories[:] = [d for d in directories if not d.isdigit()]
        for path in (os.path.join(top, name) for name in directories + files):
            total += 1
            if path not in exact and not path.startswith(below): strange.append(path)
    return [total, strange[:100]]

def inherited():
    """Descriptors that are open now and neither standard, nor documented, nor a connection to the platform's APIs."""
    strange = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd <= 2 or fd == RECORDS_OF_MANAGED_RUNTIMES and os.listdir("/var/runtime"): continue
        try: target = os.readlink(f"/proc/self/fd/{fd}")
        # The one that the list was read from.
        except FileNotFoundError: continue
        if target.startswith("socket:"):
            with socket.socket(fileno=os.dup(fd)) as s:
                try:
                    if s.family == socket.AF_INET and s.getpeername() == ("169.254.100.1", 9001): continue
                # It listens.
                except OSError: pass
        strange.append([fd, target])
    return strange

AT_START = inherited()

def descriptors():
    opened = []
    try:
        while True: opened.append(os.open("/dev/null", 0))
    except OSError as error: return [max(opened), errno.errorcode[error.errno]]
    finally:
        for fd in opened: os.close(fd)

def fill(path):
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while written < 4096 << 20: written += file.write(b"x" * (1 << 20))
    except OSError as error: return [1 <= (written >> 20) / int(os.environ["TMP_MIB"]) < 1.06, errno.errorcode[error.errno]]
    finally: os.unlink(path)

def forks():
    children = []
    try:
        while len(children) < 3000:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    finally:
        for pid in children: os.kill(pid, 9)
        for pid in children: os.waitpid(pid, 0)

def hog():
    hoard = []
    while len(hoard) < HOG_MIB_MAX: hoard.append(bytearray(b"x" * (1 << 20)))
    return "kept"

def flood(mib):
    for _ in range(mib * 16): os.write(1, b"x" * (1 << 16))
    return "done"

def background(mark):
    """A process of its own session that nobody waits for."""
    subprocess.Popen(["/usr/bin/sleep", mark], start_new_session=True)
    return "done"

def fences():
    """How many more landlock rulesets this process may put itself behind; None where the kernel has no landlock. Source:
    landlock(7): 16 at most."""
    if libc.syscall(CALLS["landlock_create_ruleset"], None, ctypes.c_long(0), 1) < 1: return None
    pid = os.fork()
    if pid == 0:
        count = 0
        try:
            # Refuses to remove directories.
            with_right = (ctypes.c_uint64 * 1)(1 << 4)
            ctypes.set_errno(0)
            ruleset = libc.syscall(CALLS["landlock_create_ruleset"], with_right, ctypes.c_long(8), ctypes.c_long(0))
            while ruleset >= 0 and count < 40 and libc.syscall(CALLS["landlock_restrict_self"], ruleset, 0) == 0: count += 1
        finally: os._exit(count)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def shared(key, create):
    """A System V shared memory segment."""
    if libc.shmget(key, 4096, 0o1666 if create else 0) == -1: raise OSError(ctypes.get_errno(), "shmget")
    return "done"

KEPT = []
def neighbour():
    """Puts out everything that another sandbox might find."""
    write("/tmp/neighbour")
    shared(4711, True)
    for family, address in [(socket.AF_INET, ("0.0.0.0", NEIGHBOUR_PORT)), (socket.AF_UNIX, "\0neighbour")]:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen()
        KEPT.append(listener)
    return "done"

def answer(request, body="forged"):
    """Tries to answer an invocation; the status of what the Runtime API says to that."""
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"], timeout=10)
    api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", body)
    return api.getresponse().status

def attempt(expression):
    try:
        value = eval(expression, globals())
        return value if value is None or isinstance(value, (str, int, float, list, dict)) else str(value)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def handle(event):
    if event["of"] == "function": return attempt(event["run"])
    with socket.create_connection(EXTENSION_AT) as s, s.makefile("rw") as file:
        file.write(json.dumps(event["run"]) + "\n")
        file.flush()
        line = file.readline()
        # It has ended, and the platform will say so.
        if not line: time.sleep(20)
        return json.loads(line)

def handler(event, context):
    return handle(event)

def serve(listener):
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as file:
            file.write(json.dumps(attempt(json.loads(file.readline()))) + "\n")

def extension():
    listener = socket.create_server(EXTENSION_AT)
    threading.Thread(target=serve, args=[listener], daemon=True).start()
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    def call_api(method, path, headers, body=None):
        api.request(method, "/2020-01-01/extension/" + path, body, headers)
        reply = api.getresponse()
        reply.read()
        return reply.headers
    name = {"Lambda-Extension-Name": os.path.basename(sys.argv[0])}
    registered = call_api("POST", "register", name, json.dumps({"events": ["INVOKE"]}))
    identifier = {"Lambda-Extension-Identifier": registered["Lambda-Extension-Identifier"]}
    while True: call_api("GET", "event/next", identifier)

if __name__ == "__main__": extension()
