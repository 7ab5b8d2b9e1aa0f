//! IAM: users, groups, roles, their policies and keys, and the temporary credentials functions run with.
//!
//! What an account has lives in the [`directory`], what its callers may do is asked of the [`authority`], and keys are
//! found in the [`keys`]; `op/` has one file per operation. What never lives here: deciding whether a policy allows
//! something (`hearth-authz`), and any other service's operations.

mod api;
mod authority;
mod caller;
mod directory;
mod entity;
mod error;
mod grants;
mod ids;
mod keys;
mod managed;
mod op;
mod page;
mod policy_ref;
mod root_key;
mod session_caller;
mod sessions;
mod simulation;
mod tags;
mod target;
#[cfg(test)]
mod tests;
mod tokens;
mod versions;
mod view;

use std::sync::Arc;

use hearth_ports::Authorizer;
use hearth_types::{Clock, Random};

pub use api::service;
pub use authority::Authority;
pub use directory::Directory;
pub use error::IamError;
pub use keys::Keyring;
pub use root_key::RootKey;

/// The IAM API of every account of this server.
pub struct Iam {
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    authorizer: Arc<dyn Authorizer>,
}

impl Iam {
    #[must_use]
    pub fn new(
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Arc<Self> {
        Arc::new(Self { directory, clock, random, authorizer })
    }
}
