//! What a subscriber gets: events that match, in batches of bounded size, compressed. Pure.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hearth_types::limits::INVOKE_EVENT_BYTES_MAX;
use serde::Serialize;

use super::{Filter, Subscribed};
use crate::position::Position;

/// Messages of one batch as JSON, bytes: so many fit into an asynchronous invocation though they do not compress at all.
const BATCH_JSON_BYTES_MAX: usize = 720 << 10;
/// What an event takes in JSON beside its message.
const EVENT_JSON_BYTES: usize = 128;
/// `{"awslogs":{"data":"…"}}`
const ENVELOPE_BYTES: usize = 24;

/// An event as subscribers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) position: Position,
    pub(crate) message: String,
}

/// What is inside. Source: user guide, "Subscription filters with AWS Lambda".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    message_type: &'static str,
    owner: &'a str,
    log_group: &'a str,
    log_stream: &'a str,
    subscription_filters: [&'a str; 1],
    log_events: Vec<DataEvent<'a>>,
}

#[derive(Serialize)]
struct DataEvent<'a> {
    /// As FilterLogEvents says it in `eventId`.
    id: String,
    timestamp: i64,
    message: &'a str,
}

/// An event that no invocation has room for.
#[derive(Debug, thiserror::Error)]
#[error("{0} bytes are more than an asynchronous invocation takes")]
pub(crate) struct TooLarge(usize);

/// The payloads, in order: the matching events of one stream. What has no room is an error in its place.
pub(crate) fn payloads(
    of: &Subscribed,
    filter: &Filter,
    stream: &str,
    events: &[Event],
) -> Vec<Result<String, TooLarge>> {
    let matching = events.iter().filter(|event| filter.pattern.is_all() || filter.pattern.matches(&event.message));
    let mut batches: Vec<Vec<&Event>> = Vec::new();
    let mut bytes = usize::MAX;
    for event in matching {
        let size = json_bytes(&event.message) + EVENT_JSON_BYTES;
        if bytes.saturating_add(size) > BATCH_JSON_BYTES_MAX {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(batch) = batches.last_mut() {
            batch.push(event);
        }
    }
    batches.iter().map(|batch| payload(of, filter, stream, batch)).collect()
}

/// At most so many bytes are a text's in JSON.
fn json_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(escaped).sum::<usize>()
}

fn payload(of: &Subscribed, filter: &Filter, stream: &str, events: &[&Event]) -> Result<String, TooLarge> {
    let event = |event: &&'_ Event| (event.position.to_string(), event.position.timestamp_ms);
    let heads: Vec<(String, i64)> = events.iter().map(event).collect();
    let log_events = heads.into_iter().zip(events);
    let data = Data {
        message_type: "DATA_MESSAGE",
        owner: of.scope.account.as_str(),
        log_group: &of.group,
        log_stream: stream,
        subscription_filters: [&filter.name],
        log_events: log_events
            .map(|((id, timestamp), event)| DataEvent { id, timestamp, message: &event.message })
            .collect(),
    };
    let json = serde_json::to_vec(&data).unwrap_or_default();
    let mut gzip = GzEncoder::new(Vec::with_capacity(json.len() / 4), Compression::fast());
    // A vector takes everything.
    let data = gzip.write_all(&json).and_then(|()| gzip.finish()).unwrap_or_default();
    let data = STANDARD.encode(data);
    let bytes = data.len() + ENVELOPE_BYTES;
    if bytes > INVOKE_EVENT_BYTES_MAX {
        Err(TooLarge(bytes))
    } else {
        Ok(format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::pattern::Pattern;
    use crate::tests::scope;

    fn subscribed(pattern: &str) -> Subscribed {
        let filter = Filter { name: "errors".to_owned(), pattern: Pattern::parse(pattern).expect("a pattern") };
        Subscribed { scope: scope(), group: "app".to_owned(), filters: vec![filter] }
    }

    fn events(messages: &[String]) -> Vec<Event> {
        let event = |(message, sequence): (&String, u64)| Event {
            position: Position { timestamp_ms: 1_768_232_232_000, sequence },
            message: message.clone(),
        };
        messages.iter().zip(1..).map(event).collect()
    }

    pub(crate) fn opened(payload: &str) -> Value {
        let payload: Value = serde_json::from_str(payload).expect("JSON");
        let data = STANDARD.decode(payload["awslogs"]["data"].as_str().expect("data")).expect("base64");
        let mut json = String::new();
        flate2::read::GzDecoder::new(&*data).read_to_string(&mut json).expect("gzip");
        serde_json::from_str(&json).expect("JSON")
    }

    fn run(pattern: &str, messages: &[String]) -> Vec<Result<String, TooLarge>> {
        let of = subscribed(pattern);
        payloads(&of, &of.filters[0], "s", &events(messages))
    }

    #[test]
    fn a_payload_says_what_the_user_guide_says() {
        let payloads = run("ERROR", &["an ERROR\n".to_owned(), "fine".to_owned()]);
        let [Ok(payload)] = &payloads[..] else { panic!("one batch: {payloads:?}") };
        let position = Position { timestamp_ms: 1_768_232_232_000, sequence: 1 };
        let expected = serde_json::json!({
            "messageType": "DATA_MESSAGE",
            "owner": "000000000000",
            "logGroup": "app",
            "logStream": "s",
            "subscriptionFilters": ["errors"],
            "logEvents": [
                { "id": position.to_string(), "timestamp": 1_768_232_232_000_i64, "message": "an ERROR\n" },
            ],
        });
        assert_eq!(opened(payload), expected);
    }

    #[test]
    fn nothing_is_sent_when_nothing_matches() {
        assert!(run("ERROR", &["fine".to_owned()]).is_empty());
    }

    /// Readable text that compresses badly.
    fn noise(bytes: usize) -> String {
        let mut state = 1_u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from_u32(0x4e00 + (state >> 50) as u32).unwrap_or('x')
        };
        let mut text = String::new();
        while text.len() < bytes {
            text.push(letter());
        }
        text
    }

    #[test]
    fn batches_stay_below_what_an_asynchronous_invocation_takes() {
        let messages: Vec<String> = (0..12).map(|_| noise(200 << 10)).collect();
        let payloads = run("", &messages);
        assert!(payloads.len() >= 3, "{}", payloads.len());
        let payloads: Vec<String> = payloads.into_iter().map(|payload| payload.expect("has room")).collect();
        assert!(payloads.iter().all(|payload| payload.len() <= INVOKE_EVENT_BYTES_MAX));
        let count = |payload: &String| opened(payload)["logEvents"].as_array().map_or(0, Vec::len);
        assert_eq!(payloads.iter().map(count).sum::<usize>(), 12);
    }

    #[test]
    fn an_event_that_has_no_room_is_told_and_the_others_go() {
        let payloads = run("", &["before".to_owned(), noise(1_600 << 10), "behind".to_owned()]);
        let went: Vec<bool> = payloads.iter().map(Result::is_ok).collect();
        assert_eq!(went, [true, false, true]);
    }

    proptest! {
        #[test]
        fn every_matching_event_arrives_once_and_in_order(messages in prop::collection::vec("\\PC{0,40}|[a\\x00-\\x1f\"]{0,9}", 0..40)) {
            let payloads = run("", &messages);
            let got: Vec<String> = payloads.into_iter().flat_map(|payload| {
                let opened = opened(&payload.expect("has room"));
                let events = opened["logEvents"].as_array().cloned().unwrap_or_default();
                events.into_iter().map(|event| event["message"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
            }).collect();
            prop_assert_eq!(got, messages);
        }
    }
}
