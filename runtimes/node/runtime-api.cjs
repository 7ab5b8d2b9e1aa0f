// The Lambda Runtime API over a bare socket: an answer and the request for the next event leave in one packet, and
// nothing of node:http is loaded.

"use strict";

const net = require("node:net");

const { describe } = require("./log.cjs");

const RUNTIME = "/2018-06-01/runtime/";
const NEXT = `GET ${RUNTIME}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n`;
const ASSIGNMENT = "GET /2018-06-01/hearth/assignment HTTP/1.1\r\nHost: runtime\r\n\r\n";
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const READ_BYTES = 65536;

const ignoreReply = () => {};

/** Header values are ASCII. */
const headerValue = (text) => String(text).replace(/[^\x20-\x7e]/g, "?");

function stringify(value) {
  try {
    return JSON.stringify(value === undefined ? null : value) ?? "null";
  } catch {
    throw new Error("Unable to stringify response body");
  }
}

/** The header and the body that report an error. */
function errorReport(error) {
  const described = describe(error);
  return { header: `${ERROR_TYPE}: ${headerValue(described.errorType)}\r\n`, body: stringify(described) };
}

class RuntimeApi {
  #socket;
  /** Replies come in the order of the requests; each pending request is a function that takes its reply. */
  #pending = [];
  /** Bytes that wait for the rest of their reply, and how many there must be to look again. */
  #pieces = [];
  #have = 0;
  #need = 0;

  constructor(address) {
    const [host, port] = address.split(":");
    const onread = { buffer: Buffer.allocUnsafe(READ_BYTES), callback: this.#received.bind(this) };
    const lost = () => process.exit(1);
    this.#socket = net.connect({ host, port: Number(port), noDelay: true, onread });
    this.#socket.on("error", lost).on("close", lost);
    // While the function works, its own doings alone decide whether the event loop has anything left to do.
    this.release();
  }

  /** Waits, started ahead of need, until this process is given a function. */
  assignment(onAssignment) {
    this.#socket.write(ASSIGNMENT);
    this.#await(onAssignment);
  }

  /** Asks for an event. From now on the process waits for it. */
  next(onEvent) {
    this.#socket.write(NEXT);
    this.#await(onEvent);
  }

  /** Answers an invocation and asks for the next event. Throws, with nothing sent, for what JSON cannot say. */
  respond(id, result, onEvent) {
    this.#post(`invocation/${id}/response`, stringify(result), "", NEXT);
    this.#pending.push(ignoreReply);
    this.#await(onEvent);
  }

  /** Answers an invocation with an error and asks for the next event. */
  fail(id, error, onEvent) {
    const { header, body } = errorReport(error);
    this.#post(`invocation/${id}/error`, body, header, NEXT);
    this.#pending.push(ignoreReply);
    this.#await(onEvent);
  }

  /** Reports an error after which there is nothing more to ask for; `phase` is init or invocation/ID. */
  reportFatal(phase, error, onReply) {
    const { header, body } = errorReport(error);
    this.#post(`${phase}/error`, body, header, "");
    this.#await(onReply);
  }

  /** Whether the connection alone keeps the process from ending. */
  hold() {
    this.#socket.ref();
  }

  release() {
    this.#socket.unref();
  }

  /** Begins an answer of chunks; the caller writes them to the socket it gets. */
  stream(id, headers) {
    this.#pending.push(ignoreReply);
    this.#socket.write(
      `POST ${RUNTIME}invocation/${id}/response HTTP/1.1\r\nHost: runtime\r\n${headers}Transfer-Encoding: chunked\r\n\r\n`,
    );
    return this.#socket;
  }

  /** Takes a reply that nobody sent. */
  rehearse(text, onReply) {
    this.#pending.push(onReply);
    const data = Buffer.from(text, "latin1");
    this.#received(data.length, data);
  }

  #await(onReply) {
    this.#pending.push(onReply);
    this.hold();
  }

  #post(suffix, body, headers, more) {
    const length = Buffer.byteLength(body);
    const type = "Content-Type: application/json\r\n";
    this.#socket.write(
      `POST ${RUNTIME}${suffix} HTTP/1.1\r\nHost: runtime\r\n${type}${headers}Content-Length: ${length}\r\n\r\n${body}${more}`,
    );
  }

  #received(count, buffer) {
    let data = buffer.subarray(0, count);
    this.#have += count;
    if (this.#pieces.length > 0 || this.#have < this.#need) {
      // It must outlive the buffer it was read into.
      this.#pieces.push(Buffer.from(data));
      if (this.#have < this.#need) {
        return true;
      }
      data = Buffer.concat(this.#pieces);
    }
    let at = 0;
    for (let next; (next = this.#takeReply(data, at)) > 0; at = next) {}
    this.#have = data.length - at;
    this.#pieces = this.#have > 0 ? [Buffer.from(data.subarray(at))] : [];
    return true;
  }

  /** Hands the reply at `at` to whoever waits for it. Gives where it ends, or 0 when it is not whole yet. */
  #takeReply(data, at) {
    const end = data.indexOf("\r\n\r\n", at);
    if (end < 0) {
      this.#need = 0;
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
      this.#need = bodyEnd - at;
      return 0;
    }
    this.#need = 0;
    this.#pending.shift()({ status: Number(start.slice(9, 12)), headers, body: data.utf8Slice(end + 4, bodyEnd) });
    return bodyEnd;
  }
}

module.exports = { RuntimeApi, ERROR_TYPE, errorReport, headerValue };
