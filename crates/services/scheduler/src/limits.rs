//! The limits of EventBridge Scheduler, in one table. Source: EventBridge Scheduler user guide, "Quotas for Amazon
//! EventBridge Scheduler", unless noted.

/// Schedules of an account and region: Hearth's own bound (AWS has a million). They are all in memory.
pub(crate) const SCHEDULES_MAX: usize = 100_000;
/// Groups of an account and region.
pub(crate) const GROUPS_MAX: usize = 500;
/// Tags of a group. Source: API reference, TagResource.
pub(crate) const TAGS_MAX: usize = 50;
/// What is passed to a target, bytes. Source: API reference, Target.
pub(crate) const INPUT_BYTES_MAX: usize = 262_144;
/// Schedules or groups of one page of a list, if nothing is said. Source: API reference, ListSchedules.
pub(crate) const LIST_PAGE: usize = 100;
/// Attempts after the first, if nothing is said, and at most. Source: API reference, RetryPolicy; user guide, "Managing a
/// schedule".
pub(crate) const RETRIES_MAX: u32 = 185;
/// Of an invocation when it is last tried, if nothing is said, and at most, seconds. Source: as above.
pub(crate) const AGE_S_MAX: u32 = 86_400;
/// How long ago a start may be, milliseconds. Reported from the real service.
pub(crate) const START_AGO_MS_MAX: i64 = 5 * 60 * 1_000;
/// The group of schedules that name none.
pub(crate) const DEFAULT_GROUP: &str = "default";
/// Deletions whose tokens are remembered.
pub(crate) const DELETIONS_KNOWN: usize = 1_000;
/// Invocations that run at the same time, and dead letters.
pub(crate) const ATTEMPTS_MAX: usize = 64;
/// The timetable's name; part of the keys in the store and never changed.
pub(crate) const TIMETABLE: &str = "scheduler";
