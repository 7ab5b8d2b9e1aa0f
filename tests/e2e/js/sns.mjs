// The tutorials of SNS with the AWS SDK for JavaScript v3: topics, subscriptions of queues, publishing, filter policies.
// Prints what was answered and what arrived.
// Usage: node sns.mjs MODULES NAME, with the endpoint and credentials in the usual variables.
import { createRequire } from 'node:module';

const [modules, name] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const {
  SNSClient, CreateTopicCommand, ListTopicsCommand, GetTopicAttributesCommand, SetTopicAttributesCommand, SubscribeCommand,
  ListSubscriptionsByTopicCommand, SetSubscriptionAttributesCommand, PublishCommand, PublishBatchCommand,
  UnsubscribeCommand, DeleteTopicCommand, NotFoundException,
} = require('@aws-sdk/client-sns');
const {
  SQSClient, CreateQueueCommand, GetQueueAttributesCommand, SetQueueAttributesCommand, ReceiveMessageCommand,
  DeleteMessageCommand, DeleteQueueCommand,
} = require('@aws-sdk/client-sqs');

const sns = new SNSClient({ maxAttempts: 1 });
const sqs = new SQSClient({ maxAttempts: 1 });
const said = {};

// A topic.
const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: name }));
said.topic = TopicArn;
said.listed = (await sns.send(new ListTopicsCommand({}))).Topics.some((topic) => topic.TopicArn === TopicArn);
await sns.send(new SetTopicAttributesCommand({ TopicArn, AttributeName: 'DisplayName', AttributeValue: 'News' }));
said.displayed = (await sns.send(new GetTopicAttributesCommand({ TopicArn }))).Attributes.DisplayName;

// Two queues that the topic may send to, and their subscriptions; the second wants some messages only.
const queue = async (QueueName) => {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName }));
  const { Attributes: { QueueArn } } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{
      Effect: 'Allow', Principal: { Service: 'sns.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: QueueArn,
      Condition: { ArnEquals: { 'aws:SourceArn': TopicArn } },
    }],
  });
  await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  return { QueueUrl, QueueArn };
};
const [all, some] = [await queue(`${name}-all`), await queue(`${name}-some`)];
const subscription = (await sns.send(new SubscribeCommand({
  TopicArn, Protocol: 'sqs', Endpoint: all.QueueArn, ReturnSubscriptionArn: true,
}))).SubscriptionArn;
const filtered = (await sns.send(new SubscribeCommand({
  TopicArn, Protocol: 'sqs', Endpoint: some.QueueArn, ReturnSubscriptionArn: true,
}))).SubscriptionArn;
await sns.send(new SetSubscriptionAttributesCommand({
  SubscriptionArn: filtered, AttributeName: 'FilterPolicyScope', AttributeValue: 'MessageAttributes',
}));
await sns.send(new SetSubscriptionAttributesCommand({
  SubscriptionArn: filtered, AttributeName: 'FilterPolicy', AttributeValue: JSON.stringify({ event: ['order_placed'] }),
}));
const { Subscriptions } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
said.subscriptions = Subscriptions.map(({ Protocol, Endpoint }) => [Protocol, Endpoint.split(':').pop()]).sort();

// Messages.
for (const event of ['order_placed', 'order_cancelled']) {
  await sns.send(new PublishCommand({
    TopicArn, Subject: 'orders', Message: `an ${event}`,
    MessageAttributes: { event: { DataType: 'String', StringValue: event } },
  }));
}
const batch = await sns.send(new PublishBatchCommand({
  TopicArn,
  PublishBatchRequestEntries: ['a', 'b'].map((Id) => ({ Id, Message: `batch ${Id}` })),
}));
said.batch = batch.Successful.map(({ Id }) => Id).sort();

const arrived = async ({ QueueUrl }, count) => {
  const found = [];
  const until = Date.now() + 20_000;
  while (found.length < count && Date.now() < until) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }),
    );
    for (const { Body, ReceiptHandle } of Messages) {
      found.push(JSON.parse(Body));
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  return found.sort((a, b) => (a.Message < b.Message ? -1 : 1));
};
const everything = await arrived(all, 4);
said.all = everything.map(({ Message }) => Message);
const placed = everything.find(({ Message }) => Message === 'an order_placed');
said.envelope = {
  type: placed.Type,
  topic: placed.TopicArn === TopicArn,
  subject: placed.Subject,
  attribute: placed.MessageAttributes.event.Value,
};
said.some = (await arrived(some, 1)).map(({ Message }) => Message);
// Nothing else comes to the second.
said.others = (await sqs.send(new ReceiveMessageCommand({ QueueUrl: some.QueueUrl, WaitTimeSeconds: 1 }))).Messages ?? [];

// The end.
await sns.send(new UnsubscribeCommand({ SubscriptionArn: subscription }));
said.left = (await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }))).Subscriptions.length;
await sns.send(new DeleteTopicCommand({ TopicArn }));
try {
  await sns.send(new GetTopicAttributesCommand({ TopicArn }));
} catch (error) {
  said.gone = error instanceof NotFoundException && error.name;
}
for (const { QueueUrl } of [all, some]) {
  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
}
console.log(JSON.stringify(said));
