//! The calls of extensions on a connection: reads what they send, lets the shared state decide, writes replies.

use crate::agents::SubscribeError;
use crate::calls::{self, ExtensionCall};
use crate::connection::{Body, Connection, End};
use crate::extensions::{Event, Refusal};
use crate::http::head::{Head, Persistence};
use crate::http::reply::{EventReply, Status};
use crate::limits::{EXTENSION_BODY_BYTES_MAX, RESERVED_PORTS};
use crate::shared::Next;
use crate::telemetry::subscription::{self, Api};

impl Connection<'_> {
    pub(crate) async fn extension(
        &mut self,
        head: &Head,
        persistence: Persistence,
        call: ExtensionCall,
    ) -> Result<Persistence, End> {
        let (body, persistence) = self.body(head, EXTENSION_BODY_BYTES_MAX, persistence).await?;
        if !body.end_is_whole() {
            return self.after_body(persistence, body.end);
        }
        if body.size > EXTENSION_BODY_BYTES_MAX as u64 {
            let message = format!("Exceeded maximum allowed payload size ({EXTENSION_BODY_BYTES_MAX} bytes).");
            self.error(persistence, Status::ContentTooLarge, "RequestEntityTooLarge", &message);
            return Ok(persistence);
        }
        match call {
            ExtensionCall::Next => return self.next_extension_event(head, persistence).await,
            ExtensionCall::Register => self.register(head, persistence, &body),
            ExtensionCall::InitError => self.extension_error(head, persistence, Event::InitError),
            ExtensionCall::ExitError => self.extension_error(head, persistence, Event::ExitError),
            ExtensionCall::Subscribe(api) => self.subscribe(head, persistence, api, &body),
        }
        Ok(persistence)
    }

    fn register(&mut self, head: &Head, persistence: Persistence, body: &Body) {
        let name = head.extension.name.as_deref();
        // A name is missed before the body is looked at.
        let events = if name.is_some_and(|name| !name.is_empty()) {
            calls::registration(&body.bytes).map_err(Refusal::Format)
        } else {
            Err(Refusal::NoName)
        };
        let with_account_id = calls::wants_account_id(head);
        let registered =
            events.and_then(|events| self.shared.register_extension(self.generation, name, &events, with_account_id));
        match registered {
            Err(refusal) => self.refuse_extension(persistence, &refusal),
            Ok((id, body)) => {
                let reply = EventReply::json(&[("Lambda-Extension-Identifier", &id)], body);
                self.reply(&reply, persistence);
            }
        }
    }

    async fn next_extension_event(&mut self, head: &Head, persistence: Persistence) -> Result<Persistence, End> {
        let shared = self.shared;
        match shared.next_extension_event(head.extension.id.as_deref(), self.caller(persistence)) {
            Next::Refused(refusal) => self.refuse_extension(persistence, &refusal),
            Next::Send(event) => self.send(event, persistence).await?,
            Next::Wait => self.wait_for_reply().await?,
        }
        Ok(persistence)
    }

    /// `/init/error` or `/exit/error`. What counts is the header; the body is the extension's own affair.
    fn extension_error(&mut self, head: &Head, persistence: Persistence, event: Event) {
        let headers = &head.extension;
        let reported = self.shared.report_extension_error(
            self.generation,
            headers.id.as_deref(),
            event,
            headers.error_type.as_deref(),
        );
        match reported {
            Err(refusal) => self.refuse_extension(persistence, &refusal),
            Ok(()) => self.accepted(persistence),
        }
    }

    fn subscribe(&mut self, head: &Head, persistence: Persistence, api: Api, body: &Body) {
        let request = subscription::parse(api, &body.bytes, RESERVED_PORTS);
        match self.shared.subscribe(self.generation, head.extension.id.as_deref(), api, request) {
            Err(refusal) => self.refuse_extension(persistence, &refusal),
            Ok(Ok(())) => self.reply(&EventReply::json(&[], &br#""OK""#[..]), persistence),
            Ok(Err(SubscribeError::Closed)) => {
                let (error_type, message) = api.closed();
                self.error(persistence, Status::Forbidden, error_type, message);
            }
            Ok(Err(SubscribeError::Invalid(why))) => {
                self.error(persistence, Status::BadRequest, api.validation_error(), &why);
            }
        }
    }

    fn refuse_extension(&mut self, persistence: Persistence, refusal: &Refusal) {
        tracing::debug!(?refusal, "extensions API: call refused");
        if *refusal == Refusal::Replaced {
            self.replaced = true;
            return;
        }
        self.error(persistence, Status::Forbidden, refusal.error_type(), &refusal.message());
    }
}
