//! ConfirmSubscription: whoever has the token that was sent to an endpoint speaks for it, signed or not.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::By;
use crate::confirm::{Confirming, is_signed};
use crate::error::SnsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
    token: Option<String>,
    authenticate_on_unsubscribe: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    subscription_arn: String,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let by = By::Topic(input.topic_arn.as_deref());
    let found = if is_signed(&ctx) {
        sns.authorize(&ctx, "sns:ConfirmSubscription", by, Vec::new())?
    } else {
        sns.locate(&ctx, by)?
    };
    // Without a signature, what is there is not told.
    let hidden = || SnsError::parameter("Token");
    let topic = if is_signed(&ctx) { found.topic()? } else { found.topic().map_err(|_| hidden())? };
    let authenticates_unsubscribe = match input.authenticate_on_unsubscribe.as_deref() {
        None | Some("" | "false") => false,
        // Who is not known cannot ask for others to be.
        Some("true") if is_signed(&ctx) => true,
        Some(_) => return Err(SnsError::parameter("AuthenticateOnUnsubscribe")),
    };
    let token = input.token.unwrap_or_default();
    let confirming = Confirming { token: &token, is_authenticated: is_signed(&ctx), authenticates_unsubscribe };
    Ok(Output { subscription_arn: sns.confirm(&topic, confirming).await? })
}
