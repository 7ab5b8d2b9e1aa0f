// Hearth's Node.js runtime: asks the Lambda Runtime API for events and hands them to the function's handler.
//
// Behaves towards the function as AWS's managed Node.js runtimes do. It speaks HTTP over a bare socket: an answer and
// the request for the next event leave in one packet, and nothing of node:http is loaded.

import fs from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { Writable } from "node:stream";
import util from "node:util";

const env = process.env;
// The name AWS's runtime has: it is part of the texts of import errors.
const require = createRequire("/var/runtime/index.mjs");

const REQUEST_ID = Symbol.for("aws.lambda.runtime.requestId");
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const INVOCATION = "/2018-06-01/runtime/invocation/";
const NEXT = `GET ${INVOCATION}next HTTP/1.1\r\nHost: runtime\r\n\r\n`;
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";
// What a shell shows for the two ways of dying; AWS's runtime uses the same.
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;
const READ_BYTES = 65536;

// Errors ----------------------------------------------------------------------------------------------------------

const fault = (kind) => {
  const type = class extends Error {};
  type.prototype.name = `Runtime.${kind}`;
  return type;
};
const ImportModuleError = fault("ImportModuleError");
const HandlerNotFound = fault("HandlerNotFound");
const MalformedHandlerName = fault("MalformedHandlerName");
const MalformedStreamingHandler = fault("MalformedStreamingHandler");
const InvalidStreamingOperation = fault("InvalidStreamingOperation");
const UserCodeSyntaxError = fault("UserCodeSyntaxError");
const UnhandledPromiseRejection = fault("UnhandledPromiseRejection");

const isError = (value) =>
  util.types.isNativeError(value) ||
  [value?.name, value?.message, value?.stack].every((text) => text && typeof text === "string");

/** What the caller sees of an error. */
function describe(error) {
  try {
    if (isError(error)) {
      return { errorType: error.name, errorMessage: error.message, trace: error.stack.split("\n") };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
    };
  }
}

const asError = (value) => (value instanceof Error ? value : new Error(value));

// Logging ---------------------------------------------------------------------------------------------------------

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const logsJson = env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";

/** One line per record: what would break it is replaced. */
const emit = (line) => process.stdout.write(`${line.replaceAll("\n", "\r")}\n`);

function logText(level, ...values) {
  emit(`${new Date().toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${util.format(...values)}`);
}

const errorFields = (error) => ({
  errorType: error?.constructor?.name ?? "UnknownError",
  errorMessage: error.message,
  stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : error.stack,
});

function logJson(level, ...values) {
  const record = { timestamp: new Date().toISOString(), level, requestId: globalThis[REQUEST_ID] };
  if (values.length === 1) {
    record.message = values[0];
    const replacer = (_, value) => (value instanceof Error ? { ...errorFields(value), ...value } : value);
    try {
      return emit(JSON.stringify(record, replacer));
    } catch {
      record.message = util.format(values[0]);
      return emit(JSON.stringify(record));
    }
  }
  record.message = util.format(...values);
  const error = values.find((value) => value instanceof Error);
  return emit(JSON.stringify({ ...record, ...(error && errorFields(error)) }));
}

function patchConsole() {
  const log = logsJson ? logJson : logText;
  const lowest = Math.max(0, LEVELS.indexOf(env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()));
  for (const [at, level] of LEVELS.entries()) {
    console[level.toLowerCase()] = at >= lowest || level === "FATAL" ? (message, ...values) => log(level, message, ...values) : () => {};
  }
  console.log = console.info;
}

function logError(title, error) {
  if (logsJson) {
    console.error(asError(error));
    return;
  }
  const whole = (_, value) => {
    if (!(value instanceof Error)) {
      return value;
    }
    const fields = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    return typeof value.stack === "string" ? { ...fields, stack: value.stack.split("\n") } : fields;
  };
  let text;
  try {
    text = JSON.stringify(asError(error), whole);
  } catch {
    text = JSON.stringify(describe(error));
  }
  console.error(title, `\t${text}`);
}

// The Runtime API -------------------------------------------------------------------------------------------------

/** Replies come in the order of the requests; each pending request is a function that takes its reply. */
const pending = [];
/** Bytes that wait for the rest of their reply, and how many there must be to look again. */
let pieces = [];
let have = 0;
let need = 0;
let socket;

function connect(address) {
  const [host, port] = address.split(":");
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const lost = () => process.exit(1);
  socket = net.connect({ host, port: Number(port), noDelay: true, onread: { buffer, callback: received } });
  socket.on("error", lost).on("close", lost);
  // It must not keep the event loop alive while the function works: see whenIdle.
  socket.unref();
}

function received(count, buffer) {
  let data = buffer.subarray(0, count);
  have += count;
  if (pieces.length > 0 || have < need) {
    // It must outlive the buffer it was read into.
    pieces.push(Buffer.from(data));
    if (have < need) {
      return true;
    }
    data = Buffer.concat(pieces);
  }
  let at = 0;
  for (let next; (next = takeReply(data, at)) > 0; at = next) {}
  have = data.length - at;
  pieces = have > 0 ? [Buffer.from(data.subarray(at))] : [];
  return true;
}

/** Hands the reply at `at` to whoever waits for it. Gives where it ends, or 0 when it is not whole yet. */
function takeReply(data, at) {
  const end = data.indexOf("\r\n\r\n", at);
  if (end < 0) {
    need = 0;
    return 0;
  }
  const [start, ...lines] = data.latin1Slice(at, end).split("\r\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(": ");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 2);
  }
  const bodyEnd = end + 4 + Number(headers["content-length"]);
  if (data.length < bodyEnd) {
    need = bodyEnd - at;
    return 0;
  }
  need = 0;
  pending.shift()({ status: Number(start.slice(9, 12)), headers, body: data.utf8Slice(end + 4, bodyEnd) });
  return bodyEnd;
}

const ignoreReply = () => {};

function post(suffix, body, headers, onReply, more = "") {
  pending.push(onReply);
  const length = Buffer.byteLength(body);
  const type = "Content-Type: application/json\r\n";
  socket.write(
    `POST /2018-06-01/runtime/${suffix} HTTP/1.1\r\nHost: runtime\r\n${type}${headers}Content-Length: ${length}\r\n\r\n${body}${more}`,
  );
}

const headerValue = (text) => String(text).replace(/[^\x20-\x7e]/g, "?");

const errorHeader = (described) => `${ERROR_TYPE}: ${headerValue(described.errorType)}\r\n`;

function postError(suffix, error, onReply, more) {
  const described = describe(error);
  post(suffix, stringify(described), errorHeader(described), onReply, more);
}

/** What follows GET /next, once it is sent. */
function awaitNext() {
  reportFatal = null;
  pending.push(invoke);
  socket.ref();
}

/** How to report an error that nobody caught: as one of the init phase or of the current invocation, or not at all. */
let reportFatal = (error, exit) => postError("init/error", error, exit);

// The event loop --------------------------------------------------------------------------------------------------

/** What to do once the function has nothing left to do. Must give the event loop something, or the process ends. */
let whenIdle = null;

process.on("beforeExit", () => {
  const task = whenIdle;
  whenIdle = null;
  task?.();
});

// One invocation --------------------------------------------------------------------------------------------------

function stringify(value) {
  try {
    return JSON.stringify(value === undefined ? null : value) ?? "null";
  } catch {
    throw new Error("Unable to stringify response body");
  }
}

function parseHeader(text, name) {
  if (text === undefined) {
    return undefined;
  }
  try {
    // Header bytes were read as Latin-1; what was sent is UTF-8.
    return JSON.parse(Buffer.from(text, "latin1").toString());
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

function contextFields(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers["lambda-runtime-client-context"], "ClientContext"),
    identity: parseHeader(headers["lambda-runtime-cognito-identity"], "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

const isPromise = (value) => typeof value?.then === "function";

/** The handler is called as a method of this, so that stack traces name it as AWS's runtime does. */
const runtime = new (class Runtime {
  handler;
})();
let traceId;

/** Takes a reply to GET /next. */
function invoke({ status, headers, body }) {
  if (status !== 200) {
    process.stderr.write(`the Runtime API refused to give an event: ${status} ${body}\n`);
    process.exit(1);
  }
  const id = headers["lambda-runtime-aws-request-id"];
  globalThis[REQUEST_ID] = id;
  if (headers["lambda-runtime-trace-id"] !== traceId) {
    traceId = headers["lambda-runtime-trace-id"];
    if (traceId === undefined) {
      delete env._X_AMZN_TRACE_ID;
    } else {
      env._X_AMZN_TRACE_ID = traceId;
    }
  }
  socket.unref();
  (runtime.handler[STREAMING] ? invokeStreaming : invokeBuffered)(id, headers, body);
}

function invokeBuffered(id, headers, body) {
  let waits = true;
  let answered = false;
  reportFatal = (error, exit) => postError(`invocation/${id}/error`, error, exit);

  // The answer and the request for the next event go out in one write.
  const complete = (result) => {
    post(`invocation/${id}/response`, stringify(result), "", ignoreReply, NEXT);
    answered = true;
    awaitNext();
  };
  const fail = (error) => {
    logError("Invoke Error", error);
    postError(`invocation/${id}/error`, error, ignoreReply, NEXT);
    answered = true;
    awaitNext();
  };
  const given = (value) => value !== undefined && value !== null;

  // Of all the ways to answer, the first that succeeds counts.
  let settled = false;
  const once = (action) => (...values) => {
    if (settled) {
      return;
    }
    if (answered) {
      console.error("Invocation has already been reported as done. Cannot call complete more than once per invocation.");
      return;
    }
    whenIdle = null;
    action(...values);
    settled = true;
  };
  const done = (error, result) => (given(error) ? fail(error) : complete(result));
  const callback = once((error, result) => {
    if (given(error) || !waits) {
      done(error, result);
    } else {
      whenIdle = () => setImmediate(complete, result);
    }
  });
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waits = value;
    },
    succeed: once(complete),
    fail: once((error) => fail(given(error) ? error : "handled")),
    done: once(done),
  };
  // A handler that neither promises nor calls back answers null when it has nothing left to do.
  whenIdle = () => complete(null);
  try {
    const event = JSON.parse(body);
    const result = runtime.handler(event, Object.assign(context, contextFields(headers)), callback);
    if (isPromise(result)) {
      result.then(context.succeed, context.fail).catch(context.fail);
    }
  } catch (error) {
    callback(error);
  }
}

// Response streaming ----------------------------------------------------------------------------------------------

/** What a streaming handler writes to: an HTTP body in chunks, sent as it is written. */
class ResponseStream extends Writable {
  #id;
  #contentType = "application/octet-stream";
  #started = false;
  #ended = false;
  #failure;

  constructor(id) {
    super();
    this.#id = id;
  }

  setContentType(type) {
    if (this.#started) {
      throw new InvalidStreamingOperation("Cannot set content-type, too late.");
    }
    this.#contentType = type;
  }

  write(chunk, encoding, callback) {
    if (chunk !== null && typeof chunk !== "string" && !(chunk instanceof Uint8Array)) {
      chunk = JSON.stringify(chunk);
    }
    return super.write(chunk, encoding, callback);
  }

  _write(chunk, _encoding, callback) {
    this.#start();
    this.#chunk(chunk, callback);
  }

  _final(callback) {
    this.#start();
    this.#ended = true;
    let trailers = "";
    if (this.#failure !== undefined) {
      const described = describe(this.#failure);
      const body = Buffer.from(stringify(described)).toString("base64");
      trailers = `${ERROR_TYPE}: ${headerValue(described.errorType)}\r\n${ERROR_BODY}: ${body}\r\n`;
    }
    socket.write(`0\r\n${trailers}\r\n`, callback);
  }

  _destroy(error, callback) {
    if (this.#ended) {
      callback(error);
      return;
    }
    this.#failure ??= error ?? new Error("Response stream was destroyed.");
    this._final(() => callback(error));
  }

  /** Ends the stream with an error, however far it has come. */
  fail(error) {
    this.#failure = error;
    this.destroy();
  }

  #start() {
    if (this.#started) {
      return;
    }
    this.#started = true;
    pending.push(ignoreReply);
    socket.write(
      `POST ${INVOCATION}${this.#id}/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: ${headerValue(this.#contentType)}\r\n` +
        "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n" +
        `Trailer: ${ERROR_TYPE}, ${ERROR_BODY}\r\n\r\n`,
    );
    this._onBeforeFirstWrite?.((chunk) => this.#chunk(Buffer.from(chunk)));
  }

  #chunk(chunk, callback) {
    // A chunk of no bytes would end the body.
    if (chunk.length === 0) {
      callback?.();
      return;
    }
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    socket.write("\r\n", callback);
    socket.uncork();
  }
}

const HttpResponseStream = {
  /** Sends status, headers and cookies before the body: JSON, then eight zero bytes. */
  from(stream, prelude) {
    stream.setContentType("application/vnd.awslambda.http-integration-response");
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(new Uint8Array(8));
    };
    return stream;
  },
};

async function invokeStreaming(id, headers, body) {
  const stream = new ResponseStream(id);
  const closed = new Promise((resolve) => stream.once("close", resolve));
  stream.on("error", () => {}); // Told to whoever writes; here it must only not be fatal.
  reportFatal = (error, exit) => {
    stream.fail(error);
    closed.then(exit);
  };
  let waits = true;
  let over = false;
  const next = () => {
    socket.write(NEXT);
    awaitNext();
  };
  const end = async (failure) => {
    if (over) {
      return;
    }
    over = true;
    if (failure) {
      logError("Invoke Error", failure.error);
      stream.fail(failure.error);
    }
    await closed;
    whenIdle = waits ? () => setImmediate(next) : null;
    if (!waits) {
      next();
    }
  };
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waits = value;
    },
  };
  whenIdle = () => setImmediate(end, { error: "Response stream is not finished." });
  try {
    const result = runtime.handler(JSON.parse(body), stream, Object.assign(context, contextFields(headers)));
    if (!isPromise(result)) {
      end({ error: "Streaming does not support non-async handlers." });
      return;
    }
    if ((await result) !== undefined) {
      console.warn("Streaming handlers ignore return values.");
    }
    await closed;
    end();
  } catch (error) {
    end({ error });
  }
}

// Loading the function --------------------------------------------------------------------------------------------

function isModulePackage(folder) {
  if (folder.endsWith("/node_modules")) {
    return false;
  }
  const file = path.join(folder, "package.json");
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, "utf8"))?.type === "module";
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder !== "/" && isModulePackage(path.dirname(folder));
}

async function loadModule(root, folder, name) {
  const base = path.resolve(root, folder, name);
  const isFile = (file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  if (isFile(base)) {
    return require(base);
  }
  if (isFile(`${base}.js`)) {
    return isModulePackage(path.dirname(base)) ? import(`${base}.js`) : require(`${base}.js`);
  }
  if (isFile(`${base}.mjs`)) {
    return import(`${base}.mjs`);
  }
  if (isFile(`${base}.cjs`)) {
    return require(`${base}.cjs`);
  }
  return require(require.resolve(name, { paths: [root, folder] }));
}

async function loadHandler(root, text) {
  if (text.includes("..")) {
    throw new MalformedHandlerName(
      `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(text);
  const folder = text.slice(0, text.indexOf(last));
  const [, name, property] = last.match(/^([^.]*)\.(.*)$/) ?? [];
  if (property === undefined) {
    throw new MalformedHandlerName("Bad handler");
  }
  let module;
  try {
    module = await loadModule(root, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new UserCodeSyntaxError(error);
    }
    throw error?.code === "MODULE_NOT_FOUND" ? new ImportModuleError(error) : error;
  }
  const found = property.split(".").reduce((object, key) => object?.[key], module);
  if (!found) {
    throw new HandlerNotFound(`${text} is undefined or not exported`);
  }
  if (typeof found !== "function") {
    throw new HandlerNotFound(`${text} is not a function`);
  }
  if (found[STREAMING] && found[STREAMING] !== "response") {
    throw new MalformedStreamingHandler("Only response streaming is supported.");
  }
  return found;
}

// -----------------------------------------------------------------------------------------------------------------

patchConsole();
connect(env.AWS_LAMBDA_RUNTIME_API);

/** Reports an error that nobody caught, then ends the process: its state cannot be trusted any more. */
function die(title, error, code) {
  logError(title, error);
  const report = reportFatal;
  reportFatal = null;
  if (report === null) {
    process.exit(code);
  }
  socket.ref();
  report(error, () => process.exit(code));
}
process.on("uncaughtException", (error) => die("Uncaught Exception", error, EXIT_UNCAUGHT_EXCEPTION));
process.on("unhandledRejection", (reason, promise) => {
  const error = Object.assign(new UnhandledPromiseRejection(reason), { reason, promise });
  die("Unhandled Promise Rejection", error, EXIT_UNHANDLED_REJECTION);
});

if (!["1", "true"].includes(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
  globalThis.awslambda = {
    streamifyResponse: (streaming) => Object.assign(streaming, { [STREAMING]: "response" }),
    HttpResponseStream,
  };
}

try {
  runtime.handler = await loadHandler(env.LAMBDA_TASK_ROOT ?? "/var/task", env._HANDLER ?? "");
  socket.write(NEXT);
  awaitNext();
} catch (error) {
  die("Uncaught Exception", error, EXIT_UNCAUGHT_EXCEPTION);
}
