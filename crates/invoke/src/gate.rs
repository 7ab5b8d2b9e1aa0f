//! Concurrency permits. One node holds all of an account's permits; a cluster leases them to nodes in batches behind
//! the same [`Gate::enter`].
//!
//! Reserved and provisioned concurrency and the scaling rate join here. Source: Lambda developer guide, "Understanding
//! Lambda function scaling".

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth_ports::{FunctionVersion, ThrottleReason};
use hearth_types::{AccountId, Region};
use parking_lot::Mutex;

/// Counts the invocations that run in each account and region.
#[derive(Debug)]
pub(crate) struct Gate {
    account_limit: u32,
    /// Grows with the accounts and regions that own functions, not with callers: what is resolved exists.
    running: Mutex<HashMap<(AccountId, Region), Arc<AtomicU32>>>,
}

/// One running invocation. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicU32>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gate {
    pub(crate) fn new(account_limit: u32) -> Self {
        Self { account_limit, running: Mutex::default() }
    }

    /// # Errors
    /// The reason for the caller's 429.
    #[expect(clippy::unused_async, reason = "permits of a cluster come from another node")]
    pub(crate) async fn enter(&self, version: &FunctionVersion) -> Result<Permit, ThrottleReason> {
        let running = self.counter(version);
        let limit = self.account_limit;
        running
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < limit).then_some(count + 1))
            .map_err(|_| ThrottleReason::ConcurrentInvocationLimitExceeded)?;
        Ok(Permit(running))
    }

    fn counter(&self, version: &FunctionVersion) -> Arc<AtomicU32> {
        let key = (version.account, version.region.clone());
        Arc::clone(self.running.lock().entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::function;

    #[tokio::test]
    async fn the_account_limit_throttles_and_every_end_makes_room() {
        let gate = Gate::new(2);
        let version = function("f");
        let first = gate.enter(&version).await.expect("room");
        let second = gate.enter(&version).await.expect("room");
        assert_eq!(gate.enter(&version).await.expect_err("full"), ThrottleReason::ConcurrentInvocationLimitExceeded);
        drop(first);
        let third = gate.enter(&version).await.expect("room again");
        drop((second, third));
        assert_eq!(gate.counter(&version).load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn regions_do_not_share_a_limit() {
        let gate = Gate::new(1);
        let here = function("f");
        let mut there = function("f");
        there.region = Region::from("eu-west-1");
        let _here = gate.enter(&here).await.expect("room");
        assert!(gate.enter(&there).await.is_ok());
    }
}
