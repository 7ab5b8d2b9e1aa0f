//! Freezing and thawing an idle environment by its control group's own files, as the server does it: how long the write
//! takes, and how long it is until all processes have stopped or run.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::null_runtime::Client;
use crate::server::Server;
use crate::{BenchError, functions, http, memory};

const ROUNDS: u32 = 200;
/// Between rounds, so that what was thawed has run.
const PAUSE: Duration = Duration::from_millis(2);
/// A kernel that takes longer is broken.
const EFFECT_MAX: Duration = Duration::from_secs(2);
/// Changes the function's environments; no start of the other measurements has this number.
const CHANGE: u32 = 10_000;
/// The server freezes what is idle after a second at the latest.
const FROZEN_AFTER: Duration = Duration::from_secs(2);

/// Sorted.
pub(super) struct Freezing {
    pub(super) client: Client,
    pub(super) how: &'static str,
    /// Did the server freeze the environment, before anybody else did?
    pub(super) was_frozen: bool,
    pub(super) freeze: Vec<Duration>,
    pub(super) thaw: Vec<Duration>,
}

pub(super) async fn measure(server: &Server, client: Client) -> Result<Freezing, BenchError> {
    functions::change(server.address, client.function(), CHANGE).await?;
    server.rest().await;
    let before: HashSet<u32> = memory::descendants(server.pid()).into_iter().collect();
    http::invoke(server.address, client.function(), "\"x\"").await?;
    tokio::time::sleep(FROZEN_AFTER).await;
    let new = memory::descendants(server.pid()).into_iter().find(|pid| !before.contains(pid));
    let pid = new.ok_or_else(|| BenchError::Other("no new process".to_owned()))?;
    let freezer = Freezer::of(pid)?;
    let was_frozen = freezer.is_frozen()?;
    let mut freezing = Freezing { client, how: freezer.how(), was_frozen, freeze: Vec::new(), thaw: Vec::new() };
    for _ in 0..ROUNDS {
        freezing.thaw.push(freezer.set(false)?);
        tokio::time::sleep(PAUSE).await;
        freezing.freeze.push(freezer.set(true)?);
    }
    freezing.freeze.sort_unstable();
    freezing.thaw.sort_unstable();
    Ok(freezing)
}

/// Source: the kernel's "Control Group v2" (cgroup.freeze, cgroup.events) and "Cgroup Freezer" (freezer.state).
enum Freezer {
    V2(PathBuf),
    V1(PathBuf),
}

impl Freezer {
    /// Of a process's group.
    fn of(pid: u32) -> Result<Self, BenchError> {
        let read = |path: String| fs::read_to_string(&path).map_err(BenchError::io(path));
        let groups = read(format!("/proc/{pid}/cgroup"))?;
        let mounts = read("/proc/self/mounts".to_owned())?;
        let found = find(&groups, &mounts, |file| file.exists());
        found.ok_or_else(|| BenchError::Other("control groups cannot be frozen here".to_owned()))
    }

    const fn how(&self) -> &'static str {
        match self {
            Self::V2(_) => "cgroup v2",
            Self::V1(_) => "cgroup v1",
        }
    }

    /// Until it has taken effect.
    fn set(&self, frozen: bool) -> Result<Duration, BenchError> {
        let (file, value) = match (self, frozen) {
            (Self::V2(group), _) => (group.join("cgroup.freeze"), if frozen { "1" } else { "0" }),
            (Self::V1(group), _) => (group.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" }),
        };
        let from = Instant::now();
        fs::write(&file, value).map_err(BenchError::io(file.display().to_string()))?;
        while self.is_frozen()? != frozen {
            if from.elapsed() > EFFECT_MAX {
                return Err(BenchError::Other(format!("no effect after {EFFECT_MAX:?}")));
            }
        }
        Ok(from.elapsed())
    }

    fn is_frozen(&self) -> Result<bool, BenchError> {
        let (file, text) = match self {
            Self::V2(group) => (group.join("cgroup.events"), "frozen 1"),
            Self::V1(group) => (group.join("freezer.state"), "FROZEN"),
        };
        let state = fs::read_to_string(&file).map_err(BenchError::io(file.display().to_string()))?;
        Ok(state.lines().any(|line| line == text))
    }
}

/// The group's directory by the process's memberships and what is mounted; v2 first, as the server does.
fn find(groups: &str, mounts: &str, is_there: impl Fn(&Path) -> bool) -> Option<Freezer> {
    let mount = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, at, this, options, ..] = fields[..] else { return None };
            (this == kind && (option.is_empty() || options.split(',').any(|one| one == option))).then(|| at.to_owned())
        })
    };
    let group = |controller: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            controllers.split(',').any(|one| one == controller).then(|| path.trim_start_matches('/'))
        })
    };
    let v2 = mount("cgroup2", "").zip(group("")).map(|(mount, group)| Path::new(&mount).join(group));
    if let Some(group) = v2.filter(|group| is_there(&group.join("cgroup.freeze"))) {
        return Some(Freezer::V2(group));
    }
    let v1 = mount("cgroup", "freezer").zip(group("freezer")).map(|(mount, group)| Path::new(&mount).join(group));
    v1.filter(|group| is_there(&group.join("freezer.state"))).map(Freezer::V1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "7:freezer:/hearth-a/1\n3:cpu,cpuacct:/x\n0::/hearth-a/1\n";
    const MOUNTS: &str = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
        cgroup /sys/fs/cgroup/freezer cgroup rw,relatime,freezer 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";

    #[test]
    fn the_v2_tree_is_taken_where_it_freezes() {
        let Some(Freezer::V2(group)) = find(GROUPS, MOUNTS, |_| true) else { panic!("v2") };
        assert_eq!(group, Path::new("/sys/fs/cgroup/unified/hearth-a/1"));
    }

    #[test]
    fn else_the_v1_freezer() {
        let without = |file: &Path| !file.ends_with("cgroup.freeze");
        let Some(Freezer::V1(group)) = find(GROUPS, MOUNTS, without) else { panic!("v1") };
        assert_eq!(group, Path::new("/sys/fs/cgroup/freezer/hearth-a/1"));
        assert!(find(GROUPS, MOUNTS, |_| false).is_none());
    }
}
