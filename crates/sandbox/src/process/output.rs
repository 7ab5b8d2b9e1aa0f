//! What a function writes: stdout and stderr in one pipe, the log records of managed runtimes in another. Both are read
//! by whoever comes first, the reader in the background or an invocation that is about to end.
//!
//! What was printed before a record was written stands before it. The other way round only the time between two reads
//! tells, as the pipes do not know of each other.
//!
//! Nothing is dropped here. A flood waits in its pipe: the server spends a small part of a processor on each environment's
//! output, and who writes faster than that is held up by the full pipe, not those beside it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::frames::{Frames, Piece};
use crate::environment::OutputSink;
use crate::sys;

/// Bytes read at once.
const READ_BYTES_MAX: usize = 16 * 1_024;
/// Bytes a pipe can hold unless told otherwise. What was written before an answer is no more than this.
/// Source: pipe(7).
const PIPE_BYTES_MAX: usize = 64 * 1_024;

/// While more is there than one pass takes, the reader rests so many times as long as it has worked.
const FLOOD_REST: u32 = 9;
/// And at most this long.
const FLOOD_REST_MAX: Duration = Duration::from_millis(20);
/// Work that needs no rest after a quiet time: what a function says at once is not held up.
const BURST: Duration = Duration::from_secs(1);

pub(super) struct Output {
    pipe: AsyncFd<OwnedFd>,
    records: AsyncFd<OwnedFd>,
    sink: Arc<dyn OutputSink>,
    /// Held from a read until the sink has it: order is kept.
    turn: Mutex<Frames>,
}

/// What a pass has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Both pipes are empty now.
    Emptied,
    /// There may be more.
    Taken,
    /// Nobody can write any more.
    Ended,
}

impl Output {
    pub(super) fn new(pipe: OwnedFd, records: OwnedFd, sink: Arc<dyn OutputSink>) -> io::Result<Self> {
        let [pipe, records] = [pipe, records].map(|pipe| sys::watched(pipe, Interest::READABLE));
        Ok(Self { pipe: pipe?, records: records?, sink, turn: Mutex::default() })
    }

    /// Passes everything on until nobody can write any more.
    pub(super) async fn follow(self: Arc<Self>) {
        let (mut burst, mut refilled) = (BURST, Instant::now());
        loop {
            let passed = async {
                let mut ready = tokio::select! {
                    ready = self.pipe.readable() => ready?,
                    ready = self.records.readable() => ready?,
                };
                let begun = Instant::now();
                let pass = self.pass_on()?;
                match pass {
                    Pass::Emptied => ready.clear_ready(),
                    Pass::Taken => {
                        let worked = begun.elapsed();
                        burst = (burst + refilled.elapsed() / (FLOOD_REST + 1)).min(BURST).saturating_sub(worked);
                        refilled = Instant::now();
                        if burst.is_zero() {
                            tokio::time::sleep((worked * FLOOD_REST).min(FLOOD_REST_MAX)).await;
                        }
                    }
                    Pass::Ended => {}
                }
                Ok::<_, io::Error>(pass)
            };
            match passed.await {
                Ok(Pass::Ended) => return,
                Ok(Pass::Emptied | Pass::Taken) => {}
                Err(error) => {
                    tracing::error!(%error, "a function's output cannot be read any more");
                    return;
                }
            }
        }
    }

    /// Passes on what has been written so far.
    pub(super) fn drain(&self) {
        // Most functions write nothing; this is all it costs them.
        let mut pipes = [&self.pipe, &self.records].map(|pipe| PollFd::new(pipe.get_ref(), PollFlags::IN));
        if poll(&mut pipes, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
            // The reader in the background meets the same error, and says so.
            let _ = self.pass_on();
        }
    }

    /// As [`drain`](Self::drain), when all that could write is gone: a record that was cut off stays so.
    pub(super) fn finish(&self) {
        self.drain();
        self.turn.lock().finish(&mut |piece| self.give(piece));
    }

    /// Takes at most what both pipes can hold.
    fn pass_on(&self) -> io::Result<Pass> {
        let frames = &mut *self.turn.lock();
        let mut buffer = Vec::new();
        // Read first and given last: what was printed before them is there by now.
        let records = read_all(&self.records, |bytes| buffer.extend_from_slice(bytes))?;
        let printed = read_all(&self.pipe, |bytes| self.sink.output(bytes))?;
        frames.push(&buffer, &mut |piece| self.give(piece));
        Ok(match (printed, records) {
            (Pass::Ended, _) | (_, Pass::Ended) => Pass::Ended,
            (Pass::Emptied, Pass::Emptied) => Pass::Emptied,
            _ => Pass::Taken,
        })
    }

    fn give(&self, piece: Piece<'_>) {
        match piece {
            Piece::Record(record) => self.sink.record(record),
            Piece::Text(text) => self.sink.output(text),
        }
    }
}

fn read_all(pipe: &AsyncFd<OwnedFd>, mut take: impl FnMut(&[u8])) -> io::Result<Pass> {
    let mut bytes = 0;
    let mut buffer = [0; READ_BYTES_MAX];
    while bytes < PIPE_BYTES_MAX {
        match retry_on_intr(|| rustix::io::read(pipe.get_ref(), &mut buffer)) {
            Ok(0) => return Ok(Pass::Ended),
            Ok(read) => {
                take(&buffer[..read]);
                bytes += read;
            }
            Err(Errno::AGAIN) => return Ok(Pass::Emptied),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Pass::Taken)
}

#[cfg(test)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;
    use crate::environment::LogRecord;

    #[derive(Default)]
    struct Collected(Mutex<Vec<u8>>);

    impl OutputSink for Collected {
        fn output(&self, bytes: &[u8]) {
            self.0.lock().extend_from_slice(bytes);
        }

        fn record(&self, record: LogRecord<'_>) {
            self.0.lock().extend_from_slice(&[b"<", record.bytes, b">"].concat());
        }
    }

    struct Pipes {
        sink: Arc<Collected>,
        output: Arc<Output>,
        print: OwnedFd,
        log: OwnedFd,
    }

    fn pipes() -> Pipes {
        let (read, print) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let (records, log) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let sink = Arc::new(Collected::default());
        let output = Arc::new(Output::new(read, records, sink.clone()).expect("output"));
        Pipes { sink, output, print, log }
    }

    fn write(to: &OwnedFd, bytes: &[u8]) {
        assert_eq!(rustix::io::write(to, bytes), Ok(bytes.len()));
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).expect("small");
        [&0xa55a_000f_u32.to_be_bytes(), &length.to_be_bytes(), &[0; 8][..], bytes].concat()
    }

    impl Pipes {
        fn collected(&self) -> String {
            String::from_utf8_lossy(&self.sink.0.lock()).into_owned()
        }
    }

    #[tokio::test]
    async fn draining_takes_all_that_was_written_and_waits_for_nothing() {
        let pipes = pipes();
        write(&pipes.print, &[7; 40_000]);
        write(&pipes.log, &frame(&[8; 30_000]));
        pipes.output.drain();
        assert_eq!(pipes.sink.0.lock().len(), 40_000 + 30_000 + 2);
        pipes.output.drain();
    }

    #[tokio::test]
    async fn what_was_printed_before_a_record_stands_before_it() {
        let pipes = pipes();
        for (print, log) in [("a", "1"), ("b", "2")] {
            write(&pipes.print, print.as_bytes());
            write(&pipes.log, &frame(log.as_bytes()));
            pipes.output.drain();
        }
        assert_eq!(pipes.collected(), "a<1>b<2>");
    }

    #[tokio::test]
    async fn a_record_that_was_cut_off_is_not_mixed_with_the_next() {
        let pipes = pipes();
        write(&pipes.log, &frame(b"whole")[..18]);
        pipes.output.drain();
        assert_eq!(pipes.collected(), "");
        pipes.output.finish();
        write(&pipes.log, &frame(b"next"));
        pipes.output.drain();
        assert_eq!(pipes.collected(), "<wh><next>");
    }

    #[tokio::test]
    async fn the_background_reader_and_an_invocation_keep_the_order() {
        let pipes = pipes();
        let follower = tokio::spawn(Arc::clone(&pipes.output).follow());
        let (mut printed, mut logged) = (Vec::new(), Vec::new());
        for number in 0..2_000_u32 {
            let text = format!("{number} ");
            if number % 2 == 0 {
                write(&pipes.print, text.as_bytes());
                printed.push(number);
            } else {
                write(&pipes.log, &frame(text.as_bytes()));
                logged.push(number);
            }
            if number % 3 == 0 {
                pipes.output.drain();
            }
            if number % 100 == 0 {
                tokio::time::sleep(Duration::from_micros(50)).await;
            }
        }
        pipes.output.drain();
        let collected = pipes.collected();
        drop((pipes.print, pipes.log));
        follower.await.expect("ends when nobody can write");
        let numbers = |records: bool| -> Vec<u32> {
            let words = collected.split_inclusive(['<', '>']).flat_map(|piece| {
                let is_record = piece.ends_with('>');
                let piece = piece.trim_end_matches(['<', '>']);
                piece.split_whitespace().filter(move |_| is_record == records).map(|word| word.parse().expect("number"))
            });
            words.collect()
        };
        assert_eq!((numbers(false), numbers(true)), (printed, logged));
    }

    #[tokio::test]
    async fn the_reader_in_the_background_waits_for_both_pipes() {
        let pipes = pipes();
        let follower = tokio::spawn(Arc::clone(&pipes.output).follow());
        for (to, bytes, want) in [
            (&pipes.log, frame(b"1"), "<1>"),
            (&pipes.print, b"a".to_vec(), "<1>a"),
            (&pipes.log, frame(b"2"), "<1>a<2>"),
        ] {
            write(to, &bytes);
            let arrived = async {
                while pipes.collected() != want {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), arrived).await.expect(want);
        }
        drop(pipes.print);
        drop(pipes.log);
        follower.await.expect("ends when nobody can write");
    }
}
