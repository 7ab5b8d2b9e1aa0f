//! The keys IAM knows, as other parts of the server ask for them.

use hearth_ports::{AccessKey, AccessKeys, CredentialError, CredentialIssuer, Credentials};
use hearth_types::{AccountId, Arn, Caller, Partition, RequestContext, Scope};

use crate::{Iam, ids};

impl AccessKeys for Iam {
    fn find(&self, access_key_id: &str) -> Option<AccessKey> {
        self.sessions.find(access_key_id)
    }
}

impl CredentialIssuer for Iam {
    /// A role that does not exist is accepted: whether it does, and whether it trusts Lambda, is not checked in open
    /// mode, where functions are made before their roles.
    fn issue_function_session(
        &self,
        _ctx: &RequestContext,
        role_arn: &str,
        function_name: &str,
        ttl_ms: u64,
    ) -> Result<Credentials, CredentialError> {
        let role = RoleRef::parse(role_arn).ok_or(CredentialError::NotAssumable)?;
        let scope = Scope { partition: role.partition, account: role.account, region: None };
        let role_id = self
            .directory
            .find(&scope, &role.name)
            .map_or_else(|| ids::role_id(&*self.random), |found| found.id.clone());
        let session = session_name(function_name);
        let now_ms = self.clock.now_ms();
        let expires_at_ms = now_ms.saturating_add_unsigned(ttl_ms);
        let credentials = Credentials {
            access_key_id: ids::temporary_key_id(&*self.random),
            secret_access_key: ids::secret_access_key(&*self.random),
            session_token: ids::session_token(&*self.random),
            expires_at_ms,
        };
        let key = AccessKey {
            secret_access_key: credentials.secret_access_key.as_str().into(),
            session_token: Some(credentials.session_token.as_str().into()),
            account: role.account,
            caller: Caller::RoleSession {
                role_arn: role_arn.into(),
                session_arn: role.session_arn(&session).into(),
                assumed_role_id: format!("{role_id}:{session}").into(),
            },
            expires_at_ms: Some(expires_at_ms),
        };
        self.sessions
            .insert(&credentials.access_key_id, key, now_ms)
            .map_err(|error| CredentialError::Internal(error.to_string()))?;
        Ok(credentials)
    }

    fn revoke(&self, _ctx: &RequestContext, access_key_id: &str) {
        self.sessions.remove(access_key_id);
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

/// The parts of `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
struct RoleRef {
    partition: Partition,
    account: AccountId,
    name: String,
}

impl RoleRef {
    fn parse(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok()?;
        let partition = [Partition::Aws, Partition::AwsCn, Partition::AwsUsGov];
        let partition = partition.into_iter().find(|known| known.as_str() == arn.partition)?;
        if arn.service != "iam" || !arn.region.is_empty() {
            return None;
        }
        let path_and_name = arn.resource.strip_prefix("role/")?;
        let name = path_and_name.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(Self { partition, account: arn.account.parse().ok()?, name: name.to_owned() })
    }

    /// The path of a role is no part of its sessions' ARNs. Source: IAM user guide, "IAM identifiers".
    fn session_arn(&self, session: &str) -> String {
        let Self { partition, account, name } = self;
        format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}")
    }
}
