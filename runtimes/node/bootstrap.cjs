// Hearth's Node.js runtime: asks the Lambda Runtime API for events and hands them to the function's handler.
//
// Behaves towards the function as AWS's managed Node.js runtimes do. Its own files are CommonJS: Node.js starts them
// faster than ES modules, whose loader then starts only with functions that need it.

"use strict";

const { STREAMING, loadHandler } = require("./function.cjs");
const { REQUEST_ID, fault, logError, patchConsole } = require("./log.cjs");
const { RuntimeApi } = require("./runtime-api.cjs");

const env = process.env;

// What a shell shows for the two ways of dying; AWS's runtime uses the same.
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;
// Node.js's own code for a module that awaits what never comes.
const EXIT_UNSETTLED_AWAIT = 13;

const UnhandledPromiseRejection = fault("UnhandledPromiseRejection");

const api = new RuntimeApi(env.AWS_LAMBDA_RUNTIME_API);

/** The handler is called as a method of this, so that stack traces name it as AWS's runtime does. */
const runtime = new (class Runtime {
  handler;
})();

// The process -----------------------------------------------------------------------------------------------------

/** What to do once the function has nothing left to do. Must give the event loop something, or the process ends. */
let whenIdle = () => process.exit(EXIT_UNSETTLED_AWAIT);

process.on("beforeExit", () => {
  const task = whenIdle;
  whenIdle = null;
  task?.();
});

/** How to report an error that nobody caught: as one of the init phase or of the current invocation, or not at all. */
let reportFatal = (error, exit) => api.reportFatal("init", error, exit);

/** Reports an error that nobody caught, then ends the process: its state cannot be trusted any more. */
function die(title, error, code) {
  logError(title, error);
  const report = reportFatal;
  reportFatal = null;
  if (report === null) {
    process.exit(code);
  }
  api.hold();
  report(error, () => process.exit(code));
}

process.on("uncaughtException", (error) => die("Uncaught Exception", error, EXIT_UNCAUGHT_EXCEPTION));
process.on("unhandledRejection", (reason, promise) => {
  const error = Object.assign(new UnhandledPromiseRejection(reason), { reason, promise });
  die("Unhandled Promise Rejection", error, EXIT_UNHANDLED_REJECTION);
});

// One invocation --------------------------------------------------------------------------------------------------

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

let traceId;

/** Takes a reply to the request for an event. */
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
  api.release();
  (runtime.handler[STREAMING] ? invokeStreaming : invokeBuffered)(id, headers, body);
}

function invokeBuffered(id, headers, body) {
  let waits = true;
  let answered = false;
  reportFatal = (error, exit) => api.reportFatal(`invocation/${id}`, error, exit);

  const over = () => {
    answered = true;
    reportFatal = null;
  };
  const complete = (result) => {
    api.respond(id, result, invoke);
    over();
  };
  const fail = (error) => {
    logError("Invoke Error", error);
    api.fail(id, error, invoke);
    over();
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

/** Loaded with the functions that need it. */
let ResponseStream;

async function invokeStreaming(id, headers, body) {
  const stream = new ResponseStream(api, id);
  const closed = new Promise((resolve) => stream.once("close", resolve));
  stream.on("error", () => {}); // Told to whoever writes; here it must only not be fatal.
  reportFatal = (error, exit) => {
    stream.fail(error);
    closed.then(exit);
  };
  let waits = true;
  let over = false;
  const next = () => {
    reportFatal = null;
    api.next(invoke);
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

// What function code finds ----------------------------------------------------------------------------------------

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

function prepareGlobals() {
  patchConsole();
  if (!["1", "true"].includes(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
    globalThis.awslambda = {
      streamifyResponse: (streaming) => Object.assign(streaming, { [STREAMING]: "response" }),
      HttpResponseStream,
    };
  }
  // AWS's runtime is an ES module, so that `require.main` is undefined in functions.
  delete process.mainModule;
}

async function start() {
  prepareGlobals();
  try {
    runtime.handler = await loadHandler(env.LAMBDA_TASK_ROOT ?? "/var/task", env._HANDLER ?? "");
    if (runtime.handler[STREAMING]) {
      ({ ResponseStream } = require("./response-stream.cjs"));
    }
  } catch (error) {
    die("Uncaught Exception", error, EXIT_UNCAUGHT_EXCEPTION);
    return;
  }
  whenIdle = null;
  reportFatal = null;
  api.next(invoke);
}

/** Takes over the environment of the function this process was given. Writing what is the same costs milliseconds (TZ). */
function takeOver({ body }) {
  const { environment } = JSON.parse(body);
  for (const name of Object.keys(env)) {
    if (!(name in environment)) {
      delete env[name];
    }
  }
  for (const [name, value] of Object.entries(environment)) {
    if (env[name] !== value) {
      env[name] = value;
    }
  }
  // The code was mounted over the directory this process started in.
  process.chdir(env.LAMBDA_TASK_ROOT ?? ".");
}

function become(reply) {
  if (reply.status !== 200) {
    process.exit(1);
  }
  takeOver(reply);
  api.release();
  start();
}

/**
 * Does once, step by step, what every function will need, so that the code for it is compiled and in memory when there is
 * one: the first time, each step takes many times longer than the second. Nothing of it stays.
 */
async function warmUp() {
  const [idle, fatal] = [whenIdle, reportFatal];
  const reply = (headers, body) =>
    new Promise((resolve) => {
      const length = Buffer.byteLength(body);
      api.rehearse(`HTTP/1.1 200 OK\r\n${headers}Content-Length: ${length}\r\n\r\n${body}`, resolve);
    });
  for (const more of [{ _HEARTH_REHEARSAL: "1" }, {}]) {
    const { _HEARTH_REHEARSAL, ...environment } = env;
    takeOver(await reply("", JSON.stringify({ environment: { ...environment, ...more } })));
  }
  prepareGlobals();
  runtime.handler = await loadHandler(__dirname, "warm-up.handler");
  const event = await reply("Lambda-Runtime-Aws-Request-Id: 0\r\nLambda-Runtime-Trace-Id: 0\r\n", '{"a":["b",1.5,null]}');
  await new Promise((resolve) => {
    api.respond = (_, result) => resolve(JSON.stringify(result));
    invoke(event);
  });
  delete api.respond;
  delete globalThis.awslambda;
  delete globalThis[REQUEST_ID];
  delete env._X_AMZN_TRACE_ID;
  traceId = undefined;
  runtime.handler = undefined;
  [whenIdle, reportFatal] = [idle, fatal];
}

if (env._HEARTH_PREPARED === undefined) {
  start();
} else {
  warmUp().then(() => api.assignment(become));
}
