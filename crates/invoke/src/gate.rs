//! Concurrency permits. One node holds all of an account's permits; a cluster leases them to nodes in batches behind
//! the same [`Gate::enter`].
//!
//! An environment of provisioned concurrency is its own permit: it is counted where it is configured, and nobody who runs
//! in one comes by here. The scaling rate joins here. Source: Lambda developer guide, "Understanding Lambda function
//! scaling" and "Configuring reserved concurrency for a function".

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use hearth_ports::{Concurrency, FunctionVersion, ThrottleReason};
use hearth_types::{AccountId, FunctionUid, Region};
use parking_lot::Mutex;

/// Counts the invocations that run: of each function, and of those without a reservation in each account and region.
#[derive(Debug)]
pub(crate) struct Gate {
    account_limit: u32,
    running: Arc<Mutex<Running>>,
}

/// Holds what is not zero: bounded by the invocations that run.
#[derive(Debug, Default)]
struct Running {
    functions: HashMap<FunctionUid, u32>,
    unreserved: HashMap<Owner, u32>,
}

type Owner = (AccountId, Region);

/// One running invocation. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Permit {
    running: Arc<Mutex<Running>>,
    function: FunctionUid,
    /// Set when it came in without a reservation: a later one does not change where it counts.
    unreserved: Option<Owner>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        leave(&mut running.functions, &self.function);
        if let Some(owner) = &self.unreserved {
            leave(&mut running.unreserved, owner);
        }
    }
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(key)),
    }
}

impl Gate {
    pub(crate) fn new(account_limit: u32) -> Self {
        Self { account_limit, running: Arc::default() }
    }

    /// # Errors
    /// The reason for the caller's 429.
    #[expect(clippy::unused_async, reason = "permits of a cluster come from another node")]
    pub(crate) async fn enter(
        &self,
        version: &FunctionVersion,
        concurrency: Concurrency,
    ) -> Result<Permit, ThrottleReason> {
        let mut running = self.running.lock();
        let of_function = running.functions.get(&version.uid).copied().unwrap_or(0);
        let unreserved = match concurrency.reserved {
            Some(reserved) if of_function >= reserved.saturating_sub(concurrency.provisioned) => {
                return Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
            }
            Some(_) => None,
            None => {
                let owner = (version.account, version.region.clone());
                let count = running.unreserved.entry(owner.clone()).or_default();
                if *count >= self.account_limit.saturating_sub(concurrency.reserved_total) {
                    if *count == 0 {
                        running.unreserved.remove(&owner);
                    }
                    return Err(ThrottleReason::ConcurrentInvocationLimitExceeded);
                }
                *count += 1;
                Some(owner)
            }
        };
        running.functions.insert(version.uid.clone(), of_function + 1);
        Ok(Permit { running: Arc::clone(&self.running), function: version.uid.clone(), unreserved })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::function;

    const SHARED: Concurrency = Concurrency { reserved: None, provisioned: 0, reserved_total: 0 };

    fn reserved(count: u32) -> Concurrency {
        Concurrency { reserved: Some(count), provisioned: 0, reserved_total: count }
    }

    #[tokio::test]
    async fn the_account_limit_throttles_and_every_end_makes_room() {
        let gate = Gate::new(2);
        let version = function("f");
        let first = gate.enter(&version, SHARED).await.expect("room");
        let second = gate.enter(&version, SHARED).await.expect("room");
        let full = gate.enter(&version, SHARED).await.expect_err("full");
        assert_eq!(full, ThrottleReason::ConcurrentInvocationLimitExceeded);
        drop(first);
        let third = gate.enter(&version, SHARED).await.expect("room again");
        drop((second, third));
        let running = gate.running.lock();
        assert!(running.functions.is_empty() && running.unreserved.is_empty(), "nothing is left of what has ended");
    }

    #[tokio::test]
    async fn regions_do_not_share_a_limit() {
        let gate = Gate::new(1);
        let here = function("f");
        let mut there = function("f");
        there.region = Region::from("eu-west-1");
        let _here = gate.enter(&here, SHARED).await.expect("room");
        assert!(gate.enter(&there, SHARED).await.is_ok());
    }

    #[tokio::test]
    async fn a_reservation_is_a_guarantee_and_a_ceiling() {
        let gate = Gate::new(3);
        let (own, other) = (function("own"), function("other"));
        let others = Concurrency { reserved_total: 2, ..SHARED };
        let _other = gate.enter(&other, others).await.expect("one is left to share");
        let full = gate.enter(&other, others).await.expect_err("the rest is reserved");
        assert_eq!(full, ThrottleReason::ConcurrentInvocationLimitExceeded);
        let first = gate.enter(&own, reserved(2)).await.expect("guaranteed");
        let _second = gate.enter(&own, reserved(2)).await.expect("guaranteed");
        let full = gate.enter(&own, reserved(2)).await.expect_err("no more than reserved");
        assert_eq!(full, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
        drop(first);
        assert!(gate.enter(&own, reserved(2)).await.is_ok());
    }

    #[tokio::test]
    async fn a_reservation_of_nothing_lets_nothing_run() {
        let refused = Gate::new(1_000).enter(&function("f"), reserved(0)).await.expect_err("off");
        assert_eq!(refused, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
    }

    #[tokio::test]
    async fn what_is_provisioned_is_a_part_of_the_reservation() {
        let (gate, version) = (Gate::new(1_000), function("f"));
        let concurrency = Concurrency { provisioned: 2, ..reserved(3) };
        let _on_demand = gate.enter(&version, concurrency).await.expect("one is left");
        let full = gate.enter(&version, concurrency).await.expect_err("two wait for who calls by their qualifier");
        assert_eq!(full, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
    }

    #[tokio::test]
    async fn what_runs_already_counts_against_a_later_reservation() {
        let gate = Gate::new(1_000);
        let version = function("f");
        let before = gate.enter(&version, SHARED).await.expect("room");
        assert!(gate.enter(&version, reserved(1)).await.is_err());
        drop(before);
        let _after = gate.enter(&version, reserved(1)).await.expect("room");
        // Versions of one function share its reservation.
        let published = FunctionVersion { version: hearth_types::Version::Published(1), ..function("f") };
        assert!(gate.enter(&published, reserved(1)).await.is_err());
    }
}
