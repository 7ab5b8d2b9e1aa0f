// The tutorials of SQS with the AWS SDK for JavaScript v3: queues, messages, batches, long polling, visibility, FIFO, dead
// letters. Prints what was answered.
// Usage: node sqs.mjs MODULES NAME, with the endpoint and credentials in the usual variables.
import { createRequire } from 'node:module';

const [modules, name] = process.argv.slice(2);
const {
  SQSClient, paginateListQueues, CreateQueueCommand, GetQueueUrlCommand, GetQueueAttributesCommand, SetQueueAttributesCommand,
  SendMessageCommand, SendMessageBatchCommand, ReceiveMessageCommand, ChangeMessageVisibilityCommand, DeleteMessageCommand,
  DeleteMessageBatchCommand, ListDeadLetterSourceQueuesCommand, DeleteQueueCommand, QueueDoesNotExist,
} = createRequire(`${modules}/`)('@aws-sdk/client-sqs');

const client = new SQSClient({ maxAttempts: 1 });
const said = {};

// Queues.
const { QueueUrl } = await client.send(new CreateQueueCommand({
  QueueName: name,
  Attributes: { DelaySeconds: '0', MessageRetentionPeriod: '86400' },
}));
said.found = (await client.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl === QueueUrl;
said.listed = [];
for await (const page of paginateListQueues({ client, pageSize: 1 }, { QueueNamePrefix: name })) {
  said.listed.push(...(page.QueueUrls ?? []));
}
said.queue = QueueUrl;

// A message with attributes; the SDK compares the digests itself.
await client.send(new SendMessageCommand({
  QueueUrl,
  MessageAttributes: {
    Title: { DataType: 'String', StringValue: 'The Whistler' },
    Author: { DataType: 'String', StringValue: 'John Grisham' },
    WeeksOn: { DataType: 'Number', StringValue: '6' },
  },
  MessageBody: 'Information about current NY Times fiction bestseller for week of 12/11/2016.',
}));
const receive = async (url, more = {}) => (await client.send(new ReceiveMessageCommand({
  QueueUrl: url, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'], ...more,
}))).Messages ?? [];
const [first] = await receive(QueueUrl, { VisibilityTimeout: 20 });
said.received = {
  body: first.Body,
  title: first.MessageAttributes.Title.StringValue,
  weeks: first.MessageAttributes.WeeksOn.StringValue,
  receives: first.Attributes.ApproximateReceiveCount,
};

// It is hidden; made visible, it comes again; deleted, it does not.
said.hidden = (await receive(QueueUrl)).length;
await client.send(new ChangeMessageVisibilityCommand({
  QueueUrl, ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 0,
}));
const [again] = await receive(QueueUrl);
said.again = again.Attributes.ApproximateReceiveCount;
await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again.ReceiptHandle }));

// Long polling, for the queue: a receive waits until a message is sent.
await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { ReceiveMessageWaitTimeSeconds: '20' } }));
const started = Date.now();
const waiting = receive(QueueUrl);
setTimeout(() => client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'late' })), 1_000);
const [late] = await waiting;
said.late = { body: late.Body, waited_ms: Date.now() - started };
await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: late.ReceiptHandle }));

// Batches.
const sent = await client.send(new SendMessageBatchCommand({
  QueueUrl,
  Entries: [...Array(10).keys()].map((number) => ({ Id: `id${number}`, MessageBody: `batch ${number}` })),
}));
said.batch = { successful: sent.Successful.length, failed: (sent.Failed ?? []).length };
const messages = [];
while (messages.length < 10) {
  messages.push(...await receive(QueueUrl));
}
said.bodies = messages.map((message) => message.Body).sort();
const deleted = await client.send(new DeleteMessageBatchCommand({
  QueueUrl,
  Entries: messages.map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle })),
}));
said.deleted = deleted.Successful.length;

// FIFO: in order, each once.
const fifo = (await client.send(new CreateQueueCommand({
  QueueName: `${name}.fifo`, Attributes: { FifoQueue: 'true', ContentBasedDeduplication: 'true' },
}))).QueueUrl;
for (const body of ['one', 'two', 'two', 'three']) {
  await client.send(new SendMessageCommand({ QueueUrl: fifo, MessageBody: body, MessageGroupId: 'group' }));
}
said.fifo = (await receive(fifo, { WaitTimeSeconds: 2 })).map((message) => message.Body);

// Dead letters: what was received once and not deleted goes to another queue.
const dead = (await client.send(new CreateQueueCommand({ QueueName: `${name}-dead` }))).QueueUrl;
const { Attributes: { QueueArn: deadLetterTargetArn } } = await client.send(
  new GetQueueAttributesCommand({ QueueUrl: dead, AttributeNames: ['QueueArn'] }),
);
await client.send(new SetQueueAttributesCommand({
  QueueUrl,
  Attributes: {
    ReceiveMessageWaitTimeSeconds: '0', RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: '1' }),
  },
}));
said.sources = (await client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: dead }))).queueUrls;
await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'nobody can' }));
await receive(QueueUrl, { VisibilityTimeout: 0 });
said.left = (await receive(QueueUrl)).length;
const [letter] = await receive(dead, { WaitTimeSeconds: 5 });
said.letter = { body: letter.Body, from: letter.Attributes.DeadLetterQueueSourceArn?.split(':').pop() };

for (const url of [QueueUrl, fifo, dead]) {
  await client.send(new DeleteQueueCommand({ QueueUrl: url }));
}
try {
  await client.send(new GetQueueUrlCommand({ QueueName: name }));
} catch (error) {
  said.gone = error instanceof QueueDoesNotExist && error.name;
}
console.log(JSON.stringify(said));
