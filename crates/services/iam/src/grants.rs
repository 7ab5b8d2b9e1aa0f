//! What users, groups and roles have in common: inline policies and attached managed ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::{Named, compile};
use crate::error::IamError;
use crate::managed;
use crate::page::Page;
use crate::policy_ref::PolicyRef;
use crate::view::{AttachedPolicies, AttachedPolicy, PolicyNames, encode_document};

/// Managed policies of one user, group or role. Source: "IAM and AWS STS quotas".
pub(crate) const ATTACHED_MAX: usize = 10;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Policy name → document as sent.
    pub inline_policies: BTreeMap<String, String>,
    /// ARNs.
    pub attached_policies: BTreeSet<String>,
}

impl Grants {
    /// The inline policies, ready to be weighed.
    ///
    /// # Errors
    /// As [`compile`].
    pub(crate) fn compiled(&self) -> Result<BTreeMap<Arc<str>, Arc<Policy>>, IamError> {
        let inline = self.inline_policies.iter();
        inline.map(|(name, text)| Ok((name.as_str().into(), compile(text, PolicyKind::Identity, name)?))).collect()
    }

    /// # Errors
    /// [`IamError::DeleteConflict`] while there are policies.
    pub(crate) fn check_empty(&self) -> Result<(), IamError> {
        if !self.attached_policies.is_empty() {
            return Err(IamError::DeleteConflict { what: "detach all policies" });
        }
        if !self.inline_policies.is_empty() {
            return Err(IamError::DeleteConflict { what: "delete policies" });
        }
        Ok(())
    }
}

/// A user, group or role.
pub(crate) trait Grantee: Named {
    /// Characters of all inline policies together, white space not counted.
    const INLINE_CHARS_MAX: usize;
    /// What texts call the limit of [`ATTACHED_MAX`].
    const ATTACHED_QUOTA: &'static str;

    fn grants(record: &Self::Record) -> &Grants;

    fn grants_mut(record: &mut Self::Record) -> &mut Grants;
}

/// A document's size as IAM measures it. Source: "IAM and AWS STS quotas" (white space is not counted).
pub(crate) fn counted_chars(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// Characters of a trust policy, white space not counted. Source: "IAM and AWS STS quotas".
const TRUST_POLICY_CHARS_MAX: usize = 2_048;

/// # Errors
/// [`IamError::MalformedPolicy`] or [`IamError::LimitExceeded`].
pub(crate) fn check_trust(document: &str) -> Result<(), IamError> {
    Policy::parse(document, PolicyKind::Trust)?;
    if counted_chars(document) > TRUST_POLICY_CHARS_MAX {
        return Err(IamError::quota("ACLSizePerRole", TRUST_POLICY_CHARS_MAX));
    }
    Ok(())
}

impl Iam {
    /// Adds an inline policy or replaces the one of that name.
    pub(crate) async fn put_inline<E: Grantee>(
        &self,
        ctx: &RequestContext,
        name: String,
        policy: String,
        document: String,
    ) -> Result<(), IamError> {
        Policy::parse(&document, PolicyKind::Identity)?;
        let edit = move |record: &mut E::Record| {
            let inline = &mut E::grants_mut(record).inline_policies;
            inline.insert(policy.clone(), document.clone());
            if inline.values().map(|document| counted_chars(document)).sum::<usize>() > E::INLINE_CHARS_MAX {
                return Err(IamError::LimitExceeded(format!(
                    "Maximum policy size of {} bytes exceeded for {} {}",
                    E::INLINE_CHARS_MAX,
                    E::NOUN.word(),
                    E::name(record)
                )));
            }
            Ok(())
        };
        self.directory.edit::<E>(ctx.global_scope(), name, edit).await?;
        Ok(())
    }

    /// An inline policy's document, percent-encoded.
    pub(crate) fn inline<E: Grantee>(
        &self,
        ctx: &RequestContext,
        name: &str,
        policy: &str,
    ) -> Result<String, IamError> {
        let entity = self.entity::<E>(ctx, name)?;
        let document = E::grants(entity.record()).inline_policies.get(policy);
        document.map(|document| encode_document(document)).ok_or_else(|| no_such_inline::<E>(policy))
    }

    pub(crate) async fn delete_inline<E: Grantee>(
        &self,
        ctx: &RequestContext,
        name: String,
        policy: String,
    ) -> Result<(), IamError> {
        let edit = move |record: &mut E::Record| match E::grants_mut(record).inline_policies.remove(&policy) {
            Some(_) => Ok(()),
            None => Err(no_such_inline::<E>(&policy)),
        };
        self.directory.edit::<E>(ctx.global_scope(), name, edit).await?;
        Ok(())
    }

    pub(crate) fn inline_names<E: Grantee>(
        &self,
        ctx: &RequestContext,
        name: &str,
        marker: Option<&str>,
        max_items: Option<u32>,
    ) -> Result<PolicyNames, IamError> {
        let entity = self.entity::<E>(ctx, name)?;
        let names = E::grants(entity.record()).inline_policies.keys().cloned();
        let page = Page::of(names, marker, max_items, String::clone);
        Ok(PolicyNames { policy_names: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }

    /// Attaches a managed policy; attaching again what is attached changes nothing and succeeds.
    pub(crate) async fn attach<E: Grantee>(
        &self,
        ctx: &RequestContext,
        name: String,
        policy_arn: String,
    ) -> Result<(), IamError> {
        let policy = PolicyRef::parse(ctx, &policy_arn)?;
        let change = move |changes: &mut crate::directory::Changes<'_>| {
            let mut record = changes.account().get::<E>(&name)?.record().clone();
            if !policy.rely_on(changes) {
                return Err(IamError::not_attachable(&policy_arn));
            }
            let attached = &mut E::grants_mut(&mut record).attached_policies;
            attached.insert(policy_arn.clone());
            if attached.len() > ATTACHED_MAX {
                return Err(IamError::quota(E::ATTACHED_QUOTA, ATTACHED_MAX));
            }
            changes.put::<E>(record)
        };
        self.directory.change(ctx.global_scope(), change).await?;
        Ok(())
    }

    pub(crate) async fn detach<E: Grantee>(
        &self,
        ctx: &RequestContext,
        name: String,
        policy_arn: String,
    ) -> Result<(), IamError> {
        PolicyRef::parse(ctx, &policy_arn)?;
        let edit = move |record: &mut E::Record| {
            if E::grants_mut(record).attached_policies.remove(&policy_arn) {
                Ok(())
            } else {
                Err(IamError::no_such_policy(&policy_arn))
            }
        };
        self.directory.edit::<E>(ctx.global_scope(), name, edit).await?;
        Ok(())
    }

    pub(crate) fn attached<E: Grantee>(
        &self,
        ctx: &RequestContext,
        name: &str,
        path_prefix: Option<&str>,
        marker: Option<&str>,
        max_items: Option<u32>,
    ) -> Result<AttachedPolicies, IamError> {
        let entity = self.entity::<E>(ctx, name)?;
        let prefix = path_prefix.unwrap_or("/");
        let attached = E::grants(entity.record()).attached_policies.iter().filter_map(|text| {
            let arn: hearth_types::Arn = text.parse().ok()?;
            let (path, name) = managed::path_and_name(&arn.resource)?;
            path.starts_with(prefix).then(|| AttachedPolicy { policy_name: name.to_owned(), policy_arn: text.clone() })
        });
        let page = Page::of(attached, marker, max_items, |policy| policy.policy_arn.clone());
        Ok(AttachedPolicies { attached_policies: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }
}

fn no_such_inline<E: Grantee>(policy: &str) -> IamError {
    IamError::NoSuchEntity(format!("The {} policy with name {policy} cannot be found.", E::NOUN.word()))
}
