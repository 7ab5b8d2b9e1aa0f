//! One file per operation: what it reads, whom it asks, what it does. What several of them need stands here.

pub(crate) mod create_event_bus;
pub(crate) mod delete_event_bus;
pub(crate) mod describe_event_bus;
pub(crate) mod list_event_buses;
pub(crate) mod list_tags_for_resource;
pub(crate) mod put_events;
pub(crate) mod put_permission;
pub(crate) mod remove_permission;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;
pub(crate) mod update_event_bus;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::RequestContext;
use serde::Serialize;

use crate::error::EventsError;
use crate::limits::LIST_PAGE;

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

/// Kept apart from the account and region that an ARN may name.
pub(crate) fn is_here(here: &RequestContext, there: &RequestContext) -> bool {
    here.account == there.account && here.region.as_str() == there.region.as_str()
}
