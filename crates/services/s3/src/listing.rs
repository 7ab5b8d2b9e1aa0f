//! Pages of keys: prefixes, delimiters and where the next page begins. Pure.
//! Source: S3 API reference, ListObjectsV2, "Organizing objects using prefixes".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::versions::Step;

/// What a page is to show.
pub(crate) struct Wanted<'w> {
    pub(crate) prefix: &'w str,
    pub(crate) delimiter: Option<&'w str>,
    pub(crate) limit: usize,
    /// A key or common prefix that an earlier page ended with.
    pub(crate) after: Option<&'w str>,
}

/// A page in the making.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) prefixes: Vec<String>,
    /// The last key or common prefix, when there is more.
    pub(crate) next: Option<String>,
    last: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), prefixes: Vec::new(), next: None, last: None }
    }
}

impl<T> Page<T> {
    pub(crate) fn len(&self) -> usize {
        self.items.len() + self.prefixes.len()
    }

    /// Takes the next key in order, if it belongs here. `make`: `None` for what is not shown.
    pub(crate) fn take(&mut self, wanted: &Wanted<'_>, key: &str, make: impl FnOnce() -> Option<T>) -> Step {
        if !key.starts_with(wanted.prefix) {
            return if key < wanted.prefix { Step::Behind(wanted.prefix.as_bytes().to_vec()) } else { Step::Stop };
        }
        let common = wanted.delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            let at = key[wanted.prefix.len()..].find(delimiter)?;
            Some(&key[..wanted.prefix.len() + at + delimiter.len()])
        });
        if let Some(common) = common {
            // Told before: all of it is passed over.
            if wanted.after == Some(common) {
                return Step::Behind(behind(common));
            }
            // Whether something of it is shown is known only when something is.
            if make().is_none() {
                return Step::Next;
            }
            if self.is_full(wanted) {
                return Step::Stop;
            }
            self.prefixes.push(common.to_owned());
            self.last = Some(common.to_owned());
            return Step::Behind(behind(common));
        }
        let Some(item) = make() else { return Step::Next };
        if self.is_full(wanted) {
            return Step::Stop;
        }
        self.items.push(item);
        self.last = Some(key.to_owned());
        Step::Next
    }

    fn is_full(&mut self, wanted: &Wanted<'_>) -> bool {
        if self.len() < wanted.limit {
            return false;
        }
        self.next.clone_from(&self.last);
        true
    }
}

/// The first text behind all that start with this.
fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            break;
        }
    }
    bytes
}

const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

/// As `encoding-type=url` asks for it.
pub(crate) fn encoded(text: &str, is_asked: bool) -> String {
    if is_asked { utf8_percent_encode(text, URL).to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A walk over sorted keys, as the store does it.
    fn page(keys: &[String], wanted: &Wanted<'_>) -> Page<String> {
        let mut page = Page::default();
        let mut at = keys.partition_point(|key| wanted.after.is_some_and(|after| key.as_str() <= after));
        while let Some(key) = keys.get(at) {
            match page.take(wanted, key, || Some(key.clone())) {
                Step::Next => at += 1,
                Step::Behind(text) => at = keys.partition_point(|key| key.as_bytes() < text.as_slice()),
                Step::Stop => break,
            }
        }
        page
    }

    fn keys() -> impl Strategy<Value = Vec<String>> {
        prop::collection::btree_set("[ab/]{1,5}", 0..30).prop_map(|keys| keys.into_iter().collect())
    }

    proptest! {
        #[test]
        fn pages_together_show_everything_once(
            keys in keys(),
            prefix in "[ab/]{0,2}",
            delimiter in prop::option::of(Just("/")),
            limit in 1_usize..4,
        ) {
            let of_prefix = keys.iter().filter(|key| key.starts_with(&prefix));
            let mut want: Vec<String> = of_prefix
                .map(|key| match delimiter.and_then(|delimiter| key[prefix.len()..].find(delimiter)) {
                    Some(at) => key[..=prefix.len() + at].to_owned(),
                    None => key.clone(),
                })
                .collect();
            want.dedup();
            let mut got = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let wanted = Wanted { prefix: &prefix, delimiter, limit, after: after.as_deref() };
                let page = page(&keys, &wanted);
                prop_assert!(page.len() <= limit);
                let mut shown: Vec<String> = page.items.iter().chain(&page.prefixes).cloned().collect();
                shown.sort();
                got.extend(shown);
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(got, want);
        }
    }
}
