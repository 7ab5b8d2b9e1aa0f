//! Disks of slots, and what they are limited to.

use std::fs;

use crate::groups::groups;

/// The root group's table, where control groups are of version 1.
const V1_TABLE: &str = "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device";

/// The device that a process has for its `/tmp`; `None` where that is memory. Source: proc_pid_mountinfo(5).
pub(crate) fn disk_of(process: u32) -> Option<String> {
    let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).ok()?;
    let device = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields.get(4) == Some(&"/tmp")).then(|| fields[2].to_owned())
    })?;
    device.starts_with("7:").then_some(device)
}

/// Bytes that may be written to a device a second, by the table of v1 or those of an instance's groups in v2. `None` where
/// there is no table; an empty list where none has the device.
pub(crate) fn write_limits(device: &str, instance: &str) -> Option<Vec<u64>> {
    let v2 = groups(instance).into_iter().filter_map(|group| fs::read_to_string(group.join("io.max")).ok());
    let tables: Vec<String> = fs::read_to_string(V1_TABLE).into_iter().chain(v2).collect();
    let rows = tables.iter().flat_map(|table| table.lines());
    let limits = rows.filter_map(|row| {
        let values = row.strip_prefix(device)?.strip_prefix(' ')?;
        values.split(' ').find_map(|value| value.strip_prefix("wbps=").unwrap_or(value).parse().ok())
    });
    let limits = limits.collect();
    (!tables.is_empty()).then_some(limits)
}
