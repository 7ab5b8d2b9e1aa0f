//! Pinning to cores.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::BenchError;

/// Pins this thread, and every thread and process it starts from now on.
pub(crate) fn pin_if(wanted: bool, core: usize) -> Result<(), BenchError> {
    if !wanted {
        return Ok(());
    }
    if core >= CpuSet::MAX_CPU {
        return Err(BenchError::Other(format!("there is no core {core}")));
    }
    pin(&[core])
}

/// As [`pin_if`], to several cores.
pub(crate) fn pin(cores: &[usize]) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    sched_setaffinity(None, &set)
        .map_err(|error| BenchError::io(format!("cannot run on the cores {cores:?} only"))(error.into()))
}

/// The cores that a process, or this thread, may run on.
pub(crate) fn allowed(process: Option<Pid>) -> Result<Vec<usize>, BenchError> {
    let set = sched_getaffinity(process).map_err(|error| BenchError::io("affinity")(error.into()))?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}
