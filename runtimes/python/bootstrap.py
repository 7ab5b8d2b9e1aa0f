"""Hearth's Python runtime: asks the Lambda Runtime API for events and hands them to the function's handler.

Behaves towards the function as AWS's managed Python runtimes do. Built to start fast and to add little to a warm
invocation: it imports nothing that the interpreter has not loaded already except small C modules (json, socket,
logging and traceback each cost more than the interpreter's own start; they are loaded when the function needs them),
and it sends an answer together with the request for the next event.

Start it with flags that keep the host's settings out: python -I -S bootstrap.py. Hearth runs its byte code, made by the
same interpreter.
"""

import _json
import _socket
import _thread
import builtins
import importlib
import os
import sys
import time

_ENVIRON = os.environ
_STDLIB = [path for path in sys.path if path and path != os.path.dirname(os.path.abspath(__file__))]
_RUNTIME = b"/2018-06-01/runtime/"
_NEXT = b"GET %sinvocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n" % _RUNTIME
_READ_BYTES = 65536

# The invocation being worked on, for log lines.
_request_id = ""


class Fault(Exception):
    """A failure the runtime itself found; `kind` is the error type the caller sees."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace


def standard_import(name):
    """Imports from the standard library, whatever modules of the same name the function brings."""
    path, sys.path = sys.path, _STDLIB
    try:
        return importlib.import_module(name)
    finally:
        sys.path = path


# JSON -----------------------------------------------------------------------------------------------------------


class _ScannerSettings:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__


_scan = _json.make_scanner(_ScannerSettings())

# From 3.12 on the managed runtimes leave non-ASCII characters as they are.
_encode_string = _json.encode_basestring_ascii if sys.version_info < (3, 12) else _json.encode_basestring


def from_json(data):
    text = data.decode("utf-8").strip(" \t\n\r")
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    # Raises, with the position and the text of the standard library.
    return standard_import("json").loads(data)


def _refuse(value):
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def to_json(value):
    if not _named_tuples_exist():
        try:
            return "".join(_json.make_encoder({}, _refuse, _encode_string, None, ": ", ", ", False, False, True)(value, 0))
        except TypeError:
            pass  # A type the plain encoder does not know, or one that nobody knows: see below.
    encode = _json.make_encoder(
        {}, _refuse, lambda text: text if type(text) is _Raw else _encode_string(text), None, ": ", ", ", False, False, True
    )
    return "".join(encode(_plain(value), 0))


class _Raw(str):
    """Text that goes into the output without quotes: a number the encoder could not write exactly."""


def _plain(value):
    """Reduces what AWS's encoder also takes to JSON's types: named tuples are objects, Decimals are numbers, bytes are
    text."""
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if isinstance(value, tuple) and callable(getattr(value, "_asdict", None)):
            return _plain(value._asdict())
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return float("nan") if value.is_nan() else _Raw(value)
    return value


def _plain_key(key):
    if isinstance(key, bytes):
        return key.decode("utf-8")
    if key is None or isinstance(key, (str, int, float)):
        return key
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


_named_tuples = (0, False)


def _named_tuples_exist():
    """Whether any class could make the plain encoder wrong by being a tuple that wants to be an object."""
    global _named_tuples
    if "collections" not in sys.modules:
        return False
    classes = type.__subclasses__(tuple)
    if len(classes) != _named_tuples[0]:
        _named_tuples = (len(classes), any(hasattr(cls, "_asdict") and not _is_standard(cls) for cls in classes))
    return _named_tuples[1]


def _is_standard(cls):
    return cls.__module__.partition(".")[0] in getattr(sys, "stdlib_module_names", sys.builtin_module_names)


# Logging --------------------------------------------------------------------------------------------------------


# The descriptor for log records, each a frame of its own; without it they go to stdout, where a line is one.
_records = None
_records_lock = _thread.allocate_lock()

_TEXT_FRAME, _JSON_FRAME = 0xA55A0003, 0xA55A0002
# By logging's numbers.
_FRAME_LEVELS = {10: 0x08, 20: 0x0C, 30: 0x10, 40: 0x14, 50: 0x18}
_ERROR = 40


def _take_records_descriptor():
    """Takes the descriptor, of which neither the function nor its child processes shall know."""
    global _records
    number = _ENVIRON.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    if number is not None:
        _records = int(number)
        os.set_inheritable(_records, False)
        # Whoever holds it is not in the child.
        os.register_at_fork(after_in_child=lambda: globals().update(_records_lock=_thread.allocate_lock()))


def _write_record(text, level=0, as_json=False):
    if _records is None:
        sys.stdout.write(text)
        return
    data = text.encode("utf-8", "backslashreplace")
    kind = (_JSON_FRAME if as_json else _TEXT_FRAME) + _FRAME_LEVELS.get(level, 0)
    now = time.time_ns() // 1000
    frame = kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + now.to_bytes(8, "big") + data
    # More than the pipe takes at once must not be mixed with another thread's.
    with _records_lock:
        written = os.write(_records, frame)
        while written < len(frame):
            written += os.write(_records, memoryview(frame)[written:])


def _logs_json():
    return _ENVIRON.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


class _LoggingFinder:
    """Prepares the root logger as soon as anything imports logging, before that code can use it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(_LoggingFinder)
        spec = importlib._bootstrap_external.PathFinder.find_spec(name, _STDLIB)
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _set_up_logging(module)

        spec.loader.exec_module = exec_module
        return spec


def _set_up_logging(logging):
    as_json = _logs_json()
    level = _ENVIRON.get("AWS_LAMBDA_LOG_LEVEL", "").upper().replace("TRACE", "DEBUG")

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            # A record that cannot be formatted fails the invocation, as it does on AWS.
            _write_record(self.format(record), record.levelno, as_json)

    class LambdaLoggerFilter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = _request_id
            return True

    class JsonFormatter(logging.Formatter):
        usual = set(logging.makeLogRecord({}).__dict__) | {"aws_request_id", "message", "asctime"}

        def format(self, record):
            error = record.exc_info
            fields = {
                "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
                "level": record.levelname,
                "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
                "logger": record.name,
                "stackTrace": standard_import("traceback").format_tb(error[2]) if error else None,
                "errorType": error[0].__name__ if error and error[0] else None,
                "errorMessage": str(error[1]) if error else None,
                "requestId": record.aws_request_id,
                "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if error else None,
            }
            fields.update((key, value) for key, value in record.__dict__.items() if key not in self.usual | fields.keys())
            encoder = standard_import("json").JSONEncoder(ensure_ascii=False, default=str)
            return encoder.encode({key: value for key, value in fields.items() if value is not None}) + "\n"

    logging.Formatter.converter = time.gmtime
    text = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
    handler = LambdaLoggerHandler()
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter(text, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    if level in logging._nameToLevel:
        root.setLevel(level)


def _log_error(error):
    if _logs_json():
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _write_record(to_json({"timestamp": now, "level": "ERROR", **error}) + "\n", _ERROR, True)
        return
    kind, message = error["errorType"], error["errorMessage"]
    lines = ["[ERROR]" + (f" {kind}" if kind else "") + (":" if kind and message else "") + (f" {message}" if message else "")]
    lines.append("Traceback (most recent call last):")
    for entry in error["stackTrace"]:
        for line in entry.splitlines() or [""]:
            text = line.lstrip(" ")
            # Indentation that no reader folds.
            lines.append("\u00a0" * (len(line) - len(text)) + text)
    # On stdout a line feed would make it several log events.
    _write_record(("\r" if _records is None else "\n").join(lines) + "\n", _ERROR)


# Errors ---------------------------------------------------------------------------------------------------------


def _describe(error, request_id=""):
    """What the caller sees of an exception."""
    if isinstance(error, Fault):
        kind, message, trace = error.kind, error.message, error.trace or []
    else:
        kind, message = type(error).__name__, str(error)
        traceback = standard_import("traceback")
        frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(error.__traceback__)]
        # The frames of this file in front are not the function's business.
        first = next((at for at, frame in enumerate(frames) if frame[0] != _describe.__code__.co_filename), 0)
        trace = traceback.format_list(frames[first:])
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


# The function ---------------------------------------------------------------------------------------------------


def load_handler(handler):
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)"
        )
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [place]) from error
    try:
        return getattr(module, function_name)
    except AttributeError:
        text = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", text) from None


class _Fields:
    """A fixed set of attributes, None where nothing was sent."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return f"{type(self).__name__}([{','.join(f'{name}={getattr(self, name)}' for name in self.__slots__)}])"


class CognitoIdentity(_Fields):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, values):
        self.cognito_identity_id = values.get("cognitoIdentityId")
        self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")


class Client(_Fields):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(_Fields):
    __slots__ = ("custom", "env", "client")

    def __init__(self, values):
        super().__init__(values)
        if self.client is not None:
            self.client = Client(self.client)


class LambdaContext:
    # What does not change from invocation to invocation.
    _environment = {}

    @classmethod
    def read_environment(cls):
        cls._environment = {
            "log_group_name": _ENVIRON.get("AWS_LAMBDA_LOG_GROUP_NAME"),
            "log_stream_name": _ENVIRON.get("AWS_LAMBDA_LOG_STREAM_NAME"),
            "function_name": _ENVIRON.get("AWS_LAMBDA_FUNCTION_NAME"),
            "memory_limit_in_mb": _ENVIRON.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
            "function_version": _ENVIRON.get("AWS_LAMBDA_FUNCTION_VERSION"),
        }

    def __init__(self, headers):
        header = headers.get
        self.__dict__.update(self._environment)
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = header("lambda-runtime-invoked-function-arn")
        self.tenant_id = header("lambda-runtime-aws-tenant-id")
        client = _json_header(header("lambda-runtime-client-context"), "Client Context")
        self.client_context = None if client is None else ClientContext(client)
        identity = _json_header(header("lambda-runtime-cognito-identity"), "Cognito Identity")
        self.identity = CognitoIdentity(identity or {})
        self._epoch_deadline_time_in_ms = int(header("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message):
        _write_record(str(message))

    def __repr__(self):
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )  # fmt: skip
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"


def _json_header(text, name):
    if not text:
        return None
    try:
        # Header bytes were read as Latin-1; what was sent is UTF-8.
        return from_json(text.encode("latin-1"))
    except Exception as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}") from error


def _run(handler, headers, body):
    """One invocation: gives the answer's path suffix, headers and body."""
    request_id = headers["lambda-runtime-aws-request-id"]
    try:
        context = LambdaContext(headers)
        if headers["content-type"] == "application/json":
            try:
                event = from_json(body)
            except Exception as error:
                raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        else:
            event = body
        result = handler(event, context)
        if isinstance(result, bytes):
            return b"response", b"Content-Type: application/unknown\r\n", result
        try:
            return b"response", b"Content-Type: application/json\r\n", to_json(result).encode("utf-8")
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
    except Exception as error:
        described = _describe(error, request_id)
        _log_error(described)
        return b"error", _error_header(described), to_json(described).encode("utf-8", "backslashreplace")


def _error_header(described):
    kind = described["errorType"].encode("ascii", "replace")
    return b"Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: %s\r\n" % kind


# The Runtime API ------------------------------------------------------------------------------------------------


class RuntimeApi:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self._socket.connect((host, int(port)))
        self._buffer = b""

    def send(self, data):
        sent = self._socket.send(data)
        while sent < len(data):
            data = memoryview(data)[sent:]
            sent = self._socket.send(data)

    def reply(self):
        """Reads one reply: status, headers by lower-case name, body."""
        head = self._head()
        status, _, lines = head.decode("latin-1").partition("\r\n")
        headers = {}
        for line in lines.split("\r\n"):
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return int(status[9:12]), headers, self._body(int(headers["content-length"]))

    def skip_reply(self):
        """Reads one reply whose content does not matter."""
        head = self._head().lower()
        _, _, length = head.partition(b"\r\ncontent-length: ")
        self._body(int(length.partition(b"\r\n")[0]))

    def _head(self):
        buffer = self._buffer
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            buffer += self._receive()
        self._buffer = buffer[end + 4 :]
        return buffer[:end]

    def _body(self, length):
        buffer = self._buffer
        have = len(buffer)
        if have >= length:
            self._buffer = buffer[length:]
            return buffer[:length]
        body = bytearray(length)
        body[:have] = buffer
        view = memoryview(body)
        while have < length:
            count = self._socket.recv_into(view[have:])
            if not count:
                raise ConnectionError("the Runtime API closed the connection")
            have += count
        self._buffer = b""
        return bytes(body)

    def _receive(self):
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the Runtime API closed the connection")
        return data


def _post(path, headers, body):
    return b"POST %s%s HTTP/1.1\r\nHost: runtime\r\n%sContent-Length: %d\r\n\r\n" % (_RUNTIME, path, headers, len(body)) + body


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # The function closed or replaced it.


def serve(api, handler):
    """Answers events for ever."""
    global _request_id
    trace = None
    api.send(_NEXT)
    while True:
        status, headers, body = api.reply()
        if status != 200:
            raise RuntimeError(f"the Runtime API refused to give an event: {status} {body!r}")
        _request_id = headers["lambda-runtime-aws-request-id"]
        if headers.get("lambda-runtime-trace-id") != trace:
            trace = headers.get("lambda-runtime-trace-id")
            if trace is None:
                _ENVIRON.pop("_X_AMZN_TRACE_ID", None)
            else:
                _ENVIRON["_X_AMZN_TRACE_ID"] = trace
        suffix, answer_headers, answer = _run(handler, headers, body)
        _flush()
        # One packet there, one back: the platform sends the reply to the POST together with the next event. A refused
        # answer (too large, too late) is the platform's to report; this process goes on.
        api.send(_post(b"invocation/%s/%s" % (_request_id.encode(), suffix), answer_headers, answer) + _NEXT)
        del headers, body, answer
        api.skip_reply()


def _warm_up():
    """Does once what every function needs, so that the code for it is in memory when there is one: the first use of the
    compiler alone takes longer than all of a warm invocation. Nothing of it stays."""
    external, scope = importlib._bootstrap_external, {"__name__": "warm_up"}
    text = b"import sys\nclass A:\n def f(self): return [self]\ndef handler(event, context): return {**event, 'a': f'{1}'}"
    exec(external.SourceLoader().source_to_code(text, "<warm-up>"), scope)
    _run(scope["handler"], {"lambda-runtime-aws-request-id": "0", "content-type": "application/json"}, b'{"a": ["b", 1.5]}')
    external.FileFinder(os.path.dirname(__file__), *external._get_supported_file_loaders()).find_spec("none")
    # Kept, for it holds nothing but the directory's name: what is in there now is not what will be.
    if finder := external.PathFinder._path_importer_cache(_ENVIRON.get("LAMBDA_TASK_ROOT", "/var/task")):
        finder.invalidate_caches()


def _become(environment):
    """Replaces the environment: in the order a process sees it that is started with it, without os.environ's detours."""
    held = _ENVIRON._data
    for name in held:
        os.unsetenv(name)
    held.clear()
    held.update((os.fsencode(name), os.fsencode(value)) for name, value in environment.items())
    for name, value in held.items():
        os.putenv(name, value)


def _take_assignment(api):
    """Waits, started ahead of need, until this process is given a function."""
    _warm_up()
    api.send(b"GET /2018-06-01/hearth/assignment HTTP/1.1\r\nHost: runtime\r\n\r\n")
    status, _, body = api.reply()
    if status != 200:
        raise RuntimeError(f"the Runtime API gave no assignment: {status} {body!r}")
    _become(from_json(body)["environment"])
    # The code was mounted over the directory this process started in.
    os.chdir(_ENVIRON["LAMBDA_TASK_ROOT"])


def _set_up_path():
    packages = f"/opt/python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    task, python_path = _ENVIRON.get("LAMBDA_TASK_ROOT", "/var/task"), _ENVIRON.get("PYTHONPATH", "").split(":")
    sys.path[:] = list(dict.fromkeys([task, packages, "/opt/python", *filter(None, python_path), *_STDLIB]))


def _set_up_builtins():
    """What the site module would have added, without its reading of directories."""
    site = importlib.import_module("_sitebuiltins")
    builtins.quit, builtins.exit = (site.Quitter(name, "Ctrl-D (i.e. EOF)") for name in ("quit", "exit"))
    builtins.help = site._Helper()


def main():
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(encoding="utf-8", line_buffering=True)
    if sys.flags.no_site:
        _set_up_builtins()
    sys.meta_path.insert(0, _LoggingFinder)
    api = RuntimeApi(_ENVIRON["AWS_LAMBDA_RUNTIME_API"])
    if "_HEARTH_PREPARED" in _ENVIRON:
        _take_assignment(api)
    _take_records_descriptor()
    _set_up_path()
    try:
        handler = load_handler(_ENVIRON.get("_HANDLER", ""))
    except Exception as error:
        described = _describe(error)
        _log_error(described)
        _flush()
        api.send(_post(b"init/error", _error_header(described), to_json(described).encode("utf-8", "backslashreplace")))
        api.skip_reply()
        sys.exit(1)
    LambdaContext.read_environment()
    serve(api, handler)


if __name__ == "__main__":
    main()
