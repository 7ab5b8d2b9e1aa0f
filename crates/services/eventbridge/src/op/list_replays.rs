//! ListReplays: by name.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::{self, ListedReplay, Page};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name_prefix: Option<String>,
    state: Option<String>,
    event_source_arn: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    replays: Vec<ListedReplay>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    events.authorize(&ctx, "events:ListReplays", Subject::Replay("*"), Vec::new())?;
    let Input { name_prefix, state, event_source_arn, next_token, limit } = input;
    if [&name_prefix, &event_source_arn, &state].into_iter().flatten().count() > 1 {
        let text = "At most one filter is allowed for ListReplays. Use either: State, EventSourceArn, or NamePrefix.";
        return Err(EventsError::validation(text));
    }
    let page = Page::read(next_token.as_deref(), limit)?;
    let found = events.replays(&ctx.scope(), |replay| {
        name_prefix.as_ref().is_none_or(|prefix| replay.name.starts_with(prefix))
            && event_source_arn.as_ref().is_none_or(|source| replay.archive_arn == *source)
            && state.as_ref().is_none_or(|state| replay.state.as_str() == state)
    });
    let found = op::behind(found, &page, |replay| &replay.name);
    let (found, next_token) = page.cut(found, |replay| replay.name.clone());
    Ok(Output { replays: found.iter().map(ListedReplay::from).collect(), next_token })
}
