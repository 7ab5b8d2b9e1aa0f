//! A change of a key as one commit: what it replaces, and the notifications that tell of it.

use std::sync::Arc;

use hearth_store::{FileId, KeyVersion, Mutation, Precondition, StoreError};
use hearth_types::RequestContext;

use crate::S3;
use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::notification::{Cause, Event};
use crate::record::{ObjectRecord, Place, Versioning, inline_key, object_key, version_key};

/// One attempt: what it would change, and what is told of it.
pub(super) struct Change {
    /// What the store has of the key; `None`: nothing.
    pub(super) expected: Option<KeyVersion>,
    /// The newest version afterwards; `None`: there is none.
    pub(super) newest: Option<ObjectRecord>,
    /// The version that was made, changed or removed.
    pub(super) told: ObjectRecord,
    pub(super) event: Event,
    pub(super) beside: Beside,
}

/// What a change takes along.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) mutations: Vec<Mutation>,
    /// Files that no record names afterwards.
    pub(super) doomed: Vec<FileId>,
}

impl Beside {
    /// Bytes that no record names any more.
    pub(super) fn forget(&mut self, bucket: &Bucket, object: &ObjectRecord) {
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
    /// Id, number and times of what becomes the newest version now.
    pub(super) fn stamp(&self, bucket: &Bucket, object: &mut ObjectRecord, current: Option<&ObjectRecord>) {
        object.sequence = self.next_sequence(current.map_or(0, |current| current.sequence));
        object.modified_ms = self.wall.now_ms();
        object.born_ms = self.outbox.now_ms();
        let is_enabled = bucket.record.versioning == Versioning::Enabled;
        object.version_id = is_enabled.then(|| self.new_version_id(object.sequence));
    }

    /// Puts what was the newest version among the older ones, or out of the world if the new one takes its place.
    pub(super) async fn displace(
        &self,
        bucket: &Bucket,
        new: &ObjectRecord,
        current: Option<&ObjectRecord>,
        beside: &mut Beside,
    ) -> Result<(), S3Error> {
        let Some(current) = current else { return Ok(()) };
        let is_replaced = new.version_id.is_none() && current.version_id.is_none();
        if is_replaced {
            beside.forget(bucket, current);
            return Ok(());
        }
        let older = ObjectRecord { superseded_ms: Some(new.born_ms), ..current.clone() };
        let place = version_key(&bucket.scope, bucket.uid(), &older.key, older.sequence);
        beside.mutations.push(Mutation::Put(place.clone(), self.codec.encode_at(&place, &older)?));
        if new.version_id.is_none()
            && let Some(null) = self.older(bucket, &new.key, "null").await?
        {
            let place = version_key(&bucket.scope, bucket.uid(), &null.key, null.sequence);
            beside.mutations.push(Mutation::Delete(place));
            beside.forget(bucket, &null);
        }
        Ok(())
    }

    /// Commits a change. `false`: somebody was faster.
    pub(super) async fn apply(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        change: Change,
    ) -> Result<bool, S3Error> {
        let Change { expected, newest, told, event, beside } = change;
        let Beside { mut mutations, doomed } = beside;
        let place = object_key(&bucket.scope, bucket.uid(), &told.key);
        let precondition = match expected {
            Some(version) => Precondition::Exact(place.clone(), version),
            None => Precondition::Absent(place.clone()),
        };
        mutations.push(match newest {
            Some(newest) => Mutation::Put(place.clone(), self.codec.encode_at(&place, &newest)?),
            None => Mutation::Delete(place),
        });
        let cause = Cause { ctx, event, at_ms: self.wall.now_ms() };
        let staged = self.notices(&cause, bucket, &told)?;
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
}
