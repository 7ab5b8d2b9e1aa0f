// Makes a thumbnail of a picture, and says what it is.

import sharp from "sharp";

export const handler = async ({ picture, width }) => {
  const made = await sharp(Buffer.from(picture, "base64")).resize({ width }).png().toBuffer();
  const about = await sharp(made).metadata();
  return { thumbnail: made.toString("base64"), width: about.width, height: about.height, format: about.format };
};
