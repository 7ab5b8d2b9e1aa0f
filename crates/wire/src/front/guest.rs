//! Requests that are for no service of the front (function URLs): who they are from is found as for the others.

use bytes::Bytes;
use hearth_types::{RequestContext, RequestId};
use http::StatusCode;
use http::request::Parts;
use http_body_util::BodyExt as _;

use super::body;
use super::caller::context;
use super::{Connection, Front, bytes_frame};
use crate::body::BodyError;
use crate::error::ErrorAnswer;
use crate::protocol::Protocol;
use crate::sigv4::{AuthError, Authorization, Payload, sha256};

impl Front {
    /// The request as one of somebody who need not say who they are; a signature is not looked at.
    #[must_use]
    pub fn stranger(&self, connection: &Connection, head: &Parts) -> RequestContext {
        let request_id = RequestId::generate(&*self.random);
        context(connection, head, None, self.anonymous(connection.listener), &request_id)
    }

    /// Caller and body of a request that is signed for `service`; `None`: it is not signed at all. Who is not known has
    /// nothing read.
    ///
    /// # Errors
    /// The refusal: of the signature, or of a body that is longer than `limit` bytes (413) or does not come.
    pub async fn signed<B>(
        &self,
        connection: &Connection,
        head: &Parts,
        body: B,
        service: &str,
        limit: usize,
    ) -> Result<Option<(RequestContext, Bytes)>, ErrorAnswer>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<BodyError>,
    {
        let refuse = |error: AuthError| error.answer(Protocol::RestJson);
        let Some(authorization) = Authorization::parse(head).map_err(refuse)? else { return Ok(None) };
        if authorization.credential.service != service {
            return Err(refuse(AuthError::Service { expected: service.to_owned() }));
        }
        let identity = self.identify(connection.listener, Some(&authorization), self.clock.now_ms()).map_err(refuse)?;
        let wire_limit = match authorization.payload {
            Payload::Chunked(_) => body::chunked_limit(limit),
            Payload::Hash(_) | Payload::Unsigned => limit,
        };
        let body = read_body(body, wire_limit).await?;
        let digest = sha256(&body);
        let body = self
            .verify(head, Some(&authorization), &identity, &authorization.payload, body, Some(digest))
            .map_err(refuse)?;
        let request_id = RequestId::generate(&*self.random);
        Ok(Some((context(connection, head, Some(&authorization), identity, &request_id), body)))
    }
}

/// A whole body.
///
/// # Errors
/// It is longer than `limit` bytes (413), stops coming, or breaks off.
pub async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, ErrorAnswer>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<BodyError>,
{
    let read = body::read(body.map_frame(bytes_frame), limit, false).await;
    read.map(|read| read.bytes).map_err(|refused| {
        refused.answer(|| {
            let message = format!("Request must be smaller than {limit} bytes");
            ErrorAnswer::new("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, message)
        })
    })
}
