//! The service as its ports and its API show it.

use hearth_ports::LogEvent;
use hearth_types::{AccountId, Partition, Region, Scope};

pub(crate) fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) }
}

pub(crate) fn event(text: &str) -> LogEvent {
    LogEvent { timestamp_ms: 1_768_232_232_000, message: text.to_owned().into() }
}
