//! What a function writes: stdout and stderr in one pipe, the log records of managed runtimes in another. Both are read
//! by whoever comes first, the reader in the background or an invocation that is about to end.
//!
//! What was printed before a record was written stands before it. The other way round only the time between two reads
//! tells, as the pipes do not know of each other.
//!
//! Nothing is dropped here. A flood waits in its pipe: the server takes so many bytes a second of each environment, and spends
//! a small part of a processor on it ([`Allowance`]). Who writes faster than that is held up by the full pipe, not those
//! beside it: what is read here has still to be written to disk and to be packed.

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

/// The reader rests so many times as long as it has worked, once [`BURST`] is used up.
const FLOOD_REST: u32 = 9;
/// Work that needs no rest after a quiet time: what a function says at once is not held up.
const BURST: Duration = Duration::from_secs(1);
/// Bytes of an environment's output that are taken in a second, once [`BURST_BYTES`] are used up.
const FLOOD_BYTES_PER_SECOND: u64 = 8 << 20;
/// Bytes that are taken without a rest after a quiet time.
const BURST_BYTES: u64 = 32 << 20;
/// No rest is longer: output of functions that wait is not hidden.
const FLOOD_REST_MAX: Duration = Duration::from_millis(20);

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

/// What of the server an environment's output may take without a rest. Comes back while less is taken.
#[derive(Debug)]
struct Allowance {
    work: Duration,
    /// Less than none while what was taken has not been rested for.
    bytes: i64,
    refilled: Instant,
}

impl Allowance {
    const fn full(now: Instant) -> Self {
        Self { work: BURST, bytes: BURST_BYTES.cast_signed(), refilled: now }
    }

    /// Accounts for a pass that has just ended; how long the reader is to rest.
    fn spend(&mut self, now: Instant, worked: Duration, bytes: u64) -> Duration {
        let passed = now.saturating_duration_since(self.refilled);
        self.refilled = now;
        self.work = (self.work + passed / (FLOOD_REST + 1)).min(BURST).saturating_sub(worked);
        let came_back = saturating(passed.as_micros() * u128::from(FLOOD_BYTES_PER_SECOND) / 1_000_000);
        self.bytes =
            self.bytes.saturating_add(came_back).min(saturating(BURST_BYTES)).saturating_sub(saturating(bytes));
        let for_work = if self.work.is_zero() { worked * FLOOD_REST } else { Duration::ZERO };
        let owed = self.bytes.min(0).unsigned_abs();
        let for_bytes = Duration::from_micros(owed * 1_000_000 / FLOOD_BYTES_PER_SECOND);
        for_work.max(for_bytes).min(FLOOD_REST_MAX)
    }
}

impl Output {
    pub(super) fn new(pipe: OwnedFd, records: OwnedFd, sink: Arc<dyn OutputSink>) -> io::Result<Self> {
        let [pipe, records] = [pipe, records].map(|pipe| sys::watched(pipe, Interest::READABLE));
        Ok(Self { pipe: pipe?, records: records?, sink, turn: Mutex::default() })
    }

    /// Passes everything on until nobody can write any more.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut allowance = Allowance::full(Instant::now());
        loop {
            let passed = async {
                let mut ready = tokio::select! {
                    ready = self.pipe.readable() => ready?,
                    ready = self.records.readable() => ready?,
                };
                let begun = Instant::now();
                let (pass, bytes) = self.pass_on(&mut self.turn.lock())?;
                if pass == Pass::Emptied {
                    ready.clear_ready();
                }
                let now = Instant::now();
                let rest = allowance.spend(now, now - begun, bytes);
                if !rest.is_zero() && pass != Pass::Ended {
                    tokio::time::sleep(rest).await;
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
        // Not before the look at the pipes: who has emptied them has passed everything on when it is ours.
        let frames = &mut *self.turn.lock();
        // Most functions write nothing; this is all it costs them.
        let mut pipes = [&self.pipe, &self.records].map(|pipe| PollFd::new(pipe.get_ref(), PollFlags::IN));
        if poll(&mut pipes, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
            // The reader in the background meets the same error, and says so.
            let _ = self.pass_on(frames);
        }
    }

    /// As [`drain`](Self::drain), when all that could write is gone: a record that was cut off stays so.
    pub(super) fn finish(&self) {
        self.drain();
        self.turn.lock().finish(&mut |piece| self.give(piece));
    }

    /// Takes at most what both pipes can hold. With how many bytes that was.
    fn pass_on(&self, frames: &mut Frames) -> io::Result<(Pass, u64)> {
        let mut buffer = Vec::new();
        // Read first and given last: what was printed before them is there by now.
        let (records, logged) = read_all(&self.records, |bytes| buffer.extend_from_slice(bytes))?;
        let (printed, written) = read_all(&self.pipe, |bytes| self.sink.output(bytes))?;
        frames.push(&buffer, &mut |piece| self.give(piece));
        let pass = match (printed, records) {
            (Pass::Ended, _) | (_, Pass::Ended) => Pass::Ended,
            (Pass::Emptied, Pass::Emptied) => Pass::Emptied,
            _ => Pass::Taken,
        };
        Ok((pass, (logged + written) as u64))
    }

    fn give(&self, piece: Piece<'_>) {
        match piece {
            Piece::Record(record) => self.sink.record(record),
            Piece::Text(text) => self.sink.output(text),
        }
    }
}

fn saturating(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn read_all(pipe: &AsyncFd<OwnedFd>, mut take: impl FnMut(&[u8])) -> io::Result<(Pass, usize)> {
    let mut bytes = 0;
    let mut buffer = [0; READ_BYTES_MAX];
    while bytes < PIPE_BYTES_MAX {
        match retry_on_intr(|| rustix::io::read(pipe.get_ref(), &mut buffer)) {
            Ok(0) => return Ok((Pass::Ended, bytes)),
            Ok(read) => {
                take(&buffer[..read]);
                bytes += read;
            }
            Err(Errno::AGAIN) => return Ok((Pass::Emptied, bytes)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((Pass::Taken, bytes))
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

    /// How long a reader rests in all for passes of so many bytes, one right after the other.
    fn rests(allowance: &mut Allowance, from: Instant, passes: u32, bytes: u64, worked: Duration) -> Duration {
        let mut now = from;
        for _ in 0..passes {
            now += worked;
            now += allowance.spend(now, worked, bytes);
        }
        now - from - worked * passes
    }

    #[test]
    fn what_comes_at_once_after_a_quiet_time_is_not_held_up() {
        let now = Instant::now();
        let mut allowance = Allowance::full(now);
        let passes = u32::try_from(BURST_BYTES / 65_536).expect("few");
        assert_eq!(rests(&mut allowance, now, passes, 65_536, Duration::from_micros(100)), Duration::ZERO);
        assert!(!rests(&mut allowance, now, 10, 65_536, Duration::ZERO).is_zero(), "and more is");
        let later = now + Duration::from_secs(60);
        assert_eq!(rests(&mut allowance, later, passes, 65_536, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_flood_is_taken_at_its_rate() {
        let now = Instant::now();
        let mut allowance = Allowance::full(now);
        // Ten seconds' worth, and the burst.
        let passes = u32::try_from((10 * FLOOD_BYTES_PER_SECOND + BURST_BYTES) / 65_536).expect("few");
        let rested = rests(&mut allowance, now, passes, 65_536, Duration::ZERO);
        assert!((9.9..=10.1).contains(&rested.as_secs_f64()), "{rested:?}");
    }

    #[test]
    fn short_lines_take_a_tenth_of_a_processor() {
        let now = Instant::now();
        let mut allowance = Allowance::full(now);
        let worked = Duration::from_millis(1);
        rests(&mut allowance, now, 2_000, 1_000, worked);
        let now = allowance.refilled;
        let rested = rests(&mut allowance, now, 1_000, 1_000, worked);
        assert!((8.9..=9.1).contains(&rested.as_secs_f64()), "{rested:?} beside a second of work");
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

    /// Takes its time to take what it is given.
    #[derive(Default)]
    struct Slow {
        begun: std::sync::atomic::AtomicBool,
        taken: Collected,
    }

    impl OutputSink for Slow {
        fn output(&self, bytes: &[u8]) {
            self.begun.store(true, std::sync::atomic::Ordering::Release);
            std::thread::sleep(Duration::from_millis(100));
            self.taken.output(bytes);
        }

        fn record(&self, record: LogRecord<'_>) {
            self.taken.record(record);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn draining_waits_for_what_the_reader_has_taken_and_not_passed_on_yet() {
        let (read, print) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let (records, log) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let sink = Arc::new(Slow::default());
        let output = Arc::new(Output::new(read, records, sink.clone()).expect("output"));
        let follower = tokio::spawn(Arc::clone(&output).follow());
        write(&print, b"last words");
        while !sink.begun.load(std::sync::atomic::Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        output.drain();
        assert_eq!(*sink.taken.0.lock(), b"last words");
        drop((print, log));
        follower.await.expect("ends when nobody can write");
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
