//! Memory and processes, as the kernel counts them.

use std::collections::HashMap;

use crate::BenchError;

/// What a hearth-init is called; each is a slot.
const SLOT: &str = "hearth-init";

/// Source: proc_pid_status(5).
pub(crate) fn resident_mib(pid: u32) -> Result<f64, BenchError> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(BenchError::io(path))?;
    Ok(kib(&text, "VmRSS:").unwrap_or_default() / 1_024.0)
}

/// Source: proc_pid_stat(5).
pub(crate) fn descendants(of: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The program's name, in brackets, may hold anything: what follows the last bracket is state and parent.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        let own = children.remove(&parent).unwrap_or_default();
        open.extend(&own);
        found.extend(own);
    }
    found
}

/// Proportional share of memory, MiB: what is shared counts in parts. Source: proc_pid_smaps(5).
fn proportional_mib(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    Some(kib(&text, "Pss:")? / 1_024.0)
}

/// What sandboxes below a server hold.
pub(crate) struct Slots {
    pub(crate) count: u32,
    /// Of all their processes together, MiB.
    pub(crate) proportional_mib: f64,
}

/// # Errors
/// If this user may not look at them.
pub(crate) fn slots(server: u32) -> Result<Slots, BenchError> {
    let mut found = Slots { count: 0, proportional_mib: 0.0 };
    for init in descendants(server).into_iter().filter(|pid| name(*pid).is_some_and(|name| name == SLOT)) {
        found.count += 1;
        for pid in descendants(init).into_iter().chain([init]) {
            match proportional_mib(pid) {
                Some(mib) => found.proportional_mib += mib,
                // It has ended meanwhile, which is no hindrance; that nobody may look at it is one.
                None if name(pid).is_none() => {}
                None => return Err(BenchError::Other("the memory of sandboxes can be read by root only".to_owned())),
            }
        }
    }
    Ok(found)
}

pub(crate) fn name(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

/// Of the machine, MiB. Source: proc_meminfo(5).
pub(crate) fn available_mib() -> Result<f64, BenchError> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(BenchError::io("/proc/meminfo"))?;
    kib(&text, "MemAvailable:")
        .map(|kib| kib / 1_024.0)
        .ok_or_else(|| BenchError::Other("the machine does not say what memory it has".to_owned()))
}

fn kib(text: &str, field: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_found_below_this_process() {
        let mut child = Command::new("sleep").arg("10").spawn().expect("sleep");
        let found = descendants(std::process::id());
        let memory = resident_mib(child.id());
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(found.contains(&child.id()), "{found:?}");
        assert!(memory.expect("readable") > 0.0);
    }
}
