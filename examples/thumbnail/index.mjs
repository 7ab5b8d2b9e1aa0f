// Makes a thumbnail of every picture that is put under pictures/, and tells the bus.
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import path from "node:path";
import sharp from "sharp";

const WIDTH = 160;
const s3 = new S3Client();
const events = new EventBridgeClient();

export const handler = async ({ Records }) => {
  for (const { s3: { bucket, object } } of Records) {
    const key = decodeURIComponent(object.key.replaceAll("+", " "));
    const picture = await s3.send(new GetObjectCommand({ Bucket: bucket.name, Key: key }));
    const thumbnail = await sharp(await picture.Body.transformToByteArray()).resize({ width: WIDTH }).png().toBuffer();

    const to = `thumbnails/${path.parse(key).name}.png`;
    await s3.send(new PutObjectCommand({ Bucket: bucket.name, Key: to, Body: thumbnail, ContentType: "image/png" }));
    console.log(`${key}: ${object.size} bytes, ${to}: ${thumbnail.length} bytes`);

    const { FailedEntryCount, Entries } = await events.send(new PutEventsCommand({
      Entries: [{
        EventBusName: process.env.BUS,
        Source: "album",
        DetailType: "Thumbnail made",
        Detail: JSON.stringify({ bucket: bucket.name, key: to, bytes: thumbnail.length }),
      }],
    }));
    if (FailedEntryCount) throw new Error(Entries[0].ErrorMessage);
  }
};
