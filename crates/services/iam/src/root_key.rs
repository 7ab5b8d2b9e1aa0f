//! Access keys of the account itself: the first way in when nobody has any other.

use std::sync::Arc;

use hearth_store::Secret;
use hearth_types::{AccountId, Clock, Partition, Random, Scope};

use crate::directory::Directory;
use crate::entity::{AccessKeyEntry, AccessKeyRecord, KEYS_PER_OWNER_MAX, KeyOwner};
use crate::error::IamError;
use crate::ids;

/// A new key, to be shown once. `Debug` never shows the secret.
pub struct RootKey {
    pub account: AccountId,
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RootKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

const fn scope(account: AccountId) -> Scope {
    Scope { partition: Partition::Aws, account, region: None }
}

impl Directory {
    /// Whether the account has a key of its own already.
    #[must_use]
    pub fn has_root_key(&self, account: AccountId) -> bool {
        !self.list::<AccessKeyEntry>(&scope(account), None, 1, |key| key.is_of(None)).is_empty()
    }

    /// Makes one. An account may have two, as on AWS.
    ///
    /// # Errors
    /// [`IamError::LimitExceeded`], or the store's.
    pub async fn make_root_key(
        self: &Arc<Self>,
        account: AccountId,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<RootKey, IamError> {
        let scope = scope(account);
        if self.list::<AccessKeyEntry>(&scope, None, KEYS_PER_OWNER_MAX, |key| key.is_of(None)).len()
            >= KEYS_PER_OWNER_MAX
        {
            return Err(IamError::LimitExceeded(format!(
                "account {account} has {KEYS_PER_OWNER_MAX} root keys already: delete one with `aws iam delete-access-key`"
            )));
        }
        let key = RootKey {
            account,
            access_key_id: self.tokens().access_key_id("AKIA", random),
            secret_access_key: ids::secret_access_key(random),
        };
        let record = AccessKeyRecord {
            id: key.access_key_id.clone(),
            secret: Secret(key.secret_access_key.clone()),
            owner: KeyOwner::Root,
            is_active: true,
            created_at_ms: clock.now_ms(),
        };
        self.create_access_key(scope, record).await?;
        Ok(key)
    }
}
