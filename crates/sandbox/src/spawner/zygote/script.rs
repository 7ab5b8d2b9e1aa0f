//! What the original and its copies are made to do: system calls in a table, and the data they point to. Pure; doing it
//! is the parent module's.

use std::io;

use crate::tracee;

/// A call and its six arguments in the table. The call's own place takes its result.
pub(super) const CALL_WORDS: usize = 7;
/// Lines in the table, and bytes of data, at most.
pub(super) const CALLS_MAX: usize = 128;
pub(super) const DATA_BYTES_MAX: usize = 16 * 1_024;

/// Calls for a process in whose memory there is room for the table and, from `data_at` on, for data.
pub(super) struct Script {
    data_at: u64,
    data: Vec<u8>,
    calls: Vec<([u64; CALL_WORDS], Expected)>,
}

/// What a call must answer; everything must succeed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Success,
    Value(u64),
}

impl Script {
    pub(super) const fn new(data_at: u64) -> Self {
        Self { data_at, data: Vec::new(), calls: Vec::new() }
    }

    /// Where these bytes will be.
    pub(super) fn put(&mut self, bytes: &[u8]) -> u64 {
        // Everything that the kernel reads as a structure starts at a multiple of eight.
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let at = self.data_at + self.data.len() as u64;
        self.data.extend_from_slice(bytes);
        at
    }

    pub(super) fn call<const N: usize>(&mut self, number: libc::c_long, arguments: [u64; N]) -> &mut Self {
        self.line(number, &arguments, Expected::Success)
    }

    /// A call with an answer that later calls rely on, like the number of a new descriptor.
    pub(super) fn call_for<const N: usize>(&mut self, number: libc::c_long, arguments: [u64; N], value: u64) {
        self.line(number, &arguments, Expected::Value(value));
    }

    fn line(&mut self, number: libc::c_long, arguments: &[u64], expected: Expected) -> &mut Self {
        let mut words = [0; CALL_WORDS];
        words[0] = number as u64;
        words[1..].iter_mut().zip(arguments).for_each(|(word, argument)| *word = *argument);
        self.calls.push((words, expected));
        self
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.len() as u64
    }

    pub(super) fn table(&self) -> Vec<u8> {
        self.calls.iter().flat_map(|(words, _)| words).flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// The results in a table that was run.
    ///
    /// # Errors
    /// The first call that failed, or answered something else than later ones rely on.
    pub(super) fn results(&self, table: &[u8]) -> io::Result<Vec<u64>> {
        let firsts = table.chunks_exact(8).step_by(CALL_WORDS);
        let raw = firsts.map(|bytes| bytes.try_into().map_or(0, u64::from_ne_bytes));
        raw.zip(&self.calls)
            .map(|(raw, (words, expected))| {
                let failed = |what: String| io::Error::other(format!("system call {}: {what}", words[0]));
                match (tracee::result(raw), expected) {
                    (Err(error), _) => Err(failed(error.to_string())),
                    (Ok(value), Expected::Value(wanted)) if value != *wanted => {
                        Err(failed(format!("{value} instead of {wanted}")))
                    }
                    (Ok(value), _) => Ok(value),
                }
            })
            .collect()
    }

    /// # Errors
    /// It does not fit into the room there is.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.calls.len() <= CALLS_MAX && self.data.len() <= DATA_BYTES_MAX {
            true => Ok(()),
            false => Err(io::Error::other("the script is too long")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(results: &[u64]) -> Vec<u8> {
        results.iter().flat_map(|result| [*result, 0, 0, 0, 0, 0, 0]).flat_map(u64::to_ne_bytes).collect()
    }

    #[test]
    fn data_is_where_the_script_says_and_aligned() {
        let mut script = Script::new(4_096);
        assert_eq!((script.put(b"abc"), script.put(b"d")), (4_096, 4_104));
        assert_eq!(script.data(), b"abc\0\0\0\0\0d");
    }

    #[test]
    fn a_failed_call_and_an_unexpected_answer_are_errors() {
        let mut script = Script::new(0);
        script.call(1, [7]);
        script.call_for(2, [8, 9], 4);
        assert_eq!(&script.table()[..16], [1_u64.to_ne_bytes(), 7_u64.to_ne_bytes()].concat());
        assert_eq!(script.results(&table(&[12, 4])).expect("all is well"), [12, 4]);
        let refused = (-i64::from(libc::EPERM)) as u64;
        assert!(script.results(&table(&[refused, 4])).expect_err("refused").to_string().contains("system call 1"));
        assert!(script.results(&table(&[12, 5])).expect_err("another").to_string().contains("5 instead of 4"));
    }
}
