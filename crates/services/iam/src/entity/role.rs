//! A role: its trust, its policies, its boundary, its tags.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_store::{Record, RecordError};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use super::{Named, Noun, Tag, compile};
use crate::directory::{Account, Entity, Table};
use crate::error::IamError;
use crate::grants::{Grantee, Grants};

/// Seconds a session of a role may last when nothing was said. Source: CreateRole, `MaxSessionDuration`.
pub(crate) const MAX_SESSION_DURATION_DEFAULT_S: u32 = 3_600;

/// Everything about one role, in one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleRecord {
    pub name: String,
    /// Starts and ends with a slash.
    pub path: String,
    /// `AROA…`; another one for each life of the name.
    pub id: String,
    pub created_at_ms: i64,
    /// The document as sent.
    pub trust_policy: String,
    pub description: Option<String>,
    pub max_session_duration_s: u32,
    pub tags: Vec<Tag>,
    #[serde(flatten)]
    pub grants: Grants,
    /// ARN of a managed policy: the role can do nothing that it does not allow.
    #[serde(default)]
    pub permissions_boundary: Option<String>,
}

impl Record for RoleRecord {
    const KIND: &'static str = "iam.role";
    /// 2: roles have boundaries. A server that would not keep to them must not read them.
    const VERSION: u32 = 2;

    fn migrate(from: u32, value: serde_json::Value) -> Result<serde_json::Value, RecordError> {
        match from {
            1 => Ok(value),
            other => Err(RecordError::UnknownVersion { kind: Self::KIND, version: other }),
        }
    }
}

/// A role in memory.
#[derive(Debug)]
pub(crate) struct Role {
    record: RoleRecord,
    pub trust: Arc<Policy>,
    /// Policy name → compiled.
    pub inline: BTreeMap<Arc<str>, Arc<Policy>>,
}

impl Deref for Role {
    type Target = RoleRecord;

    fn deref(&self) -> &RoleRecord {
        &self.record
    }
}

impl Entity for Role {
    type Record = RoleRecord;
    const NOUN: Noun = Noun::Role;
    /// Source: "IAM and AWS STS quotas".
    const PER_ACCOUNT_MAX: usize = 1_000;

    fn of(_scope: &Scope, record: RoleRecord) -> Result<Self, IamError> {
        let trust = compile(&record.trust_policy, PolicyKind::Trust, &record.name)?;
        let inline = record.grants.compiled()?;
        Ok(Self { record, trust, inline })
    }

    fn record(&self) -> &RoleRecord {
        &self.record
    }

    fn name(record: &RoleRecord) -> &str {
        &record.name
    }

    fn table(account: &Account) -> &Table<Self> {
        &account.roles
    }

    fn table_mut(account: &mut Account) -> &mut Table<Self> {
        &mut account.roles
    }
}

impl Named for Role {
    fn path(&self) -> &str {
        &self.path
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Grantee for Role {
    /// Source: "IAM and AWS STS quotas", as the others.
    const INLINE_CHARS_MAX: usize = 10_240;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerRole";

    fn grants_mut(record: &mut RoleRecord) -> &mut Grants {
        &mut record.grants
    }

    fn grants(record: &RoleRecord) -> &Grants {
        &record.grants
    }
}
