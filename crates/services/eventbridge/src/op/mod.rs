//! One file per operation: what it reads, whom it asks, what it does. What several of them need stands here.

pub(crate) mod create_event_bus;
pub(crate) mod delete_event_bus;
pub(crate) mod delete_rule;
pub(crate) mod describe_event_bus;
pub(crate) mod describe_rule;
pub(crate) mod disable_rule;
pub(crate) mod enable_rule;
pub(crate) mod list_event_buses;
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
pub(crate) mod tag_resource;
pub(crate) mod test_event_pattern;
pub(crate) mod untag_resource;
pub(crate) mod update_event_bus;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::EventBridge;
use crate::api::Found;
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
