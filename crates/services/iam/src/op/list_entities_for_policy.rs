//! ListEntitiesForPolicy: groups, roles and users that a managed policy is attached to, or that it bounds.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::directory::Usage;
use crate::entity::{Group, Role, User};
use crate::error::IamError;
use crate::grants::Grants;
use crate::page::Page;
use crate::policy_ref::PolicyRef;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    entity_filter: Option<String>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyGroup {
    group_name: String,
    group_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyRole {
    role_name: String,
    role_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyUser {
    user_name: String,
    user_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy_groups: Vec<PolicyGroup>,
    policy_users: Vec<PolicyUser>,
    policy_roles: Vec<PolicyRole>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// What uses a policy.
enum Holder {
    Group(Arc<Group>),
    Role(Arc<Role>),
    User(Arc<User>),
}

impl Holder {
    /// Sorts as they are listed.
    fn marker(&self) -> String {
        match self {
            Self::Group(group) => format!("group/{}", group.name.to_lowercase()),
            Self::Role(role) => format!("role/{}", role.name.to_lowercase()),
            Self::User(user) => format!("user/{}", user.name.to_lowercase()),
        }
    }
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:ListEntitiesForPolicy", &iam.policy_target(&ctx, &policy.arn))?;
    iam.managed(&ctx, &policy)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let wanted = |kind: &str, path: &str, grants: &Grants, boundary: Option<&str>| {
        let usage = Usage {
            attachments: grants.attached_policies.contains(&input.policy_arn).into(),
            boundaries: (boundary == Some(&*input.policy_arn)).into(),
        };
        input.entity_filter.as_deref().is_none_or(|wanted| wanted == kind)
            && path.starts_with(prefix)
            && usage != Usage::default()
            && usage.is_as(input.policy_usage_filter.as_deref())
    };
    let found: Vec<Holder> = iam.directory.read(&ctx.global_scope(), |account| {
        let groups = account.groups.iter().filter(|group| wanted("Group", &group.path, &group.grants, None));
        let roles = account
            .roles
            .iter()
            .filter(|role| wanted("Role", &role.path, &role.grants, role.permissions_boundary.as_deref()));
        let users = account
            .users
            .iter()
            .filter(|user| wanted("User", &user.path, &user.grants, user.permissions_boundary.as_deref()));
        let groups = groups.map(|group| Holder::Group(group.clone()));
        groups
            .chain(roles.map(|role| Holder::Role(role.clone())))
            .chain(users.map(|user| Holder::User(user.clone())))
            .collect()
    });
    let page = Page::of(found, input.marker.as_deref(), input.max_items, Holder::marker);
    let mut output = Output {
        policy_groups: Vec::new(),
        policy_users: Vec::new(),
        policy_roles: Vec::new(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    };
    for entity in page.items {
        match entity {
            Holder::Group(group) => {
                output.policy_groups.push(PolicyGroup { group_name: group.name.clone(), group_id: group.id.clone() })
            }
            Holder::Role(role) => {
                output.policy_roles.push(PolicyRole { role_name: role.name.clone(), role_id: role.id.clone() });
            }
            Holder::User(user) => {
                output.policy_users.push(PolicyUser { user_name: user.name.clone(), user_id: user.id.clone() });
            }
        }
    }
    Ok(output)
}
