//! IAM: roles, their policies, and the temporary credentials functions run with.
//!
//! Roles live in the [`directory`], sessions of function environments in [`sessions`]; `op/` has one file per
//! operation. What never lives here: deciding whether a policy allows something (`hearth-authz`), and any other
//! service's operations.

mod directory;
mod error;
mod ids;
mod keys;
mod managed;
mod op;
mod page;
mod policy;
mod role;
mod sessions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hearth_ports::{Authorizer, Condition};
use hearth_store::{Codec, Store};
use hearth_types::{Arn, Clock, Random, RequestContext};
use hearth_wire::Service;

pub use error::IamError;
pub use policy::PolicyError;

use directory::Directory;
use role::RoleRecord;
use sessions::Sessions;

/// A whole request: CreateRole with the longest documents the API model allows, form-encoded (three bytes each).
const REQUEST_BYTES_MAX: usize = 512 * 1024;

/// The identity service of every account of this server.
pub struct Iam {
    directory: Arc<Directory>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    authorizer: Arc<dyn Authorizer>,
}

impl Iam {
    /// Reads what is stored into memory.
    ///
    /// # Errors
    /// [`IamError::Store`] and [`IamError::Record`] when the store cannot be read.
    pub async fn load(
        store: Arc<dyn Store>,
        codec: Arc<Codec>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Result<Arc<Self>, IamError> {
        let directory = Arc::new(Directory::load(store, codec).await?);
        Ok(Arc::new(Self { directory, sessions: Sessions::default(), clock, random, authorizer }))
    }

    /// The ARN a request about that role is authorised for: the role's own, or, for a name nobody has, the ARN a
    /// role in the root path would have.
    fn role_arn(&self, ctx: &RequestContext, name: &str) -> Arn {
        self.directory.find(&ctx.global_scope(), name).map_or_else(
            || Arn::iam(ctx.partition, ctx.account, &format!("role/{name}")),
            |role| role.arn(ctx.partition, ctx.account),
        )
    }

    /// # Errors
    /// [`IamError::NoSuchRole`].
    fn role(&self, ctx: &RequestContext, name: &str) -> Result<Arc<RoleRecord>, IamError> {
        let found = self.directory.find(&ctx.global_scope(), name);
        found.ok_or_else(|| IamError::NoSuchRole { name: name.to_owned() })
    }

    fn authorize(
        &self,
        ctx: &RequestContext,
        action: &'static str,
        resource: &Arn,
        conditions: &[Condition],
    ) -> Result<(), IamError> {
        Ok(self.authorizer.authorize(ctx, action, resource, conditions)?)
    }
}

/// The IAM API over `iam`.
#[must_use]
pub fn service(iam: Arc<Iam>) -> Arc<dyn Service> {
    hearth_wire::service(hearth_wire::models::iam(), iam)
        .op("AttachRolePolicy", REQUEST_BYTES_MAX, op::attach_role_policy::run)
        .op("CreateRole", REQUEST_BYTES_MAX, op::create_role::run)
        .op("DeleteRole", REQUEST_BYTES_MAX, op::delete_role::run)
        .op("DeleteRolePolicy", REQUEST_BYTES_MAX, op::delete_role_policy::run)
        .op("DetachRolePolicy", REQUEST_BYTES_MAX, op::detach_role_policy::run)
        .op("GetRole", REQUEST_BYTES_MAX, op::get_role::run)
        .op("GetRolePolicy", REQUEST_BYTES_MAX, op::get_role_policy::run)
        .op("ListAttachedRolePolicies", REQUEST_BYTES_MAX, op::list_attached_role_policies::run)
        .op("ListInstanceProfilesForRole", REQUEST_BYTES_MAX, op::list_instance_profiles_for_role::run)
        .op("ListRolePolicies", REQUEST_BYTES_MAX, op::list_role_policies::run)
        .op("ListRoleTags", REQUEST_BYTES_MAX, op::list_role_tags::run)
        .op("ListRoles", REQUEST_BYTES_MAX, op::list_roles::run)
        .op("PutRolePolicy", REQUEST_BYTES_MAX, op::put_role_policy::run)
        .op("TagRole", REQUEST_BYTES_MAX, op::tag_role::run)
        .op("UntagRole", REQUEST_BYTES_MAX, op::untag_role::run)
        .build()
}
