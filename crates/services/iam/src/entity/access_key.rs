//! A long-term access key of a user, or of the account itself.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use hearth_store::{Record, Secret};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use super::{Noun, User};
use crate::directory::{Account, Entity, Table};
use crate::error::IamError;

/// Keys of one user, and of the account itself. Source: "IAM and AWS STS quotas".
pub(crate) const KEYS_PER_OWNER_MAX: usize = 2;

/// Who a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyOwner {
    /// The account itself.
    Root,
    User {
        name: String,
        user_id: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessKeyRecord {
    /// `AKIA…`
    pub id: String,
    pub secret: Secret<String>,
    pub owner: KeyOwner,
    pub is_active: bool,
    pub created_at_ms: i64,
}

impl Record for AccessKeyRecord {
    const KIND: &'static str = "iam.access-key";
    const VERSION: u32 = 1;
}

/// An access key in memory, and the account it belongs to.
#[derive(Debug)]
pub(crate) struct AccessKeyEntry {
    pub scope: Scope,
    record: AccessKeyRecord,
}

impl Deref for AccessKeyEntry {
    type Target = AccessKeyRecord;

    fn deref(&self) -> &AccessKeyRecord {
        &self.record
    }
}

impl AccessKeyEntry {
    /// `None` asks for the keys of the account itself.
    #[must_use]
    pub(crate) fn is_of(&self, user: Option<&User>) -> bool {
        match (&self.owner, user) {
            (KeyOwner::Root, None) => true,
            (KeyOwner::User { user_id, .. }, Some(user)) => *user_id == user.id,
            _ => false,
        }
    }
}

impl Entity for AccessKeyEntry {
    type Record = AccessKeyRecord;
    const NOUN: Noun = Noun::AccessKey;
    /// Each user may have [`KEYS_PER_OWNER_MAX`], and the account itself.
    const PER_ACCOUNT_MAX: usize = (User::PER_ACCOUNT_MAX + 1) * KEYS_PER_OWNER_MAX;

    fn of(scope: &Scope, record: AccessKeyRecord) -> Result<Self, IamError> {
        Ok(Self { scope: scope.clone(), record })
    }

    fn record(&self) -> &AccessKeyRecord {
        &self.record
    }

    fn name(record: &AccessKeyRecord) -> &str {
        &record.id
    }

    fn row_of(id: &str) -> String {
        id.to_owned()
    }

    fn table(account: &Account) -> &Table<Self> {
        &account.access_keys
    }

    fn table_mut(account: &mut Account) -> &mut Table<Self> {
        &mut account.access_keys
    }

    fn index(access_keys: &mut HashMap<String, Arc<Self>>, row: &str, entity: Option<&Arc<Self>>) {
        match entity {
            Some(entity) => access_keys.insert(row.to_owned(), entity.clone()),
            None => access_keys.remove(row),
        };
    }
}
