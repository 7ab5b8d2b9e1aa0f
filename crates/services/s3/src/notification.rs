//! Who is told of what happens in a bucket: rules, which events they mean, and what they are told. Pure.
//! Source: S3 user guide, "Amazon S3 Event Notifications", "Event message structure", "Event notification types and
//! destinations"; recorded events.

use hearth_types::{Arn, RequestContext, clock};
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::record::ObjectRecord;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notifications {
    #[serde(default)]
    pub(crate) event_bridge: bool,
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Function,
    Queue,
    Topic,
    /// EventBridge, which is told of everything and has no rule.
    Bus,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// ARN.
    pub(crate) to: String,
    /// `s3:ObjectCreated:*` and its like.
    pub(crate) events: Vec<String>,
    /// Names of filter rules as they were sent, with what they say.
    #[serde(default)]
    pub(crate) filter: Vec<(String, String)>,
}

/// What may be asked for. What Hearth never does (restores, replication, tiers, ACLs) never happens.
const EVENTS: [&str; 29] = [
    "s3:TestEvent",
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAnnotation:*",
];

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Put,
    Copy,
    Completed,
    Deleted,
    MarkerCreated,
    Expired,
    ExpiredByMarker,
    TagsPut,
    TagsDeleted,
}

impl Event {
    /// `ObjectCreated:Put`; in rules with `s3:` before it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Copy => "ObjectCreated:Copy",
            Self::Completed => "ObjectCreated:CompleteMultipartUpload",
            Self::Deleted => "ObjectRemoved:Delete",
            Self::MarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            Self::Expired => "LifecycleExpiration:Delete",
            Self::ExpiredByMarker => "LifecycleExpiration:DeleteMarkerCreated",
            Self::TagsPut => "ObjectTagging:Put",
            Self::TagsDeleted => "ObjectTagging:Delete",
        }
    }

    const fn is_of_content(self) -> bool {
        matches!(self, Self::Put | Self::Copy | Self::Completed | Self::TagsPut | Self::TagsDeleted)
    }

    const fn is_of_lifecycle(self) -> bool {
        matches!(self, Self::Expired | Self::ExpiredByMarker)
    }

    /// Recorded, and of kinds that came later as they are documented. Source: S3 user guide, "Configuring S3 Lifecycle event
    /// notifications" and "Event message structure".
    const fn version(self) -> &'static str {
        match self {
            Self::Expired | Self::ExpiredByMarker | Self::TagsPut | Self::TagsDeleted => "2.3",
            Self::Put | Self::Copy | Self::Completed | Self::Deleted | Self::MarkerCreated => "2.1",
        }
    }

    /// As EventBridge has it: detail type, and reason or kind of deletion.
    /// Source: S3 user guide, "EventBridge event message structure".
    pub(crate) const fn on_bus(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Put => ("Object Created", "reason", "PutObject"),
            Self::Copy => ("Object Created", "reason", "CopyObject"),
            Self::Completed => ("Object Created", "reason", "CompleteMultipartUpload"),
            Self::Deleted => ("Object Deleted", "reason", "DeleteObject"),
            Self::MarkerCreated => ("Object Deleted", "reason", "DeleteObject"),
            Self::Expired | Self::ExpiredByMarker => ("Object Deleted", "reason", "Lifecycle Expiration"),
            Self::TagsPut => ("Object Tags Added", "", ""),
            Self::TagsDeleted => ("Object Tags Deleted", "", ""),
        }
    }

    const fn deletion(self) -> Option<&'static str> {
        match self {
            Self::Deleted | Self::Expired => Some("Permanently Deleted"),
            Self::MarkerCreated | Self::ExpiredByMarker => Some("Delete Marker Created"),
            _ => None,
        }
    }
}

impl Rule {
    pub(crate) fn wants(&self, event: Event, key: &str) -> bool {
        self.events.iter().any(|pattern| is_of(pattern, event.name()))
            && self.part("prefix").is_none_or(|prefix| key.starts_with(prefix))
            && self.part("suffix").is_none_or(|suffix| key.ends_with(suffix))
    }

    fn part(&self, name: &str) -> Option<&str> {
        self.filter.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether both would be told of some event.
    fn overlaps(&self, other: &Self) -> bool {
        let share = |one: &str, two: &str| one == two || covers(one, two) || covers(two, one);
        let events = self.events.iter().any(|one| other.events.iter().any(|two| share(one, two)));
        let of = |rule: &Self, name: &str| rule.part(name).unwrap_or_default().to_owned();
        let (one, two) = (of(self, "prefix"), of(other, "prefix"));
        let prefixes = one.starts_with(&two) || two.starts_with(&one);
        let (one, two) = (of(self, "suffix"), of(other, "suffix"));
        events && prefixes && (one.ends_with(&two) || two.ends_with(&one))
    }
}

fn covers(pattern: &str, event: &str) -> bool {
    pattern.strip_suffix('*').is_some_and(|start| event.starts_with(start))
}

fn is_of(pattern: &str, name: &str) -> bool {
    let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
    pattern == name || covers(pattern, name)
}

/// # Errors
/// [`S3Error`], in the recorded words where there are some.
pub(crate) fn check(rules: &[Rule]) -> Result<(), S3Error> {
    if rules.len() > crate::limits::NOTIFICATIONS_MAX {
        return Err(S3Error::request("The notification configuration has too many configurations."));
    }
    for rule in rules {
        let (element, service) = match rule.kind {
            Kind::Function => ("CloudFunction", "lambda"),
            Kind::Queue => ("Queue", "sqs"),
            Kind::Topic | Kind::Bus => ("Topic", "sns"),
        };
        let arn = rule.to.parse::<Arn>().ok().filter(|arn| arn.service == service);
        let Some(arn) = arn else { return Err(S3Error::argument(element, &rule.to, "The ARN could not be parsed")) };
        if arn.resource.ends_with(".fifo") {
            return Err(S3Error::argument(element, &rule.to, "FIFO destinations are not supported"));
        }
        if rule.events.is_empty() {
            return Err(S3Error::malformed_xml());
        }
        for event in &rule.events {
            if !EVENTS.contains(&event.as_str()) {
                let message = "The event is not supported for notifications";
                return Err(S3Error::argument("Event", event, message));
            }
        }
        let mut names: Vec<String> = Vec::new();
        for (name, _) in &rule.filter {
            let lower = name.to_ascii_lowercase();
            if lower != "prefix" && lower != "suffix" {
                let message = "filter rule name must be either prefix or suffix";
                return Err(S3Error::argument("FilterRule.Name", name, message));
            }
            if names.contains(&lower) {
                let message = "Cannot specify more than one prefix or suffix rule in a filter.";
                return Err(S3Error::argument_name("FilterRule.Name", message));
            }
            names.push(lower);
        }
    }
    for (at, rule) in rules.iter().enumerate() {
        if rules[..at].iter().any(|other| other.id == rule.id) {
            let message = "Same ID used for multiple configurations. IDs must be unique";
            return Err(S3Error::argument("Id", &rule.id, message));
        }
        if rules[..at].iter().any(|other| other.overlaps(rule)) {
            let message = "Configurations overlap. Configurations on the same bucket cannot share a common event type.";
            return Err(S3Error::new("InvalidArgument", StatusCode::BAD_REQUEST, message));
        }
    }
    Ok(())
}

/// Keys in events are encoded as in forms, but for slashes.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');

fn encoded(key: &str) -> String {
    utf8_percent_encode(key, KEY).to_string().replace(' ', "+")
}

/// Who did it, and when.
pub(crate) struct Cause<'c> {
    pub(crate) ctx: &'c RequestContext,
    pub(crate) event: Event,
    /// Wall clock.
    pub(crate) at_ms: i64,
}

pub(crate) fn sequencer(sequence: u64) -> String {
    format!("{sequence:018X}")
}

/// The message for a function, queue or topic.
pub(crate) fn record(cause: &Cause<'_>, bucket: &Bucket, object: &ObjectRecord, rule: &Rule) -> String {
    let Cause { ctx, event, at_ms } = cause;
    let mut told = json!({ "key": encoded(&object.key) });
    if event.is_of_content() {
        told["size"] = json!(object.size);
        told["eTag"] = json!(object.etag);
    }
    if matches!(event, Event::MarkerCreated | Event::ExpiredByMarker) {
        told["eTag"] = json!("d41d8cd98f00b204e9800998ecf8427e");
    }
    if bucket.is_versioned() && object.version_id.is_some() {
        told["versionId"] = json!(object.version_id);
    }
    told["sequencer"] = json!(sequencer(object.sequence));
    // What S3 does by itself comes from nowhere else.
    let source = if event.is_of_lifecycle() { "s3.amazonaws.com".to_owned() } else { ctx.source_ip.to_string() };
    json!({ "Records": [{
        "eventVersion": event.version(),
        "eventSource": "aws:s3",
        "awsRegion": bucket.region(),
        "eventTime": clock::iso8601_ms(*at_ms),
        "eventName": event.name(),
        "userIdentity": { "principalId": principal_id(ctx) },
        "requestParameters": { "sourceIPAddress": source },
        "responseElements": {
            "x-amz-request-id": ctx.request_id.as_str(),
            "x-amz-id-2": crate::front::host_id(ctx.request_id.as_str()),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule.id,
            "bucket": {
                "name": bucket.name(),
                "ownerIdentity": { "principalId": owner_id(bucket.account().as_str()) },
                "arn": bucket.arn().to_string(),
            },
            "object": told,
        },
    }]})
    .to_string()
}

/// The detail of the event for EventBridge.
pub(crate) fn detail(cause: &Cause<'_>, bucket: &Bucket, object: &ObjectRecord) -> Value {
    let Cause { ctx, event, .. } = cause;
    let mut told = json!({ "key": object.key });
    if event.is_of_content() {
        told["size"] = json!(object.size);
        told["etag"] = json!(object.etag);
    }
    if object.version_id.is_some() {
        told["version-id"] = json!(object.version_id);
    }
    told["sequencer"] = json!(sequencer(object.sequence));
    let is_lifecycle = event.is_of_lifecycle();
    let requester = if is_lifecycle { "s3.amazonaws.com" } else { ctx.account.as_str() };
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": bucket.name() },
        "object": told,
        "request-id": ctx.request_id.as_str(),
        "requester": requester,
    });
    if !is_lifecycle {
        detail["source-ip-address"] = json!(ctx.source_ip.to_string());
    }
    let (_, name, value) = event.on_bus();
    if !name.is_empty() {
        detail[name] = json!(value);
    }
    if let Some(deletion) = event.deletion() {
        detail["deletion-type"] = json!(deletion);
    }
    detail
}

/// `AWS:` and the id of who called.
fn principal_id(ctx: &RequestContext) -> String {
    use hearth_types::Caller;
    match &ctx.caller {
        Caller::User { user_id, .. } => format!("AWS:{user_id}"),
        Caller::RoleSession { assumed_role_id, .. } => format!("AWS:{assumed_role_id}"),
        Caller::Root { account } => format!("AWS:{account}"),
        Caller::Service { principal, .. } => (*principal).to_owned(),
        Caller::Anonymous | Caller::Federated { .. } => "Anonymous".to_owned(),
    }
}

/// The canonical id of an account: 64 digits that stand for it.
pub(crate) fn owner_id(account: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(format!("canonical-user:{account}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, events: &[&str], filter: &[(&str, &str)]) -> Rule {
        Rule {
            id: id.to_owned(),
            kind: Kind::Queue,
            to: "arn:aws:sqs:us-east-1:123456789012:q".to_owned(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            filter: filter.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn a_rule_means_its_events_and_keys_only() {
        let created = rule("a", &["s3:ObjectCreated:*"], &[("Prefix", "in/"), ("suffix", ".jpg")]);
        assert!(created.wants(Event::Put, "in/a.jpg") && created.wants(Event::Completed, "in/a.jpg"));
        assert!(!created.wants(Event::Deleted, "in/a.jpg"));
        assert!(!created.wants(Event::Put, "out/a.jpg") && !created.wants(Event::Put, "in/a.png"));
        assert!(!rule("a", &["s3:ObjectCreated:Copy"], &[]).wants(Event::Put, "x"));
    }

    /// Source: S3 user guide, "Configuring event notifications using object key name filtering".
    #[test]
    fn rules_that_would_both_be_told_are_refused() {
        let overlapping = [
            (rule("a", &["s3:ObjectCreated:*"], &[]), rule("b", &["s3:ObjectCreated:Put"], &[])),
            (
                rule("a", &["s3:ObjectCreated:*"], &[("prefix", "images")]),
                rule("b", &["s3:ObjectCreated:*"], &[("prefix", "images/2014")]),
            ),
            (
                rule("a", &["s3:ObjectCreated:*"], &[("suffix", ".jpg")]),
                rule("b", &["s3:ObjectCreated:*"], &[("suffix", "g")]),
            ),
        ];
        for (one, two) in overlapping {
            assert!(check(&[one, two]).is_err());
        }
        let apart = [
            (rule("a", &["s3:ObjectCreated:Put"], &[]), rule("b", &["s3:ObjectCreated:Copy"], &[])),
            (
                rule("a", &["s3:ObjectCreated:*"], &[("prefix", "images/"), ("suffix", ".jpg")]),
                rule("b", &["s3:ObjectCreated:*"], &[("prefix", "images/"), ("suffix", ".png")]),
            ),
        ];
        for (one, two) in apart {
            assert!(check(&[one, two]).is_ok());
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_in_the_recorded_words() {
        let message = |rule: Rule| check(&[rule]).expect_err("refused").told().message.into_owned();
        let bad_filter = rule("a", &["s3:ObjectCreated:*"], &[("INVALID", "x")]);
        assert_eq!(message(bad_filter), "filter rule name must be either prefix or suffix");
        let bad_arn = Rule { to: "invalid-queue".to_owned(), ..rule("a", &["s3:ObjectCreated:*"], &[]) };
        assert_eq!(message(bad_arn), "The ARN could not be parsed");
    }

    #[test]
    fn keys_in_events_are_encoded_as_in_forms() {
        assert_eq!(encoded("in/a b+c=é.jpg"), "in/a+b%2Bc%3D%C3%A9.jpg");
    }
}
