//! PutEvents: up to ten events, each for itself. What follows from them is in the store when this is answered.

use std::sync::Arc;

use hearth_types::{RequestContext, random};
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::event::{Entry, Refused};
use crate::limits::ENTRIES_BYTES_MAX;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    entries: Vec<Asked>,
    endpoint_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    time: Option<Timestamp>,
    source: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    trace_header: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    failed_entry_count: usize,
    entries: Vec<Answer>,
}

impl From<Asked> for (Option<String>, Entry) {
    fn from(asked: Asked) -> Self {
        let Asked { time, source, resources, detail_type, detail, event_bus_name, trace_header } = asked;
        let time_ms = time.map(Timestamp::ms);
        (event_bus_name, Entry { source, detail_type, detail, resources, time_ms, trace: trace_header })
    }
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let entries: Vec<(Option<String>, Entry)> = input.entries.into_iter().map(Into::into).collect();
    let mut buses = Vec::with_capacity(entries.len());
    for (bus, entry) in &entries {
        let conditions = entry.conditions();
        buses.push(events.authorize(&ctx, "events:PutEvents", Subject::Bus(bus.as_deref()), conditions)?);
    }
    if input.endpoint_id.is_some() {
        return Err(EventsError::unsupported("EndpointId"));
    }
    if entries.iter().map(|(_, entry)| entry.bytes()).sum::<usize>() > ENTRIES_BYTES_MAX {
        // Recorded.
        return Err(EventsError::validation("Total size of the entries in the request is over the limit."));
    }
    let (origin, mut put, mut answers) = (events.origin(&ctx), Vec::new(), Vec::new());
    for ((_, entry), found) in entries.into_iter().zip(buses) {
        let id = random::uuid(&*events.random);
        // Source: EventBridge user guide, "Events from AWS services": nobody else tells of what begins so.
        let is_ours = entry.source.as_deref().is_some_and(|source| source.starts_with("aws."));
        let event = if is_ours { Err(Refused::source()) } else { entry.event(id.clone(), &origin) };
        answers.push(match event {
            Ok(event) => {
                match found.bus {
                    Some(bus) => put.push((bus, event)),
                    // As the real service: nobody is told of it.
                    None => tracing::info!(id, bus = found.bus_name, "an event is put on a bus that does not exist"),
                }
                Answer { event_id: Some(id), error_code: None, error_message: None }
            }
            Err(Refused { code, message }) => {
                Answer { event_id: None, error_code: Some(code), error_message: Some(message) }
            }
        });
    }
    events.take(put).await?;
    let failed_entry_count = answers.iter().filter(|answer| answer.error_code.is_some()).count();
    Ok(Output { failed_entry_count, entries: answers })
}
