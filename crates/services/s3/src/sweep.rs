//! What goes by itself: expired objects, versions, delete markers and uploads; files that no record names.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hearth_store::{FileId, Key, scan_all, scopes};
use hearth_types::{Caller, RequestContext, RequestId, Scope};
use tokio_util::sync::CancellationToken;

use crate::S3;
use crate::bucket::Bucket;
use crate::deliver::PRINCIPAL;
use crate::error::S3Error;
use crate::lifecycle::LifecycleRule;
use crate::notification::Event;
use crate::record::{ObjectRecord, PartRecord, Place};
use crate::versions::{Conditions, Removal, Step};

/// Between two looks at what has expired.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Between two tries at files that could not be deleted before.
const TIDY_INTERVAL: Duration = Duration::from_secs(30);
/// Keys of a bucket that are looked at before what has expired among them is deleted.
const KEYS_AT_ONCE: usize = 1_000;

impl S3 {
    /// Lets expire until stopped.
    pub(crate) async fn sweep(self: Arc<Self>, stop: &CancellationToken) {
        // Rules are of days and hold from midnight on: a bucket is looked at when a day has begun, or its rules are new.
        let mut seen: std::collections::HashMap<String, (i64, Vec<LifecycleRule>)> = std::collections::HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            }
            let buckets: Vec<Arc<Bucket>> = self.buckets.read().values().cloned().collect();
            for bucket in buckets.into_iter().filter(|bucket| !bucket.record.lifecycle.is_empty()) {
                let now_ms = self.outbox.now_ms();
                let state = (now_ms.div_euclid(DAY_MS), bucket.record.lifecycle.clone());
                if stop.is_cancelled() || seen.get(bucket.uid()) == Some(&state) {
                    continue;
                }
                match self.expire(&bucket, now_ms).await {
                    Ok(()) => drop(seen.insert(bucket.uid().to_owned(), state)),
                    Err(error) => tracing::error!(bucket = bucket.name(), %error, "what has expired cannot be deleted"),
                }
            }
        }
    }

    /// Tries again to delete what was read, or held by a backup.
    pub(crate) async fn tidy(self: Arc<Self>, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TIDY_INTERVAL) => {}
            }
            if let Err(error) = self.files.sweep().await {
                tracing::warn!(%error, "files of objects that are gone cannot be deleted");
            }
        }
    }

    async fn expire(self: &Arc<Self>, bucket: &Arc<Bucket>, now_ms: i64) -> Result<(), S3Error> {
        let rules = &bucket.record.lifecycle;
        for upload in self.uploads_of(bucket).await? {
            if rules.iter().any(|rule| rule.aborts(&upload.key, upload.born_ms, now_ms)) {
                self.remove_upload(bucket, &upload).await?;
            }
        }
        let mut after: Option<Key> = None;
        loop {
            let mut page: Vec<ObjectRecord> = Vec::new();
            self.walk(bucket, after.clone(), |object| {
                page.push(object);
                if page.len() < KEYS_AT_ONCE { Step::Next } else { Step::Stop }
            })
            .await?;
            let is_last = page.len() < KEYS_AT_ONCE;
            after = page.last().map(|last| crate::record::object_key(&bucket.scope, bucket.uid(), &last.key));
            for object in page {
                self.expire_key(bucket, rules, object, now_ms).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn expire_key(
        self: &Arc<Self>,
        bucket: &Arc<Bucket>,
        rules: &[LifecycleRule],
        newest: ObjectRecord,
        now_ms: i64,
    ) -> Result<(), S3Error> {
        let ctx = context(&bucket.scope, &RequestId::generate(&*self.random));
        let removal = |version: Option<String>, only: Option<u64>| Removal {
            key: newest.key.clone(),
            version,
            conditions: Conditions::default(),
            events: (Event::Expired, Event::ExpiredByMarker),
            only,
        };
        if bucket.is_versioned() {
            let older = self.noncurrent(bucket, &newest.key).await?;
            let mut kept = older.len();
            for (newer, version) in older.iter().enumerate() {
                if rules.iter().any(|rule| rule.expires_noncurrent(version, newer, now_ms)) {
                    self.remove(&ctx, bucket, &removal(Some(version.version_text().to_owned()), None)).await?;
                    kept -= 1;
                }
            }
            if kept == 0 && rules.iter().any(|rule| rule.removes_marker(&newest, now_ms)) {
                self.remove(&ctx, bucket, &removal(Some(newest.version_text().to_owned()), None)).await?;
                return Ok(());
            }
        }
        if rules.iter().any(|rule| rule.expires(&newest, now_ms)) {
            self.remove(&ctx, bucket, &removal(None, Some(newest.sequence))).await?;
        }
        Ok(())
    }

    /// Deletes files that no record names: of writes that a crash cut short. Nobody writes yet.
    pub(crate) async fn collect_files(&self) -> Result<(), S3Error> {
        let mut orphans: HashSet<FileId> = self.files.list().await?.into_iter().collect();
        if orphans.is_empty() {
            return Ok(());
        }
        let mut keep = |parts: &[PartRecord]| {
            for part in parts {
                if let Place::File(id) = &part.place {
                    orphans.remove(id);
                }
            }
        };
        for scope in scopes(&*self.store).await? {
            for table in ["s3.object", "s3.version"] {
                scan_all(&*self.store, &Key::new(&scope, table), |entry| {
                    keep(&self.codec.decode_at::<ObjectRecord>(&entry.key, &entry.value)?.parts);
                    Ok::<_, S3Error>(())
                })
                .await?;
            }
            scan_all(&*self.store, &Key::new(&scope, "s3.part"), |entry| {
                keep(&[self.codec.decode_at::<PartRecord>(&entry.key, &entry.value)?]);
                Ok::<_, S3Error>(())
            })
            .await?;
        }
        if !orphans.is_empty() {
            tracing::info!(files = orphans.len(), "files of objects that never came to be are deleted");
        }
        Ok(self.files.delete(orphans.into_iter().collect()).await?)
    }
}

const DAY_MS: i64 = 86_400_000;

fn context(scope: &Scope, id: &RequestId) -> RequestContext {
    let caller = Caller::Service { principal: PRINCIPAL, source_arn: None, source_account: Some(scope.account) };
    RequestContext { caller, ..RequestContext::service(scope, PRINCIPAL, id.clone()) }
}
