//! An alarm that rings when something is due. The timers of tokio count whole milliseconds: as a client's own lateness
//! that would be more than a warm invocation takes. The kernel's timer counts nanoseconds, and waiting for it takes no
//! processor.

use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::BenchError;

pub(crate) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    #[expect(deprecated, reason = "unsound for types that can be made to hold another descriptor; an OwnedFd cannot")]
    pub(crate) fn new() -> Result<Self, BenchError> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC);
        let watched = timer.map_err(Into::into).and_then(|timer| AsyncFd::with_interest(timer, Interest::READABLE));
        watched.map(Self).map_err(BenchError::io("a timer"))
    }

    /// Returns when it is due; at once, if it has been.
    pub(crate) async fn wait_until(&mut self, due: Instant) -> Result<(), BenchError> {
        let Ok(it_value) = Timespec::try_from(due.saturating_duration_since(Instant::now())) else {
            return Err(BenchError::Other("due in a time to come that no clock counts".to_owned()));
        };
        let never = Timespec::default();
        // The timer's word for "never" is our "now".
        if it_value == never {
            return Ok(());
        }
        let once = Itimerspec { it_interval: never, it_value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)
            .map_err(|error| BenchError::io("a timer")(error.into()))?;
        let rung = self.0.async_io(Interest::READABLE, |timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
        rung.await.map(|_| ()).map_err(BenchError::io("a timer"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_rings_when_it_is_due_and_not_before() {
        let mut alarm = Alarm::new().expect("a timer");
        for _ in 0..20 {
            let due = Instant::now() + Duration::from_micros(300);
            alarm.wait_until(due).await.expect("rung");
            assert!(Instant::now() >= due);
        }
    }

    #[tokio::test]
    async fn what_has_been_due_does_not_wait() {
        let past = Instant::now();
        Alarm::new().expect("a timer").wait_until(past).await.expect("at once");
    }
}
