//! An instance profile: a name for a role. Nothing here runs with one; tools make them beside roles.

use std::ops::Deref;

use hearth_store::Record;
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use super::{Named, Noun, Tag};
use crate::directory::{Account, Entity, Table};
use crate::error::IamError;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceProfileRecord {
    pub name: String,
    /// Starts and ends with a slash.
    pub path: String,
    /// `AIPA…`; another one for each life of the name.
    pub id: String,
    pub created_at_ms: i64,
    pub tags: Vec<Tag>,
    /// Name of the role in it.
    pub role: Option<String>,
}

impl Record for InstanceProfileRecord {
    const KIND: &'static str = "iam.instance-profile";
    const VERSION: u32 = 1;
}

/// An instance profile in memory.
#[derive(Debug)]
pub(crate) struct InstanceProfile(InstanceProfileRecord);

impl Deref for InstanceProfile {
    type Target = InstanceProfileRecord;

    fn deref(&self) -> &InstanceProfileRecord {
        &self.0
    }
}

impl Entity for InstanceProfile {
    type Record = InstanceProfileRecord;
    const NOUN: Noun = Noun::InstanceProfile;
    /// Source: "IAM and AWS STS quotas".
    const PER_ACCOUNT_MAX: usize = 1_000;

    fn of(_scope: &Scope, record: InstanceProfileRecord) -> Result<Self, IamError> {
        Ok(Self(record))
    }

    fn record(&self) -> &InstanceProfileRecord {
        &self.0
    }

    fn name(record: &InstanceProfileRecord) -> &str {
        &record.name
    }

    fn table(account: &Account) -> &Table<Self> {
        &account.instance_profiles
    }

    fn table_mut(account: &mut Account) -> &mut Table<Self> {
        &mut account.instance_profiles
    }
}

impl Named for InstanceProfile {
    fn path(&self) -> &str {
        &self.path
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}
