//! ListVirtualMFADevices: always none, because no operation of this server makes devices.

use std::sync::Arc;

use hearth_types::Arn;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::Nothing;
use crate::Iam;
use crate::error::IamError;
use crate::target::Target;

/// Whatever the assignment status: there is none of any.
#[derive(Deserialize)]
pub(crate) struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(rename = "VirtualMFADevices")]
    virtual_mfa_devices: [Nothing; 0],
    is_truncated: bool,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, _input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:ListVirtualMFADevices", &Target::bare(Arn::iam(ctx.partition, ctx.account, "mfa/")))?;
    Ok(Output { virtual_mfa_devices: [], is_truncated: false })
}
