//! What stands behind the ports that a service sends to: queues, topics, buses, functions and roles.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{
    EventBusError, EventSink, InvokeError, InvokeRequest, InvokeResponse, Invoker, Notification, OutgoingMessage,
    QueueError, QueueSender, RoleRefused, ServiceEvent, ServiceRoles, StreamedResponse, TopicError, TopicPublisher,
};
use hearth_types::{Arn, Caller, RequestContext, Session};
use parking_lot::Mutex;

use crate::QUEUE;

/// Takes messages and events, or fails as it is told to.
#[derive(Default)]
pub struct Receivers {
    /// To which queue what was sent.
    pub sent: Mutex<Vec<(String, OutgoingMessage)>>,
    pub published: Mutex<Vec<Notification>>,
    /// On which bus what was put.
    pub put: Mutex<Vec<(String, ServiceEvent)>>,
    pub invoked: Mutex<Vec<InvokeRequest>>,
    /// Who sent a message or invoked.
    pub callers: Mutex<Vec<Caller>>,
    /// At queues and functions.
    pub attempts: Mutex<u32>,
    /// Of the queue [`QUEUE`].
    pub queue_error: Mutex<Option<QueueError>>,
    pub function_error: Mutex<Option<InvokeError>>,
    /// Messages to the queue `q.fifo` that begin so fail so.
    pub fifo_error: Mutex<Option<(String, QueueError)>>,
}

impl Receivers {
    /// Bodies of what was sent to that queue.
    pub fn sent_to(&self, queue: &str) -> Vec<String> {
        let sent = self.sent.lock();
        sent.iter().filter(|(to, _)| to == queue).map(|(_, message)| message.body.clone()).collect()
    }

    fn attempt(&self, ctx: &RequestContext) {
        *self.attempts.lock() += 1;
        self.callers.lock().push(ctx.caller.clone());
    }
}

#[async_trait]
impl QueueSender for Receivers {
    async fn send(&self, ctx: &RequestContext, queue: &Arn, message: OutgoingMessage) -> Result<String, QueueError> {
        self.attempt(ctx);
        if let (Some(error), QUEUE) = (self.queue_error.lock().clone(), queue.to_string().as_str()) {
            return Err(error);
        }
        if let Some((start, error)) = self.fifo_error.lock().clone()
            && queue.resource == "q.fifo"
            && message.body.starts_with(&start)
        {
            return Err(error);
        }
        self.sent.lock().push((queue.to_string(), message));
        Ok("id".to_owned())
    }
}

#[async_trait]
impl TopicPublisher for Receivers {
    async fn publish(&self, _: &RequestContext, _: &Arn, notification: Notification) -> Result<String, TopicError> {
        self.published.lock().push(notification);
        Ok("id".to_owned())
    }
}

#[async_trait]
impl EventSink for Receivers {
    async fn emit(&self, _: &RequestContext, _: Vec<ServiceEvent>) -> Result<Vec<String>, EventBusError> {
        panic!("no service that is tested so tells a bus about itself")
    }

    async fn put(
        &self,
        _: &RequestContext,
        bus: &Arn,
        events: Vec<ServiceEvent>,
    ) -> Result<Vec<String>, EventBusError> {
        let bus = bus.to_string();
        self.put.lock().extend(events.into_iter().map(|event| (bus.clone(), event)));
        Ok(Vec::new())
    }
}

#[async_trait]
impl Invoker for Receivers {
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        self.attempt(ctx);
        if let Some(error) = self.function_error.lock().clone() {
            return Err(error);
        }
        self.invoked.lock().push(request);
        Ok(InvokeResponse { executed_version: None, function_error: None, payload: Bytes::new(), log_tail: None })
    }

    async fn invoke_streaming(&self, _: &RequestContext, _: InvokeRequest) -> Result<StreamedResponse, InvokeError> {
        panic!("services do not stream")
    }
}

/// Lets every role be taken, or none.
#[derive(Default)]
pub struct Roles {
    /// `<role> <principal> <source>`
    pub asked: Mutex<Vec<String>>,
    pub refuses: Mutex<bool>,
}

impl ServiceRoles for Roles {
    fn service_role(
        &self,
        ctx: &RequestContext,
        principal: &'static str,
        role_arn: &str,
        source_arn: &str,
    ) -> Result<Caller, RoleRefused> {
        self.asked.lock().push(format!("{role_arn} {principal} {source_arn}"));
        if *self.refuses.lock() {
            return Err(RoleRefused { principal, role_arn: role_arn.to_owned() });
        }
        Ok(Caller::RoleSession {
            account: ctx.account,
            role_arn: role_arn.into(),
            session_arn: "arn:aws:sts::000000000000:assumed-role/r/s".into(),
            assumed_role_id: "AROA:s".into(),
            session: Arc::new(Session::default()),
        })
    }
}
