//! Redrive policies: where dead messages go, and whose a queue takes.
//! Source: SQS developer guide, "Using dead-letter queues in Amazon SQS".

use hearth_types::Arn;
use serde_json::Value;

use crate::error::SqsError;

const RECEIVES_MAX: i64 = 1_000;
const SOURCES_MAX: usize = 10;

/// `RedrivePolicy`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedrivePolicy {
    pub(crate) target: Arn,
    pub(crate) receives_max: u32,
}

impl RedrivePolicy {
    /// # Errors
    /// [`SqsError::Invalid`].
    pub(crate) fn parse(text: &str) -> Result<Self, SqsError> {
        let refuse = |reason: &str| SqsError::value(text, "RedrivePolicy", reason);
        let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
            return Err(refuse("Redrive policy is not a valid JSON map."));
        };
        let missing = |name: &str| refuse(&format!("Redrive policy does not contain mandatory attribute: {name}."));
        let target = policy.get("deadLetterTargetArn").ok_or_else(|| missing("deadLetterTargetArn"))?;
        let receives = policy.get("maxReceiveCount").ok_or_else(|| missing("maxReceiveCount"))?;
        if let Some(name) =
            policy.keys().find(|name| !["deadLetterTargetArn", "maxReceiveCount"].contains(&name.as_str()))
        {
            return Err(refuse(&format!("Unknown attribute in the redrive policy: {name}.")));
        }
        let shown = receives.as_str().map_or_else(|| receives.to_string(), str::to_owned);
        let receives = shown.parse::<i64>().ok().filter(|receives| (1..=RECEIVES_MAX).contains(receives));
        let receives_max = receives.and_then(|receives| u32::try_from(receives).ok()).ok_or_else(|| {
            refuse(&format!(
                "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to {RECEIVES_MAX} both inclusive."
            ))
        })?;
        let target = target.as_str().and_then(|text| text.parse::<Arn>().ok()).filter(|arn| arn.service == "sqs");
        let target = target.ok_or_else(|| refuse("Invalid value for deadLetterTargetArn."))?;
        Ok(Self { target, receives_max })
    }
}

/// `RedriveAllowPolicy`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RedriveAllow {
    #[default]
    All,
    None,
    Only(Vec<String>),
}

impl RedriveAllow {
    /// # Errors
    /// [`SqsError::Invalid`].
    pub(crate) fn parse(text: &str) -> Result<Self, SqsError> {
        let refuse = |reason: &str| SqsError::value(text, "RedriveAllowPolicy", reason);
        let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
            return Err(refuse("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format."));
        };
        let sources = match policy.get("sourceQueueArns") {
            None => None,
            Some(Value::Array(arns)) => {
                let arns: Option<Vec<String>> = arns.iter().map(|arn| arn.as_str().map(str::to_owned)).collect();
                Some(arns.ok_or_else(|| refuse("sourceQueueArns must be a list of ARNs."))?)
            }
            Some(_) => return Err(refuse("sourceQueueArns must be a list of ARNs.")),
        };
        match (policy.get("redrivePermission").and_then(Value::as_str), sources) {
            (Some("allowAll"), None) => Ok(Self::All),
            (Some("denyAll"), None) => Ok(Self::None),
            (Some("byQueue"), Some(sources)) if (1..=SOURCES_MAX).contains(&sources.len()) => Ok(Self::Only(sources)),
            (Some("byQueue"), _) => Err(refuse("With byQueue, sourceQueueArns must have 1 to 10 ARNs.")),
            (Some("allowAll" | "denyAll"), Some(_)) => Err(refuse("Only byQueue can have sourceQueueArns.")),
            _ => Err(refuse("redrivePermission must be allowAll, denyAll or byQueue.")),
        }
    }

    pub(crate) fn allows(&self, source: &Arn) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(sources) => sources.contains(&source.to_string()),
        }
    }
}
