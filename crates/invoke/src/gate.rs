//! Concurrency permits and request rates. One node holds all of an account's permits; a cluster leases them to nodes in
//! batches behind the same [`Gate::enter`].
//!
//! An environment of provisioned concurrency is its own permit: it is counted where it is configured, and nobody who runs
//! in one comes by here. How fast environments may be added is the pool's matter. Source: Lambda developer guide,
//! "Understanding Lambda function scaling" and "Configuring reserved concurrency for a function".

mod lock;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use hearth_ports::{Concurrency, FunctionVersion, ThrottleReason};
use hearth_types::{AccountId, FunctionUid, Region};

use self::lock::Lock;
use crate::rates::{Rate, Rates};

/// Synchronous requests a second for each unit of concurrency. Source: as above, "requests per second".
const REQUESTS_PER_CONCURRENCY: u32 = 10;

/// Counts the invocations that run: of each function, and of those without a reservation in each account and region.
#[derive(Debug)]
pub(crate) struct Gate<L = parking_lot::Mutex<Counts>> {
    account_limit: u32,
    counts: Arc<L>,
}

/// Holds what is not zero: bounded by the invocations that run, and by those of the last second.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    functions: HashMap<FunctionUid, u32>,
    unreserved: HashMap<Owner, u32>,
    function_rates: Rates<FunctionUid>,
    unreserved_rates: Rates<Owner>,
}

type Owner = (AccountId, Region);

/// One running invocation. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Permit<L: Lock<Counts> = parking_lot::Mutex<Counts>> {
    counts: Arc<L>,
    function: FunctionUid,
    /// Set when it came in without a reservation: a later one does not change where it counts.
    unreserved: Option<Owner>,
}

impl<L: Lock<Counts>> Drop for Permit<L> {
    fn drop(&mut self) {
        self.counts.with(|counts| {
            leave(&mut counts.functions, &self.function);
            if let Some(owner) = &self.unreserved {
                leave(&mut counts.unreserved, owner);
            }
        });
    }
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(key)),
    }
}

impl<L: Lock<Counts>> Gate<L> {
    pub(crate) fn new(account_limit: u32) -> Self {
        Self { account_limit, counts: Arc::new(L::new(Counts::default())) }
    }

    /// `requested_at`: of a synchronous request, on the clock its rate is measured by; others have no rate.
    ///
    /// # Errors
    /// The reason for the caller's 429.
    #[expect(clippy::unused_async, reason = "permits of a cluster come from another node")]
    pub(crate) async fn enter(
        &self,
        version: &FunctionVersion,
        concurrency: Concurrency,
        requested_at: Option<Duration>,
    ) -> Result<Permit<L>, ThrottleReason> {
        let unreserved =
            self.counts.with(|counts| counts.enter(version, concurrency, self.account_limit, requested_at))?;
        Ok(Permit { counts: Arc::clone(&self.counts), function: version.uid.clone(), unreserved })
    }
}

impl Counts {
    /// Counts one more: among those of its owner without a reservation, if it has none.
    fn enter(
        &mut self,
        version: &FunctionVersion,
        concurrency: Concurrency,
        account_limit: u32,
        requested_at: Option<Duration>,
    ) -> Result<Option<Owner>, ThrottleReason> {
        let of_function = self.functions.get(&version.uid).copied().unwrap_or(0);
        let unreserved = match concurrency.reserved {
            Some(reserved) => {
                if of_function >= reserved.saturating_sub(concurrency.provisioned) {
                    return Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
                }
                if requested_at.is_some_and(|now| !self.function_rates.admit(&version.uid, rate(reserved), now)) {
                    return Err(ThrottleReason::ReservedFunctionInvocationRateLimitExceeded);
                }
                None
            }
            None => {
                let owner = (version.account, version.region.clone());
                let running = self.unreserved.get(&owner).copied().unwrap_or(0);
                if running >= account_limit.saturating_sub(concurrency.reserved_total) {
                    return Err(ThrottleReason::ConcurrentInvocationLimitExceeded);
                }
                let limit = rate(account_limit);
                if requested_at.is_some_and(|now| !self.unreserved_rates.admit(&owner, limit, now)) {
                    return Err(ThrottleReason::FunctionInvocationRateLimitExceeded);
                }
                self.unreserved.insert(owner.clone(), running + 1);
                Some(owner)
            }
        };
        self.functions.insert(version.uid.clone(), of_function + 1);
        Ok(unreserved)
    }
}

/// Of synchronous requests, for so much concurrency.
pub(crate) const fn rate(concurrency: u32) -> Rate {
    let per_second = concurrency.saturating_mul(REQUESTS_PER_CONCURRENCY);
    Rate { burst: per_second, per_second }
}

#[cfg(test)]
mod tests;
