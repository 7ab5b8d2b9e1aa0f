//! A user: its policies, its groups, its boundary, its tags.

use std::collections::{BTreeMap, BTreeSet};
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

/// Everything about one user but its keys, in one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub name: String,
    /// Starts and ends with a slash.
    pub path: String,
    /// `AIDA…`; another one for each life of the name.
    pub id: String,
    pub created_at_ms: i64,
    pub tags: Vec<Tag>,
    #[serde(flatten)]
    pub grants: Grants,
    /// ARN of a managed policy: the user can do nothing that it does not allow.
    pub permissions_boundary: Option<String>,
    /// Ids of the groups the user is in: a group keeps its members when it gets another name.
    pub groups: BTreeSet<String>,
}

impl Record for UserRecord {
    const KIND: &'static str = "iam.user";
    const VERSION: u32 = 1;
}

/// A user in memory.
#[derive(Debug)]
pub(crate) struct User {
    record: UserRecord,
    /// Policy name → compiled.
    pub inline: BTreeMap<Arc<str>, Arc<Policy>>,
}

impl Deref for User {
    type Target = UserRecord;

    fn deref(&self) -> &UserRecord {
        &self.record
    }
}

impl Entity for User {
    type Record = UserRecord;
    const NOUN: Noun = Noun::User;
    /// Source: "IAM and AWS STS quotas".
    const PER_ACCOUNT_MAX: usize = 5_000;

    fn of(_scope: &Scope, record: UserRecord) -> Result<Self, IamError> {
        let inline = record.grants.compiled()?;
        Ok(Self { record, inline })
    }

    fn record(&self) -> &UserRecord {
        &self.record
    }

    fn name(record: &UserRecord) -> &str {
        &record.name
    }

    fn table(account: &Account) -> &Table<Self> {
        &account.users
    }

    fn table_mut(account: &mut Account) -> &mut Table<Self> {
        &mut account.users
    }
}

impl Named for User {
    fn path(&self) -> &str {
        &self.path
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Grantee for User {
    const INLINE_CHARS_MAX: usize = 2_048;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerUser";

    fn grants_mut(record: &mut UserRecord) -> &mut Grants {
        &mut record.grants
    }

    fn grants(record: &UserRecord) -> &Grants {
        &record.grants
    }
}
