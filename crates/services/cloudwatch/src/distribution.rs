//! How values are spread, in bounded memory: counts by value, the values rounded to some significant bits.
//!
//! It starts with 10 bits, so that whole numbers up to 1,024 are exact and everything else is off by a tenth of a
//! percent at most. When there are more than [`BUCKETS_MAX`] different values, the last bit of all of them is given up, and
//! so on: with 7 bits left a value is off by 0.8 %.

use serde::{Deserialize, Serialize};

/// Different values that one distribution tells apart.
pub(crate) const BUCKETS_MAX: usize = 256;
/// Significant bits behind the first at the beginning.
const MANTISSA_BITS: u8 = 9;
/// Bits of the mantissa in the upper half of a double.
const UPPER_MANTISSA_BITS: u8 = 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distribution {
    mantissa_bits: u8,
    /// Rounded values in ascending order, see [`key`], with how often each came.
    buckets: Vec<(i32, f64)>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { mantissa_bits: MANTISSA_BITS, buckets: Vec::new() }
    }
}

impl Distribution {
    pub(crate) fn add(&mut self, value: f64, count: f64) {
        self.add_key(key(value), count);
        while self.buckets.len() > BUCKETS_MAX && self.mantissa_bits > 0 {
            self.coarsen(self.mantissa_bits - 1);
        }
    }

    fn add_key(&mut self, key: i32, count: f64) {
        let key = rounded(key, self.mantissa_bits);
        match self.buckets.binary_search_by_key(&key, |bucket| bucket.0) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (key, count)),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.mantissa_bits < self.mantissa_bits {
            self.coarsen(other.mantissa_bits);
        }
        for &(key, count) in &other.buckets {
            self.add_key(key, count);
        }
        while self.buckets.len() > BUCKETS_MAX && self.mantissa_bits > 0 {
            self.coarsen(self.mantissa_bits - 1);
        }
    }

    fn coarsen(&mut self, mantissa_bits: u8) {
        self.mantissa_bits = mantissa_bits;
        let buckets = std::mem::take(&mut self.buckets);
        buckets.into_iter().for_each(|(key, count)| self.add_key(key, count));
    }

    /// Values in ascending order, with how often each came.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        self.buckets.iter().map(|&(key, count)| (value(key), count))
    }

    pub(crate) fn count(&self) -> f64 {
        self.buckets.iter().map(|bucket| bucket.1).sum()
    }
}

/// The upper half of a double, so that keys have the order of their values.
fn key(value: f64) -> i32 {
    let bits = (value.to_bits() >> 32) as u32;
    // Half of what is cut off rounds up.
    let bits = bits.saturating_add(((value.to_bits() >> 31) & 1) as u32);
    let magnitude = (bits & 0x7FFF_FFFF) as i32;
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

fn value(key: i32) -> f64 {
    let magnitude = f64::from_bits(u64::from(key.unsigned_abs()) << 32);
    if key < 0 { -magnitude } else { magnitude }
}

/// To the nearest key with that many bits of mantissa.
fn rounded(key: i32, mantissa_bits: u8) -> i32 {
    let cut = UPPER_MANTISSA_BITS - mantissa_bits;
    let half = 1_i64 << (cut - 1);
    let magnitude = (((i64::from(key.unsigned_abs()) + half) >> cut) << cut) as i32;
    if key < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_up_to_a_thousand_are_exact() {
        for number in [0.0, 1.0, -1.0, 7.0, 999.0, 1_024.0, -250.0, 0.5] {
            let mut one = Distribution::default();
            one.add(number, 1.0);
            assert_eq!(one.values().collect::<Vec<_>>(), [(number, 1.0)]);
        }
    }

    #[test]
    fn many_different_values_lose_precision_and_nothing_else() {
        let mut all = Distribution::default();
        (1..=100_000).for_each(|value| all.add(f64::from(value), 1.0));
        assert!(all.buckets.len() <= BUCKETS_MAX);
        assert_eq!(all.count(), 100_000.0);
        assert!(all.values().map(|(value, _)| value).is_sorted());
    }

    proptest! {
        #[test]
        fn a_value_is_off_by_a_tenth_of_a_percent(number in -1e30f64..1e30) {
            let mut one = Distribution::default();
            one.add(number, 1.0);
            let (found, _) = one.values().next().expect("one");
            prop_assert!((found - number).abs() <= number.abs() * 0.001, "{found} for {number}");
        }

        #[test]
        fn two_merged_count_as_one(left in proptest::collection::vec(-1e6f64..1e6, 0..400),
                                   right in proptest::collection::vec(-1e6f64..1e6, 0..400)) {
            let of = |values: &[f64]| {
                let mut all = Distribution::default();
                values.iter().for_each(|value| all.add(*value, 1.0));
                all
            };
            let mut merged = of(&left);
            merged.merge(&of(&right));
            prop_assert_eq!(merged.count(), (left.len() + right.len()) as f64);
            prop_assert!(merged.buckets.len() <= BUCKETS_MAX);
        }
    }
}
