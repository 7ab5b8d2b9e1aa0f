//! A group: policies that its members have. Who is in it stands with the users.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use hearth_authz::Policy;
use hearth_store::Record;
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use super::{Named, Noun, Tag};
use crate::directory::{Account, Entity, Table};
use crate::error::IamError;
use crate::grants::{Grantee, Grants};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub name: String,
    /// Starts and ends with a slash.
    pub path: String,
    /// `AGPA…`; another one for each life of the name.
    pub id: String,
    pub created_at_ms: i64,
    #[serde(flatten)]
    pub grants: Grants,
}

impl Record for GroupRecord {
    const KIND: &'static str = "iam.group";
    const VERSION: u32 = 1;
}

/// A group in memory.
#[derive(Debug)]
pub(crate) struct Group {
    record: GroupRecord,
    /// Policy name → compiled.
    pub inline: BTreeMap<Arc<str>, Arc<Policy>>,
}

impl Deref for Group {
    type Target = GroupRecord;

    fn deref(&self) -> &GroupRecord {
        &self.record
    }
}

impl Entity for Group {
    type Record = GroupRecord;
    const NOUN: Noun = Noun::Group;
    /// Source: "IAM and AWS STS quotas".
    const PER_ACCOUNT_MAX: usize = 300;

    fn of(_scope: &Scope, record: GroupRecord) -> Result<Self, IamError> {
        let inline = record.grants.compiled()?;
        Ok(Self { record, inline })
    }

    fn record(&self) -> &GroupRecord {
        &self.record
    }

    fn name(record: &GroupRecord) -> &str {
        &record.name
    }

    fn table(account: &Account) -> &Table<Self> {
        &account.groups
    }

    fn table_mut(account: &mut Account) -> &mut Table<Self> {
        &mut account.groups
    }
}

impl Named for Group {
    fn path(&self) -> &str {
        &self.path
    }

    /// Groups have none. Source: IAM user guide, "Tags for IAM resources".
    fn tags(&self) -> &[Tag] {
        &[]
    }
}

impl Grantee for Group {
    const INLINE_CHARS_MAX: usize = 5_120;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerGroup";

    fn grants_mut(record: &mut GroupRecord) -> &mut Grants {
        &mut record.grants
    }

    fn grants(record: &GroupRecord) -> &Grants {
        &record.grants
    }
}
