//! SimulatePrincipalPolicy: what the policies of a user, group or role would decide, with those in the request.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use crate::Iam;
use crate::error::IamError;
use crate::simulation::{self, Inputs, Output, Simulated};
use crate::target::Target;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_source_arn: String,
    #[serde(flatten)]
    inputs: Inputs,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let source: Arn = input.policy_source_arn.parse().map_err(|_| IamError::UnparsableArn)?;
    iam.authorize(&ctx, "iam:SimulatePrincipalPolicy", &Target::bare(source))?;
    simulation::run(&ctx, Simulated::of(&iam.directory, &ctx, &input.policy_source_arn)?, input.inputs)
}
