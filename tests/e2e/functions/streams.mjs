// Streams what the event asks for, step by step.
import { setTimeout as sleep } from "node:timers/promises";

const steps = {
  write: (out, text) => out.write(text),
  sleep: (out, ms) => sleep(ms),
  // As fast as the reader lets it.
  fill: async (out, bytes) => {
    const piece = Buffer.alloc(65536, "x");
    for (let left = bytes; left > 0; left -= piece.length) {
      if (!out.write(piece.subarray(0, Math.min(left, piece.length)))) {
        await new Promise((resolve) => out.once("drain", resolve));
      }
    }
  },
  log: (out, text) => console.log(text),
  throw: (out, text) => {
    throw new RangeError(text);
  },
  hoard: () => {
    for (const hoard = []; ; ) {
      hoard.push(Buffer.alloc(8 << 20, "x"));
    }
  },
  exit: (out, code) => process.exit(code),
};

let invocations = 0;

export const handler = awslambda.streamifyResponse(async (event, out) => {
  invocations += 1;
  if (event.type) {
    out.setContentType(event.type);
  }
  for (const [[step, argument]] of event.steps.map(Object.entries)) {
    await steps[step](out, argument);
  }
  out.end(event.count ? String(invocations) : undefined);
});

export const http = awslambda.streamifyResponse(async (event, out) => {
  const prelude = { statusCode: 201, headers: { "x-a": "b" }, cookies: ["c=d"] };
  const body = awslambda.HttpResponseStream.from(out, prelude);
  body.write("created");
  body.end();
});

export const buffered = async (event) => ({ whole: event });
