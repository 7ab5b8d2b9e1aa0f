//! Managed policies as requests name them: by ARN, AWS's own or the account's.

use std::sync::Arc;

use hearth_authz::Policy;
use hearth_types::{Arn, RequestContext, Scope};

use crate::Iam;
use crate::directory::{Account, Changes, Directory, Entity as _};
use crate::entity::CustomerPolicy;
use crate::error::IamError;
use crate::managed::{self, ManagedPolicy};

/// An ARN that has the form of a managed policy's; whether there is one is another question.
#[derive(Clone, Debug)]
pub(crate) struct PolicyRef {
    pub arn: Arn,
    /// Its account is `aws`.
    is_of_aws: bool,
    /// Neither AWS's nor of the account and partition of the request: nobody there, as far as IAM shows.
    is_foreign: bool,
}

/// A managed policy that exists.
#[derive(Clone, Debug)]
pub(crate) enum Managed {
    Aws(&'static ManagedPolicy),
    Customer(Arc<CustomerPolicy>),
}

impl Managed {
    #[must_use]
    pub(crate) fn compiled(&self) -> Arc<Policy> {
        match self {
            Self::Aws(policy) => policy.compiled(),
            Self::Customer(policy) => policy.compiled.clone(),
        }
    }

    /// The document in force.
    #[must_use]
    pub(crate) fn document(&self) -> &str {
        match self {
            Self::Aws(policy) => policy.document(),
            Self::Customer(policy) => policy.document(),
        }
    }
}

impl PolicyRef {
    /// # Errors
    /// [`IamError::UnparsableArn`]; [`IamError::InvalidInput`] for the ARN of something else.
    pub(crate) fn parse(ctx: &RequestContext, text: &str) -> Result<Self, IamError> {
        let arn: Arn = text.parse().map_err(|_| IamError::UnparsableArn)?;
        Self::of(&ctx.global_scope(), arn).ok_or_else(|| IamError::InvalidInput(format!("ARN {text} is not valid.")))
    }

    /// `None` for the ARN of something else.
    fn of(scope: &Scope, arn: Arn) -> Option<Self> {
        if arn.service != "iam" || !arn.region.is_empty() || managed::path_and_name(&arn.resource).is_none() {
            return None;
        }
        let is_of_aws = arn.account == "aws";
        let is_foreign =
            arn.partition != scope.partition.as_str() || !is_of_aws && arn.account != scope.account.as_str();
        Some(Self { arn, is_of_aws, is_foreign })
    }

    #[must_use]
    pub(crate) fn find(&self, account: &Account) -> Option<Managed> {
        if self.is_foreign {
            return None;
        }
        if self.is_of_aws {
            return managed::find(&self.arn.resource).map(Managed::Aws);
        }
        let (path, name) = managed::path_and_name(&self.arn.resource)?;
        account.policies.get(name).filter(|policy| policy.path == path).cloned().map(Managed::Customer)
    }

    /// Whether there is such a policy; the change holds only as long as there is.
    pub(crate) fn rely_on(&self, changes: &mut Changes<'_>) -> bool {
        match self.find(changes.account()) {
            Some(Managed::Customer(policy)) => {
                changes.rely_on::<CustomerPolicy>(policy.record());
                true
            }
            other => other.is_some(),
        }
    }
}

impl Directory {
    /// The managed policy of that ARN, as the account of the scope sees it: its own, or AWS's.
    #[must_use]
    pub(crate) fn managed(&self, scope: &Scope, arn: &str) -> Option<Managed> {
        let policy = PolicyRef::of(scope, arn.parse().ok()?)?;
        self.read(scope, |account| policy.find(account))
    }
}

impl Iam {
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn managed(&self, ctx: &RequestContext, policy: &PolicyRef) -> Result<Managed, IamError> {
        let found = self.directory.read(&ctx.global_scope(), |account| policy.find(account));
        found.ok_or_else(|| IamError::no_such_policy(&policy.arn.to_string()))
    }

    /// The name of the policy of this account that a request wants to change.
    ///
    /// # Errors
    /// `NoSuchEntity`; [`IamError::Denied`] for what AWS alone may change.
    pub(crate) fn own_policy(
        &self,
        ctx: &RequestContext,
        policy: &PolicyRef,
        action: &str,
    ) -> Result<String, IamError> {
        match self.managed(ctx, policy)? {
            Managed::Customer(policy) => Ok(policy.name.clone()),
            Managed::Aws(_) => {
                let caller = ctx.caller.arn(ctx.partition);
                let message =
                    format!("User: {caller} is not authorized to perform: {action} on resource: policy {}", policy.arn);
                Err(hearth_ports::Denied { message }.into())
            }
        }
    }
}

/// Checks a boundary within the change that sets it.
///
/// # Errors
/// `NoSuchEntity`.
pub(crate) fn rely_on_boundary(changes: &mut Changes<'_>, boundary: Option<&PolicyRef>) -> Result<(), IamError> {
    match boundary {
        Some(policy) if !policy.rely_on(changes) => {
            Err(IamError::NoSuchEntity(format!("Scope ARN: {} does not exist or is not attachable.", policy.arn)))
        }
        _ => Ok(()),
    }
}
