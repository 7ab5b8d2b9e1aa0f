//! Whom a request's key stands for.

use hearth_ports::AccessKey;
use hearth_types::{AccountId, Caller};

use super::{Front, Listener};
use crate::sigv4::{AuthError, Authorization};

/// The caller before the signature is checked. `key` is there when the key is known, and must be checked.
pub(super) struct Identity {
    pub(super) account: AccountId,
    pub(super) caller: Caller,
    pub(super) key: Option<AccessKey>,
}

impl Identity {
    fn root(account: AccountId) -> Self {
        Self { account, caller: Caller::Root { account }, key: None }
    }
}

impl Front {
    /// Finds the key. On the outside an unknown key that is an account id acts as that account's root, any other, or
    /// none, as the default account's.
    pub(super) fn identify(
        &self,
        listener: Listener,
        authorization: Option<&Authorization>,
        now_ms: i64,
    ) -> Result<Identity, AuthError> {
        let Some(authorization) = authorization else {
            return match listener {
                Listener::Outside => Ok(Identity::root(AccountId::DEFAULT)),
                Listener::Sandbox => Err(AuthError::Missing),
            };
        };
        let id = &authorization.credential.access_key_id;
        let Some(key) = self.keys.find(id) else {
            return match listener {
                Listener::Outside => Ok(Identity::root(id.parse().unwrap_or(AccountId::DEFAULT))),
                Listener::Sandbox => Err(AuthError::UnknownKey),
            };
        };
        let given = authorization.session_token.as_deref().unwrap_or_default().as_bytes();
        let expected = key.session_token.as_deref().unwrap_or_default().as_bytes();
        if !bool::from(subtle::ConstantTimeEq::ct_eq(given, expected)) {
            return Err(AuthError::UnknownKey);
        }
        if key.expires_at_ms.is_some_and(|expires| expires <= now_ms) {
            return Err(AuthError::TokenExpired);
        }
        Ok(Identity { account: key.account, caller: key.caller.clone(), key: Some(key) })
    }
}
