//! SimulateCustomPolicy: what the policies in the request would decide.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};

use crate::Iam;
use crate::error::IamError;
use crate::simulation::{self, Inputs, Output, Simulated};
use crate::target::Target;

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Inputs) -> Result<Output, IamError> {
    // The action has no resource type.
    let anything = Arn::iam(ctx.partition, ctx.account, "*");
    iam.authorize(&ctx, "iam:SimulateCustomPolicy", &Target::bare(anything))?;
    simulation::run(&ctx, Simulated::default(), input)
}
