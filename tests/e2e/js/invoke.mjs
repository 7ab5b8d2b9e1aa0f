// Invokes a function with the AWS SDK for JavaScript v3 and prints what it answered.
// Usage: node invoke.mjs MODULES FUNCTION PAYLOAD, with the endpoint and credentials in the usual variables.
import { createRequire } from 'node:module';

const [modules, name, payload] = process.argv.slice(2);
const { LambdaClient, InvokeCommand, GetFunctionCommand, waitUntilFunctionActiveV2 } =
  createRequire(`${modules}/`)('@aws-sdk/client-lambda');

const client = new LambdaClient({ maxAttempts: 1 });
await waitUntilFunctionActiveV2({ client, maxWaitTime: 60 }, { FunctionName: name });
const configuration = await client.send(new GetFunctionCommand({ FunctionName: name }));
const answer = await client.send(new InvokeCommand({ FunctionName: name, Payload: payload, LogType: 'Tail' }));
console.log(JSON.stringify({
  state: configuration.Configuration.State,
  status: answer.StatusCode,
  version: answer.ExecutedVersion,
  error: answer.FunctionError ?? null,
  payload: JSON.parse(new TextDecoder().decode(answer.Payload)),
  log: Buffer.from(answer.LogResult, 'base64').toString(),
}));
