//! Lifecycle rules: what expires, and when. Pure; `sweep.rs` does it.
//! Source: S3 user guide, "Lifecycle configuration elements", "Examples of S3 Lifecycle configurations".

use serde::{Deserialize, Serialize};

use crate::record::ObjectRecord;

const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LifecycleRule {
    pub(crate) id: String,
    pub(crate) is_enabled: bool,
    pub(crate) filter: Filter,
    #[serde(default)]
    pub(crate) days: Option<i32>,
    #[serde(default)]
    pub(crate) date_ms: Option<i64>,
    #[serde(default)]
    pub(crate) expired_marker: bool,
    #[serde(default)]
    pub(crate) noncurrent_days: Option<i32>,
    #[serde(default)]
    pub(crate) newer_noncurrent: Option<i32>,
    #[serde(default)]
    pub(crate) abort_days: Option<i32>,
}

/// Where a rule applies, and the form it was sent in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    pub(crate) form: Form,
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) larger_than: Option<i64>,
    #[serde(default)]
    pub(crate) smaller_than: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    #[default]
    Filter,
    And,
    /// A prefix of the rule itself, as older clients send it.
    RulePrefix,
}

impl LifecycleRule {
    pub(crate) fn covers(&self, object: &ObjectRecord) -> bool {
        let Filter { tags, larger_than, smaller_than, .. } = &self.filter;
        let size = i64::try_from(object.size).unwrap_or(i64::MAX);
        self.covers_key(&object.key)
            && tags.iter().all(|tag| object.tags.contains(tag))
            && larger_than.is_none_or(|limit| size > limit)
            && smaller_than.is_none_or(|limit| size < limit)
    }

    pub(crate) fn covers_key(&self, key: &str) -> bool {
        self.is_enabled && self.filter.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
    }

    /// Whether the newest version of a key has expired.
    pub(crate) fn expires(&self, object: &ObjectRecord, now_ms: i64) -> bool {
        let by_days = self.days.is_some_and(|days| now_ms >= due_ms(object.born_ms, days));
        let by_date = self.date_ms.is_some_and(|date| now_ms >= date);
        (by_days || by_date) && !object.is_marker && self.covers(object)
    }

    /// Whether a delete marker that hides nothing any more goes.
    pub(crate) fn removes_marker(&self, object: &ObjectRecord, now_ms: i64) -> bool {
        let by_days = self.days.is_some_and(|days| now_ms >= due_ms(object.born_ms, days));
        object.is_marker && (self.expired_marker || by_days) && self.covers(object)
    }

    /// Whether a version that is not the newest goes; `newer`: how many such there are before it.
    pub(crate) fn expires_noncurrent(&self, object: &ObjectRecord, newer: usize, now_ms: i64) -> bool {
        let (Some(days), Some(since_ms)) = (self.noncurrent_days, object.superseded_ms) else { return false };
        let keeps = usize::try_from(self.newer_noncurrent.unwrap_or(0)).unwrap_or(0);
        now_ms >= due_ms(since_ms, days) && newer >= keeps && self.covers(object)
    }

    pub(crate) fn aborts(&self, key: &str, born_ms: i64, now_ms: i64) -> bool {
        self.abort_days.is_some_and(|days| now_ms >= due_ms(born_ms, days)) && self.covers_key(key)
    }
}

/// So many days later, at the next midnight UTC.
pub(crate) fn due_ms(from_ms: i64, days: i32) -> i64 {
    let exact = from_ms + i64::from(days) * DAY_MS;
    exact.div_euclid(DAY_MS) * DAY_MS + if exact.rem_euclid(DAY_MS) == 0 { 0 } else { DAY_MS }
}

/// `x-amz-expiration`: when the newest version of a key goes, and by which rule.
pub(crate) fn expiration(rules: &[LifecycleRule], object: &ObjectRecord) -> Option<(i64, String)> {
    let dates = rules.iter().filter(|rule| rule.covers(object)).filter_map(|rule| {
        let at_ms = rule.days.map(|days| due_ms(object.born_ms, days)).or(rule.date_ms)?;
        Some((at_ms, rule.id.clone()))
    });
    dates.min_by_key(|(at_ms, _)| *at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, born_ms: i64) -> ObjectRecord {
        ObjectRecord {
            key: key.to_owned(),
            version_id: None,
            sequence: 1,
            modified_ms: born_ms,
            born_ms,
            superseded_ms: None,
            is_marker: false,
            size: 10,
            etag: String::new(),
            parts: Vec::new(),
            is_multipart: false,
            headers: Default::default(),
            tags: Vec::new(),
            checksum: None,
        }
    }

    fn rule() -> LifecycleRule {
        LifecycleRule { id: "r".to_owned(), is_enabled: true, days: Some(1), ..LifecycleRule::default() }
    }

    /// Source: S3 user guide, "Lifecycle rules: based on an object's age": created on 1/15/2014 10:30 with 3 days of
    /// expiration, it goes on 1/19/2014 00:00 UTC.
    #[test]
    fn days_are_counted_up_to_the_next_midnight() {
        let created = 1_389_781_800_000;
        assert_eq!(due_ms(created, 3), 1_390_089_600_000);
        let rule = LifecycleRule { days: Some(3), ..rule() };
        assert!(!rule.expires(&object("a", created), 1_390_089_599_999));
        assert!(rule.expires(&object("a", created), 1_390_089_600_000));
    }

    #[test]
    fn a_rule_covers_what_its_filter_names_and_nothing_when_it_is_disabled() {
        let late = 10 * DAY_MS;
        let with = |filter| LifecycleRule { filter, ..rule() };
        let prefix = with(Filter { prefix: Some("logs/".to_owned()), ..Filter::default() });
        assert!(prefix.expires(&object("logs/a", 0), late) && !prefix.expires(&object("data/a", 0), late));
        let larger = with(Filter { larger_than: Some(10), ..Filter::default() });
        assert!(!larger.expires(&object("a", 0), late), "as large is not larger");
        let tagged = with(Filter { tags: vec![("k".to_owned(), "v".to_owned())], ..Filter::default() });
        assert!(!tagged.expires(&object("a", 0), late));
        let mut with_tag = object("a", 0);
        with_tag.tags = vec![("k".to_owned(), "v".to_owned())];
        assert!(tagged.expires(&with_tag, late));
        assert!(!LifecycleRule { is_enabled: false, ..rule() }.expires(&object("a", 0), late));
    }

    #[test]
    fn so_many_newer_noncurrent_versions_stay() {
        let rule = LifecycleRule { days: None, noncurrent_days: Some(1), newer_noncurrent: Some(2), ..rule() };
        let old = ObjectRecord { superseded_ms: Some(0), ..object("a", 0) };
        assert!(!rule.expires_noncurrent(&old, 1, 9 * DAY_MS));
        assert!(rule.expires_noncurrent(&old, 2, 9 * DAY_MS));
        assert!(!rule.expires_noncurrent(&object("a", 0), 2, 9 * DAY_MS), "it is the newest");
    }
}
