//! Open files: how many the process may have, and how many connections and environments that leaves room for. What is
//! beyond is refused as any other excess is, instead of failing somewhere in the middle.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the server has open beside connections and environments: store, log segments, sockets, and some to spare.
const RESERVED: u64 = 96;
/// What an environment has open: control socket, output, both listeners, the files of its control group, the runtime's
/// connections.
const PER_ENVIRONMENT: u64 = 14;
/// Connections from the outside at the same time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 10_000;

/// Of each kind of slot that waits, of which a server has half a dozen: an eighth of what environments get goes to them
/// all.
const POOL_PART: usize = 8 * 6;

/// What the limit of open files leaves room for: a third of it goes to connections, the rest to environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) connections: usize,
    pub(super) environments: usize,
    /// Slots of each kind that may wait.
    pub(super) pool_depth: usize,
}

impl Room {
    fn of(limit: u64) -> Self {
        let third = limit.saturating_sub(RESERVED) / 3;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
        let environments = count(third * 2 / PER_ENVIRONMENT);
        Self { connections: count(third).min(CONNECTIONS_MAX), environments, pool_depth: environments / POOL_PART }
    }
}

/// Raises the soft limit to the hard one. The low default is for programs that use `select`; functions get a limit of
/// their own.
pub(super) fn room() -> Room {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    Room::of(limit.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_and_connection_together_stay_below_the_limit() {
        for limit in [256, 1_024, 4_096, 20_000] {
            let Room { connections, environments, pool_depth } = Room::of(limit);
            assert!(connections as u64 + environments as u64 * PER_ENVIRONMENT + RESERVED <= limit);
            assert!(connections >= 50 && environments >= 7, "{limit}");
            assert!(pool_depth * 6 * 8 <= environments, "{limit}");
        }
    }

    #[test]
    fn a_usual_limit_restricts_nothing() {
        // systemd's default hard limit.
        let room = Room::of(524_288);
        assert!(room.connections == CONNECTIONS_MAX && room.environments > 1_000);
        assert_eq!(Room::of(u64::MAX).connections, CONNECTIONS_MAX);
    }

    #[test]
    fn a_limit_that_is_far_too_low_still_leaves_one_of_each() {
        assert_eq!(Room::of(10), Room { connections: 1, environments: 1, pool_depth: 0 });
    }
}
