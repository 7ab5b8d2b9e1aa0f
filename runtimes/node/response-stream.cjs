// What a streaming handler writes to: an HTTP body in chunks, sent as it is written.

"use strict";

const { Writable } = require("node:stream");

const { fault } = require("./log.cjs");
const { ERROR_TYPE, errorReport, headerValue } = require("./runtime-api.cjs");

const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";

const InvalidStreamingOperation = fault("InvalidStreamingOperation");

class ResponseStream extends Writable {
  #api;
  #id;
  #contentType = "application/octet-stream";
  /** Once the body has begun. */
  #socket;
  #ended = false;
  #failure;

  constructor(api, id) {
    super();
    this.#api = api;
    this.#id = id;
  }

  setContentType(type) {
    if (this.#socket) {
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
      const { header, body } = errorReport(this.#failure);
      trailers = `${header}${ERROR_BODY}: ${Buffer.from(body).toString("base64")}\r\n`;
    }
    this.#socket.write(`0\r\n${trailers}\r\n`, callback);
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
    if (this.#socket) {
      return;
    }
    this.#socket = this.#api.stream(
      this.#id,
      `Content-Type: ${headerValue(this.#contentType)}\r\n` +
        `Lambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: ${ERROR_TYPE}, ${ERROR_BODY}\r\n`,
    );
    this._onBeforeFirstWrite?.((chunk) => this.#chunk(Buffer.from(chunk)));
  }

  #chunk(chunk, callback) {
    // A chunk of no bytes would end the body.
    if (chunk.length === 0) {
      callback?.();
      return;
    }
    this.#socket.cork();
    this.#socket.write(`${chunk.length.toString(16)}\r\n`);
    this.#socket.write(chunk);
    this.#socket.write("\r\n", callback);
    this.#socket.uncork();
  }
}

module.exports = { ResponseStream };
