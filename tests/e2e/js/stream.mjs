// Invokes a function with the AWS SDK for JavaScript v3 and prints what it streamed, and when.
// Usage: node stream.mjs MODULES FUNCTION PAYLOAD, with the endpoint and credentials in the usual variables.
import { createRequire } from 'node:module';

const [modules, name, payload] = process.argv.slice(2);
const { LambdaClient, InvokeWithResponseStreamCommand } = createRequire(`${modules}/`)('@aws-sdk/client-lambda');

const client = new LambdaClient({ maxAttempts: 1 });
const answer = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: name, Payload: payload }));
const chunks = [];
let complete;
for await (const event of answer.EventStream) {
  if (event.PayloadChunk) {
    chunks.push({ text: new TextDecoder().decode(event.PayloadChunk.Payload), ms: performance.now() });
  }
  complete = event.InvokeComplete ?? complete;
}
console.log(JSON.stringify({ status: answer.StatusCode, version: answer.ExecutedVersion, chunks, complete }));
