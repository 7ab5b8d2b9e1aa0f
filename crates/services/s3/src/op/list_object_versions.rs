//! ListObjectVersions: every version and delete marker, the youngest of each key first.

use s3s::dto::{
    DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion, ObjectVersionStorageClass,
};

use super::list_objects_v2::{begin, conditions, is_url, limit, prefixes};
use crate::convert::{etag, owner, refuse_given, timestamp};
use crate::error::S3Error;
use crate::listing::{Page, Wanted, encoded};
use crate::record::ObjectRecord;
use crate::request::{Call, On};

pub(crate) async fn run(call: Call, input: ListObjectVersionsInput) -> Result<ListObjectVersionsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let conditions = conditions(input.prefix.as_deref(), input.delimiter.as_deref(), input.max_keys);
    let bucket = s3.authorize(&ctx, "s3:ListBucketVersions", on, &conditions)?;
    refuse_given(&[("OptionalObjectAttributes", input.optional_object_attributes.is_some())])?;
    let is_url = is_url(input.encoding_type.as_ref())?;
    let limit = limit(input.max_keys)?;
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let version_marker = input.version_id_marker.clone().filter(|marker| !marker.is_empty());
    if let (None, Some(marker)) = (&key_marker, &version_marker) {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(S3Error::argument("version-id-marker", marker, message));
    }
    let wanted = Wanted {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        limit,
        after: key_marker.as_deref(),
    };
    let mut shown: Vec<(ObjectRecord, bool)> = Vec::new();
    let mut common = Vec::new();
    let mut next: Option<(String, Option<String>)> = None;
    if limit > 0 {
        // What is left of the key that an earlier page ended in.
        if let (Some(key), Some(version)) = (&key_marker, &version_marker)
            && let Some((current, _)) = s3.current(&bucket, key).await?
        {
            let all = std::iter::once((current, true)).chain(older(&s3, &bucket, key).await?);
            shown.extend(all.skip_while(|(object, _)| object.version_text() != version).skip(1));
        }
        // Of keys there are no more than versions.
        let mut page: Page<ObjectRecord> = Page::default();
        s3.walk(&bucket, begin(&bucket, &wanted), |object| {
            let key = object.key.clone();
            page.take(&wanted, &key, || Some(object))
        })
        .await?;
        let mut prefixes = page.prefixes.into_iter().peekable();
        for current in page.items {
            while prefixes.peek().is_some_and(|prefix| *prefix < current.key) {
                common.extend(prefixes.next());
            }
            if shown.len() + common.len() > limit {
                break;
            }
            let key = current.key.clone();
            shown.push((current, true));
            if bucket.is_versioned() {
                shown.extend(older(&s3, &bucket, &key).await?);
            }
        }
        if shown.len() + common.len() <= limit {
            common.extend(prefixes);
        }
        let room = limit.saturating_sub(common.len());
        if shown.len() > room || page.next.is_some() || common.len() > limit {
            shown.truncate(room);
            let last = shown.last().map(|(object, _)| (object.key.clone(), Some(object.version_text().to_owned())));
            let prefix = common.last().cloned().map(|prefix| (prefix, None));
            next = last.into_iter().chain(prefix).max_by(|one, two| one.0.cmp(&two.0));
        }
    }
    let (markers, versions): (Vec<_>, Vec<_>) = shown.into_iter().partition(|(object, _)| object.is_marker);
    Ok(ListObjectVersionsOutput {
        name: Some(input.bucket.clone()),
        prefix: Some(encoded(wanted.prefix, is_url)),
        delimiter: input.delimiter.as_deref().map(|delimiter| encoded(delimiter, is_url)),
        key_marker: Some(encoded(input.key_marker.as_deref().unwrap_or_default(), is_url)),
        version_id_marker: Some(input.version_id_marker.clone().unwrap_or_default()),
        max_keys: i32::try_from(limit).ok(),
        is_truncated: Some(next.is_some()),
        next_key_marker: next.as_ref().map(|(key, _)| encoded(key, is_url)),
        next_version_id_marker: next.and_then(|(_, version)| version),
        encoding_type: input.encoding_type,
        common_prefixes: prefixes(&common, is_url),
        versions: Some(
            versions.iter().map(|(object, is_latest)| version(&bucket, object, *is_latest, is_url)).collect(),
        ),
        delete_markers: Some(
            markers
                .iter()
                .map(|(object, is_latest)| DeleteMarkerEntry {
                    is_latest: Some(*is_latest),
                    key: Some(encoded(&object.key, is_url)),
                    last_modified: Some(timestamp(object.modified_ms)),
                    owner: Some(owner(&bucket)),
                    version_id: Some(object.version_text().to_owned()),
                })
                .collect(),
        ),
        ..ListObjectVersionsOutput::default()
    })
}

async fn older(
    s3: &crate::S3,
    bucket: &crate::bucket::Bucket,
    key: &str,
) -> Result<impl Iterator<Item = (ObjectRecord, bool)> + use<>, S3Error> {
    Ok(s3.noncurrent(bucket, key).await?.into_iter().map(|object| (object, false)))
}

fn version(bucket: &crate::bucket::Bucket, object: &ObjectRecord, is_latest: bool, is_url: bool) -> ObjectVersion {
    let checksum = object.checksum.as_ref();
    ObjectVersion {
        checksum_algorithm: checksum.map(|checksum| vec![checksum.algorithm.name().to_owned().into()]),
        checksum_type: checksum.map(|checksum| checksum.kind.as_str().to_owned().into()),
        e_tag: Some(etag(&object.etag)),
        is_latest: Some(is_latest),
        key: Some(encoded(&object.key, is_url)),
        last_modified: Some(timestamp(object.modified_ms)),
        owner: Some(owner(bucket)),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectVersionStorageClass::from_static("STANDARD")),
        version_id: Some(object.version_text().to_owned()),
        ..ObjectVersion::default()
    }
}
