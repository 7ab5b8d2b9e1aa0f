//! What the machine has room for: how much of its memory is promised to environments, so that none is promised that is
//! not there, and whether there is disk for another `/tmp`. Pure.
//!
//! | an environment that | is charged with | because |
//! |---|---|---|
//! | runs, of a version nobody has seen run | its memory setting | it may need all of it, at any moment |
//! | runs, of a version that has run before | twice the most that version needed, [`CHARGE_MIN`] at least, its setting at most | see below |
//! | is idle | the most it ever held, and [`OVERHEAD`] | it is frozen: it cannot grow |
//!
//! **Why not always the setting?** Memory is how processor time is bought: functions are commonly set to many times
//! what they need. On a machine of 16 GB the setting alone would throttle at the ninth concurrent invocation of a
//! 1,769 MB function that needs 60 MB; charged by what it was seen to need, a hundred run. **Why not always what was
//! seen?** Nothing is known of what has not run, and a burst of the unknown is how a machine is overloaded.
//!
//! What was seen can be wrong: the next event may be a larger one. So the sum of the charges is not all that is looked
//! at. What all environments together really hold, and what the machine has left, are [observed](Ledger::observe)
//! several times a second; whichever says "full" first is right. When memory gets short all the same, environments end
//! (`relief.rs`).
//!
//! A machine that runs nothing takes any environment, also one whose setting is more than there is.

use hearth_types::Mebibytes;
use hearth_types::limits::MEMORY_MIN;

/// The least that an environment which runs is charged with.
pub(crate) const CHARGE_MIN: Mebibytes = MEMORY_MIN;
/// What was seen counts so many times.
const SEEN_FACTOR: u64 = 2;
/// What an environment costs beside its function: its first process, its sockets, the server's own share of it.
pub(crate) const OVERHEAD: Mebibytes = Mebibytes(8);

/// What there is to promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RoomLimits {
    /// What environments may have together, MiB, when the rest of the machine leaves it to them.
    pub(crate) environments_mib: u64,
    /// What is to stay available on the machine, MiB.
    pub(crate) reserve_mib: u64,
    /// What is to stay free on the disk of `/tmp`, MiB.
    pub(crate) disk_reserve_mib: u64,
    /// A memory setting counts one part of so many. Above 1 more is promised than there is.
    pub(crate) overcommit: f64,
}

/// What the machine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Memory held by environments, and by slots that wait for a function, MiB.
    pub(crate) held_mib: u64,
    /// Memory that the machine has left, MiB.
    pub(crate) available_mib: u64,
    /// Free space of the disk of `/tmp`, MiB.
    pub(crate) disk_mib: u64,
}

/// How much has to be freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// For the machine, the reserve included, MiB.
    pub(crate) mib: u64,
    /// Of it, by how much environments hold more than theirs, MiB.
    pub(crate) own_mib: u64,
}

/// Memory promised, of memory there is; all in MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ledger {
    limits: RoomLimits,
    /// What the limits say, or less when the machine has less to give.
    capacity_mib: u64,
    charged_mib: u64,
    /// What environments held when last looked at.
    held_mib: u64,
    has_disk: bool,
}

impl Ledger {
    pub(super) const fn new(limits: RoomLimits) -> Self {
        Self { limits, capacity_mib: limits.environments_mib, charged_mib: 0, held_mib: 0, has_disk: true }
    }

    #[cfg(test)]
    pub(super) const fn charged_mib(&self) -> u64 {
        self.charged_mib
    }

    /// What to charge an environment with that is about to run. `seen` is the most that its version needed so far.
    pub(super) fn of_running(&self, setting: Mebibytes, seen: Option<Mebibytes>) -> u64 {
        let setting_mib = (f64::from(setting.0) / self.limits.overcommit).ceil() as u64;
        let needed_mib = seen.map_or(setting_mib, |seen| (u64::from(seen.0) * SEEN_FACTOR).max(CHARGE_MIN.0.into()));
        // What is larger than the machine gets all of it.
        needed_mib.min(setting_mib).min(self.limits.environments_mib)
    }

    /// What to charge an environment with that is idle and holds `held`.
    pub(super) fn of_idle(held: Mebibytes) -> u64 {
        u64::from(held.0) + u64::from(OVERHEAD.0)
    }

    /// Is there room for `need_mib` in place of `own_mib`, which is charged already?
    pub(super) fn fits(&self, need_mib: u64, own_mib: u64) -> bool {
        let others_mib = self.charged_mib - own_mib;
        // What has not grown yet is seen in the charges, what has outgrown them in what is held.
        let used_mib = others_mib.max(self.held_mib.saturating_sub(own_mib));
        others_mib == 0 || used_mib + need_mib <= self.capacity_mib
    }

    /// Is there disk for the `/tmp` of another environment? Images are sparse and grow as they are written: what they may
    /// grow to is not charged, or a laptop would hold a dozen.
    pub(super) const fn has_disk(&self) -> bool {
        self.has_disk
    }

    pub(super) const fn charge(&mut self, mib: u64) {
        self.charged_mib += mib;
    }

    /// The environment ends.
    pub(super) const fn release(&mut self, mib: u64) {
        self.charged_mib -= mib;
        // Until somebody looks again.
        self.held_mib = self.held_mib.saturating_sub(mib);
    }

    /// The environment stays, and something else is expected of it.
    pub(super) const fn recharge(&mut self, from_mib: u64, to_mib: u64) {
        self.charged_mib = self.charged_mib - from_mib + to_mib;
    }

    /// Takes note of what the machine says, and answers what it is short of.
    pub(super) fn observe(&mut self, Observed { held_mib, available_mib, disk_mib }: Observed) -> Shortage {
        let obtainable_mib = (held_mib + available_mib).saturating_sub(self.limits.reserve_mib);
        self.held_mib = held_mib;
        self.has_disk = disk_mib >= self.limits.disk_reserve_mib;
        self.capacity_mib = self.limits.environments_mib.min(obtainable_mib);
        Shortage {
            mib: held_mib.saturating_sub(self.capacity_mib),
            own_mib: held_mib.saturating_sub(self.limits.environments_mib),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RoomLimits =
        RoomLimits { environments_mib: 10_000, reserve_mib: 1_000, disk_reserve_mib: 0, overcommit: 1.0 };

    fn observed(held_mib: u64, available_mib: u64) -> Observed {
        Observed { held_mib, available_mib, disk_mib: 0 }
    }

    #[test]
    fn what_runs_is_charged_with_what_it_may_need() {
        let charge = |overcommit: f64, setting: u32, seen: Option<u32>| {
            Ledger::new(RoomLimits { overcommit, ..LIMITS }).of_running(Mebibytes(setting), seen.map(Mebibytes))
        };
        for (setting, seen, charged, why) in [
            (512, None, 512, "nobody knows it"),
            (512, Some(100), 200, "twice what was seen"),
            (512, Some(40), 128, "at least the smallest setting"),
            (512, Some(300), 512, "at most its setting: there its own limit holds it"),
            (128, Some(128), 128, "the smallest setting"),
            (10_240, None, 10_000, "all there is"),
        ] {
            assert_eq!(charge(1.0, setting, seen), charged, "{why}");
        }
        assert_eq!(charge(8.0, 1_024, None), 128, "an overcommit of 8 is an eighth");
        assert_eq!(charge(8.0, 1_024, Some(100)), 128, "at most its setting's part");
    }

    #[test]
    fn a_laptop_of_16_gb_runs_a_hundred_small_invocations_of_a_large_function() {
        let mut ledger = Ledger::new(RoomLimits { environments_mib: 14_000, ..LIMITS });
        for _ in 0..100 {
            let charge_mib = ledger.of_running(Mebibytes(1_769), Some(Mebibytes(60)));
            assert!(ledger.fits(charge_mib, 0));
            ledger.charge(charge_mib);
        }
    }

    #[test]
    fn what_is_held_counts_when_it_is_more_than_what_was_expected() {
        let mut ledger = Ledger::new(LIMITS);
        ledger.charge(2_000);
        assert!(ledger.fits(8_000, 0) && !ledger.fits(8_001, 0));
        assert_eq!(ledger.observe(observed(6_000, 50_000)), Shortage::default());
        assert!(ledger.fits(4_000, 0) && !ledger.fits(4_001, 0));
        ledger.release(1_000);
        assert!(ledger.fits(5_000, 0), "what has ended is not held");
    }

    #[test]
    fn the_rest_of_the_machine_comes_first() {
        let mut ledger = Ledger::new(LIMITS);
        ledger.charge(2_000);
        assert_eq!(ledger.observe(observed(1_500, 3_000)), Shortage::default());
        assert!(
            ledger.fits(1_500, 0) && !ledger.fits(1_501, 0),
            "1,500 and 3,000, less the reserve, less what is charged"
        );
        let short = ledger.observe(observed(1_500, 400));
        assert_eq!(short, Shortage { mib: 600, own_mib: 0 }, "the reserve is to be restored");
    }

    #[test]
    fn over_their_limit_environments_are_short_by_their_own_doing() {
        let short = Ledger::new(LIMITS).observe(observed(10_300, 5_000));
        assert_eq!(short, Shortage { mib: 300, own_mib: 300 });
    }

    #[test]
    fn a_machine_that_runs_nothing_takes_anything() {
        let mut ledger = Ledger::new(LIMITS);
        ledger.observe(observed(500, 100));
        let all_mib = ledger.of_running(Mebibytes(10_240), None);
        assert!(ledger.fits(all_mib, 0));
        ledger.charge(40);
        assert!(!ledger.fits(all_mib, 0));
        assert!(ledger.fits(all_mib, 40), "the one that is there may run");
    }
}
