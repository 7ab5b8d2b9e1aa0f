//! AssumeRoleWithWebIdentity.

use std::sync::Arc;

use hearth_ports::{Access, Condition, Grant, ResourcePolicy};
use hearth_types::{Arn, Caller, RequestContext, Session};
use serde::{Deserialize, Serialize};

use crate::jwt::Identity;
use crate::policies::{self, PolicyArn};
use crate::role::{self, Target};
use crate::tags::Marks;
use crate::view::{AssumedRoleUser, CredentialsView};
use crate::{Sts, StsError};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_arn: String,
    role_session_name: String,
    web_identity_token: String,
    provider_id: Option<String>,
    #[serde(default)]
    policy_arns: Vec<PolicyArn>,
    policy: Option<String>,
    duration_seconds: Option<u32>,
    #[serde(default)]
    minimum_session_token_size: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    credentials: CredentialsView,
    subject_from_web_identity_token: String,
    assumed_role_user: AssumedRoleUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    packed_policy_size: Option<usize>,
    provider: String,
    audience: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
}

/// Needs no credentials: the token says who asks, and the role's trust whether that is enough.
pub(crate) async fn run(sts: Arc<Sts>, ctx: RequestContext, input: Input) -> Result<Output, StsError> {
    let target = Target::find(&sts, &ctx, &input.role_arn)?;
    if input.provider_id.is_some() {
        return Err(StsError::InvalidParameterValue(
            "ProviderId is not supported: tokens are those of OpenID Connect.",
        ));
    }
    let now_ms = sts.clock.now_ms();
    let identity = Identity::verify(&sts.issuers, &input.web_identity_token, now_ms.div_euclid(1_000))?;
    let (tags, transitive_keys) = identity.tags()?;
    let marks = Marks::new(&tags, transitive_keys, identity.source_identity()?, None)?;

    let provider = format!("oidc-provider/{}", identity.issuer.name());
    let provider_arn: Arc<str> = Arn { resource: provider, ..target.arn.clone() }.to_string().into();
    let caller = Caller::Federated { provider_arn: provider_arn.clone() };
    let ctx = RequestContext { caller, ..ctx.in_account(target.account) };

    let mut conditions = target.conditions();
    conditions.extend(marks.conditions());
    conditions.extend(identity.conditions());
    conditions.push(Condition::one("sts:RoleSessionName", input.role_session_name.clone()));
    let trust = target.trust();
    for action in std::iter::once("sts:AssumeRoleWithWebIdentity").chain(marks.actions()) {
        let access = Access::new(action, &target.arn).under(&conditions).with_policy(ResourcePolicy::Trust(&trust));
        sts.authorize(&ctx, &access).map_err(|_| StsError::WebIdentityNotAuthorized)?;
    }
    let role = target.role().ok_or(StsError::WebIdentityNotAuthorized)?;

    if input.minimum_session_token_size > 0 {
        return Err(StsError::InvalidParameterValue("MinimumSessionTokenSize is not supported."));
    }
    let duration_s = role::duration_s(input.duration_seconds, &role, false)?;
    let policies = policies::documents(&sts, &ctx, input.policy, &input.policy_arns)?;
    let packed_policy_size = policies::packed_percent(&policies, &marks)?;
    let session = Session {
        issued_at_ms: now_ms,
        policies,
        tags: marks.tags,
        transitive_tag_keys: marks.transitive_keys,
        source_identity: marks.source_identity.clone(),
        function_arn: None,
        provider_arn: Some(provider_arn),
    };
    let grant = Grant::Role { role, session_name: input.role_session_name, session };
    let key = sts.credentials.issue(&ctx, grant, ctx.origin, duration_s).map_err(StsError::Internal)?;
    Ok(Output {
        credentials: CredentialsView::of(&key),
        subject_from_web_identity_token: identity.subject,
        assumed_role_user: AssumedRoleUser::of(&key)?,
        packed_policy_size,
        provider: identity.issuer_url,
        audience: identity.audience,
        source_identity: marks.source_identity,
    })
}
