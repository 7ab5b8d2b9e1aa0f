//! A service as a table of handlers over its model.
//!
//! What never lives here: anything about one particular service. Handlers get decoded input (or the raw request on
//! hot paths) and return output or an [`ErrorAnswer`]; the protocol in between is the model's.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hearth_types::RequestContext;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::Body;
use crate::error::ErrorAnswer;
use crate::event_stream::{self, EventStream};
use crate::limits::DECODED_INLINE_BYTES_MAX;
use crate::model::{Model, OperationId};
use crate::protocol::Incoming;
use crate::validate::Exemptions;
use crate::value;

/// A request as it came, for handlers that parse it themselves.
#[derive(Debug)]
pub struct RawRequest {
    /// Path labels by member name, percent-decoded.
    pub labels: HashMap<String, String>,
    /// Query parameters in order, percent-decoded.
    pub query: Vec<(String, String)>,
    pub headers: http::HeaderMap,
    /// The body untouched (after aws-chunked decoding, if it came in that form).
    pub body: Bytes,
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, ErrorAnswer>> + Send>>;
type Handler<S> = Box<dyn Fn(&Arc<S>, &Arc<Model>, &Arc<Exemptions>, RequestContext, Incoming) -> Answer + Send + Sync>;

struct Operation<S> {
    limit_bytes: usize,
    limit_name: Option<&'static str>,
    exemptions: Arc<Exemptions>,
    is_unsigned_allowed: bool,
    handler: Option<Handler<S>>,
}

/// How long an operation works.
#[derive(Clone, Copy)]
enum End {
    /// To its end.
    Always,
    /// Until its client hangs up.
    WhileAwaited,
}

/// What the front needs of a service. Made by [`ServiceBuilder::build`].
pub trait Service: Send + Sync + 'static {
    fn model(&self) -> &Arc<Model>;

    /// Whether the operation has a handler; without one it answers "not implemented".
    fn implements(&self, operation: OperationId) -> bool;

    /// Whether it may be asked for without a signature, by somebody who shows a secret of another kind: a token in the
    /// request, or the id of what it is about. Its handler decides. A signature that is there is verified.
    fn allows_unsigned(&self, operation: OperationId) -> bool {
        let _ = operation;
        false
    }

    /// Largest body of the operation, bytes.
    fn limit_bytes(&self, operation: OperationId) -> usize;

    /// What a refusal of a larger body calls the operation.
    fn limit_name(&self, operation: OperationId) -> &str;

    /// Runs the operation. The request is authenticated and its body complete.
    fn call(&self, operation: OperationId, ctx: RequestContext, request: Incoming) -> Answer;
}

/// Starts a service over its model; `state` is handed to every handler.
#[must_use]
pub fn service<S: Send + Sync + 'static>(model: Arc<Model>, state: Arc<S>) -> ServiceBuilder<S> {
    let operations = model
        .operations()
        .map(|_| Operation {
            limit_bytes: hearth_types::limits::API_REQUEST_BYTES_MAX,
            limit_name: None,
            exemptions: Arc::default(),
            is_unsigned_allowed: false,
            handler: None,
        })
        .collect();
    ServiceBuilder { model, state, operations }
}

/// Collects handlers by operation name.
pub struct ServiceBuilder<S> {
    model: Arc<Model>,
    state: Arc<S>,
    operations: Vec<Operation<S>>,
}

impl<S: Send + Sync + 'static> ServiceBuilder<S> {
    /// Decoded and validated input, encoded output, the model's success status. Runs to its end even when the client
    /// hangs up.
    ///
    /// # Panics
    /// When the model has no operation of that name: a mistake in the program, found by the first test that runs it.
    #[must_use]
    pub fn op<I, O, E, F, Fut>(self, name: &'static str, limit_bytes: usize, handler: F) -> Self
    where
        F: Fn(Arc<S>, RequestContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send,
        I: DeserializeOwned + Send + 'static,
        O: Serialize,
        E: Into<ErrorAnswer>,
    {
        self.typed(name, limit_bytes, None, End::Always, handler)
    }

    /// As [`op`](Self::op), for operations that answer with another status than their model says.
    ///
    /// # Panics
    /// As [`op`](Self::op).
    #[must_use]
    pub fn op_with_status<I, O, E, F, Fut>(
        self,
        name: &'static str,
        limit_bytes: usize,
        status: StatusCode,
        handler: F,
    ) -> Self
    where
        F: Fn(Arc<S>, RequestContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send,
        I: DeserializeOwned + Send + 'static,
        O: Serialize,
        E: Into<ErrorAnswer>,
    {
        self.typed(name, limit_bytes, Some(status), End::Always, handler)
    }

    /// As [`op`](Self::op), for operations that wait for something: dropped when the client hangs up.
    ///
    /// # Panics
    /// As [`op`](Self::op).
    #[must_use]
    pub fn poll<I, O, E, F, Fut>(self, name: &'static str, limit_bytes: usize, handler: F) -> Self
    where
        F: Fn(Arc<S>, RequestContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send,
        I: DeserializeOwned + Send + 'static,
        O: Serialize,
        E: Into<ErrorAnswer>,
    {
        self.typed(name, limit_bytes, None, End::WhileAwaited, handler)
    }

    /// Decoded and validated input as with [`op`](Self::op); the output is a stream of events.
    ///
    /// # Panics
    /// As [`op`](Self::op).
    #[must_use]
    pub fn event_stream<I, E, F, Fut>(mut self, name: &'static str, limit_bytes: usize, handler: F) -> Self
    where
        F: Fn(Arc<S>, RequestContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<EventStream, E>> + Send,
        I: DeserializeOwned + Send + 'static,
        E: Into<ErrorAnswer>,
    {
        let id = self.id(name);
        let handler = Arc::new(handler);
        let operation = self.operation(name);
        operation.limit_bytes = limit_bytes;
        operation.handler = Some(Box::new(move |state, model, exemptions, ctx, request| {
            let (handler, state, model, exemptions) =
                (handler.clone(), state.clone(), model.clone(), exemptions.clone());
            let work = async move {
                let request_id = ctx.request_id.clone();
                let input = decode::<I>(model.clone(), id, exemptions, request).await?;
                let events = handler(state, ctx, input).await.map_err(Into::into)?;
                event_stream::encode_response(&model, id, events, &request_id)
            };
            Box::pin(to_the_end(name, work))
        }));
        self
    }

    /// Hot path: labels, query and headers are parsed by the handler and the body is untouched. The handler also does
    /// its own validation, and is dropped when the client hangs up. `x-amzn-RequestId` is added when the response has
    /// none.
    ///
    /// # Panics
    /// As [`op`](Self::op).
    #[must_use]
    pub fn raw<E, F, Fut>(mut self, name: &'static str, limit_bytes: usize, handler: F) -> Self
    where
        F: Fn(Arc<S>, RequestContext, RawRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<http::Response<Body>, E>> + Send + 'static,
        E: Into<ErrorAnswer>,
    {
        let operation = self.operation(name);
        operation.limit_bytes = limit_bytes;
        operation.handler = Some(Box::new(move |state, _, _, ctx, request| {
            let answer = handler(state.clone(), ctx, request.into_raw());
            Box::pin(async move { answer.await.map_err(Into::into) })
        }));
        self
    }

    /// Takes a member out of the generic validation because the service checks it itself, with its own text.
    /// `member` is a path of model names: `Runtime`, `VpcConfig.SubnetIds`.
    ///
    /// # Panics
    /// As [`op`](Self::op).
    #[must_use]
    pub fn exempt(mut self, operation: &'static str, member: &'static str) -> Self {
        Arc::make_mut(&mut self.operation(operation).exemptions).add(member);
        self
    }

    /// Takes every operation out of the generic validation: the service checks its input itself, with its own texts.
    #[must_use]
    pub fn unvalidated(mut self) -> Self {
        for operation in &mut self.operations {
            Arc::make_mut(&mut operation.exemptions).cover_all();
        }
        self
    }

    /// The code of a failed generic validation, of every operation, where it is not the protocol's.
    #[must_use]
    pub fn validation_code(mut self, code: &'static str) -> Self {
        for operation in &mut self.operations {
            Arc::make_mut(&mut operation.exemptions).answer_with(code);
        }
        self
    }

    /// What a refusal of a too large body calls the operation, where that is not the model's name.
    ///
    /// # Panics
    /// As [`op`](Self::op).
    #[must_use]
    pub fn called(mut self, operation: &'static str, name: &'static str) -> Self {
        self.operation(operation).limit_name = Some(name);
        self
    }

    /// Operations of the model without a handler answer "not implemented".
    #[must_use]
    pub fn build(self) -> Arc<dyn Service> {
        Arc::new(Table { model: self.model, state: self.state, operations: self.operations })
    }

    fn typed<I, O, E, F, Fut>(
        mut self,
        name: &'static str,
        limit_bytes: usize,
        status: Option<StatusCode>,
        end: End,
        handler: F,
    ) -> Self
    where
        F: Fn(Arc<S>, RequestContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send,
        I: DeserializeOwned + Send + 'static,
        O: Serialize,
        E: Into<ErrorAnswer>,
    {
        let id = self.id(name);
        let handler = Arc::new(handler);
        let operation = self.operation(name);
        operation.limit_bytes = limit_bytes;
        operation.handler = Some(Box::new(move |state, model, exemptions, ctx, request| {
            let (handler, state, model, exemptions) =
                (handler.clone(), state.clone(), model.clone(), exemptions.clone());
            let work = async move {
                let request_id = ctx.request_id.clone();
                let input = decode::<I>(model.clone(), id, exemptions, request).await?;
                let output = handler(state, ctx, input).await.map_err(Into::into)?;
                let output = value::to_value(&output).map_err(|error| {
                    tracing::error!(operation = name, %error, "the output does not fit the model");
                    ErrorAnswer::internal()
                })?;
                model.protocol().encode(&model, id, status, output, &request_id)
            };
            match end {
                End::Always => Box::pin(to_the_end(name, work)),
                End::WhileAwaited => Box::pin(work),
            }
        }));
        self
    }

    /// See [`Service::allows_unsigned`].
    ///
    /// # Panics
    /// As [`op`](Self::op).
    #[must_use]
    pub fn unsigned(mut self, name: &'static str) -> Self {
        self.operation(name).is_unsigned_allowed = true;
        self
    }

    fn id(&self, name: &str) -> OperationId {
        let Some(id) = self.model.operation_id(name) else {
            panic!("the model of {} has no operation {name}", self.model.signing_name());
        };
        id
    }

    fn operation(&mut self, name: &str) -> &mut Operation<S> {
        let id = self.id(name);
        &mut self.operations[id.index()]
    }
}

/// Runs an operation in a task of its own: once begun it is not cut short by a client that hangs up, and a panic in it
/// is one failed request.
async fn to_the_end(
    name: &'static str,
    work: impl Future<Output = Result<http::Response<Body>, ErrorAnswer>> + Send + 'static,
) -> Result<http::Response<Body>, ErrorAnswer> {
    let task = tokio::spawn(tracing::Instrument::in_current_span(work));
    task.await.unwrap_or_else(|error| {
        tracing::error!(operation = name, %error, "the handler did not end");
        Err(ErrorAnswer::internal())
    })
}

async fn decode<I: DeserializeOwned + Send + 'static>(
    model: Arc<Model>,
    id: OperationId,
    exemptions: Arc<Exemptions>,
    request: Incoming,
) -> Result<I, ErrorAnswer> {
    if request.body.len() <= DECODED_INLINE_BYTES_MAX {
        return decode_now(&model, id, &exemptions, &request);
    }
    let task = tokio::task::spawn_blocking(move || decode_now(&model, id, &exemptions, &request));
    task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "decoding did not end");
        Err(ErrorAnswer::internal())
    })
}

fn decode_now<I: DeserializeOwned>(
    model: &Model,
    id: OperationId,
    exemptions: &Exemptions,
    request: &Incoming,
) -> Result<I, ErrorAnswer> {
    let input = model.protocol().decode(model, id, request)?;
    crate::validate::validate(model, id, exemptions, &input)?;
    value::from_value(input).map_err(|error| {
        // Checked against the model already: what does not fit now is a handler whose input type contradicts it.
        tracing::error!(operation = model.operation(id).name(), %error, "the input type does not fit the model");
        ErrorAnswer::internal()
    })
}

struct Table<S> {
    model: Arc<Model>,
    state: Arc<S>,
    operations: Vec<Operation<S>>,
}

impl<S: Send + Sync + 'static> Service for Table<S> {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn allows_unsigned(&self, operation: OperationId) -> bool {
        self.operations[operation.index()].is_unsigned_allowed
    }

    fn limit_bytes(&self, operation: OperationId) -> usize {
        self.operations[operation.index()].limit_bytes
    }

    fn implements(&self, operation: OperationId) -> bool {
        self.operations[operation.index()].handler.is_some()
    }

    fn limit_name(&self, operation: OperationId) -> &str {
        self.operations[operation.index()].limit_name.unwrap_or_else(|| self.model.operation(operation).name())
    }

    fn call(&self, id: OperationId, ctx: RequestContext, request: Incoming) -> Answer {
        let operation = &self.operations[id.index()];
        match &operation.handler {
            Some(handler) => handler(&self.state, &self.model, &operation.exemptions, ctx, request),
            None => {
                let message = format!(
                    "Hearth does not implement {}:{} yet.",
                    self.model.signing_name(),
                    self.model.operation(id).name()
                );
                let answer = ErrorAnswer::new("NotImplementedException", StatusCode::NOT_IMPLEMENTED, message);
                Box::pin(std::future::ready(Err(answer)))
            }
        }
    }
}
