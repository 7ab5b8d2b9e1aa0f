//! ListObjects: the older form of ListObjectsV2.

use s3s::dto::{ListObjectsInput, ListObjectsOutput};

use super::list_objects_v2::{conditions, is_url, limit, page, prefixes, shown_object};
use crate::convert::{owner, refuse_given};
use crate::error::S3Error;
use crate::listing::{Wanted, encoded};
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: ListObjectsInput) -> Result<ListObjectsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let conditions = conditions(input.prefix.as_deref(), input.delimiter.as_deref(), input.max_keys);
    let bucket = s3.authorize(&ctx, "s3:ListBucket", on, &conditions)?;
    refuse_given(&[("OptionalObjectAttributes", input.optional_object_attributes.is_some())])?;
    let is_url = is_url(input.encoding_type.as_ref())?;
    let limit = limit(input.max_keys)?;
    let wanted = Wanted {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        limit,
        after: input.marker.as_deref().filter(|marker| !marker.is_empty()),
    };
    let page = page(&s3, &bucket, &wanted).await?;
    let shown = Some(owner(&bucket));
    Ok(ListObjectsOutput {
        name: Some(input.bucket.clone()),
        prefix: Some(encoded(wanted.prefix, is_url)),
        marker: Some(encoded(input.marker.as_deref().unwrap_or_default(), is_url)),
        delimiter: input.delimiter.as_deref().map(|delimiter| encoded(delimiter, is_url)),
        max_keys: i32::try_from(limit).ok(),
        is_truncated: Some(page.next.is_some()),
        next_marker: page.next.as_deref().filter(|_| wanted.delimiter.is_some()).map(|next| encoded(next, is_url)),
        encoding_type: input.encoding_type,
        common_prefixes: prefixes(&page.prefixes, is_url),
        contents: Some(page.items.iter().map(|object| shown_object(object, is_url, shown.clone())).collect()),
        ..ListObjectsOutput::default()
    })
}
