//! Who a simulation is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_authz::{Attached, Policy};
use hearth_types::{AccountId, Arn, Caller, RequestContext, Scope, Session};

use super::Sourced;
use crate::directory::Directory;
use crate::entity::{Group, Named as _, Noun, Role, Tag, User};
use crate::error::IamError;
use crate::policy_ref::Managed;

/// A user, group or role with everything it has; or nobody, for policies of one's own.
#[derive(Default)]
pub(crate) struct Simulated {
    /// None: they are nobody's, to be tried on [`anyone`] or on whom the request names.
    pub(crate) caller: Option<Caller>,
    pub(crate) policies: Vec<Sourced>,
    pub(crate) boundary: Option<Attached>,
    pub(crate) tags: Vec<(String, String)>,
}

impl Simulated {
    /// # Errors
    /// `NoSuchEntity`, or the ARN is of something else.
    pub(crate) fn of(directory: &Directory, ctx: &RequestContext, text: &str) -> Result<Self, IamError> {
        let arn: Arn = text.parse().map_err(|_| IamError::UnparsableArn)?;
        let scope = ctx.global_scope();
        let name = arn.resource.rsplit('/').next().unwrap_or_default();
        let kind = arn.resource.split('/').next().unwrap_or_default();
        if arn.service != "iam" || arn.account != ctx.account.as_str() {
            return Err(IamError::InvalidInput(format!(
                "Invalid Entity Arn: {text} does not clearly define entity type and name."
            )));
        }
        let matches = |found: Arn| found.to_string() == text;
        match kind {
            "user" => {
                let user = directory.user(&scope, name).filter(|user| matches(user.arn(ctx.partition, ctx.account)));
                Ok(Self::of_user(directory, ctx, &scope, &*user.ok_or_else(|| Noun::User.unknown(name))?))
            }
            "group" => {
                let group =
                    directory.group(&scope, name).filter(|group| matches(group.arn(ctx.partition, ctx.account)));
                let group = group.ok_or_else(|| Noun::Group.unknown(name))?;
                Ok(Self { policies: of_group(directory, &scope, &group), ..Self::default() })
            }
            "role" => {
                let role = directory.role(&scope, name).filter(|role| matches(role.arn(ctx.partition, ctx.account)));
                Ok(Self::of_role(directory, &scope, &*role.ok_or_else(|| Noun::Role.unknown(name))?, text))
            }
            _ => Err(IamError::InvalidInput(format!(
                "Invalid Entity Arn: {text} does not clearly define entity type and name."
            ))),
        }
    }

    fn of_user(directory: &Directory, ctx: &RequestContext, scope: &Scope, user: &User) -> Self {
        let mut policies = inline("user", &user.inline);
        policies.extend(managed(directory, scope, &user.grants.attached_policies));
        for group in directory.groups_of(scope, user) {
            policies.extend(of_group(directory, scope, &group));
        }
        let caller = Caller::User {
            account: ctx.account,
            name: user.name.as_str().into(),
            arn: user.arn(ctx.partition, ctx.account).to_string().into(),
            user_id: user.id.as_str().into(),
            session: None,
        };
        let boundary = boundary(directory, scope, user.permissions_boundary.as_deref());
        Self { caller: Some(caller), policies, boundary, tags: tags(&user.tags) }
    }

    fn of_role(directory: &Directory, scope: &Scope, role: &Role, arn: &str) -> Self {
        let mut policies = inline("role", &role.inline);
        policies.extend(managed(directory, scope, &role.grants.attached_policies));
        let caller = Caller::RoleSession {
            account: scope.account,
            role_arn: arn.into(),
            session_arn: format!("arn:{}:sts::{}:assumed-role/{}/simulated", scope.partition, scope.account, role.name)
                .into(),
            assumed_role_id: format!("{}:simulated", role.id).into(),
            session: Arc::new(Session::default()),
        };
        let boundary = boundary(directory, scope, role.permissions_boundary.as_deref());
        Self { caller: Some(caller), policies, boundary, tags: tags(&role.tags) }
    }
}

/// A made-up user of the account.
pub(super) fn anyone(account: AccountId) -> Caller {
    let arn = format!("arn:aws:iam::{account}:user/simulated");
    Caller::User { account, name: "simulated".into(), arn: arn.into(), user_id: "AIDA".into(), session: None }
}

/// The caller that a simulation names. Source: SimulateCustomPolicy, `CallerArn` ("the ARN of an IAM user").
///
/// # Errors
/// It is no user's ARN.
pub(super) fn caller(text: &str) -> Result<Caller, IamError> {
    let refused = || IamError::InvalidInput(format!("Invalid caller: {text} is not the ARN of an IAM user."));
    let arn: Arn = text.parse().map_err(|_| refused())?;
    let account: AccountId = arn.account.parse().map_err(|_| refused())?;
    let name = arn.resource.strip_prefix("user/").and_then(|rest| rest.rsplit('/').next()).ok_or_else(refused)?;
    Ok(Caller::User { account, name: name.into(), arn: text.into(), user_id: "AIDA".into(), session: None })
}

/// The keys that follow from who is asked about; everything else the simulation must be told.
pub(super) fn keys(caller: &Caller, tags: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    let mut put = |key: &str, value: &str| keys.insert(key.to_owned(), vec![value.to_owned()]);
    match caller {
        Caller::User { name, arn, user_id, .. } => {
            put("aws:username", name);
            put("aws:userid", user_id);
            put("aws:principalarn", arn);
            put("aws:principaltype", "User");
        }
        Caller::RoleSession { role_arn, assumed_role_id, .. } => {
            put("aws:userid", assumed_role_id);
            put("aws:principalarn", role_arn);
            put("aws:principaltype", "AssumedRole");
        }
        _ => {}
    }
    if let Some(account) = caller.account() {
        put("aws:principalaccount", account.as_str());
    }
    for (key, value) in tags {
        put(&format!("aws:principaltag/{}", key.to_lowercase()), value);
    }
    keys
}

fn of_group(directory: &Directory, scope: &Scope, group: &Group) -> Vec<Sourced> {
    let mut policies = inline("group", &group.inline);
    policies.extend(managed(directory, scope, &group.grants.attached_policies));
    policies
}

fn inline(kind: &'static str, policies: &BTreeMap<Arc<str>, Arc<Policy>>) -> Vec<Sourced> {
    let sourced = |(name, policy): (&Arc<str>, &Arc<Policy>)| Sourced {
        attached: Attached { name: name.clone(), policy: policy.clone() },
        kind,
    };
    policies.iter().map(sourced).collect()
}

fn managed(directory: &Directory, scope: &Scope, arns: &BTreeSet<String>) -> Vec<Sourced> {
    let sourced = |arn: &String| {
        let policy = directory.managed(scope, arn)?;
        let kind = if matches!(policy, Managed::Aws(_)) { "aws-managed" } else { "user-managed" };
        Some(Sourced { attached: Attached { name: arn.as_str().into(), policy: policy.compiled() }, kind })
    };
    arns.iter().filter_map(sourced).collect()
}

fn boundary(directory: &Directory, scope: &Scope, arn: Option<&str>) -> Option<Attached> {
    let arn = arn?;
    Some(Attached { name: arn.into(), policy: directory.managed(scope, arn)?.compiled() })
}

fn tags(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}
