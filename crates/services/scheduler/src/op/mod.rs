//! One file per operation: what it reads, whom it asks, what it does. What several of them need stands here.

pub(crate) mod create_schedule;
pub(crate) mod create_schedule_group;
pub(crate) mod delete_schedule;
pub(crate) mod delete_schedule_group;
pub(crate) mod get_schedule;
pub(crate) mod get_schedule_group;
pub(crate) mod list_schedule_groups;
pub(crate) mod list_schedules;
pub(crate) mod list_tags_for_resource;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;
pub(crate) mod update_schedule;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_wire::Timestamp;
use serde::Serialize;

use crate::arn;
use crate::error::SchedulerError;
use crate::limits::LIST_PAGE;
use crate::record::GroupRecord;

/// The answer of an operation that answers nothing.
#[derive(Serialize)]
pub(crate) struct Empty {}

/// A group as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ShownGroup {
    arn: String,
    name: String,
    state: &'static str,
    creation_date: Timestamp,
    last_modification_date: Timestamp,
}

impl ShownGroup {
    pub(crate) fn of(scope: &hearth_types::Scope, group: &GroupRecord) -> Self {
        Self {
            arn: arn::of_group(scope, &group.name).to_string(),
            name: group.name.clone(),
            state: "ACTIVE",
            creation_date: Timestamp::from_ms(group.created_ms),
            last_modification_date: Timestamp::from_ms(group.modified_ms),
        }
    }
}

/// Where a page of a list begins: behind this key.
///
/// # Errors
/// [`SchedulerError::Validation`]: Hearth gave no such token.
pub(crate) fn page_start(token: Option<&str>) -> Result<Option<String>, SchedulerError> {
    let Some(token) = token else { return Ok(None) };
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.map(Some).ok_or_else(|| SchedulerError::validation("Invalid NextToken."))
}

pub(crate) fn page_len(max_results: Option<u32>) -> usize {
    max_results.and_then(|max| usize::try_from(max).ok()).unwrap_or(LIST_PAGE)
}

/// Of one item more than a page: the page, and the token of the next.
pub(crate) fn cut<T>(mut items: Vec<T>, len: usize, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let has_more = items.len() > len;
    items.truncate(len);
    let token = items.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    (items, token)
}
