//! What a request is about, as it is authorised: an ARN, and what policies may ask about it.

use std::sync::Arc;

use hearth_ports::{Access, Condition};
use hearth_types::{Arn, RequestContext};

use crate::Iam;
use crate::directory::Entity;
use crate::entity::{CustomerPolicy, Named, Role, Tag, User};
use crate::error::IamError;
use crate::policy_ref::PolicyRef;

/// Source: "Actions, resources, and condition keys for AWS Identity and Access Management".
#[derive(Debug)]
pub(crate) struct Target {
    pub arn: Arn,
    pub conditions: Vec<Condition>,
}

impl Target {
    /// Something without tags, or of which nothing is known yet.
    #[must_use]
    pub(crate) const fn bare(arn: Arn) -> Self {
        Self { arn, conditions: Vec::new() }
    }

    fn tagged(arn: Arn, tags: &[Tag]) -> Self {
        let conditions = tags.iter().flat_map(|Tag { key, value }| {
            ["aws", "iam"].map(|service| Condition::one(format!("{service}:ResourceTag/{key}"), value))
        });
        Self { arn, conditions: conditions.collect() }
    }

    /// The managed policy that is attached or detached.
    #[must_use]
    pub(crate) fn with_policy(mut self, arn: &str) -> Self {
        self.conditions.push(Condition::one("iam:PolicyARN", arn));
        self
    }

    /// The permissions boundary that a request sets, or that the entity has.
    #[must_use]
    pub(crate) fn with_boundary(mut self, arn: Option<&str>) -> Self {
        self.conditions.extend(arn.map(|arn| Condition::one("iam:PermissionsBoundary", arn)));
        self
    }

    /// The service that will act as the role.
    #[must_use]
    pub(crate) fn passed_to(mut self, service: &str) -> Self {
        self.conditions.push(Condition::one("iam:PassedToService", service));
        self
    }

    /// The tags a request sets.
    #[must_use]
    pub(crate) fn with_tags(mut self, tags: &[Tag]) -> Self {
        let requested = tags.iter().map(|Tag { key, value }| Condition::one(format!("aws:RequestTag/{key}"), value));
        self.conditions.extend(requested);
        self.with_tag_keys(tags.iter().map(|tag| tag.key.clone()).collect())
    }

    /// The tag keys a request names.
    #[must_use]
    pub(crate) fn with_tag_keys(mut self, keys: Vec<String>) -> Self {
        if !keys.is_empty() {
            self.conditions.push(Condition::many("aws:TagKeys", keys));
        }
        self
    }
}

/// An entity that can have a permissions boundary.
pub(crate) trait Bounded: Named {
    fn boundary(&self) -> Option<&str>;

    fn boundary_mut(record: &mut Self::Record) -> &mut Option<String>;
}

impl Bounded for User {
    fn boundary(&self) -> Option<&str> {
        self.permissions_boundary.as_deref()
    }

    fn boundary_mut(record: &mut Self::Record) -> &mut Option<String> {
        &mut record.permissions_boundary
    }
}

impl Bounded for Role {
    fn boundary(&self) -> Option<&str> {
        self.permissions_boundary.as_deref()
    }

    fn boundary_mut(record: &mut Self::Record) -> &mut Option<String> {
        &mut record.permissions_boundary
    }
}

impl Iam {
    /// The entity's own ARN and tags, or, for a name nobody has, the ARN it would have in the root path.
    #[must_use]
    pub(crate) fn target<E: Named>(&self, ctx: &RequestContext, name: &str) -> Target {
        match self.directory.find::<E>(&ctx.global_scope(), name) {
            Some(entity) => Target::tagged(entity.arn(ctx.partition, ctx.account), entity.tags()),
            None => Target::bare(E::NOUN.arn(ctx.partition, ctx.account, "/", name)),
        }
    }

    /// As [`Iam::target`], with the entity's boundary.
    #[must_use]
    pub(crate) fn bounded_target<E: Bounded>(&self, ctx: &RequestContext, name: &str) -> Target {
        let found = self.directory.find::<E>(&ctx.global_scope(), name);
        self.target::<E>(ctx, name).with_boundary(found.as_ref().and_then(|entity| entity.boundary()))
    }

    /// A managed policy, with its tags if it is the account's own.
    #[must_use]
    pub(crate) fn policy_target(&self, ctx: &RequestContext, arn: &Arn) -> Target {
        let scope = ctx.global_scope();
        let found = self.directory.policy(&scope, &arn.resource);
        match found.filter(|policy: &Arc<CustomerPolicy>| policy.arn(ctx.partition, ctx.account) == *arn) {
            Some(policy) => Target::tagged(arn.clone(), policy.tags()),
            None => Target::bare(arn.clone()),
        }
    }

    /// What lists of a kind are authorised for.
    #[must_use]
    pub(crate) fn list_target<E: Entity>(ctx: &RequestContext, path_prefix: &str) -> Target {
        Target::bare(Arn::iam(ctx.partition, ctx.account, &format!("{}{path_prefix}", E::NOUN.word())))
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn entity<E: Entity>(&self, ctx: &RequestContext, name: &str) -> Result<Arc<E>, IamError> {
        self.directory.find(&ctx.global_scope(), name).ok_or_else(|| E::NOUN.unknown(name))
    }

    pub(crate) fn authorize(
        &self,
        ctx: &RequestContext,
        action: &'static str,
        target: &Target,
    ) -> Result<(), IamError> {
        let access = Access::new(action, &target.arn).under(&target.conditions);
        Ok(self.authorizer.authorize(ctx, &access)?)
    }

    /// Sets or, with `None`, removes a permissions boundary.
    ///
    /// # Errors
    /// `NoSuchEntity`, for the entity and for the policy.
    pub(crate) async fn set_boundary<E: Bounded>(
        &self,
        ctx: &RequestContext,
        name: String,
        boundary: Option<PolicyRef>,
    ) -> Result<(), IamError> {
        let change = move |changes: &mut crate::directory::Changes<'_>| {
            let mut record = changes.account().get::<E>(&name)?.record().clone();
            crate::policy_ref::rely_on_boundary(changes, boundary.as_ref())?;
            *E::boundary_mut(&mut record) = boundary.as_ref().map(|policy| policy.arn.to_string());
            changes.put::<E>(record)
        };
        self.directory.change(ctx.global_scope(), change).await?;
        Ok(())
    }
}
