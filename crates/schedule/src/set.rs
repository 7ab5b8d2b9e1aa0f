//! A set of small numbers: the values of one field of a cron expression.

const WORDS: usize = 4;
const BITS: u16 = 64;

/// Numbers below 256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set([u64; WORDS]);

impl Set {
    pub(crate) const fn insert(&mut self, number: u16) {
        self.0[(number / BITS) as usize] |= 1 << (number % BITS);
    }

    pub(crate) const fn contains(&self, number: u16) -> bool {
        self.0[(number / BITS) as usize] & (1 << (number % BITS)) != 0
    }

    /// The first that is not less than `from`, up to and including `last`.
    pub(crate) fn first_from(&self, from: u16, last: u16) -> Option<u16> {
        (from..=last).find(|number| self.contains(*number))
    }
}
