//! The keys IAM knows, and those it makes, as other parts of the server ask for them.
//!
//! | credentials | where they are | void when |
//! |---|---|---|
//! | of a user or an account (`AKIA…`) | the directory | deactivated, deleted, the user deleted |
//! | of a function's environment (`ASIA…`) | [`Sessions`], in memory | the environment ends |
//! | from STS (`ASIA…`) | in their own token, sealed (`tokens`) | they expire, the user or role is deleted |

use std::collections::HashMap;
use std::sync::Arc;

use hearth_authz::{Policies, Request, ResourcePolicy, evaluate};
use hearth_ports::{
    AccessKey, AccessKeys, CredentialError, CredentialIssuer, Credentials, Grant, KeyLookup, RoleFacts, RoleRefused,
    Roles, ServiceRoles, TemporaryCredentials, TemporaryKey,
};
use hearth_types::{
    AccountId, Arn, AuthMode, Caller, Clock, Origin, Partition, Random, RequestContext, Scope, Session,
};
use parking_lot::RwLock;
use subtle::ConstantTimeEq as _;

use crate::authority::Authority;
use crate::authority::identity::role_id;
use crate::authority::keys::RequestKeys;
use crate::directory::Directory;
use crate::entity::{AccessKeyEntry, KeyOwner, Named as _, Role};
use crate::ids;
use crate::session_caller::SealedCaller;
use crate::sessions::Sessions;
use crate::tokens::{Sealed, TOKEN_PREFIX};

/// The service that assumes execution roles.
const LAMBDA: &str = "lambda.amazonaws.com";

/// Of a session that a service makes for itself, characters.
const SERVICE_SESSION_NAME_LEN: usize = 32;

/// Every key of the server.
pub struct Keyring {
    directory: Arc<Directory>,
    authority: Arc<Authority>,
    sessions: Sessions,
    ready: RwLock<HashMap<String, Ready>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// A key as it was found last: looking up users and opening tokens for every request would cost more than deciding.
struct Ready {
    /// Of the directory: a change of anything there has it looked up again.
    revision: u64,
    key: Box<AccessKey>,
}

/// Keys kept ready. When it is full it starts anew.
const READY_MAX: usize = 10_000;

impl Keyring {
    #[must_use]
    pub fn new(
        directory: Arc<Directory>,
        authority: Arc<Authority>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { directory, authority, sessions: Sessions::default(), ready: RwLock::default(), clock, random }
    }

    /// The key that was found under that id with that token, if nothing has changed since.
    fn ready(&self, revision: u64, access_key_id: &str, session_token: Option<&str>) -> Option<KeyLookup> {
        let ready = self.ready.read();
        let Ready { key, .. } = ready.get(access_key_id).filter(|ready| ready.revision == revision)?;
        is_token(key, session_token).then(|| KeyLookup::Known(key.clone()))
    }

    fn keep_ready(&self, revision: u64, access_key_id: &str, found: &KeyLookup) {
        let KeyLookup::Known(key) = found else { return };
        let mut ready = self.ready.write();
        if ready.len() >= READY_MAX {
            ready.clear();
        }
        ready.insert(access_key_id.to_owned(), Ready { revision, key: key.clone() });
    }

    fn long_term(&self, entry: &AccessKeyEntry) -> KeyLookup {
        let Scope { partition, account, .. } = entry.scope;
        let caller = match &entry.owner {
            KeyOwner::Root => Some(Caller::Root { account }),
            KeyOwner::User { name, user_id } => {
                let user = self.directory.user(&entry.scope, name).filter(|user| user.id == *user_id);
                user.map(|user| Caller::User {
                    account,
                    name: user.name.as_str().into(),
                    arn: user.arn(partition, account).to_string().into(),
                    user_id: user.id.as_str().into(),
                    session: None,
                })
            }
        };
        match caller {
            Some(caller) if entry.is_active => KeyLookup::Known(Box::new(AccessKey {
                secret_access_key: entry.secret.0.as_str().into(),
                session_token: None,
                account,
                caller,
                origin: Origin::Outside,
                expires_at_ms: None,
            })),
            _ => KeyLookup::Void,
        }
    }

    fn temporary(&self, access_key_id: &str, token: &str) -> KeyLookup {
        // What was sealed for one id is nothing for another.
        let sealed = self.directory.tokens().open(token).filter(|sealed| sealed.access_key_id == access_key_id);
        let Some(sealed) = sealed else { return KeyLookup::Void };
        let caller = sealed.caller();
        if !self.is_alive(&caller) {
            return KeyLookup::Void;
        }
        KeyLookup::Known(Box::new(AccessKey {
            secret_access_key: sealed.secret_access_key.as_str().into(),
            session_token: Some(token.into()),
            account: sealed.account,
            caller,
            origin: sealed.origin,
            expires_at_ms: Some(sealed.expires_at_ms),
        }))
    }

    /// Whether the user or role behind temporary credentials is still the one they were made for.
    fn is_alive(&self, caller: &Caller) -> bool {
        match caller {
            Caller::User { account, name, arn, user_id, .. } => arn.parse().is_ok_and(|arn: Arn| {
                scope(&arn, *account)
                    .and_then(|scope| self.directory.user(&scope, name))
                    .is_some_and(|user| user.id == **user_id)
            }),
            Caller::RoleSession { role_arn, assumed_role_id, .. } => {
                self.find(role_arn).is_some_and(|(_, role)| role.id == role_id(assumed_role_id))
            }
            _ => true,
        }
    }

    /// The role of exactly that ARN, path included.
    fn find(&self, arn: &str) -> Option<(RoleRef, Arc<Role>)> {
        let named = RoleRef::parse(arn)?;
        let role = self.directory.role(&named.scope(), &named.name)?;
        (role.arn(named.partition, named.account).to_string() == arn).then_some((named, role))
    }

    /// Does the role's trust policy let a service assume it on behalf of that resource?
    fn trusts(
        &self,
        ctx: &RequestContext,
        principal: &'static str,
        role_arn: &str,
        role: &Role,
        source_arn: &str,
    ) -> bool {
        let account = ctx.account;
        let caller = Caller::Service { principal, source_arn: Some(source_arn.into()), source_account: Some(account) };
        let ctx = RequestContext { caller, ..ctx.clone() };
        let keys = RequestKeys { ctx: &ctx, conditions: &[], principal_tags: &[], now_ms: self.clock.now_ms() };
        let request =
            Request { caller: &ctx.caller, action: "sts:AssumeRole", resource: role_arn, owner: account, keys: &keys };
        evaluate(&request, &Policies { resource: ResourcePolicy::Trust(&role.trust), ..Policies::default() }).allowed
    }

    fn new_credentials(&self, expires_at_ms: i64) -> Credentials {
        Credentials {
            access_key_id: self.directory.tokens().access_key_id("ASIA", &*self.random),
            secret_access_key: ids::secret_access_key(&*self.random),
            session_token: String::new(),
            expires_at_ms,
        }
    }
}

impl AccessKeys for Keyring {
    fn find(&self, access_key_id: &str, session_token: Option<&str>) -> KeyLookup {
        if let Some(key) = self.sessions.find(access_key_id) {
            return if is_token(&key, session_token) { KeyLookup::Known(Box::new(key)) } else { KeyLookup::Void };
        }
        // Before looking: what changes meanwhile makes the kept key outdated, not wrong for good.
        let revision = self.directory.revision();
        if let Some(found) = self.ready(revision, access_key_id, session_token) {
            return found;
        }
        let found = self.look_up(access_key_id, session_token);
        self.keep_ready(revision, access_key_id, &found);
        found
    }
}

/// Whether the request brought the key's session token: none for long-term keys.
fn is_token(key: &AccessKey, given: Option<&str>) -> bool {
    match (key.session_token.as_deref(), given) {
        (Some(expected), Some(given)) => bool::from(expected.as_bytes().ct_eq(given.as_bytes())),
        (None, None) => true,
        _ => false,
    }
}

impl Keyring {
    fn look_up(&self, access_key_id: &str, session_token: Option<&str>) -> KeyLookup {
        if let Some(entry) = self.directory.access_key(access_key_id) {
            // A token where there should be none belongs to other credentials.
            return if session_token.is_none() { self.long_term(&entry) } else { KeyLookup::Void };
        }
        match session_token {
            Some(token) if token.starts_with(TOKEN_PREFIX) => self.temporary(access_key_id, token),
            _ if self.directory.tokens().is_ours(access_key_id) => KeyLookup::Void,
            _ => KeyLookup::Unknown,
        }
    }
}

impl CredentialIssuer for Keyring {
    fn check_function_role(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        function_arn: &Arn,
    ) -> Result<(), CredentialError> {
        let named = RoleRef::parse(role_arn).ok_or(CredentialError::NotAssumable)?;
        if self.authority.mode() == AuthMode::Open {
            return Ok(());
        }
        if named.account != ctx.account || named.partition != ctx.partition {
            return Err(CredentialError::OtherAccount);
        }
        let (_, role) = self.find(role_arn).ok_or(CredentialError::NotAssumable)?;
        if self.trusts(ctx, LAMBDA, role_arn, &role, &function_arn.to_string()) {
            Ok(())
        } else {
            Err(CredentialError::NotAssumable)
        }
    }

    fn issue_function_session(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        function_arn: &Arn,
        ttl_ms: u64,
    ) -> Result<TemporaryKey, CredentialError> {
        self.check_function_role(ctx, role_arn, function_arn)?;
        let named = RoleRef::parse(role_arn).ok_or(CredentialError::NotAssumable)?;
        // In open mode functions run with roles that nobody made: those allow nothing.
        let role_id = self.find(role_arn).map_or_else(|| ids::role_id(&*self.random), |(_, role)| role.id.clone());
        let function_name = function_arn.resource.trim_start_matches("function:");
        let session_name = session_name(function_name);
        let now_ms = self.clock.now_ms();
        let expires_at_ms = now_ms.saturating_add_unsigned(ttl_ms);
        let session_token = format!("{TOKEN_PREFIX}{}", ids::session_token(&*self.random));
        let credentials = Credentials { session_token, ..self.new_credentials(expires_at_ms) };
        let session =
            Session { issued_at_ms: now_ms, function_arn: Some(function_arn.to_string().into()), ..Session::default() };
        let caller = Caller::RoleSession {
            account: named.account,
            role_arn: role_arn.into(),
            session_arn: named.session_arn(&session_name).into(),
            assumed_role_id: format!("{role_id}:{session_name}").into(),
            session: session.into(),
        };
        let key = AccessKey {
            secret_access_key: credentials.secret_access_key.as_str().into(),
            session_token: Some(credentials.session_token.as_str().into()),
            account: named.account,
            caller: caller.clone(),
            origin: Origin::Function,
            expires_at_ms: Some(expires_at_ms),
        };
        self.sessions
            .insert(&credentials.access_key_id, key, now_ms)
            .map_err(|error| CredentialError::Internal(error.to_string()))?;
        Ok(TemporaryKey { credentials, caller })
    }

    fn revoke(&self, _ctx: &RequestContext, access_key_id: &str) {
        self.sessions.remove(access_key_id);
    }
}

impl ServiceRoles for Keyring {
    fn service_role(
        &self,
        ctx: &RequestContext,
        principal: &'static str,
        role_arn: &str,
        source_arn: &str,
    ) -> Result<Caller, RoleRefused> {
        let refused = || RoleRefused { principal, role_arn: role_arn.to_owned() };
        let named = RoleRef::parse(role_arn).ok_or_else(refused)?;
        if named.account != ctx.account || named.partition != ctx.partition {
            return Err(refused());
        }
        let found = self.find(role_arn);
        if self.authority.mode() != AuthMode::Open {
            let (_, role) = found.as_ref().ok_or_else(refused)?;
            if !self.trusts(ctx, principal, role_arn, role, source_arn) {
                return Err(refused());
            }
        }
        let role_id = found.map_or_else(|| ids::role_id(&*self.random), |(_, role)| role.id.clone());
        let session_name = ids::session_token(&*self.random)[..SERVICE_SESSION_NAME_LEN].to_owned();
        Ok(Caller::RoleSession {
            account: named.account,
            role_arn: role_arn.into(),
            session_arn: named.session_arn(&session_name).into(),
            assumed_role_id: format!("{role_id}:{session_name}").into(),
            session: Session { issued_at_ms: self.clock.now_ms(), ..Session::default() }.into(),
        })
    }
}

impl Roles for Keyring {
    fn find_role(&self, _ctx: &RequestContext, arn: &Arn) -> Option<RoleFacts> {
        let (_, role) = self.find(&arn.to_string())?;
        Some(RoleFacts {
            arn: arn.clone(),
            name: role.name.as_str().into(),
            id: role.id.as_str().into(),
            trust: role.trust.clone(),
            max_session_duration_s: role.max_session_duration_s,
            tags: role.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
        })
    }

    fn managed_policy(&self, ctx: &RequestContext, arn: &str) -> Option<Arc<str>> {
        Some(self.directory.managed(&ctx.global_scope(), arn)?.document().into())
    }
}

impl TemporaryCredentials for Keyring {
    fn issue(
        &self,
        _ctx: &RequestContext,
        grant: Grant,
        origin: Origin,
        duration_s: u32,
    ) -> Result<TemporaryKey, String> {
        let expires_at_ms = self.clock.now_ms() + i64::from(duration_s) * 1_000;
        let (account, caller) = match grant {
            Grant::Role { role, session_name, session } => {
                let named = RoleRef::parse(&role.arn.to_string()).ok_or("the role has no ARN")?;
                let sealed = SealedCaller::Role {
                    role_arn: role.arn.to_string().into(),
                    session_arn: named.session_arn(&session_name).into(),
                    assumed_role_id: format!("{}:{session_name}", role.id).into(),
                    session,
                };
                (named.account, sealed)
            }
            Grant::Same { caller: Caller::User { account, name, arn, user_id, .. }, session } => {
                (account, SealedCaller::User { name, arn, user_id, session })
            }
            Grant::Same { caller: Caller::Root { account }, session } => (account, SealedCaller::Root { session }),
            Grant::Same { caller, .. } => return Err(format!("no session for {caller:?}")),
        };
        let credentials = self.new_credentials(expires_at_ms);
        let sealed = Sealed {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.clone(),
            account,
            caller,
            origin,
            expires_at_ms,
        };
        let session_token = self.directory.tokens().seal(&sealed, &*self.random)?;
        Ok(TemporaryKey { credentials: Credentials { session_token, ..credentials }, caller: sealed.caller() })
    }
}

/// A session's name is the function's; names of one character get a suffix, since session names have at least two
/// (recorded).
fn session_name(function_name: &str) -> String {
    if function_name.chars().count() < 2 {
        format!("{function_name}@lambda_function")
    } else {
        function_name.to_owned()
    }
}

fn partition(name: &str) -> Option<Partition> {
    [Partition::Aws, Partition::AwsCn, Partition::AwsUsGov].into_iter().find(|known| known.as_str() == name)
}

fn scope(arn: &Arn, account: AccountId) -> Option<Scope> {
    Some(Scope { partition: partition(&arn.partition)?, account, region: None })
}

/// The parts of `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
struct RoleRef {
    partition: Partition,
    account: AccountId,
    name: String,
}

impl RoleRef {
    fn parse(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok()?;
        if arn.service != "iam" || !arn.region.is_empty() {
            return None;
        }
        let path_and_name = arn.resource.strip_prefix("role/")?;
        let name = path_and_name.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(Self { partition: partition(&arn.partition)?, account: arn.account.parse().ok()?, name: name.to_owned() })
    }

    const fn scope(&self) -> Scope {
        Scope { partition: self.partition, account: self.account, region: None }
    }

    /// The path of a role is no part of its sessions' ARNs. Source: IAM user guide, "IAM identifiers".
    fn session_arn(&self, session: &str) -> String {
        let Self { partition, account, name } = self;
        format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}")
    }
}
