//! Versions of objects: found, added and removed, each change in one commit with what it replaces and the notifications that
//! tell of it. Who is overtaken by another change of the same key decides again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hearth_store::{FileId, KeyVersion, Mutation, Precondition, StoreError, scan_all};
use hearth_types::RequestContext;

use crate::S3;
use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::limits::{COMMIT_ATTEMPTS_MAX, SCAN_ROWS};
use crate::notification::{Cause, Event};
use crate::record::{ObjectRecord, Place, Versioning, inline_key, object_key, objects, version_key, versions};

const SEQUENCE_BYTES: usize = 8;
const VERSION_ID_BYTES: usize = 24;

/// Conditions of a write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    /// The newest version has this ETag; `*`: there is one.
    pub(crate) if_match: Option<String>,
    /// There is none.
    pub(crate) if_absent: bool,
}

impl Conditions {
    fn check(&self, key: &str, current: Option<&ObjectRecord>) -> Result<(), S3Error> {
        let visible = current.filter(|current| !current.is_marker);
        if self.if_absent && visible.is_some() {
            return Err(S3Error::precondition("If-None-Match"));
        }
        match (&self.if_match, visible) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(S3Error::no_such_key(key)),
            (Some(wanted), Some(current)) if wanted == "*" || *wanted == current.etag => Ok(()),
            (Some(_), Some(_)) => Err(S3Error::precondition("If-Match")),
        }
    }

    fn name(&self) -> Option<&'static str> {
        match self {
            Self { if_absent: true, .. } => Some("If-None-Match"),
            Self { if_match: Some(_), .. } => Some("If-Match"),
            Self { .. } => None,
        }
    }
}

/// A version that is to be the newest. Ids, numbers and times are given to it when it is.
pub(crate) struct Addition {
    pub(crate) object: ObjectRecord,
    pub(crate) conditions: Conditions,
    pub(crate) event: Event,
    /// In the same commit.
    pub(crate) beside: Vec<Mutation>,
}

/// What is deleted, and how.
pub(crate) struct Removal {
    pub(crate) key: String,
    /// A version; `None`: the object, as its bucket's versioning has it.
    pub(crate) version: Option<String>,
    pub(crate) conditions: Conditions,
    /// Told of instead of what the deletion is by itself: permanent, or by a marker.
    pub(crate) events: (Event, Event),
    /// Nothing is done unless this is the version that is deleted or hidden.
    pub(crate) only: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Of the version that is gone, or of the marker that was made.
    pub(crate) version_id: Option<String>,
    /// The version that is gone was a marker, or one was made.
    pub(crate) is_marker: bool,
    pub(crate) made_marker: bool,
}

/// One attempt: what it would change.
#[derive(Default)]
struct Change {
    mutations: Vec<Mutation>,
    /// Files that no record names afterwards.
    doomed: Vec<FileId>,
}

impl Change {
    /// Bytes that no record names any more.
    fn forget(&mut self, bucket: &Bucket, object: &ObjectRecord) {
        for part in &object.parts {
            match &part.place {
                Place::File(id) => self.doomed.push(*id),
                Place::Inline(id) => {
                    self.mutations.push(Mutation::Delete(inline_key(&bucket.scope, bucket.uid(), id)));
                }
            }
        }
    }
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
    async fn older(&self, bucket: &Bucket, key: &str, version: &str) -> Result<Option<ObjectRecord>, S3Error> {
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

    /// Makes a version the newest of its key. Answers it as it is.
    ///
    /// # Errors
    /// [`S3Error`]: a condition does not hold, or the bucket is gone.
    pub(crate) async fn add(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        addition: Addition,
    ) -> Result<ObjectRecord, S3Error> {
        let gate = bucket.gate.clone();
        let is_there = gate.read().await;
        if !*is_there {
            return Err(S3Error::no_such_bucket(bucket.name()));
        }
        let Addition { object, conditions, event, beside } = addition;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            // As the bucket is now.
            let bucket = self.find_bucket(bucket.name()).ok_or_else(|| S3Error::no_such_bucket(bucket.name()))?;
            let current = self.current(&bucket, &object.key).await?;
            conditions.check(&object.key, current.as_ref().map(|(current, _)| current))?;
            let mut object = object.clone();
            self.stamp(&bucket, &mut object, current.as_ref().map(|(current, _)| current));
            let mut change = Change { mutations: beside.clone(), ..Change::default() };
            self.displace(&bucket, &object, current.as_ref().map(|(current, _)| current), &mut change).await?;
            let expected = current.map(|(_, version)| version);
            if self.apply(ctx, &bucket, &object, expected, Some(&object), change, event).await? {
                return Ok(object);
            }
        }
        Err(overtaken(&conditions, &object.key))
    }

    /// Deletes a version, or hides an object behind a marker.
    ///
    /// # Errors
    /// [`S3Error`]: a condition does not hold, or the bucket is gone.
    pub(crate) async fn remove(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        removal: &Removal,
    ) -> Result<Removed, S3Error> {
        let gate = bucket.gate.clone();
        let is_there = gate.read().await;
        if !*is_there {
            return Err(S3Error::no_such_bucket(bucket.name()));
        }
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let bucket = self.find_bucket(bucket.name()).ok_or_else(|| S3Error::no_such_bucket(bucket.name()))?;
            let removed = match &removal.version {
                Some(version) => self.remove_version(ctx, &bucket, removal, version).await?,
                None => self.remove_object(ctx, &bucket, removal).await?,
            };
            if let Some(removed) = removed {
                return Ok(removed);
            }
        }
        Err(overtaken(&removal.conditions, &removal.key))
    }

    /// `None`: overtaken.
    async fn remove_object(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        removal: &Removal,
    ) -> Result<Option<Removed>, S3Error> {
        let Removal { key, conditions, events, only, .. } = removal;
        let found = self.current(bucket, key).await?;
        let current = found.as_ref().map(|(current, _)| current);
        conditions.check(key, current)?;
        let expected = found.as_ref().map(|(_, version)| *version);
        if only.is_some() && current.map(|current| current.sequence) != *only {
            return Ok(Some(Removed::default()));
        }
        if bucket.record.versioning == Versioning::Off {
            let Some(current) = current else { return Ok(Some(Removed::default())) };
            let mut change = Change::default();
            change.forget(bucket, current);
            let mut told = current.clone();
            told.sequence = self.next_sequence(current.sequence);
            let is_done = self.apply(ctx, bucket, &told, expected, None, change, events.0).await?;
            return Ok(is_done.then(Removed::default));
        }
        let mut marker = marker(key);
        self.stamp(bucket, &mut marker, current);
        let mut change = Change::default();
        self.displace(bucket, &marker, current, &mut change).await?;
        let is_done = self.apply(ctx, bucket, &marker, expected, Some(&marker), change, events.1).await?;
        let version_id = Some(marker.version_text().to_owned());
        Ok(is_done.then_some(Removed { version_id, is_marker: true, made_marker: true }))
    }

    /// `None`: overtaken.
    async fn remove_version(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        removal: &Removal,
        version: &str,
    ) -> Result<Option<Removed>, S3Error> {
        let Removal { key, events, conditions, .. } = removal;
        let nothing = || Removed { version_id: Some(version.to_owned()), ..Removed::default() };
        let Some((current, expected)) = self.current(bucket, key).await? else {
            conditions.check(key, None)?;
            if version != "null" {
                read_version_id(version)?;
            }
            return Ok(Some(nothing()));
        };
        let mut change = Change::default();
        let (gone, newest) = if current.version_text() == version {
            conditions.check(key, Some(&current))?;
            // The next one takes its place.
            let next = self.noncurrent(bucket, key).await?.into_iter().next();
            if let Some(next) = &next {
                let place = version_key(&bucket.scope, bucket.uid(), key, next.sequence);
                change.mutations.push(Mutation::Delete(place));
            }
            let next = next.map(|next| ObjectRecord { superseded_ms: None, ..next });
            (current, next)
        } else {
            let Some(gone) = self.older(bucket, key, version).await? else { return Ok(Some(nothing())) };
            conditions.check(key, Some(&gone))?;
            let place = version_key(&bucket.scope, bucket.uid(), key, gone.sequence);
            change.mutations.push(Mutation::Delete(place));
            (gone, Some(current))
        };
        change.forget(bucket, &gone);
        let mut told = gone.clone();
        told.sequence = self.next_sequence(gone.sequence);
        let is_done = self.apply(ctx, bucket, &told, Some(expected), newest.as_ref(), change, events.0).await?;
        let removed = Removed { is_marker: gone.is_marker, ..nothing() };
        Ok(is_done.then_some(removed))
    }

    /// Changes tags of a version. Answers it.
    ///
    /// # Errors
    /// [`S3Error`].
    pub(crate) async fn set_tags(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        target: &ObjectRecord,
        tags: &[(String, String)],
        event: Event,
    ) -> Result<(), S3Error> {
        let gate = bucket.gate.clone();
        let _is_there = gate.read().await;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let Some((current, expected)) = self.current(bucket, &target.key).await? else {
                return Err(S3Error::no_such_key(&target.key));
            };
            let version = target.version_text();
            let mut change = Change::default();
            let (newest, told) = if current.version_text() == version {
                let changed = ObjectRecord { tags: tags.to_vec(), ..current };
                (changed.clone(), changed)
            } else {
                let Some(older) = self.older(bucket, &target.key, version).await? else {
                    return Err(S3Error::no_such_version(&target.key, version));
                };
                let changed = ObjectRecord { tags: tags.to_vec(), ..older };
                let place = version_key(&bucket.scope, bucket.uid(), &target.key, changed.sequence);
                let value = self.codec.encode_at(&place, &changed)?;
                change.mutations.push(Mutation::Put(place, value));
                (current, changed)
            };
            let mut told = told;
            told.sequence = self.next_sequence(told.sequence);
            if self.apply(ctx, bucket, &told, Some(expected), Some(&newest), change, event).await? {
                return Ok(());
            }
        }
        Err(overtaken(&Conditions::default(), &target.key))
    }

    /// Id, number and times of what becomes the newest version now.
    fn stamp(&self, bucket: &Bucket, object: &mut ObjectRecord, current: Option<&ObjectRecord>) {
        object.sequence = self.next_sequence(current.map_or(0, |current| current.sequence));
        object.modified_ms = self.wall.now_ms();
        object.born_ms = self.outbox.now_ms();
        let is_enabled = bucket.record.versioning == Versioning::Enabled;
        object.version_id = is_enabled.then(|| self.new_version_id(object.sequence));
    }

    /// Puts what was the newest version among the older ones, or out of the world if the new one takes its place.
    async fn displace(
        &self,
        bucket: &Bucket,
        new: &ObjectRecord,
        current: Option<&ObjectRecord>,
        change: &mut Change,
    ) -> Result<(), S3Error> {
        let Some(current) = current else { return Ok(()) };
        let is_replaced = new.version_id.is_none() && current.version_id.is_none();
        if is_replaced {
            change.forget(bucket, current);
            return Ok(());
        }
        let older = ObjectRecord { superseded_ms: Some(new.born_ms), ..current.clone() };
        let place = version_key(&bucket.scope, bucket.uid(), &older.key, older.sequence);
        change.mutations.push(Mutation::Put(place.clone(), self.codec.encode_at(&place, &older)?));
        if new.version_id.is_none()
            && let Some(null) = self.older(bucket, &new.key, "null").await?
        {
            let place = version_key(&bucket.scope, bucket.uid(), &null.key, null.sequence);
            change.mutations.push(Mutation::Delete(place));
            change.forget(bucket, &null);
        }
        Ok(())
    }

    /// Commits a change, with `newest` as the newest version afterwards. `false`: somebody was faster.
    #[allow(clippy::too_many_arguments, reason = "one commit is made of all of these")]
    async fn apply(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        told: &ObjectRecord,
        expected: Option<KeyVersion>,
        newest: Option<&ObjectRecord>,
        change: Change,
        event: Event,
    ) -> Result<bool, S3Error> {
        let Change { mut mutations, doomed } = change;
        let place = object_key(&bucket.scope, bucket.uid(), &told.key);
        let precondition = match expected {
            Some(version) => Precondition::Exact(place.clone(), version),
            None => Precondition::Absent(place.clone()),
        };
        mutations.push(match newest {
            Some(newest) => Mutation::Put(place.clone(), self.codec.encode_at(&place, newest)?),
            None => Mutation::Delete(place),
        });
        let cause = Cause { ctx, event, at_ms: self.wall.now_ms() };
        let staged = self.notices(&cause, bucket, told)?;
        let (s3, scope) = (self.clone(), bucket.scope.clone());
        // Not cut short by a client that hangs up: what the commit leaves behind is to go.
        let committed = tokio::spawn(async move {
            let committed = s3.outbox.commit(&scope, vec![precondition], mutations, staged).await;
            if committed.is_ok()
                && !doomed.is_empty()
                && let Err(error) = s3.files.delete(doomed).await
            {
                tracing::warn!(%error, "files of objects that are gone stay until the next start");
            }
            committed
        });
        match committed.await.map_err(|error| S3Error::Internal(error.to_string()))? {
            Ok(_) => Ok(true),
            Err(StoreError::PreconditionFailed) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Greater than any before, and than `after`: it follows the wall clock, and a key's own numbers where that went back.
    pub(crate) fn next_sequence(&self, after: u64) -> u64 {
        let now = u64::try_from(self.wall.now_ms()).unwrap_or(0).saturating_mul(1_000);
        let floor = now.max(after + 1);
        let last = self.sequence.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(floor.max(last + 1)));
        last.map_or(floor, |last| floor.max(last + 1))
    }

    /// An id that tells its number: 32 characters, as S3 has them.
    fn new_version_id(&self, sequence: u64) -> String {
        use base64::Engine as _;
        let mut raw = [0; VERSION_ID_BYTES];
        self.random.fill(&mut raw);
        raw[..SEQUENCE_BYTES].copy_from_slice(&sequence.to_be_bytes());
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(raw)
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

/// Where a walk goes on.
pub(crate) enum Step {
    Next,
    /// At the first key that is not less than this.
    Behind(Vec<u8>),
    Stop,
}

fn marker(key: &str) -> ObjectRecord {
    ObjectRecord { is_marker: true, ..ObjectRecord::new(key) }
}

impl ObjectRecord {
    /// Empty, and not stamped yet.
    pub(crate) fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            version_id: None,
            sequence: 0,
            modified_ms: 0,
            born_ms: 0,
            superseded_ms: None,
            is_marker: false,
            size: 0,
            etag: String::new(),
            parts: Vec::new(),
            is_multipart: false,
            headers: crate::record::Headers::default(),
            tags: Vec::new(),
            checksum: None,
        }
    }
}

/// The number in a version's id.
///
/// # Errors
/// [`S3Error`], as recorded: it is none.
fn read_version_id(text: &str) -> Result<u64, S3Error> {
    use base64::Engine as _;
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok();
    let raw = raw.filter(|raw| raw.len() == VERSION_ID_BYTES);
    let sequence = raw.and_then(|raw| raw.first_chunk::<SEQUENCE_BYTES>().map(|first| u64::from_be_bytes(*first)));
    sequence.ok_or_else(|| S3Error::argument("versionId", text, "Invalid version id specified"))
}

fn overtaken(conditions: &Conditions, key: &str) -> S3Error {
    match conditions.name() {
        Some(condition) => S3Error::conflict(condition, key),
        None => {
            let message = "A conflicting conditional operation is currently in progress against this resource. Please \
                           try again.";
            S3Error::new("OperationAborted", http::StatusCode::CONFLICT, message)
        }
    }
}
