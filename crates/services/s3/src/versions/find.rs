//! Versions that are there: by key, by id, and in order.

use hearth_store::{KeyVersion, scan_all};

use super::read_version_id;
use crate::S3;
use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::limits::SCAN_ROWS;
use crate::record::{ObjectRecord, object_key, objects, version_key, versions};

/// Where a walk goes on.
pub(crate) enum Step {
    Next,
    /// At the first key that is not less than this.
    Behind(Vec<u8>),
    Stop,
}

impl S3 {
    /// The newest version of a key, a marker too, with what the store has of it.
    pub(crate) async fn current(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<(ObjectRecord, KeyVersion)>, S3Error> {
        let place = object_key(&bucket.scope, bucket.uid(), key);
        let Some(entry) = self.store.get(&place).await? else { return Ok(None) };
        Ok(Some((self.codec.decode_at(&entry.key, &entry.value)?, entry.version)))
    }

    /// All versions of a key that are not the newest, the youngest first.
    pub(crate) async fn noncurrent(&self, bucket: &Bucket, key: &str) -> Result<Vec<ObjectRecord>, S3Error> {
        let mut found = Vec::new();
        scan_all(&*self.store, &versions(&bucket.scope, bucket.uid(), key), |entry| {
            found.push(self.codec.decode_at(&entry.key, &entry.value)?);
            Ok::<_, S3Error>(())
        })
        .await?;
        Ok(found)
    }

    /// A version of a key, a marker too.
    ///
    /// # Errors
    /// [`S3Error`]: `version` is no version's id.
    pub(crate) async fn version(
        &self,
        bucket: &Bucket,
        key: &str,
        version: &str,
    ) -> Result<Option<ObjectRecord>, S3Error> {
        let Some((current, _)) = self.current(bucket, key).await? else {
            return if version == "null" { Ok(None) } else { read_version_id(version).map(|_| None) };
        };
        if current.version_text() == version {
            return Ok(Some(current));
        }
        self.older(bucket, key, version).await
    }

    /// The same, of those that are not the newest.
    pub(super) async fn older(
        &self,
        bucket: &Bucket,
        key: &str,
        version: &str,
    ) -> Result<Option<ObjectRecord>, S3Error> {
        if version == "null" {
            if !bucket.is_versioned() {
                return Ok(None);
            }
            return Ok(self.noncurrent(bucket, key).await?.into_iter().find(|found| found.version_id.is_none()));
        }
        let sequence = read_version_id(version)?;
        let place = version_key(&bucket.scope, bucket.uid(), key, sequence);
        let Some(entry) = self.store.get(&place).await? else { return Ok(None) };
        let found: ObjectRecord = self.codec.decode_at(&entry.key, &entry.value)?;
        Ok(Some(found).filter(|found| found.version_text() == version))
    }

    /// Calls `take` for a bucket's newest versions in the order of their keys, from behind `after`, until it says `false`.
    pub(crate) async fn walk(
        &self,
        bucket: &Bucket,
        after: Option<hearth_store::Key>,
        mut take: impl FnMut(ObjectRecord) -> Step + Send,
    ) -> Result<(), S3Error> {
        let prefix = objects(&bucket.scope, bucket.uid());
        let mut after = after;
        loop {
            let page = self.store.scan(&prefix, after.as_ref(), SCAN_ROWS).await?;
            let is_last = page.len() < SCAN_ROWS;
            after = page.last().map(|entry| entry.key.clone());
            let mut jump = None;
            for entry in page {
                let object: ObjectRecord = self.codec.decode_at(&entry.key, &entry.value)?;
                match take(object) {
                    Step::Next => {}
                    Step::Behind(text) => {
                        jump = Some(text);
                        break;
                    }
                    Step::Stop => return Ok(()),
                }
            }
            match jump {
                Some(text) => after = Some(prefix.clone().part(text)),
                None if is_last => return Ok(()),
                None => {}
            }
        }
    }
}
