//! Who calls, from where, for which account and region. Every operation and every port takes one.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::arn::Arn;
use crate::ids::RequestId;
use crate::scope::{AccountId, Partition, Region, Scope};

/// The identity behind a request. Source: IAM user guide, "Principals".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: an operation that needs no credentials, or a public URL.
    Anonymous,
    /// The account itself.
    Root { account: AccountId },
    User {
        account: AccountId,
        name: Arc<str>,
        arn: Arc<str>,
        user_id: Arc<str>,
        /// Of temporary credentials (GetSessionToken).
        session: Option<Arc<Session>>,
    },
    /// A role's temporary session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    RoleSession {
        account: AccountId,
        role_arn: Arc<str>,
        session_arn: Arc<str>,
        /// `AROA…:SESSION`.
        assumed_role_id: Arc<str>,
        session: Arc<Session>,
    },
    /// Someone an identity provider vouches for, about to assume a role: `arn:aws:iam::ACCOUNT:oidc-provider/HOST`.
    Federated { provider_arn: Arc<str> },
    /// A service acting by itself, for example an event source.
    Service { principal: &'static str, source_arn: Option<Arc<str>>, source_account: Option<AccountId> },
}

/// What temporary credentials carry beside who they are for. Source: STS API reference, AssumeRole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub issued_at_ms: i64,
    /// Session policies: documents that were passed, and managed ones by their document at that time. The session may do
    /// what the identity and one of these allow; none means no such limit.
    pub policies: Vec<Arc<str>>,
    pub tags: Vec<(String, String)>,
    /// Keys of tags that a session assumed from this one inherits.
    pub transitive_tag_keys: Vec<String>,
    pub source_identity: Option<String>,
    /// The function whose environment these credentials were made for.
    pub function_arn: Option<Arc<str>>,
    /// Who vouched for the session: an identity provider.
    pub provider_arn: Option<Arc<str>>,
}

impl Caller {
    /// The ARN that `GetCallerIdentity` and denials show; a service has its principal instead.
    #[must_use]
    pub fn arn(&self, partition: Partition) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Root { account } => Arn::iam(partition, *account, "root").to_string(),
            Self::User { arn, .. } => arn.to_string(),
            Self::RoleSession { session_arn, .. } => session_arn.to_string(),
            Self::Federated { provider_arn } => provider_arn.to_string(),
            Self::Service { principal, .. } => (*principal).to_owned(),
        }
    }

    /// The account the caller belongs to; neither services nor strangers have one.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match self {
            Self::Root { account } | Self::User { account, .. } | Self::RoleSession { account, .. } => Some(*account),
            Self::Anonymous | Self::Federated { .. } | Self::Service { .. } => None,
        }
    }

    /// Of temporary credentials.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::User { session, .. } => session.as_ref(),
            Self::RoleSession { session, .. } => Some(session),
            _ => None,
        }
    }
}

/// How a request shows who it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Work of the server itself: there is no request.
    Internal,
    /// No signature at all.
    Unsigned,
    /// Signed with a key nobody here has: believed in open mode only.
    UnknownKey(Arc<str>),
    /// Signed, and verified, with this key.
    Key(Arc<str>),
}

impl Proof {
    #[must_use]
    pub fn access_key_id(&self) -> Option<&Arc<str>> {
        match self {
            Self::UnknownKey(id) | Self::Key(id) => Some(id),
            Self::Internal | Self::Unsigned => None,
        }
    }
}

/// Whose code made the request. What function code does is held to its policies in every mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    #[default]
    Outside,
    /// From inside a sandbox, or from anywhere with a function's credentials or with such as were made with those.
    Function,
}

/// What is known about a request before any service looks at it.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub partition: Partition,
    /// The account whose resources the request is about: the caller's own, unless it names another.
    pub account: AccountId,
    pub region: Region,
    pub caller: Caller,
    pub proof: Proof,
    pub origin: Origin,
    pub source_ip: IpAddr,
    /// Whether the request came over TLS.
    pub secure: bool,
    pub request_id: RequestId,
    /// The caller's `X-Amzn-Trace-Id`, if any.
    pub trace: Option<Arc<str>>,
    /// The authority the client used (`Host` header), from which returned URLs are made.
    pub host: Arc<str>,
    /// The `User-Agent` header.
    pub user_agent: Option<Arc<str>>,
    /// The `Referer` header.
    pub referer: Option<Arc<str>>,
}

impl RequestContext {
    /// Where regional resources of this request live.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { partition: self.partition, account: self.account, region: Some(self.region.clone()) }
    }

    /// Where global resources (IAM) of this request live.
    #[must_use]
    pub fn global_scope(&self) -> Scope {
        Scope { partition: self.partition, account: self.account, region: None }
    }

    /// The same request about resources of another account.
    #[must_use]
    pub fn in_account(&self, account: AccountId) -> Self {
        Self { account, ..self.clone() }
    }

    #[must_use]
    pub fn function_arn(&self, name: &str) -> Arn {
        Arn::function(self.partition, &self.region, self.account, name)
    }

    /// A context for work that a service does by itself, not on behalf of a client's connection.
    #[must_use]
    pub fn service(scope: &Scope, principal: &'static str, request_id: RequestId) -> Self {
        Self {
            partition: scope.partition,
            account: scope.account,
            region: scope.region.clone().unwrap_or_else(|| Region::from(Region::DEFAULT)),
            caller: Caller::Service { principal, source_arn: None, source_account: Some(scope.account) },
            proof: Proof::Internal,
            origin: Origin::Outside,
            source_ip: IpAddr::from([127, 0, 0, 1]),
            secure: false,
            request_id,
            trace: None,
            host: "localhost".into(),
            user_agent: None,
            referer: None,
        }
    }
}
