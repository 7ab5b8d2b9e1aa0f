//! Weighs the policies that apply to a request.
//!
//! ```text
//! explicit deny anywhere ──▶ no
//! the identity's side: a policy allows, within the boundary and the session's policies
//! the resource's side: its policy allows, and how it names the caller
//! within an account: either side (a role's trust: never without the resource's); across accounts: both
//! ```
//! Source: IAM user guide, "Policy evaluation logic".

use std::borrow::Cow;
use std::sync::Arc;

use hearth_types::{AccountId, Caller};

use crate::pattern::fold;
use crate::policy::{Effect, Policy, Statement};
use crate::principal::Standing;

/// Values of one condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    One(Cow<'a, str>),
    /// Of a multi-valued key such as `aws:TagKeys`; may be empty.
    Many(Vec<Cow<'a, str>>),
}

/// The condition keys of one request.
pub trait ConditionKeys {
    /// `key` is in lower case, whole (`aws:principaltag/team`): names of keys differ regardless of case. `None`: the
    /// request has no such key.
    fn values(&self, key: &str) -> Option<Values<'_>>;
}

/// What is asked: may `caller` do `action` to `resource`, which `owner` owns?
pub struct Request<'a> {
    pub caller: &'a Caller,
    /// `service:Operation`.
    pub action: &'a str,
    /// An ARN.
    pub resource: &'a str,
    /// The account of the resource.
    pub owner: AccountId,
    pub keys: &'a dyn ConditionKeys,
}

/// A policy and where it hangs: an ARN of a managed policy, or the name of an inline one.
#[derive(Clone, Debug)]
pub struct Attached {
    pub name: Arc<str>,
    pub policy: Arc<Policy>,
}

/// The policy of the resource.
#[derive(Clone, Copy, Debug, Default)]
pub enum ResourcePolicy<'a> {
    /// The resource has none.
    #[default]
    None,
    /// Of a function, queue, bucket …
    Of(&'a Policy),
    /// A role's trust policy: without its consent nothing happens, whatever identity policies say.
    Trust(&'a Policy),
}

/// What applies to a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Of the user and its groups, or of the role.
    pub identity: &'a [Attached],
    pub boundary: Option<&'a Attached>,
    /// Of the session; empty: it has none.
    pub session: &'a [Attached],
    pub resource: ResourcePolicy<'a>,
}

/// A kind of policy, as denials name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Identity,
    Resource,
    Boundary,
    Session,
    Trust,
}

/// The statement that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRef {
    pub source: Source,
    /// Name of the policy; empty for a resource's own.
    pub policy: Arc<str>,
    /// Its `Sid`, or its position, counted from 0.
    pub statement: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The account itself, which needs no policy.
    Root,
    AllowedBy(StatementRef),
    ExplicitDeny(StatementRef),
    /// No policy of that kind allows it.
    ImplicitDeny(Source),
    /// Roles may not be assumed by root accounts.
    RootAssumesRole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub reason: Reason,
}

/// A statement that applies, and the policy it stands in.
#[derive(Clone, Copy)]
struct Found<'a> {
    source: Source,
    policy: &'a str,
    statement: &'a Statement,
}

impl Found<'_> {
    fn to_ref(self) -> StatementRef {
        StatementRef { source: self.source, policy: self.policy.into(), statement: self.statement.name.clone() }
    }
}

/// What policies of one kind say.
#[derive(Default)]
struct Said<'a> {
    denies: Option<Found<'a>>,
    allows: Option<Found<'a>>,
    /// The strongest way an allowing statement names the caller.
    standing: Option<Standing>,
}

impl<'a> Said<'a> {
    fn hear(&mut self, source: Source, name: &'a str, policy: &'a Policy, request: &Request<'_>, action: &str) {
        for statement in &policy.statements {
            // What would change nothing need not be looked at.
            if statement.effect == Effect::Allow && self.standing == Some(Standing::Itself) {
                continue;
            }
            let Some(standing) = statement.applies(request, action) else { continue };
            let found = Found { source, policy: name, statement };
            match statement.effect {
                Effect::Deny => {
                    self.denies = Some(found);
                    return;
                }
                Effect::Allow if self.standing < Some(standing) => {
                    self.standing = Some(standing);
                    self.allows = Some(found);
                }
                Effect::Allow => {}
            }
        }
    }

    fn of(source: Source, policies: &'a [Attached], request: &Request<'_>, action: &str) -> Self {
        let mut said = Self::default();
        for Attached { name, policy } in policies {
            said.hear(source, name, policy, request, action);
            if said.denies.is_some() {
                break;
            }
        }
        said
    }
}

/// Weighs what applies. Pure.
#[must_use]
pub fn evaluate(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    let action = fold(request.action);
    let is_root = matches!(request.caller, Caller::Root { .. });
    let (resource_source, resource_policy) = match policies.resource {
        ResourcePolicy::None => (Source::Resource, None),
        ResourcePolicy::Of(policy) => (Source::Resource, Some(policy)),
        ResourcePolicy::Trust(policy) => (Source::Trust, Some(policy)),
    };
    if is_root && resource_source == Source::Trust {
        return Decision { allowed: false, reason: Reason::RootAssumesRole };
    }

    // The account itself has no policies, and nothing limits it but other accounts.
    let policies = if is_root { &Policies { resource: policies.resource, ..Policies::default() } } else { policies };
    let (boundary, session) = (policies.boundary, policies.session);
    let said_of = |source, policies| Said::of(source, policies, request, &action);
    let identity = said_of(Source::Identity, policies.identity);
    let by_boundary = said_of(Source::Boundary, boundary.map_or(&[], std::slice::from_ref));
    let by_session = said_of(Source::Session, session);
    let mut resource = Said::default();
    if let Some(policy) = resource_policy {
        resource.hear(resource_source, "", policy, request, &action);
    }
    for said in [&identity, &by_boundary, &by_session, &resource] {
        if let Some(found) = said.denies {
            return Decision { allowed: false, reason: Reason::ExplicitDeny(found.to_ref()) };
        }
    }

    let in_boundary = boundary.is_none() || by_boundary.allows.is_some();
    let in_session = session.is_empty() || by_session.allows.is_some();
    let sides = Sides {
        identity: is_root || identity.allows.is_some(),
        limits: in_boundary && in_session,
        standing: resource.standing,
    };
    if sides.allow(request, resource_source == Source::Trust) {
        let by = identity.allows.or(resource.allows).map(Found::to_ref);
        let by_resource = resource.allows.filter(|_| !(sides.identity && sides.limits)).map(Found::to_ref);
        let reason = by_resource.or(by).map_or(Reason::Root, Reason::AllowedBy);
        return Decision { allowed: true, reason };
    }
    let has_identity = request.caller.account().is_some();
    let missing = if has_identity && !sides.identity && !(resource_source == Source::Trust && sides.standing.is_none())
    {
        Source::Identity
    } else if has_identity && sides.identity && !in_boundary {
        Source::Boundary
    } else if has_identity && sides.identity && !in_session {
        Source::Session
    } else {
        resource_source
    };
    Decision { allowed: false, reason: Reason::ImplicitDeny(missing) }
}

/// Which sides allow, once nothing denies.
struct Sides {
    identity: bool,
    /// Boundary and session policies, where there are any.
    limits: bool,
    standing: Option<Standing>,
}

impl Sides {
    fn allow(&self, request: &Request<'_>, is_trust: bool) -> bool {
        let Some(account) = request.caller.account() else {
            // Services, strangers and who comes with a provider's token have no policies: the resource's word counts.
            return self.standing.is_some();
        };
        let identity_side = self.identity && self.limits;
        if account != request.owner {
            return identity_side && self.standing.is_some();
        }
        let is_direct = match self.standing {
            // Named itself: implicit denies of its own policies do not limit it.
            Some(Standing::Itself) => true,
            Some(Standing::Anyone) => matches!(request.caller, Caller::User { .. }) || self.limits,
            Some(Standing::Role) => self.limits,
            // An account only delegates to its own policies.
            Some(Standing::Account) | None => false,
        };
        let is_delegated = self.standing == Some(Standing::Account) && identity_side;
        is_direct || is_delegated || identity_side && !is_trust
    }
}

#[cfg(test)]
mod tests;
