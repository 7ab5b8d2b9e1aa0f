//! The policies of whoever calls: a user's own and its groups', or a role's, with their boundary.
//!
//! Gathered once per principal and directory revision: a decision costs a map look-up then.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use hearth_authz::{Attached, Policy, PolicyKind};
use hearth_types::{Arn, Caller, RequestContext, Scope};
use parking_lot::{Mutex, RwLock};

use crate::directory::Directory;

/// Principals whose policies are kept ready. When it is full it starts anew, which costs a look-up per policy.
const KEPT_PRINCIPALS_MAX: usize = 10_000;
/// Session policies kept compiled, likewise.
const KEPT_DOCUMENTS_MAX: usize = 1_000;

/// What a principal has.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) policies: Vec<Attached>,
    pub(crate) boundary: Option<Attached>,
    pub(crate) tags: Vec<(String, String)>,
}

/// Gathered at that revision of the directory.
type Kept = (u64, Arc<Identity>);

#[derive(Default)]
pub(crate) struct Identities {
    /// By unique id: another life of the same name has another one.
    kept: RwLock<HashMap<Arc<str>, Kept>>,
    documents: Mutex<HashMap<Arc<str>, Arc<Policy>>>,
}

static NOBODY: LazyLock<Arc<Identity>> = LazyLock::new(Arc::default);

impl Identities {
    /// Of the request's caller. Who is gone has no policies, and who is no user or role neither.
    pub(crate) fn of(&self, directory: &Directory, ctx: &RequestContext) -> Arc<Identity> {
        let id = match &ctx.caller {
            Caller::User { user_id, .. } => user_id.clone(),
            // `AROA…:SESSION`; sessions of a role share its policies.
            Caller::RoleSession { assumed_role_id, .. } => {
                return self.kept_or(directory, role_id(assumed_role_id), || of_role(directory, ctx));
            }
            _ => return NOBODY.clone(),
        };
        self.kept_or(directory, &id, || of_user(directory, ctx))
    }

    fn kept_or(&self, directory: &Directory, id: &str, gather: impl FnOnce() -> Option<Identity>) -> Arc<Identity> {
        // Before gathering: a change in between makes the result outdated, not wrong for good.
        let revision = directory.revision();
        if let Some((of, identity)) = self.kept.read().get(id)
            && *of == revision
        {
            return identity.clone();
        }
        let identity = gather().map_or_else(|| NOBODY.clone(), Arc::new);
        let mut kept = self.kept.write();
        if kept.len() >= KEPT_PRINCIPALS_MAX {
            kept.clear();
        }
        kept.insert(id.into(), (revision, identity.clone()));
        identity
    }

    /// The session policies of temporary credentials.
    pub(crate) fn of_session(&self, caller: &Caller) -> Vec<Attached> {
        let documents = caller.session().map_or(&[][..], |session| &session.policies);
        documents.iter().map(|text| Attached { name: "session".into(), policy: self.compiled(text) }).collect()
    }

    fn compiled(&self, text: &Arc<str>) -> Arc<Policy> {
        let mut documents = self.documents.lock();
        if let Some(policy) = documents.get(text) {
            return policy.clone();
        }
        let policy = match Policy::parse(text, PolicyKind::Identity) {
            Ok(policy) => Arc::new(policy),
            Err(error) => {
                // It was checked when the session was made: a limit that cannot be read allows nothing.
                tracing::error!(%error, "a session policy cannot be read");
                Arc::new(Policy::nothing())
            }
        };
        if documents.len() >= KEPT_DOCUMENTS_MAX {
            documents.clear();
        }
        documents.insert(text.clone(), policy.clone());
        policy
    }
}

/// The id of the role in `AROA…:SESSION`.
pub(crate) fn role_id(assumed_role_id: &str) -> &str {
    assumed_role_id.split_once(':').map_or(assumed_role_id, |(id, _)| id)
}

fn scope_of(ctx: &RequestContext, arn: &Arn) -> Option<Scope> {
    Some(Scope { partition: ctx.partition, account: arn.account.parse().ok()?, region: None })
}

fn of_user(directory: &Directory, ctx: &RequestContext) -> Option<Identity> {
    let Caller::User { account, name, user_id, .. } = &ctx.caller else { return None };
    let scope = Scope { partition: ctx.partition, account: *account, region: None };
    let user = directory.user(&scope, name).filter(|user| *user.id == **user_id)?;
    let mut policies = inline("", &user.inline);
    policies.extend(managed(directory, &scope, &user.grants.attached_policies));
    for group in directory.groups_of(&scope, &user) {
        policies.extend(inline(&format!("group {}/", group.name), &group.inline));
        policies.extend(managed(directory, &scope, &group.grants.attached_policies));
    }
    Some(Identity {
        policies,
        boundary: boundary(directory, &scope, user.permissions_boundary.as_deref()),
        tags: user.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
    })
}

fn of_role(directory: &Directory, ctx: &RequestContext) -> Option<Identity> {
    let Caller::RoleSession { role_arn, assumed_role_id, .. } = &ctx.caller else { return None };
    let arn: Arn = role_arn.parse().ok()?;
    let scope = scope_of(ctx, &arn)?;
    let name = arn.resource.rsplit('/').next()?;
    let role = directory.role(&scope, name).filter(|role| role.id == role_id(assumed_role_id))?;
    let mut policies = inline("", &role.inline);
    policies.extend(managed(directory, &scope, &role.grants.attached_policies));
    Some(Identity {
        policies,
        boundary: boundary(directory, &scope, role.permissions_boundary.as_deref()),
        tags: role.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
    })
}

fn inline(prefix: &str, policies: &BTreeMap<Arc<str>, Arc<Policy>>) -> Vec<Attached> {
    let attached = |(name, policy): (&Arc<str>, &Arc<Policy>)| Attached {
        name: format!("{prefix}{name}").into(),
        policy: policy.clone(),
    };
    policies.iter().map(attached).collect()
}

fn managed<'a>(
    directory: &'a Directory,
    scope: &'a Scope,
    arns: impl IntoIterator<Item = &'a String>,
) -> impl Iterator<Item = Attached> {
    arns.into_iter().filter_map(|arn| {
        let policy = directory.managed(scope, arn)?.compiled();
        Some(Attached { name: arn.as_str().into(), policy })
    })
}

/// A boundary that is gone, or cannot be read, allows nothing.
fn boundary(directory: &Directory, scope: &Scope, arn: Option<&str>) -> Option<Attached> {
    let arn = arn?;
    let policy = directory.managed(scope, arn).map_or_else(|| Arc::new(Policy::nothing()), |policy| policy.compiled());
    Some(Attached { name: arn.into(), policy })
}
