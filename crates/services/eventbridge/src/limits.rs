//! Limits, by name. Source unless said otherwise: EventBridge user guide, "Amazon EventBridge quotas".

/// Entries of one PutEvents. Source: EventBridge API reference, PutEvents.
pub(crate) const ENTRIES_BYTES_MAX: usize = 1 << 20;
/// What a time adds to an entry's size, bytes. Source: "Calculating PutEvents event entry size".
pub(crate) const ENTRY_TIME_BYTES: usize = 14;
/// How deep JSON of an event may be nested. Hearth's own bound, the parser's; the real one is 1,000.
pub(crate) const BUSES_MAX: usize = 100;
pub(crate) const RULES_MAX: usize = 100_000;
pub(crate) const TARGETS_MAX: usize = 5;
pub(crate) const ARCHIVES_MAX: usize = 1_000;
/// Replays that run at the same time.
pub(crate) const REPLAYS_RUNNING_MAX: usize = 10;
/// Replays that are remembered, Hearth's own bound; those of the real service go after 90 days.
pub(crate) const REPLAYS_MAX: usize = 10_000;
/// A bus's policy, characters.
pub(crate) const POLICY_CHARS_MAX: usize = 10_240;
/// Of a pattern, characters.
pub(crate) const PATTERN_CHARS_MAX: usize = 4_096;
/// Of the values that a pattern's `$or` can be combined to. Source: "Creating event patterns", "`$or`".
pub(crate) const TAGS_MAX: usize = 50;
/// Of a page of a list. Source: EventBridge API reference, ListRules.
pub(crate) const LIST_PAGE: usize = 100;
/// How often a target is tried again, and how old an event may become, unless its target says otherwise. Source:
/// "How EventBridge retries delivering events".
pub(crate) const RETRIES_DEFAULT: u32 = 185;
pub(crate) const EVENT_AGE_S_DEFAULT: u64 = 86_400;
/// How long a dead letter is tried, milliseconds of the service clock.
pub(crate) const DEAD_LETTER_AGE_MS: u64 = 86_400_000;

/// Attempts at targets at the same time, and at dead letters.
pub(crate) const ATTEMPTS_MAX: usize = 64;
/// A scheduled event that was missed longer ago than a target's retries take by default is not made up for, milliseconds.
/// Source: EventBridge user guide, "How EventBridge retries delivering events".
pub(crate) const MISSED_AGE_MS: u64 = 24 * 60 * 60 * 1_000;
/// The timetable's name; part of the keys in the store and never changed.
pub(crate) const TIMETABLE: &str = "events";
