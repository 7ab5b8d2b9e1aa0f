//! Who comes before whom when the processors are full. Not who gets how much, which control groups say: only how long
//! somebody who has just got something to do waits for those who have been at it for long.
//!
//! The kernel lets a thread that wakes up go before another at once if its time slice is the shorter one; else it waits until
//! the other's slice is over, which the kernel of a server may notice at its next tick only, after up to 4 ms. A request changes
//! hands four times and more. Source: sched-eevdf in the kernel's documentation.
//!
//! | | slice |
//! |---|---|
//! | what serves requests: the server's event loops, and the threads they lend work to | the shortest |
//! | functions, and what starts them | some times that: a function that begins comes before one that has computed for long |
//! | the server's threads that write, pack and keep | the kernel's own, 1.4 ms on two processors |

use std::time::Duration;

use crate::sys;

/// Whose slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSlice {
    /// Of the threads that answer requests.
    EventLoop,
    /// Of the spawner, from which every process in a sandbox has it.
    Sandbox,
}

impl TimeSlice {
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            // The least there is.
            Self::EventLoop => Duration::from_micros(100),
            Self::Sandbox => Duration::from_micros(400),
        }
    }

    /// Gives it to this thread and what it starts. Where the kernel refuses, everything works, and waits longer.
    pub fn take(self) {
        if let Err(error) = sys::set_time_slice(self.duration()) {
            tracing::debug!(%error, ?self, "the kernel knows no time slices");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_comes_before_functions() {
        assert!(TimeSlice::EventLoop.duration() < TimeSlice::Sandbox.duration());
    }

    /// Source: proc_pid_sched: `se.slice`, nanoseconds; kernels that do not tell it have none of their own for threads.
    #[test]
    fn a_thread_has_the_slice_it_took_and_others_do_not() {
        let slice = || {
            let told = std::fs::read_to_string("/proc/thread-self/sched").ok()?;
            let line = told.lines().find(|line| line.starts_with("se.slice"))?;
            line.split_whitespace().last()?.parse::<u128>().ok()
        };
        let before = slice();
        let taken = std::thread::spawn(move || {
            TimeSlice::Sandbox.take();
            slice()
        });
        let taken = taken.join().expect("ends");
        assert_eq!(slice(), before);
        if let Some(taken) = taken.filter(|_| before.is_some()) {
            assert_eq!(taken, TimeSlice::Sandbox.duration().as_nanos());
        } else {
            eprintln!("NOT TESTED: this kernel does not tell time slices");
        }
    }
}
