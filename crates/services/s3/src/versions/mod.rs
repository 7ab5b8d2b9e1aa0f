//! Versions of objects: found, added and removed, each change in one commit with what it replaces and the notifications that
//! tell of it. Who is overtaken by another change of the same key decides again.

mod change;
mod find;
mod remove;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hearth_store::Mutation;
use hearth_types::RequestContext;

use crate::S3;
use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::notification::Event;
use crate::record::{ObjectRecord, version_key};
use change::{Beside, Change};
pub(crate) use find::Step;
pub(crate) use remove::{Removal, Removed};

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
    pub(super) fn check(&self, key: &str, current: Option<&ObjectRecord>) -> Result<(), S3Error> {
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

impl S3 {
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
            let mut beside = Beside { mutations: beside.clone(), ..Beside::default() };
            self.displace(&bucket, &object, current.as_ref().map(|(current, _)| current), &mut beside).await?;
            let expected = current.map(|(_, version)| version);
            let (newest, told) = (Some(object.clone()), object.clone());
            if self.apply(ctx, &bucket, Change { expected, newest, told, event, beside }).await? {
                return Ok(object);
            }
        }
        Err(overtaken(&conditions, &object.key))
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
            let mut beside = Beside::default();
            let (newest, mut told) = if current.version_text() == version {
                let changed = ObjectRecord { tags: tags.to_vec(), ..current };
                (changed.clone(), changed)
            } else {
                let Some(older) = self.older(bucket, &target.key, version).await? else {
                    return Err(S3Error::no_such_version(&target.key, version));
                };
                let changed = ObjectRecord { tags: tags.to_vec(), ..older };
                let place = version_key(&bucket.scope, bucket.uid(), &target.key, changed.sequence);
                let value = self.codec.encode_at(&place, &changed)?;
                beside.mutations.push(Mutation::Put(place, value));
                (current, changed)
            };
            told.sequence = self.next_sequence(told.sequence);
            let change = Change { expected: Some(expected), newest: Some(newest), told, event, beside };
            if self.apply(ctx, bucket, change).await? {
                return Ok(());
            }
        }
        Err(overtaken(&Conditions::default(), &target.key))
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

pub(crate) fn overtaken(conditions: &Conditions, key: &str) -> S3Error {
    match conditions.name() {
        Some(condition) => S3Error::conflict(condition, key),
        None => {
            let message = "A conflicting conditional operation is currently in progress against this resource. Please \
                           try again.";
            S3Error::new("OperationAborted", http::StatusCode::CONFLICT, message)
        }
    }
}
