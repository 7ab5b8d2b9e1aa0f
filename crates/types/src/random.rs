//! Randomness as a parameter.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random bytes.
pub trait Random: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);
}

/// Random lower-case hexadecimal text of `bytes * 2` characters.
pub fn hex(random: &dyn Random, bytes: usize) -> String {
    let mut raw = vec![0; bytes];
    random.fill(&mut raw);
    raw.iter().fold(String::with_capacity(bytes * 2), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        text
    })
}

/// A random number from 0.0 up to, but not including, 1.0: every multiple of 2^-53 alike.
pub fn unit(random: &dyn Random) -> f64 {
    const BITS: u32 = f64::MANTISSA_DIGITS;
    let mut raw = [0; 8];
    random.fill(&mut raw);
    // The conversion is exact: no more bits than a mantissa has.
    (u64::from_le_bytes(raw) >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
}

/// A random (version 4) UUID in its usual text form. Source: RFC 9562.
pub fn uuid(random: &dyn Random) -> String {
    let mut raw = [0; 16];
    random.fill(&mut raw);
    raw[6] = (raw[6] & 0x0f) | 0x40;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let text: String = raw.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect();
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

/// The kernel's random source. Small requests are served from a buffer of the thread's own: every API request draws a
/// few ids, and a system call for each shows on the hot path.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

/// Bytes fetched from the kernel at once.
const DRAWN_BYTES: usize = 1_024;

struct Drawn {
    bytes: [u8; DRAWN_BYTES],
    used: usize,
}

thread_local! {
    static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; DRAWN_BYTES], used: DRAWN_BYTES }) };
}

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > DRAWN_BYTES / 4 {
            return from_kernel(bytes);
        }
        DRAWN.with_borrow_mut(|drawn| {
            if DRAWN_BYTES - drawn.used < bytes.len() {
                from_kernel(&mut drawn.bytes);
                drawn.used = 0;
            }
            let next = &mut drawn.bytes[drawn.used..drawn.used + bytes.len()];
            bytes.copy_from_slice(next);
            // What was handed out is nowhere else.
            next.fill(0);
            drawn.used += bytes.len();
        });
    }
}

fn from_kernel(bytes: &mut [u8]) {
    // Without randomness no id or key is safe to hand out: ending the process is the only honest answer.
    if getrandom::fill(bytes).is_err() {
        std::process::abort();
    }
}

/// A reproducible source for tests (SplitMix64).
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            let word = z.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_alike_whatever_their_size() {
        for size in [16, 255, 256, 257, 4_096] {
            let draws: std::collections::HashSet<Vec<u8>> = (0..100)
                .map(|_| {
                    let mut bytes = vec![0; size];
                    OsRandom.fill(&mut bytes);
                    bytes
                })
                .collect();
            assert_eq!(draws.len(), 100, "{size} bytes");
            assert!(draws.iter().all(|bytes| bytes.iter().any(|byte| *byte != 0)));
        }
    }

    #[test]
    fn a_uuid_carries_version_and_variant() {
        let id = uuid(&SeededRandom::new(7));
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
    }
}
