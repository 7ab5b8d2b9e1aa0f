//! Callers with temporary credentials, in the form their session token keeps.

use std::sync::Arc;

use hearth_types::{AccountId, Caller, Session};
use serde::{Deserialize, Serialize};

/// Who a session is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SealedCaller {
    Role { role_arn: Arc<str>, session_arn: Arc<str>, assumed_role_id: Arc<str>, session: Session },
    User { name: Arc<str>, arn: Arc<str>, user_id: Arc<str>, session: Session },
    Root { session: Session },
}

impl SealedCaller {
    pub(crate) fn into_caller(self, account: AccountId) -> Caller {
        match self {
            Self::Role { role_arn, session_arn, assumed_role_id, session } => {
                Caller::RoleSession { account, role_arn, session_arn, assumed_role_id, session: session.into() }
            }
            Self::User { name, arn, user_id, session } => {
                Caller::User { account, name, arn, user_id, session: Some(session.into()) }
            }
            // The account itself, however it got its credentials: what a session adds does not limit it.
            Self::Root { .. } => Caller::Root { account },
        }
    }
}
