//! What a function writes to stdout and stderr: one pipe, read in order by whoever comes first, the reader in the
//! background or an invocation that is about to end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::environment::OutputSink;
use crate::sys;

/// Bytes read at once.
const READ_BYTES_MAX: usize = 16 * 1_024;
/// Bytes a pipe can hold unless told otherwise. What was written before an answer is no more than this.
/// Source: pipe(7).
const PIPE_BYTES_MAX: usize = 64 * 1_024;

pub(super) struct Output {
    pipe: AsyncFd<OwnedFd>,
    sink: Arc<dyn OutputSink>,
    /// Held from a read until the sink has it: order is kept.
    turn: Mutex<()>,
}

impl Output {
    pub(super) fn new(pipe: OwnedFd, sink: Arc<dyn OutputSink>) -> io::Result<Self> {
        Ok(Self { pipe: sys::watched(pipe, Interest::READABLE)?, sink, turn: Mutex::new(()) })
    }

    /// Passes everything on until nobody can write any more.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            match self.pipe.async_io(Interest::READABLE, |_| self.pass_on()).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "a function's output cannot be read any more");
                    return;
                }
            }
        }
    }

    /// Passes on what has been written so far.
    pub(super) fn drain(&self) {
        let mut bytes = 0;
        while bytes < PIPE_BYTES_MAX {
            match self.pass_on() {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes += read,
            }
        }
    }

    fn pass_on(&self) -> io::Result<usize> {
        let _turn = self.turn.lock();
        let mut buffer = [0; READ_BYTES_MAX];
        let read = rustix::io::retry_on_intr(|| rustix::io::read(self.pipe.get_ref(), &mut buffer))?;
        if read > 0 {
            self.sink.output(&buffer[..read]);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[derive(Default)]
    struct Collected(Mutex<Vec<u8>>);

    impl OutputSink for Collected {
        fn output(&self, bytes: &[u8]) {
            self.0.lock().extend_from_slice(bytes);
        }
    }

    #[tokio::test]
    async fn draining_takes_all_that_was_written_and_waits_for_nothing() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let sink = Arc::new(Collected::default());
        let output = Output::new(read, sink.clone()).expect("output");
        rustix::io::write(&write, &[7; 40_000]).expect("written");
        output.drain();
        assert_eq!(sink.0.lock().len(), 40_000);
        output.drain();
    }

    #[tokio::test]
    async fn the_background_reader_and_an_invocation_keep_the_order() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let sink = Arc::new(Collected::default());
        let output = Arc::new(Output::new(read, sink.clone()).expect("output"));
        let follower = tokio::spawn(output.clone().follow());
        for number in 0..2_000_u32 {
            rustix::io::write(&write, &number.to_be_bytes()).expect("written");
            if number % 3 == 0 {
                output.drain();
            }
            if number % 100 == 0 {
                tokio::time::sleep(Duration::from_micros(50)).await;
            }
        }
        drop(write);
        follower.await.expect("ends when nobody can write");
        let numbers: Vec<u8> = (0..2_000_u32).flat_map(u32::to_be_bytes).collect();
        assert_eq!(*sink.0.lock(), numbers);
    }
}
