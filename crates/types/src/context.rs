//! Who calls, from where, for which account and region. Every operation and every port takes one.

use std::net::IpAddr;
use std::sync::Arc;

use crate::arn::Arn;
use crate::ids::RequestId;
use crate::scope::{AccountId, Partition, Region, Scope};

/// The identity behind a request. Source: IAM user guide, "Principals".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The account itself.
    Root {
        account: AccountId,
    },
    User {
        arn: Arc<str>,
        user_id: Arc<str>,
    },
    /// A role's temporary session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    RoleSession {
        role_arn: Arc<str>,
        session_arn: Arc<str>,
        assumed_role_id: Arc<str>,
    },
    /// A service acting by itself, for example an event source.
    Service {
        principal: &'static str,
        source_arn: Option<Arc<str>>,
        source_account: Option<AccountId>,
    },
}

impl Caller {
    /// The ARN that `GetCallerIdentity` and denials show; a service has its principal instead.
    #[must_use]
    pub fn arn(&self, partition: Partition) -> String {
        match self {
            Self::Root { account } => Arn::iam(partition, *account, "root").to_string(),
            Self::User { arn, .. } => arn.to_string(),
            Self::RoleSession { session_arn, .. } => session_arn.to_string(),
            Self::Service { principal, .. } => (*principal).to_owned(),
        }
    }
}

/// What is known about a request before any service looks at it.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub partition: Partition,
    pub account: AccountId,
    pub region: Region,
    pub caller: Caller,
    pub source_ip: IpAddr,
    /// Whether the request came over TLS.
    pub secure: bool,
    pub request_id: RequestId,
    /// The caller's `X-Amzn-Trace-Id`, if any.
    pub trace: Option<Arc<str>>,
    /// The authority the client used (`Host` header), from which returned URLs are made.
    pub host: Arc<str>,
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
            source_ip: IpAddr::from([127, 0, 0, 1]),
            secure: false,
            request_id,
            trace: None,
            host: "localhost".into(),
        }
    }
}
