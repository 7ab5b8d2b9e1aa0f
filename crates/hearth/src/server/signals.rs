//! SIGTERM and SIGINT: an orderly end, from the first moment on.

use nix::sys::signal::{SigSet, Signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::ServerError;

fn ends() -> SigSet {
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT])
}

fn failed(error: impl std::fmt::Display) -> ServerError {
    ServerError::Start(error.to_string())
}

/// Whoever is stopped from here on waits with its end until [`watch`] listens: what a start has made so far would be left
/// behind otherwise. Threads made meanwhile never get these signals, processes are started without this.
pub(super) fn hold() -> Result<(), ServerError> {
    ends().thread_block().map_err(failed)
}

/// The first signal cancels `stop`, a second one ends the process at once. On the thread that called [`hold`].
pub(super) fn watch(stop: CancellationToken) -> Result<(), ServerError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    ends().thread_unblock().map_err(failed)
}
