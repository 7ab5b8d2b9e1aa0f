//! Whose things a request is about when it may leave the user out: the caller's own.

use std::sync::Arc;

use hearth_types::{Arn, Caller, RequestContext};

use crate::Iam;
use crate::directory::Account;
use crate::entity::{AccessKeyEntry, Noun, User};
use crate::error::IamError;
use crate::target::Target;

/// Who access keys, devices and passwords belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The account itself.
    Root,
    User(String),
}

impl Owner {
    /// The user a request names, else who calls. Source: IAM API reference, GetUser and the access key operations
    /// ("determines the user name implicitly based on the access key ID signing the request").
    ///
    /// # Errors
    /// [`IamError::Validation`] when no user is named and the caller is none.
    pub(crate) fn of(ctx: &RequestContext, user_name: Option<String>) -> Result<Self, IamError> {
        match (user_name, &ctx.caller) {
            (Some(name), _) => Ok(Self::User(name)),
            (None, Caller::User { name, .. }) => Ok(Self::User(name.to_string())),
            (None, Caller::Root { .. }) => Ok(Self::Root),
            (None, _) => {
                Err(IamError::Validation("Must specify userName when calling with non-User credentials".to_owned()))
            }
        }
    }

    /// As [`Owner::of`], for access keys: temporary credentials have no keys of their own. Source: ListAccessKeys
    /// ("If a temporary access key is used, then UserName is required").
    ///
    /// # Errors
    /// As [`Owner::of`].
    pub(crate) fn of_keys(ctx: &RequestContext, user_name: Option<String>) -> Result<Self, IamError> {
        match &ctx.caller {
            Caller::User { session: Some(_), .. } if user_name.is_none() => {
                Err(IamError::Validation("Must specify userName when calling with non-User credentials".to_owned()))
            }
            _ => Self::of(ctx, user_name),
        }
    }

    /// The user there is; `None` is the account itself.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn user<'a>(&self, account: &'a Account) -> Result<Option<&'a Arc<User>>, IamError> {
        match self {
            Self::Root => Ok(None),
            Self::User(name) => account.get::<User>(name).map(Some),
        }
    }

    /// Nobody has a password here.
    #[must_use]
    pub(crate) fn no_login_profile(&self) -> IamError {
        let name = match self {
            Self::Root => "root",
            Self::User(name) => name,
        };
        IamError::NoSuchEntity(format!("Login Profile for User {name} cannot be found."))
    }

    /// The access key of that id, if it is the owner's.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn key<'a>(&self, account: &'a Account, id: &str) -> Result<&'a Arc<AccessKeyEntry>, IamError> {
        let user = self.user(account)?.map(|user| &**user);
        account
            .get::<AccessKeyEntry>(id)
            .and_then(|key| if key.is_of(user) { Ok(key) } else { Err(Noun::AccessKey.unknown(id)) })
    }
}

impl Iam {
    #[must_use]
    pub(crate) fn owner_target(&self, ctx: &RequestContext, owner: &Owner) -> Target {
        match owner {
            Owner::Root => Target::bare(Arn::iam(ctx.partition, ctx.account, "root")),
            Owner::User(name) => self.target::<User>(ctx, name),
        }
    }

    /// # Errors
    /// `NoSuchEntity` for a user who does not exist.
    pub(crate) fn check_owner(&self, ctx: &RequestContext, owner: &Owner) -> Result<(), IamError> {
        self.directory.read(&ctx.global_scope(), |account| owner.user(account).map(|_| ()))
    }
}
