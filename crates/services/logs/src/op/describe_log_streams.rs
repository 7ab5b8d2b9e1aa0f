//! DescribeLogStreams: the streams of a group, by name or by the time of their last event.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::{Subject, group_arn, named};
use crate::directory::{GroupRecord, StreamRecord};
use crate::index::StreamStats;
use crate::{Api, Logs, LogsError, token};

/// Source: CloudWatch Logs API reference, DescribeLogStreams, `limit`.
const LIMIT_DEFAULT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Output {
    log_streams: Vec<LogStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// `uploadSequenceToken` is there because older clients hand it on; nothing looks at it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogStream {
    log_stream_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ingestion_time: Option<i64>,
    upload_sequence_token: String,
    arn: String,
    stored_bytes: u64,
}

type Listed = (Arc<StreamRecord>, Option<StreamStats>);

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    let name = named(&ctx, input.log_group_name, input.log_group_identifier)?;
    let group = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:DescribeLogStreams", &Subject::group(&ctx, &name, group.as_deref()))?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(LogsError::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let group = group.ok_or(LogsError::NoSuchGroup)?;
    let limit = input.limit.unwrap_or(LIMIT_DEFAULT);
    let token = input.next_token.as_deref();
    let mut page = if by_time {
        list_by_time(&api.logs, &group, token::time(token)?, input.descending, limit + 1)
    } else {
        let prefix = input.log_stream_name_prefix.unwrap_or_default();
        list_by_name(&api.logs, &group, token::name(token)?, &prefix, input.descending, limit + 1)
    };
    let is_cut = page.len() > limit;
    page.truncate(limit);
    let next_token = page.last().filter(|_| is_cut).map(|(stream, stats)| match by_time {
        true => token::of_time(last_ms(*stats), &stream.name),
        false => token::of_name(&stream.name),
    });
    let group_arn = group_arn(&ctx, &name);
    let view = |(stream, stats): Listed| LogStream {
        arn: format!("{group_arn}:log-stream:{}", stream.name),
        creation_time: stream.created_at_ms,
        first_event_timestamp: stats.map(|stats| stats.first_ms),
        last_event_timestamp: stats.map(|stats| stats.last_ms),
        last_ingestion_time: stats.map(|stats| stats.ingested_ms),
        upload_sequence_token: super::put_log_events::sequence_token(stream.id),
        stored_bytes: 0,
        log_stream_name: stream.name.clone(),
    };
    Ok(Output { log_streams: page.into_iter().map(view).collect(), next_token })
}

/// A stream without events comes before all others.
fn last_ms(stats: Option<StreamStats>) -> i64 {
    stats.map_or(0, |stats| stats.last_ms)
}

fn list_by_name(
    logs: &Logs,
    group: &GroupRecord,
    after: Option<&str>,
    prefix: &str,
    descending: bool,
    limit: usize,
) -> Vec<Listed> {
    let is_wanted = |stream: &&Arc<StreamRecord>| {
        let is_behind = after.is_none_or(|after| match descending {
            true => stream.name.as_str() < after,
            false => stream.name.as_str() > after,
        });
        is_behind && stream.name.starts_with(prefix)
    };
    let streams = logs.directory.look(group.id, |group| {
        let all: Box<dyn Iterator<Item = &Arc<StreamRecord>>> =
            if descending { Box::new(group.streams().rev()) } else { Box::new(group.streams()) };
        all.filter(is_wanted).take(limit).cloned().collect::<Vec<_>>()
    });
    let index = logs.index.read();
    streams.unwrap_or_default().into_iter().map(|stream| (stream.clone(), index.stream(stream.id))).collect()
}

fn list_by_time(
    logs: &Logs,
    group: &GroupRecord,
    after: Option<(i64, &str)>,
    descending: bool,
    limit: usize,
) -> Vec<Listed> {
    let streams = logs.directory.look(group.id, |group| group.streams().cloned().collect::<Vec<_>>());
    let index = logs.index.read();
    let streams = streams.unwrap_or_default().into_iter();
    let mut all: Vec<Listed> = streams.map(|stream| (stream.clone(), index.stream(stream.id))).collect();
    drop(index);
    all.retain(|(stream, stats)| {
        let at = (last_ms(*stats), stream.name.as_str());
        after.is_none_or(|after| if descending { at < after } else { at > after })
    });
    all.sort_unstable_by(|(a, a_stats), (b, b_stats)| {
        let order = (last_ms(*a_stats), &a.name).cmp(&(last_ms(*b_stats), &b.name));
        if descending { order.reverse() } else { order }
    });
    all.truncate(limit);
    all
}
