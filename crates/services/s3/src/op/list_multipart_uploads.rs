//! ListMultipartUploads: what has begun and not ended, by key and then by age.

use s3s::dto::{
    CommonPrefix, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass,
};

use super::list_objects_v2::{is_url, limit};
use crate::convert::{owner, timestamp};
use crate::error::S3Error;
use crate::listing::encoded;
use crate::request::{Call, On};
use crate::upload::kind_of;

pub(crate) async fn run(call: Call, input: ListMultipartUploadsInput) -> Result<ListMultipartUploadsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:ListBucketMultipartUploads", on, &[])?;
    let is_url = is_url(input.encoding_type.as_ref())?;
    let limit = limit(input.max_uploads)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone().filter(|marker| !marker.is_empty() && !key_marker.is_empty());
    let mut all = s3.uploads_of(&bucket).await?;
    all.sort_by(|one, two| (&one.key, one.initiated_ms, &one.id).cmp(&(&two.key, two.initiated_ms, &two.id)));
    let mut position = 0;
    if let Some(marker) = &id_marker {
        let found = all.iter().position(|upload| upload.id == *marker && upload.key == key_marker);
        let message = "Invalid uploadId marker";
        position = 1 + found.ok_or_else(|| S3Error::argument("upload-id-marker", marker, message))?;
    }
    let mut prefixes: Vec<String> = Vec::new();
    let mut shown = Vec::new();
    let mut last: Option<(String, String)> = None;
    let mut is_truncated = false;
    for upload in &all[position..] {
        let is_behind = id_marker.is_some() || upload.key > key_marker;
        if !is_behind || !upload.key.starts_with(&prefix) {
            continue;
        }
        let common = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            let at = upload.key[prefix.len()..].find(delimiter)?;
            Some(upload.key[..prefix.len() + at + delimiter.len()].to_owned())
        });
        if common.as_ref().is_some_and(|common| prefixes.contains(common) || *common <= key_marker) {
            continue;
        }
        if shown.len() + prefixes.len() == limit {
            is_truncated = true;
            break;
        }
        match common {
            Some(common) => {
                last = Some((common.clone(), upload.id.clone()));
                prefixes.push(common);
            }
            None => {
                last = Some((upload.key.clone(), upload.id.clone()));
                shown.push(upload);
            }
        }
    }
    let last = last.filter(|_| is_truncated);
    let upload = |upload: &&crate::record::UploadRecord| MultipartUpload {
        checksum_algorithm: upload.algorithm.map(|algorithm| algorithm.name().to_owned().into()),
        checksum_type: upload.algorithm.map(|_| kind_of(upload).as_str().to_owned().into()),
        initiated: Some(timestamp(upload.initiated_ms)),
        initiator: Some(Initiator { id: owner(&bucket).id, display_name: None }),
        key: Some(encoded(&upload.key, is_url)),
        owner: Some(owner(&bucket)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        upload_id: Some(upload.id.clone()),
    };
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket.clone()),
        prefix: Some(encoded(&prefix, is_url)),
        delimiter: input.delimiter.as_deref().map(|delimiter| encoded(delimiter, is_url)),
        key_marker: Some(encoded(&key_marker, is_url)),
        upload_id_marker: Some(input.upload_id_marker.clone().unwrap_or_default()),
        max_uploads: i32::try_from(limit).ok(),
        is_truncated: Some(is_truncated),
        next_key_marker: last.as_ref().map(|(key, _)| encoded(key, is_url)),
        next_upload_id_marker: last.map(|(_, id)| id),
        encoding_type: input.encoding_type,
        common_prefixes: Some(
            prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encoded(prefix, is_url)) }).collect(),
        ),
        uploads: Some(shown.iter().map(upload).collect()),
        ..ListMultipartUploadsOutput::default()
    })
}
