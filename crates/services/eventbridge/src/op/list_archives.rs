//! ListArchives: by name.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::{self, ListedArchive, Page};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name_prefix: Option<String>,
    event_source_arn: Option<String>,
    state: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    archives: Vec<ListedArchive>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    events.authorize(&ctx, "events:ListArchives", Subject::Archive("*"), Vec::new())?;
    let Input { name_prefix, event_source_arn, state, next_token, limit } = input;
    if [&name_prefix, &event_source_arn, &state].into_iter().flatten().count() > 1 {
        let text = "At most one filter is allowed for ListArchives. Use either: State, EventSourceArn, or NamePrefix.";
        return Err(EventsError::validation(text));
    }
    let (page, scope) = (Page::read(next_token.as_deref(), limit)?, ctx.scope());
    let found = events.archives(&scope, |archive| {
        name_prefix.as_ref().is_none_or(|prefix| archive.record.name.starts_with(prefix))
            && event_source_arn.as_ref().is_none_or(|source| archive.record.source == *source)
            // None is ever in another state.
            && state.as_ref().is_none_or(|state| state == "ENABLED")
    });
    let found = op::behind(found, &page, |archive| &archive.record.name);
    let (found, next_token) = page.cut(found, |archive| archive.record.name.clone());
    let mut archives = Vec::with_capacity(found.len());
    for archive in &found {
        archives.push(ListedArchive::new(archive, events.measure(&scope, archive).await?));
    }
    Ok(Output { archives, next_token })
}
