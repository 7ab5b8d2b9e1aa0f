//! AssumeRole.

use std::sync::Arc;

use hearth_ports::{Access, Condition, Denied, Grant, ResourcePolicy};
use hearth_types::{Caller, RequestContext, Session};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::policies::{self, PolicyArn};
use crate::role::{self, Target};
use crate::tags::{Marks, Tag};
use crate::view::{AssumedRoleUser, CredentialsView};
use crate::{Sts, StsError};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_arn: String,
    role_session_name: String,
    #[serde(default)]
    policy_arns: Vec<PolicyArn>,
    policy: Option<String>,
    duration_seconds: Option<u32>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
    external_id: Option<String>,
    serial_number: Option<String>,
    token_code: Option<String>,
    source_identity: Option<String>,
    provided_contexts: Option<IgnoredAny>,
    #[serde(default)]
    minimum_session_token_size: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    credentials: CredentialsView,
    assumed_role_user: AssumedRoleUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    packed_policy_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
}

pub(crate) async fn run(sts: Arc<Sts>, ctx: RequestContext, input: Input) -> Result<Output, StsError> {
    let target = Target::find(&sts, &ctx, &input.role_arn)?;
    let caller = ctx.caller.session().map(|session| &**session);
    let is_chained = matches!(ctx.caller, Caller::RoleSession { .. });
    let fixed_identity = caller.and_then(|session| session.source_identity.clone());
    let marks = Marks::new(&input.tags, input.transitive_tag_keys, input.source_identity, caller)?;
    let ctx = ctx.in_account(target.account);

    let mut conditions = target.conditions();
    conditions.extend(marks.conditions());
    conditions.push(Condition::one("sts:RoleSessionName", input.role_session_name.clone()));
    conditions.extend(input.external_id.map(|id| Condition::one("sts:ExternalId", id)));
    let trust = target.trust();
    for action in std::iter::once("sts:AssumeRole").chain(marks.actions()) {
        let access = Access::new(action, &target.arn).under(&conditions).with_policy(ResourcePolicy::Trust(&trust));
        sts.authorize(&ctx, &access).map_err(|denied| refusal(denied, not_authorized(&ctx, action, &target)))?;
    }
    // Once set it stays: whoever wants another is not who was said to be behind the session.
    if fixed_identity.is_some() && fixed_identity != marks.source_identity {
        return Err(not_authorized(&ctx, "sts:SetSourceIdentity", &target));
    }
    let missing = not_authorized(&ctx, "sts:AssumeRole", &target);
    let role = target.role().ok_or(missing)?;

    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(StsError::NoSuchMfaDevice);
    }
    if input.provided_contexts.is_some() {
        return Err(StsError::InvalidParameterValue(
            "ProvidedContexts is not supported: there are no context providers.",
        ));
    }
    if input.minimum_session_token_size > 0 {
        return Err(StsError::InvalidParameterValue("MinimumSessionTokenSize is not supported."));
    }
    let duration_s = role::duration_s(input.duration_seconds, &role, is_chained)?;
    let policies = policies::documents(&sts, &ctx, input.policy, &input.policy_arns)?;
    let packed_policy_size = policies::packed_percent(&policies, &marks)?;
    let session = Session {
        issued_at_ms: sts.clock.now_ms(),
        policies,
        tags: marks.tags,
        transitive_tag_keys: marks.transitive_keys,
        source_identity: marks.source_identity.clone(),
        function_arn: None,
        provider_arn: None,
    };
    let grant = Grant::Role { role, session_name: input.role_session_name, session };
    let key = sts.credentials.issue(&ctx, grant, ctx.origin, duration_s).map_err(StsError::Internal)?;
    Ok(Output {
        credentials: CredentialsView::of(&key),
        assumed_role_user: AssumedRoleUser::of(&key)?,
        packed_policy_size,
        source_identity: marks.source_identity,
    })
}

fn not_authorized(ctx: &RequestContext, action: &'static str, target: &Target) -> StsError {
    let (caller, resource) = (ctx.caller.arn(ctx.partition), target.arn.to_string());
    StsError::NotAuthorized { caller, action, resource }
}

/// A denial says which policy was missing: that would tell whether the role exists. What is said of root accounts is the
/// same for every role.
fn refusal(denied: Denied, plain: StsError) -> StsError {
    if denied.message.starts_with("User: ") { plain } else { denied.into() }
}
