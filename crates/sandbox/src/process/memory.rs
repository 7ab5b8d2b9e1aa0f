//! Max Memory Used, asked for after every invocation. A full sample reads half a dozen files and takes as long as a warm
//! invocation, so it is taken only when something can have changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_types::Mebibytes;
use parking_lot::Mutex;

use crate::cgroup::CgroupHandle;

/// Within the kernel's peak, memory can move from page cache to the function unseen; at most for this long.
const SAMPLE_AGE_MAX: Duration = Duration::from_millis(250);

pub(super) struct MemoryGauge {
    cgroup: Arc<CgroupHandle>,
    limit: Mebibytes,
    last: Mutex<Option<Sample>>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Bytes of everything the kernel counts.
    peak: Option<u64>,
    taken: Instant,
    used: Mebibytes,
}

impl MemoryGauge {
    pub(super) fn new(cgroup: Arc<CgroupHandle>, limit: Mebibytes) -> Self {
        Self { cgroup, limit, last: Mutex::new(None) }
    }

    /// The most so far; the last value stays when the group is gone.
    pub(super) fn read(&self) -> Mebibytes {
        let peak = self.cgroup.memory_peak();
        let mut last = self.last.lock();
        if let Some(sample) = *last
            && sample.still_good(peak, self.limit)
        {
            return sample.used;
        }
        let before = last.map_or(Mebibytes(0), |sample| sample.used);
        let used = self.cgroup.memory_used_max(self.limit).unwrap_or_default().max(before);
        *last = Some(Sample { peak, taken: Instant::now(), used });
        used
    }
}

impl Sample {
    /// At the limit the kernel's peak stands still whatever happens below it.
    fn still_good(&self, peak: Option<u64>, limit: Mebibytes) -> bool {
        peak.is_some_and(|peak| Some(peak) == self.peak && peak < limit.bytes())
            && self.taken.elapsed() < SAMPLE_AGE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_good_while_the_peak_stands_still_below_the_limit() {
        let sample = Sample { peak: Some(50 << 20), taken: Instant::now(), used: Mebibytes(40) };
        let limit = Mebibytes(128);
        assert!(sample.still_good(Some(50 << 20), limit));
        assert!(!sample.still_good(Some(51 << 20), limit), "it has grown");
        assert!(!sample.still_good(None, limit), "nobody knows");
        let full = Sample { peak: Some(limit.bytes()), ..sample };
        assert!(!full.still_good(Some(limit.bytes()), limit), "the peak cannot grow any more");
        let Some(old) = Instant::now().checked_sub(SAMPLE_AGE_MAX) else { return };
        assert!(!Sample { taken: old, ..sample }.still_good(Some(50 << 20), limit), "too old");
    }
}
