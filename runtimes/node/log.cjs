// What is said about errors, to the caller and in the log, and the console as functions know it from Lambda.

"use strict";

const fs = require("node:fs");
const util = require("node:util");

const env = process.env;

/** The property of the global object with the id of the current invocation. */
const REQUEST_ID = Symbol.for("aws.lambda.runtime.requestId");

// Errors ----------------------------------------------------------------------------------------------------------

/** A class of errors that the runtime itself finds. */
const fault = (kind) => {
  const type = class extends Error {};
  type.prototype.name = `Runtime.${kind}`;
  return type;
};

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

// The console -----------------------------------------------------------------------------------------------------

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
/** Known when the process has its environment. */
let logsJson = false;

/** The descriptor for log records, each a frame of its own; without it they go to stdout, where a line is one. */
let records;
const TEXT_FRAME = 0xa55a0003;
const JSON_FRAME = 0xa55a0002;
const FRAME_HEADER_BYTES = 16;

function emit(level, text) {
  if (records === undefined) {
    // What would break the line is replaced.
    process.stdout.write(`${text.replaceAll("\n", "\r")}\n`);
    return;
  }
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + Buffer.byteLength(text));
  frame.writeUInt32BE((logsJson ? JSON_FRAME : TEXT_FRAME) + 4 * (LEVELS.indexOf(level) + 1), 0);
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, 4);
  frame.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  frame.write(text, FRAME_HEADER_BYTES);
  for (let at = 0; at < frame.length; ) {
    at += fs.writeSync(records, frame, at);
  }
}

function logText(level, ...values) {
  emit(level, `${new Date().toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${util.format(...values)}`);
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
      return emit(level, JSON.stringify(record, replacer));
    } catch {
      record.message = util.format(values[0]);
      return emit(level, JSON.stringify(record));
    }
  }
  record.message = util.format(...values);
  const error = values.find((value) => value instanceof Error);
  return emit(level, JSON.stringify({ ...record, ...(error && errorFields(error)) }));
}

function patchConsole() {
  if (env._LAMBDA_TELEMETRY_LOG_FD !== undefined) {
    records = Number(env._LAMBDA_TELEMETRY_LOG_FD);
    // The function shall not know of it.
    delete env._LAMBDA_TELEMETRY_LOG_FD;
  }
  logsJson = env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";
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

module.exports = { REQUEST_ID, describe, fault, logError, patchConsole };
