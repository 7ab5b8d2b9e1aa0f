//! One file per operation: what it reads, whom it asks, what it does. What several of them need stands here.

pub(crate) mod cancel_replay;
pub(crate) mod create_archive;
pub(crate) mod create_event_bus;
pub(crate) mod delete_archive;
pub(crate) mod delete_event_bus;
pub(crate) mod delete_rule;
pub(crate) mod describe_archive;
pub(crate) mod describe_event_bus;
pub(crate) mod describe_replay;
pub(crate) mod describe_rule;
pub(crate) mod disable_rule;
pub(crate) mod enable_rule;
pub(crate) mod list_archives;
pub(crate) mod list_event_buses;
pub(crate) mod list_replays;
pub(crate) mod list_rule_names_by_target;
pub(crate) mod list_rules;
pub(crate) mod list_tags_for_resource;
pub(crate) mod list_targets_by_rule;
pub(crate) mod put_events;
pub(crate) mod put_permission;
pub(crate) mod put_rule;
pub(crate) mod put_targets;
pub(crate) mod remove_permission;
pub(crate) mod remove_targets;
pub(crate) mod start_replay;
pub(crate) mod tag_resource;
pub(crate) mod test_event_pattern;
pub(crate) mod untag_resource;
pub(crate) mod update_archive;
pub(crate) mod update_event_bus;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_wire::Timestamp;
use serde::Serialize;

use crate::EventBridge;
use crate::api::Found;
use crate::archive::{Archive, ReplayRecord};
use crate::error::EventsError;
use crate::limits::LIST_PAGE;
use crate::record::RuleRecord;
use crate::rule::Rule;

/// The answer of an operation that answers nothing.
#[derive(Serialize)]
pub(crate) struct Empty {}

/// A page of a list.
pub(crate) struct Page {
    /// It begins behind this key.
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
}

impl Page {
    /// # Errors
    /// [`EventsError::Validation`]: Hearth gave no such token.
    pub(crate) fn read(token: Option<&str>, limit: Option<usize>) -> Result<Self, EventsError> {
        let limit = limit.unwrap_or(LIST_PAGE);
        let Some(token) = token else { return Ok(Self { after: None, limit }) };
        let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
        let key = key.ok_or_else(|| EventsError::validation("Parameter NextToken is not valid."))?;
        Ok(Self { after: Some(key), limit })
    }

    /// Of one item more than a page: the page, and the token of the next.
    pub(crate) fn cut<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let token = items.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        (items, token)
    }
}

/// What encrypts at rest, logs and keeps letters of a whole bus: EventBridge has them, Hearth does not.
///
/// # Errors
/// [`EventsError::Validation`].
pub(crate) fn refuse(given: &[(&str, bool)]) -> Result<(), EventsError> {
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(EventsError::unsupported(name)),
        None => Ok(()),
    }
}

/// A rule in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedRule {
    name: String,
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_expression: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    event_bus_name: String,
}

impl From<&Rule> for ListedRule {
    fn from(rule: &Rule) -> Self {
        let record = &rule.record;
        Self {
            name: record.name.clone(),
            arn: rule.arn.to_string(),
            event_pattern: record.pattern.clone(),
            schedule_expression: record.schedule.as_ref().map(|schedule| schedule.expression.clone()),
            state: rule.state(),
            description: record.description.clone(),
            role_arn: record.role_arn.clone(),
            event_bus_name: record.bus.clone(),
        }
    }
}

/// A target that a request could not put or remove.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FailedEntry {
    pub(crate) target_id: String,
    pub(crate) error_code: &'static str,
    pub(crate) error_message: String,
}

impl EventBridge {
    /// Changes a rule that is there.
    ///
    /// # Errors
    /// [`EventsError::NotFound`], what `edit` refuses, or the store's.
    pub(crate) async fn change_rule(
        &self,
        found: &Found,
        edit: impl FnOnce(&mut RuleRecord) -> Result<(), EventsError>,
    ) -> Result<(), EventsError> {
        let bus = found.bus()?;
        let missing = || EventsError::no_rule(&found.rule, &found.bus_name);
        self.edit_rule(&bus, &found.rule, |record| {
            let mut record = record.cloned().ok_or_else(missing)?;
            edit(&mut record)?;
            Ok(record)
        })
        .await
        .map(drop)
    }
}

/// Items of a list that is in the order of its keys: those behind where the page begins, one more than fit.
pub(crate) fn behind<T>(items: Vec<T>, page: &Page, key: impl Fn(&T) -> &str) -> Vec<T> {
    let is_behind = |item: &T| page.after.as_deref().is_none_or(|after| key(item) > after);
    items.into_iter().filter(is_behind).take(page.limit + 1).collect()
}

/// What is said of an archive that was made or changed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ArchiveAnswer {
    archive_arn: String,
    state: &'static str,
    creation_time: Timestamp,
}

impl From<&Archive> for ArchiveAnswer {
    fn from(archive: &Archive) -> Self {
        let creation_time = Timestamp::from_ms(archive.record.created_ms);
        Self { archive_arn: archive.arn.to_string(), state: "ENABLED", creation_time }
    }
}

/// An archive in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedArchive {
    archive_name: String,
    event_source_arn: String,
    state: &'static str,
    retention_days: u32,
    size_bytes: u64,
    event_count: u64,
    creation_time: Timestamp,
}

impl ListedArchive {
    pub(crate) fn new(archive: &Archive, (event_count, size_bytes): (u64, u64)) -> Self {
        let record = &archive.record;
        Self {
            archive_name: record.name.clone(),
            event_source_arn: record.source.clone(),
            state: "ENABLED",
            retention_days: record.retention_days,
            size_bytes,
            event_count,
            creation_time: Timestamp::from_ms(record.created_ms),
        }
    }
}

/// A replay in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedReplay {
    replay_name: String,
    event_source_arn: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_reason: Option<String>,
    event_start_time: Timestamp,
    event_end_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_last_replayed_time: Option<Timestamp>,
    replay_start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_end_time: Option<Timestamp>,
}

impl From<&ReplayRecord> for ListedReplay {
    fn from(record: &ReplayRecord) -> Self {
        Self {
            replay_name: record.name.clone(),
            event_source_arn: record.archive_arn.clone(),
            state: record.state.as_str(),
            state_reason: record.reason.clone(),
            event_start_time: Timestamp::from_ms(record.from_ms),
            event_end_time: Timestamp::from_ms(record.to_ms),
            event_last_replayed_time: record.last.as_ref().map(|(at_ms, _)| Timestamp::from_ms(*at_ms)),
            replay_start_time: Timestamp::from_ms(record.started_ms),
            replay_end_time: record.ended_ms.map(Timestamp::from_ms),
        }
    }
}
