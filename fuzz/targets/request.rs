//! Any request of any operation, from its head and body to a checked input.
//!
//! Nothing may panic, the same request is always understood in the same way, and a refusal is not much larger than the
//! request it is about. The first line names service and operation, the next ones are the query (`?…`), path labels
//! (`/Name=value`) and headers (`name: value`); after an empty line comes the body.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hearth_wire::model::Model;
use hearth_wire::protocol::Incoming;
use hearth_wire::validate::{Exemptions, validate};
use hearth_wire::{Value, models};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

static MODELS: LazyLock<[Arc<Model>; 5]> =
    LazyLock::new(|| [models::lambda(), models::iam(), models::logs(), models::sts(), models::cloudwatch()]);

/// A refusal repeats what was sent, in places more than once, and lists what would have been right.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

fn incoming(head: &str, body: &[u8]) -> Incoming {
    let mut incoming = Incoming { body: Bytes::copy_from_slice(body), ..Incoming::default() };
    let mut headers = HeaderMap::new();
    for line in head.lines() {
        if let Some(query) = line.strip_prefix('?') {
            incoming.query = Some(query.to_owned());
        } else if let Some((name, value)) = line.strip_prefix('/').and_then(|line| line.split_once('=')) {
            incoming.labels.push((name.into(), value.to_owned()));
        } else if let Some((name, value)) = line.split_once(": ")
            && let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value))
        {
            headers.append(name, value);
        }
    }
    incoming.headers = headers;
    incoming
}

fuzz_target!(|bytes: &[u8]| {
    let split = bytes.windows(2).position(|window| window == b"\n\n");
    let (head, body) = split.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let Ok(head) = std::str::from_utf8(head) else { return };
    let (first, head) = head.split_once('\n').unwrap_or((head, ""));
    let Some((service, operation)) = first.split_once(' ') else { return };
    let Some(model) = MODELS.iter().find(|model| model.signing_name() == service) else { return };
    let Some((id, _)) = model.operations().find(|(_, known)| known.name() == operation) else { return };
    let understand = || -> Result<Value, String> {
        let input = model.protocol().decode(model, id, &incoming(head, body)).map_err(|error| format!("{error:?}"))?;
        validate(model, id, &Exemptions::default(), &input).map_err(|error| format!("{error:?}"))?;
        Ok(input)
    };
    let understood = understand();
    if let Err(refusal) = &understood {
        assert!(refusal.len() <= ANSWER_BYTES_MAX, "{} bytes of refusal", refusal.len());
    }
    assert_eq!(format!("{understood:?}"), format!("{:?}", understand()), "understood in one way");
});
