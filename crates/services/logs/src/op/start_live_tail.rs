//! StartLiveTail: a stream of the events that arrive from now on.

use std::sync::Arc;

use hearth_types::{RequestContext, random};
use hearth_wire::EventStream;
use serde::Deserialize;

use crate::arn::{Subject, group_arn, named};
use crate::live_tail::{Followed, Session, SessionStart};
use crate::pattern::Pattern;
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_identifiers: Vec<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefixes: Option<Vec<String>>,
    log_event_filter_pattern: Option<String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<EventStream, LogsError> {
    let mut followed = Vec::new();
    for identifier in &input.log_group_identifiers {
        let name = named(&ctx, None, Some(identifier.clone()))?;
        let group = api.find(&ctx, &name).await;
        api.authorize(&ctx, "logs:StartLiveTail", &Subject::group(&ctx, &name, group.as_deref()))?;
        let group = group.ok_or(LogsError::NoSuchGroup)?;
        let arn = group_arn(&ctx, &name);
        followed.push(Followed { group: group.id, identifier: format!("{}:{}", arn.account, group.name) });
    }
    let Input { log_stream_names: names, log_stream_name_prefixes: prefixes, .. } = &input;
    if names.is_some() && prefixes.is_some() {
        return Err(LogsError::invalid("logStreamNames and logStreamNamePrefixes are mutually exclusive parameters."));
    }
    if (names.is_some() || prefixes.is_some()) && followed.len() > 1 {
        return Err(LogsError::invalid("Log streams can be chosen only with a single log group."));
    }
    let text = input.log_event_filter_pattern.unwrap_or_default();
    let pattern = Pattern::parse(&text)?;
    let start = SessionStart {
        request_id: ctx.request_id.to_string(),
        session_id: random::uuid(&*api.logs.random),
        log_group_identifiers: input.log_group_identifiers,
        log_stream_names: input.log_stream_names.unwrap_or_default(),
        log_stream_name_prefixes: input.log_stream_name_prefixes.unwrap_or_default(),
        log_event_filter_pattern: text,
    };
    let (sender, stream) = EventStream::channel();
    let session = Session::open(api.logs.clone(), followed, start, pattern)?;
    tokio::spawn(session.run(sender));
    Ok(stream)
}
