//! Versions that go, and objects that are hidden behind a marker.

use std::sync::Arc;

use hearth_store::Mutation;
use hearth_types::RequestContext;

use super::change::{Beside, Change};
use super::{Conditions, overtaken, read_version_id};
use crate::S3;
use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::notification::Event;
use crate::record::{ObjectRecord, Versioning, version_key};

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

impl S3 {
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
            let mut beside = Beside::default();
            beside.forget(bucket, current);
            let mut told = current.clone();
            told.sequence = self.next_sequence(current.sequence);
            let change = Change { expected, newest: None, told, event: events.0, beside };
            let is_done = self.apply(ctx, bucket, change).await?;
            return Ok(is_done.then(Removed::default));
        }
        let mut marker = marker(key);
        self.stamp(bucket, &mut marker, current);
        let mut beside = Beside::default();
        self.displace(bucket, &marker, current, &mut beside).await?;
        let version_id = Some(marker.version_text().to_owned());
        let change = Change { expected, newest: Some(marker.clone()), told: marker, event: events.1, beside };
        let is_done = self.apply(ctx, bucket, change).await?;
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
        let mut beside = Beside::default();
        let (gone, newest) = if current.version_text() == version {
            conditions.check(key, Some(&current))?;
            // The next one takes its place.
            let next = self.noncurrent(bucket, key).await?.into_iter().next();
            if let Some(next) = &next {
                let place = version_key(&bucket.scope, bucket.uid(), key, next.sequence);
                beside.mutations.push(Mutation::Delete(place));
            }
            let next = next.map(|next| ObjectRecord { superseded_ms: None, ..next });
            (current, next)
        } else {
            let Some(gone) = self.older(bucket, key, version).await? else { return Ok(Some(nothing())) };
            conditions.check(key, Some(&gone))?;
            let place = version_key(&bucket.scope, bucket.uid(), key, gone.sequence);
            beside.mutations.push(Mutation::Delete(place));
            (gone, Some(current))
        };
        beside.forget(bucket, &gone);
        let mut told = gone.clone();
        told.sequence = self.next_sequence(gone.sequence);
        let change = Change { expected: Some(expected), newest, told, event: events.0, beside };
        let is_done = self.apply(ctx, bucket, change).await?;
        let removed = Removed { is_marker: gone.is_marker, ..nothing() };
        Ok(is_done.then_some(removed))
    }
}

fn marker(key: &str) -> ObjectRecord {
    ObjectRecord { is_marker: true, ..ObjectRecord::new(key) }
}
