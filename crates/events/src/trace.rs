//! Which message's trace a batch goes on with. Pure.
//!
//! The chain of functions that led to a message stands in the `Lineage` field of its trace header, written by the data
//! plane; of a batch the longest one counts, so that no loop hides behind other messages.

use std::sync::Arc;

const FIELD: &str = "Lineage=";

/// `None` when no message has a header.
pub(crate) fn of_batch<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Arc<str>> {
    headers.max_by_key(|header| runs(header)).map(Arc::from)
}

/// Runs that a header tells of; 0 without any. Each function of the chain has its number behind a colon.
fn runs(header: &str) -> u64 {
    let lineage = header.split(';').find_map(|part| part.strip_prefix(FIELD)).unwrap_or_default();
    let entries = lineage.split('+').filter_map(|entry| entry.rsplit_once(':'));
    entries.map(|(_, before)| before.parse::<u32>().map_or(0, |before| u64::from(before) + 1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_chain_of_a_batch_counts() {
        let plain = "Root=1-634604a2-0123456789abcdef01234567;Sampled=0";
        let short = "Root=1-a;Lineage=1:aaaaaaaa:3";
        let long = "Root=1-b;Lineage=1:aaaaaaaa:2+bbbbbbbb:2";
        assert_eq!(of_batch([plain, long, short].into_iter()).as_deref(), Some(long));
        assert_eq!(of_batch([short, plain].into_iter()).as_deref(), Some(short));
        assert_eq!(of_batch([plain].into_iter()).as_deref(), Some(plain));
        assert_eq!(of_batch(std::iter::empty()), None);
    }
}
