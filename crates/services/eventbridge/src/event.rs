//! An event: from the entry that is put to the JSON that rules are asked about and targets get. Pure.
//! Source: EventBridge user guide, "Amazon EventBridge events" and "AWS service event metadata".

use hearth_types::{AccountId, Region, clock};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::limits::ENTRY_TIME_BYTES;

/// What is put on a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) source: Option<String>,
    pub(crate) detail_type: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) time_ms: Option<i64>,
    pub(crate) trace: Option<String>,
}

/// Why an entry is no event: a code and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refused {
    fn argument(text: impl Into<String>) -> Self {
        Self { code: "InvalidArgument", message: text.into() }
    }

    /// The source is one of AWS's services.
    pub(crate) fn source() -> Self {
        let message = "Not authorized for the source.".to_owned();
        Self { code: "NotAuthorizedForSourceException", message }
    }

    fn missing(name: &str) -> Self {
        Self::argument(format!("Parameter {name} is not valid. Reason: {name} is a required argument."))
    }
}

/// Where and when an event comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) now_ms: i64,
}

/// An event on its way to rules.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) detail_type: String,
    /// As targets get it.
    pub(crate) json: String,
    pub(crate) value: Value,
    /// Wall clock.
    pub(crate) arrived_ms: i64,
    pub(crate) trace: Option<String>,
    /// It came from another bus, or an archive.
    pub(crate) came_by: CameBy,
}

/// How an event came to a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CameBy {
    /// It was put there.
    Put,
    /// A rule of another bus sent it here: it goes to no third bus.
    Bus,
    /// It is replayed: no archive takes it again.
    Replay,
}

#[derive(Serialize)]
struct Envelope<'a> {
    version: &'a str,
    id: &'a str,
    #[serde(rename = "detail-type")]
    detail_type: &'a str,
    source: &'a str,
    account: &'a str,
    time: String,
    region: &'a str,
    resources: &'a [String],
    detail: &'a RawValue,
}

impl Entry {
    /// Source: EventBridge user guide, "Calculating PutEvents event entry size".
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let resources = self.resources.iter().map(String::len).sum::<usize>();
        texts + resources + self.time_ms.map_or(0, |_| ENTRY_TIME_BYTES)
    }

    /// The event of an entry, under that id.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn event(&self, id: String, origin: &Origin) -> Result<Event, Refused> {
        let given = |value: &Option<String>, name| {
            value.clone().filter(|value| !value.is_empty()).ok_or_else(|| Refused::missing(name))
        };
        let source = given(&self.source, "Source")?;
        let detail_type = given(&self.detail_type, "DetailType")?;
        let detail = given(&self.detail, "Detail")?;
        let malformed = || Refused { code: "MalformedDetail", message: "Detail is malformed.".to_owned() };
        let detail: &RawValue = serde_json::from_str(&detail).map_err(|_| malformed())?;
        if !detail.get().starts_with('{') {
            return Err(malformed());
        }
        let envelope = Envelope {
            version: "0",
            id: &id,
            detail_type: &detail_type,
            source: &source,
            account: origin.account.as_str(),
            time: clock::format_utc(self.time_ms.unwrap_or(origin.now_ms), "%Y-%m-%dT%H:%M:%SZ"),
            region: origin.region.as_str(),
            resources: &self.resources,
            detail,
        };
        let json = serde_json::to_string(&envelope).map_err(|_| malformed())?;
        let value = serde_json::from_str(&json).map_err(|_| malformed())?;
        let (arrived_ms, trace) = (origin.now_ms, self.trace.clone());
        Ok(Event { id, source, detail_type, json, value, arrived_ms, trace, came_by: CameBy::Put })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn origin() -> Origin {
        Origin { account: AccountId::DEFAULT, region: Region::from("us-east-1"), now_ms: 1_768_232_232_000 }
    }

    fn entry() -> Entry {
        Entry {
            source: Some("my.app".to_owned()),
            detail_type: Some("order".to_owned()),
            detail: Some(r#"{"z": 1, "a": {"b": "c"}}"#.to_owned()),
            resources: vec!["arn:aws:x:::y".to_owned()],
            ..Entry::default()
        }
    }

    #[test]
    fn an_event_has_the_documented_members() {
        let event = entry().event("i".to_owned(), &origin()).expect("an event");
        let expected = json!({
            "version": "0", "id": "i", "detail-type": "order", "source": "my.app", "account": "000000000000",
            "time": "2026-01-12T15:37:12Z", "region": "us-east-1", "resources": ["arn:aws:x:::y"],
            "detail": {"z": 1, "a": {"b": "c"}},
        });
        assert_eq!(event.value, expected);
        assert!(event.json.ends_with(r#""detail":{"z": 1, "a": {"b": "c"}}}"#), "as it was put: {}", event.json);
        let at = Entry { time_ms: Some(0), ..entry() }.event("i".to_owned(), &origin()).expect("an event");
        assert_eq!(at.value["time"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |entry: Entry| entry.event("i".to_owned(), &origin()).expect_err("refused");
        let argument = |name: &str| {
            Refused::argument(format!("Parameter {name} is not valid. Reason: {name} is a required argument."))
        };
        assert_eq!(refused(Entry { source: None, ..entry() }), argument("Source"));
        assert_eq!(refused(Entry { source: Some(String::new()), ..entry() }), argument("Source"));
        assert_eq!(refused(Entry { detail_type: None, ..entry() }), argument("DetailType"));
        assert_eq!(refused(Entry { detail: None, ..entry() }), argument("Detail"));
        for detail in ["x", "[1]", "1", "\"x\"", "{\"a\":1", "null"] {
            let refused = refused(Entry { detail: Some(detail.to_owned()), ..entry() });
            assert_eq!((refused.code, &*refused.message), ("MalformedDetail", "Detail is malformed."), "{detail}");
        }
    }

    #[test]
    fn an_entry_is_as_large_as_documented() {
        let texts = "my.app".len() + "order".len() + r#"{"z": 1, "a": {"b": "c"}}"#.len() + "arn:aws:x:::y".len();
        assert_eq!(entry().bytes(), texts);
        assert_eq!(Entry { time_ms: Some(1), ..entry() }.bytes(), texts + 14);
    }
}
