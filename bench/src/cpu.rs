//! Pinning to a core.

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::BenchError;

/// Pins this thread, and every thread and process it starts from now on.
pub(crate) fn pin_if(wanted: bool, core: usize) -> Result<(), BenchError> {
    if !wanted {
        return Ok(());
    }
    if core >= CpuSet::MAX_CPU {
        return Err(BenchError::Other(format!("there is no core {core}")));
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
        .map_err(|error| BenchError::io(format!("cannot run on core {core} only"))(error.into()))
}
