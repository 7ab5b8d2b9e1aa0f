// Buckets and objects with the AWS SDK for JavaScript v3: streams in and out, uploads in parts, links, pages, notifications
// and the classes of errors. Prints what was answered and what arrived.
// Usage: node s3.mjs MODULES NAME, with the endpoint and credentials in the usual variables.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const [modules, Bucket] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const {
  S3Client, CreateBucketCommand, PutObjectCommand, GetObjectCommand, HeadObjectCommand, CopyObjectCommand,
  DeleteObjectCommand, DeleteObjectsCommand, DeleteBucketCommand, ListPartsCommand, CreateMultipartUploadCommand,
  AbortMultipartUploadCommand, PutBucketNotificationConfigurationCommand, GetBucketNotificationConfigurationCommand,
  paginateListObjectsV2, waitUntilBucketExists, waitUntilObjectNotExists, S3ServiceException, NoSuchKey, NoSuchBucket,
  NotFound, NoSuchUpload,
} = require('@aws-sdk/client-s3');
const { Upload } = require('@aws-sdk/lib-storage');
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner');
const {
  SQSClient, CreateQueueCommand, GetQueueAttributesCommand, SetQueueAttributesCommand, ReceiveMessageCommand,
  DeleteMessageCommand, DeleteQueueCommand,
} = require('@aws-sdk/client-sqs');

const MIB = 1 << 20;
// The bucket stands in the path: names below localhost do not resolve everywhere.
const s3 = new S3Client({ maxAttempts: 1, forcePathStyle: true });
const sqs = new SQSClient({ maxAttempts: 1 });
const said = {};

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const digested = async (stream) => {
  const digest = createHash('sha256');
  await pipeline(stream, new Writable({ write: (piece, _, done) => { digest.update(piece); done(); } }));
  return digest.digest('hex');
};
const refused = async (kind, command) => {
  try {
    await s3.send(command);
    return 'not refused';
  } catch (error) {
    return [error instanceof kind && error instanceof S3ServiceException, error.name, error.$metadata.httpStatusCode];
  }
};

await s3.send(new CreateBucketCommand({ Bucket }));
await waitUntilBucketExists({ client: s3, maxWaitTime: 20 }, { Bucket });

// A body of known length, from a stream, with a checksum behind it.
const body = Buffer.alloc(3 * MIB + 5, 'a stream of words ');
const put = await s3.send(new PutObjectCommand({
  Bucket, Key: 'stream', Body: Readable.from([body.subarray(0, MIB), body.subarray(MIB)]), ContentLength: body.length,
  ContentType: 'text/plain', Metadata: { color: 'blue' }, ChecksumAlgorithm: 'SHA256', Tagging: 'a=b',
}));
const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }));
said.stream = {
  same: (await digested(got.Body)) === sha256(body),
  etag: put.ETag === `"${createHash('md5').update(body).digest('hex')}"` && got.ETag === put.ETag,
  checksum: got.ChecksumSHA256 === createHash('sha256').update(body).digest('base64'),
  length: got.ContentLength === body.length,
  type: got.ContentType,
  metadata: got.Metadata,
  tags: got.TagCount,
};
const ranged = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream', Range: 'bytes=2-8' }));
said.range = [await ranged.Body.transformToString(), ranged.ContentRange, ranged.$metadata.httpStatusCode];

// A stream of a length that nobody knows, in parts.
const large = Buffer.alloc(12 * MIB + 3, 'more than one part ');
const pieces = function* () {
  for (let at = 0; at < large.length; at += 700_000) yield large.subarray(at, at + 700_000);
};
const upload = new Upload({
  client: s3, params: { Bucket, Key: 'in parts', Body: Readable.from(pieces()) }, partSize: 5 * MIB, queueSize: 3,
});
const steps = [];
upload.on('httpUploadProgress', ({ part }) => steps.push(part));
const completed = await upload.done();
said.parts = {
  etag: completed.ETag.endsWith('-3"'),
  steps: steps.sort(),
  same: (await digested((await s3.send(new GetObjectCommand({ Bucket, Key: 'in parts' }))).Body)) === sha256(large),
  second: (await s3.send(new HeadObjectCommand({ Bucket, Key: 'in parts', PartNumber: 2 }))).PartsCount,
};
// One that is given up leaves nothing.
const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'given up' }));
await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'given up', UploadId }));
said.givenUp = await refused(NoSuchUpload, new ListPartsCommand({ Bucket, Key: 'given up', UploadId }));

// Links: whoever has one needs nothing else, and can do nothing else with it.
const link = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'by link' }), { expiresIn: 60 });
const linked = await fetch(link, { method: 'PUT', body: 'by link' });
const read = await getSignedUrl(s3, new GetObjectCommand({
  Bucket, Key: 'by link', ResponseContentDisposition: 'attachment; filename="x"',
}), { expiresIn: 60 });
const answer = await fetch(read);
said.link = [linked.status, answer.status, await answer.text(), answer.headers.get('content-disposition')];

// Pages.
const keys = Array.from({ length: 25 }, (_, at) => `page/${String(at).padStart(2, '0')} +ü`);
await Promise.all(keys.map((Key) => s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }))));
const [listed, sizes] = [[], []];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 10 }, { Bucket, Prefix: 'page/' })) {
  sizes.push(page.KeyCount);
  listed.push(...page.Contents.map(({ Key }) => Key));
}
said.pages = { sizes, same: JSON.stringify(listed) === JSON.stringify(keys) };
const folders = [];
for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, Delimiter: '/' })) {
  folders.push(...page.CommonPrefixes.map(({ Prefix }) => Prefix), ...page.Contents.map(({ Key }) => Key));
}
said.folders = folders;

// Notifications.
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: Bucket }));
const { Attributes: { QueueArn } } = await sqs.send(
  new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
);
const notify = (arn) => new PutBucketNotificationConfigurationCommand({
  Bucket,
  NotificationConfiguration: {
    QueueConfigurations: [{
      Id: 'pictures', QueueArn: arn, Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
      Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'pictures/' }, { Name: 'suffix', Value: '.png' }] } },
    }],
  },
});
said.nowhere = await refused(S3ServiceException, notify(`${QueueArn}-other`));
await sqs.send(new SetQueueAttributesCommand({
  QueueUrl,
  Attributes: {
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{
        Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: QueueArn,
        Condition: { ArnEquals: { 'aws:SourceArn': `arn:aws:s3:::${Bucket}` } },
      }],
    }),
  },
}));
await s3.send(notify(QueueArn));
const { QueueConfigurations } = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }));
said.configured = QueueConfigurations.map(({ Id, Events, Filter }) => [Id, Events, Filter.Key.FilterRules.map(({ Value }) => Value)]);
await s3.send(new PutObjectCommand({ Bucket, Key: 'pictures/a b.jpg', Body: 'x' }));
await s3.send(new PutObjectCommand({ Bucket, Key: 'pictures/a b.png', Body: 'x' }));
await s3.send(new CopyObjectCommand({ Bucket, Key: 'pictures/c.png', CopySource: `${Bucket}/pictures/a%20b.png` }));
await s3.send(new DeleteObjectCommand({ Bucket, Key: 'pictures/a b.png' }));
await waitUntilObjectNotExists({ client: s3, maxWaitTime: 20 }, { Bucket, Key: 'pictures/a b.png' });
const told = new Set();
const until = Date.now() + 20_000;
while (told.size < 3 && Date.now() < until) {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }),
  );
  for (const { Body, ReceiptHandle } of Messages) {
    for (const { eventName, s3: { object } } of JSON.parse(Body).Records ?? []) told.add(`${eventName} ${object.key}`);
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  }
}
said.told = [...told].sort();

// Errors.
said.errors = {
  key: await refused(NoSuchKey, new GetObjectCommand({ Bucket, Key: 'nobody' })),
  head: await refused(NotFound, new HeadObjectCommand({ Bucket, Key: 'nobody' })),
  bucket: await refused(NoSuchBucket, new GetObjectCommand({ Bucket: `${Bucket}-other`, Key: 'x' })),
  absent: await refused(S3ServiceException, new PutObjectCommand({ Bucket, Key: 'stream', Body: 'x', IfNoneMatch: '*' })),
  digest: await refused(S3ServiceException, new PutObjectCommand({ Bucket, Key: 'x', Body: 'x', ContentMD5: '1B2M2Y8AsgTpgAmY7PhCfg==' })),
  full: await refused(S3ServiceException, new DeleteBucketCommand({ Bucket })),
};

// The end.
for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket })) {
  const Objects = page.Contents.map(({ Key }) => ({ Key }));
  await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
}
await s3.send(new DeleteBucketCommand({ Bucket }));
await sqs.send(new DeleteQueueCommand({ QueueUrl }));
console.log(JSON.stringify(said));
