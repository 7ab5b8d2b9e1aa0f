//! `Marker` and `MaxItems`, as every IAM list operation has them.

/// Items of a page when the caller does not say. Source: IAM API reference, `MaxItems`.
pub(crate) const PAGE_DEFAULT: usize = 100;

/// One page, and where the next one begins.
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub is_truncated: bool,
    pub marker: Option<String>,
}

/// Items wanted by a request; the API model bounds what a caller may say (1 to 1,000).
#[must_use]
pub(crate) fn size(max_items: Option<u32>) -> usize {
    max_items.map_or(PAGE_DEFAULT, |items| usize::try_from(items).unwrap_or(PAGE_DEFAULT))
}

impl<T> Page<T> {
    /// From up to `size + 1` items: the one too many only tells that there is more. The marker is the last item's key.
    #[must_use]
    pub(crate) fn cut(mut items: Vec<T>, size: usize, key: impl Fn(&T) -> String) -> Self {
        let is_truncated = items.len() > size;
        items.truncate(size);
        let marker = items.last().filter(|_| is_truncated).map(key);
        Self { items, is_truncated, marker }
    }

    /// From everything there is, sorted by key: what comes behind the marker, even if the marker's item is gone.
    #[must_use]
    pub(crate) fn of(
        sorted: impl IntoIterator<Item = T>,
        marker: Option<&str>,
        max_items: Option<u32>,
        key: impl Fn(&T) -> String,
    ) -> Self {
        let size = size(max_items);
        let is_behind = |item: &T| marker.is_none_or(|marker| key(item).as_str() > marker);
        let items = sorted.into_iter().filter(is_behind).take(size + 1).collect();
        Self::cut(items, size, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let all = || ["a", "b", "c"].map(str::to_owned);
        let first = Page::of(all(), None, Some(2), String::clone);
        assert_eq!((first.items, first.is_truncated), (vec!["a".to_owned(), "b".to_owned()], true));
        let second = Page::of(all(), first.marker.as_deref(), Some(2), String::clone);
        assert_eq!((second.items, second.is_truncated, second.marker), (vec!["c".to_owned()], false, None));
        let after_a_deletion = Page::of(["a", "c"].map(str::to_owned), Some("b"), Some(2), String::clone);
        assert_eq!(after_a_deletion.items, ["c"]);
    }
}
