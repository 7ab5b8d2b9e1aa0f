//! GetSessionToken.

use std::sync::Arc;

use hearth_ports::{Access, Grant};
use hearth_types::{Arn, Caller, Proof, RequestContext, Session};
use serde::{Deserialize, Serialize};

use crate::view::CredentialsView;
use crate::{Sts, StsError};

/// Source: STS API reference, GetSessionToken, `DurationSeconds`.
const DURATION_S_DEFAULT: u32 = 43_200;
/// Root gets no more, whatever it asks for.
const ROOT_DURATION_S_MAX: u32 = 3_600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    duration_seconds: Option<u32>,
    serial_number: Option<String>,
    token_code: Option<String>,
    #[serde(default)]
    minimum_session_token_size: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    credentials: CredentialsView,
}

/// Needs no permission, and policies cannot take it away: the question is asked for the audit log only.
/// Source: STS API reference, GetSessionToken.
pub(crate) async fn run(sts: Arc<Sts>, ctx: RequestContext, input: Input) -> Result<Output, StsError> {
    let arn = ctx.caller.arn(ctx.partition);
    let resource = arn.parse().unwrap_or_else(|_| Arn::iam(ctx.partition, ctx.account, "root"));
    let _ = sts.authorize(&ctx, &Access::new("sts:GetSessionToken", &resource));

    let duration_s = input.duration_seconds.unwrap_or(DURATION_S_DEFAULT);
    let duration_s = match &ctx.caller {
        Caller::User { session: None, .. } => duration_s,
        Caller::Root { .. } if !is_temporary(&ctx.proof) => duration_s.min(ROOT_DURATION_S_MAX),
        _ => return Err(StsError::SessionCredentials),
    };
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(StsError::NoSuchMfaDevice);
    }
    if input.minimum_session_token_size > 0 {
        return Err(StsError::InvalidParameterValue("MinimumSessionTokenSize is not supported."));
    }
    let session = Session { issued_at_ms: sts.clock.now_ms(), ..Session::default() };
    let grant = Grant::Same { caller: ctx.caller.clone(), session };
    let key = sts.credentials.issue(&ctx, grant, ctx.origin, duration_s).map_err(StsError::Internal)?;
    Ok(Output { credentials: CredentialsView::of(&key) })
}

/// Root has no session to tell it by; the id of its key does. Source: IAM user guide, "Unique identifiers": `ASIA`.
fn is_temporary(proof: &Proof) -> bool {
    matches!(proof, Proof::Key(id) if id.starts_with("ASIA"))
}
