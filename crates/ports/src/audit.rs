//! Who did what to which resource, and why it was allowed or not.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Allowed,
    Denied,
    /// Soft mode: allowed, though policies deny it.
    WouldDeny,
    /// Open mode: allowed without looking at policies.
    NotEvaluated,
}

/// One decision, as it stands in the audit log: one JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Epoch milliseconds.
    pub time_ms: i64,
    pub request_id: Arc<str>,
    /// ARN of the caller, or the name of a service.
    pub principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<Arc<str>>,
    pub source_ip: std::net::IpAddr,
    pub account: String,
    pub region: String,
    pub action: String,
    pub resource: String,
    pub verdict: Verdict,
    /// The statement that decided (`identity-based policy NAME, statement SID`), or which kind of policy was missing.
    pub because: String,
}

/// Takes records; never blocks, and says how many it could not take.
pub trait AuditLog: Send + Sync + 'static {
    fn record(&self, record: AuditRecord);
}
