//! InvokeAsync: the deprecated form of Invoke with `InvocationType: Event`. Whether the caller may is asked where every
//! invocation goes through.

use std::sync::Arc;

use hearth_ports::{InvocationType, InvokeRequest};
use hearth_types::{RequestContext, limits};
use hearth_wire::{Body, RawRequest};
use http::{Response, StatusCode};

use super::invoke::check_lengths;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    request: RawRequest,
) -> Result<Response<Body>, LambdaError> {
    let name = request.labels.get("FunctionName").map_or("", String::as_str);
    check_lengths(name, None)?;
    let target = Target::parse(&ctx, name, None)?;
    let ctx = target.context(ctx)?;
    if request.body.len() > limits::INVOKE_EVENT_BYTES_MAX {
        return Err(LambdaError::PayloadTooLarge { max: limits::INVOKE_EVENT_BYTES_MAX });
    }
    let request = InvokeRequest {
        qualifier: target.qualifier(),
        function_name: target.name,
        invocation_type: InvocationType::Event,
        payload: request.body,
        log_tail: false,
        client_context: None,
        via_url: false,
    };
    lambda.invoker.invoke(&ctx, request).await?;
    let mut response = Response::new(Body::from(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
