//! A managed policy of a customer, with its versions.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_store::Record;
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use super::{Named, Noun, Tag, compile};
use crate::directory::{Account, Entity, Table};
use crate::error::IamError;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyVersion {
    /// The document as sent.
    pub document: String,
    pub created_at_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub name: String,
    /// Starts and ends with a slash.
    pub path: String,
    /// `ANPA…`; another one for each life of the name.
    pub id: String,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub description: Option<String>,
    pub tags: Vec<Tag>,
    /// By number: 1 is `v1`.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The version that is in force.
    pub default_version: u32,
    /// Of all versions there have been: no number comes twice.
    pub last_version: u32,
}

impl Record for PolicyRecord {
    const KIND: &'static str = "iam.policy";
    const VERSION: u32 = 1;
}

impl PolicyRecord {
    /// The document in force.
    #[must_use]
    pub(crate) fn document(&self) -> &str {
        self.versions.get(&self.default_version).map_or("", |version| &version.document)
    }
}

/// A customer's managed policy in memory.
#[derive(Debug)]
pub(crate) struct CustomerPolicy {
    record: PolicyRecord,
    /// The version in force.
    pub compiled: Arc<Policy>,
}

impl Deref for CustomerPolicy {
    type Target = PolicyRecord;

    fn deref(&self) -> &PolicyRecord {
        &self.record
    }
}

impl Entity for CustomerPolicy {
    type Record = PolicyRecord;
    const NOUN: Noun = Noun::Policy;
    /// Source: "IAM and AWS STS quotas".
    const PER_ACCOUNT_MAX: usize = 1_500;

    fn of(_scope: &Scope, record: PolicyRecord) -> Result<Self, IamError> {
        let compiled = compile(record.document(), PolicyKind::Identity, &record.name)?;
        Ok(Self { record, compiled })
    }

    fn record(&self) -> &PolicyRecord {
        &self.record
    }

    fn name(record: &PolicyRecord) -> &str {
        &record.name
    }

    fn table(account: &Account) -> &Table<Self> {
        &account.policies
    }

    fn table_mut(account: &mut Account) -> &mut Table<Self> {
        &mut account.policies
    }
}

impl Named for CustomerPolicy {
    fn path(&self) -> &str {
        &self.path
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}
