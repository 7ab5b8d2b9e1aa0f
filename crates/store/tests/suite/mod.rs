//! What every engine promises. An engine's test file makes a [`Fixture`] and calls `store_suite!`.

mod model;
mod races;
mod rules;

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use hearth_store::{Epoch, Key, Mutation, Precondition, Revision, Shard, Store, StoreError};
use hearth_types::{AccountId, ManualClock, Partition, Region, Scope};

pub(crate) use self::model::*;
pub(crate) use self::races::*;
pub(crate) use self::rules::*;

/// An empty store and what drives it.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    /// The clock that leases run by.
    pub(crate) clock: Arc<ManualClock>,
    /// Whatever must live as long as the store.
    pub(crate) _guard: Box<dyn Any + Send + Sync>,
}

impl Fixture {
    pub(crate) async fn put(&self, key: &Key, value: &'static str) -> Revision {
        let mutation = Mutation::Put(key.clone(), Bytes::from_static(value.as_bytes()));
        self.commit(vec![], vec![mutation]).await.expect("commits")
    }

    pub(crate) async fn commit(&self, when: Vec<Precondition>, then: Vec<Mutation>) -> Result<Revision, StoreError> {
        self.store.commit(&shard(), Epoch(0), when, then).await
    }

    /// The value under a key, as text.
    pub(crate) async fn value(&self, key: &Key) -> Option<String> {
        let entry = self.store.get(key).await.expect("reads")?;
        Some(String::from_utf8_lossy(&entry.value).into_owned())
    }
}

pub(crate) fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) }
}

pub(crate) fn shard() -> Shard {
    Shard::new(&scope(), "test")
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(&scope(), "test.thing").part(name)
}

pub(crate) fn put(key: &Key, value: impl Into<Bytes>) -> Mutation {
    Mutation::Put(key.clone(), value.into())
}

pub(crate) fn delete(key: &Key) -> Mutation {
    Mutation::Delete(key.clone())
}

/// One test for each promise; `$make` is a function that answers a [`Fixture`], or `None` (and has said why) where
/// there can be none.
#[macro_export]
macro_rules! store_suite {
    ($make:path) => {
        $crate::store_suite! { @tests $make:
            revisions_grow_and_are_the_versions_of_what_they_wrote
            mutations_apply_in_order
            a_refused_commit_changes_nothing
            preconditions_name_the_exact_version
            a_key_written_again_after_deletion_has_another_version
            a_commit_without_mutations_only_checks
            keys_come_in_order_and_pages_join_without_gap_or_repeat
            a_prefix_is_whole_components
            every_scope_is_found
            epochs_fence_the_former_owner
            a_key_belongs_to_one_shard
            limits_refuse_with_a_sentence
            watch_waits_for_its_own_shard_only
            of_many_that_swap_one_version_exactly_one_wins
            no_increment_is_lost
            readers_see_all_of_a_commit_or_nothing
            watchers_miss_nothing_and_see_only_what_can_be_read
            an_old_owner_never_writes_after_a_new_one
            behaves_as_an_ordered_map
        }
    };
    (@tests $make:path: $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let fixture: Option<$crate::suite::Fixture> = $make().into();
                let Some(fixture) = fixture else { return };
                let work = $crate::suite::$name(fixture);
                tokio::time::timeout(std::time::Duration::from_secs(60), work).await.expect("ends in time");
            }
        )+
    };
}
