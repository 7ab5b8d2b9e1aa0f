//! Whom a request's key stands for, and whether that is enough here.

use hearth_ports::{AccessKey, KeyLookup};
use hearth_types::{
    AccountId, AuthMode, Caller, Origin, Partition, Proof, Region, RequestContext, RequestId, SandboxAuth,
};
use http::request::Parts;

use super::{Connection, Front, Listener};
use crate::sigv4::{AuthError, Authorization, header};

/// The caller before the signature is checked. `key` is there when the key is known, and must be checked.
pub(super) struct Identity {
    pub(super) account: AccountId,
    pub(super) caller: Caller,
    pub(super) proof: Proof,
    pub(super) origin: Origin,
    pub(super) key: Option<Box<AccessKey>>,
}

impl Front {
    /// Finds the key. Where unknown keys are believed, one that is an account id acts as that account's root, any
    /// other, or none, as the default account's.
    pub(super) fn identify(
        &self,
        listener: Listener,
        authorization: Option<&Authorization>,
        now_ms: i64,
    ) -> Result<Identity, AuthError> {
        self.identify_by(listener, authorization.map(Authorization::signed_by), now_ms)
    }

    /// The same, by the id of the key and the session's token.
    pub(super) fn identify_by(
        &self,
        listener: Listener,
        signed_by: Option<(&str, Option<&str>)>,
        now_ms: i64,
    ) -> Result<Identity, AuthError> {
        let root = |account, proof| Identity {
            account,
            caller: Caller::Root { account },
            proof,
            origin: self.origin(listener, Origin::Outside),
            key: None,
        };
        let known_only = self.takes_known_keys_only(listener);
        let Some((id, session_token)) = signed_by else {
            return if known_only { Err(AuthError::Missing) } else { Ok(root(AccountId::DEFAULT, Proof::Unsigned)) };
        };
        let key = match self.keys.find(id, session_token) {
            KeyLookup::Known(key) => key,
            KeyLookup::Unknown if !known_only => {
                let account = id.parse().unwrap_or(AccountId::DEFAULT);
                return Ok(root(account, Proof::UnknownKey(id.into())));
            }
            KeyLookup::Void | KeyLookup::Unknown => return Err(AuthError::UnknownKey),
        };
        let given = session_token.unwrap_or_default().as_bytes();
        let expected = key.session_token.as_deref().unwrap_or_default().as_bytes();
        if !bool::from(subtle::ConstantTimeEq::ct_eq(given, expected)) {
            return Err(AuthError::UnknownKey);
        }
        if key.expires_at_ms.is_some_and(|expires| expires <= now_ms) {
            return Err(AuthError::TokenExpired);
        }
        Ok(Identity {
            account: key.account,
            caller: key.caller.clone(),
            proof: Proof::Key(id.into()),
            origin: self.origin(listener, key.origin),
            key: Some(key),
        })
    }

    /// Of a request for an operation that needs no credentials: a signature is not looked at.
    pub(super) fn anonymous(&self, listener: Listener) -> Identity {
        Identity {
            account: AccountId::DEFAULT,
            caller: Caller::Anonymous,
            proof: Proof::Unsigned,
            origin: self.origin(listener, Origin::Outside),
            key: None,
        }
    }

    /// Function code has its role's credentials, so that nothing else needs to be believed inside a sandbox.
    const fn takes_known_keys_only(&self, listener: Listener) -> bool {
        match (listener, self.auth, self.sandbox_auth) {
            (_, AuthMode::Enforce, _) | (Listener::Sandbox, _, SandboxAuth::Role) => true,
            (Listener::Outside, _, _) | (Listener::Sandbox, _, SandboxAuth::Open) => false,
        }
    }

    const fn origin(&self, listener: Listener, of_key: Origin) -> Origin {
        match (self.sandbox_auth, listener, of_key) {
            (SandboxAuth::Role, Listener::Sandbox, _) | (SandboxAuth::Role, _, Origin::Function) => Origin::Function,
            _ => Origin::Outside,
        }
    }
}

/// What is known about the request now.
pub(super) fn context(
    connection: &Connection,
    head: &Parts,
    authorization: Option<&Authorization>,
    identity: Identity,
    request_id: &RequestId,
) -> RequestContext {
    let region = authorization.map_or(Region::DEFAULT, |authorization| &authorization.credential.region);
    RequestContext {
        partition: Partition::of_region(region),
        account: identity.account,
        region: Region::from(region),
        caller: identity.caller,
        proof: identity.proof,
        origin: identity.origin,
        source_ip: connection.peer.ip(),
        secure: connection.secure,
        request_id: request_id.clone(),
        trace: header(&head.headers, "x-amzn-trace-id").map(Into::into),
        host: host(head).into(),
        user_agent: header(&head.headers, "user-agent").map(Into::into),
        referer: header(&head.headers, "referer").map(Into::into),
    }
}

pub(super) fn host(head: &Parts) -> &str {
    header(&head.headers, "host")
        .or_else(|| head.uri.authority().map(|authority| authority.as_str()))
        .unwrap_or("localhost")
}
