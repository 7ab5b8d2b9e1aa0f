//! Step 1 of an invocation: is the request one that may be run at all? Nothing is parsed that need not be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_ports::{InvocationType, InvokeError, InvokeRequest};
use hearth_types::limits::{CLIENT_CONTEXT_BYTES_MAX, INVOKE_EVENT_BYTES_MAX, INVOKE_REQUEST_BYTES_MAX};
use serde::de::IgnoredAny;

use crate::json_check;

/// What of a request goes to the function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) payload: Bytes,
    pub(crate) client_context: Option<String>,
}

/// # Errors
/// [`InvokeError::PayloadTooLarge`] or [`InvokeError::InvalidRequestContent`].
pub(crate) fn admit(request: &InvokeRequest) -> Result<Admitted, InvokeError> {
    let max = match request.invocation_type {
        InvocationType::Event => INVOKE_EVENT_BYTES_MAX,
        InvocationType::RequestResponse | InvocationType::DryRun => INVOKE_REQUEST_BYTES_MAX,
    };
    if request.payload.len() > max {
        return Err(InvokeError::PayloadTooLarge { max });
    }
    let client_context = request.client_context.as_deref().map(decode_client_context).transpose()?;
    if request.payload.is_empty() {
        return Ok(Admitted { payload: Bytes::from_static(b"{}"), client_context });
    }
    json_check::check(&request.payload).map_err(|detail| InvokeError::InvalidRequestContent { detail })?;
    Ok(Admitted { payload: request.payload.clone(), client_context })
}

/// Source: Lambda API reference, Invoke, `ClientContext`: up to 3,583 bytes of base64-encoded data.
fn decode_client_context(encoded: &str) -> Result<String, InvokeError> {
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .filter(|text| encoded.len() <= CLIENT_CONTEXT_BYTES_MAX && serde_json::from_str::<IgnoredAny>(text).is_ok())
        .ok_or_else(|| InvokeError::InvalidRequestContent {
            detail: "Client context must be a valid Base64-encoded JSON object.".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(invocation_type: InvocationType, payload: impl Into<Bytes>) -> InvokeRequest {
        InvokeRequest {
            function_name: "f".to_owned(),
            qualifier: None,
            invocation_type,
            payload: payload.into(),
            log_tail: false,
            client_context: None,
            via_url: false,
        }
    }

    /// A JSON string of exactly that many bytes.
    fn json_of(bytes: usize) -> Bytes {
        format!("\"{}\"", "x".repeat(bytes - 2)).into()
    }

    #[test]
    fn the_payload_limit_depends_on_the_invocation_type() {
        use InvocationType::{Event, RequestResponse};
        let table = [
            (RequestResponse, 6_291_456, None),
            (RequestResponse, 6_291_457, Some(6_291_456)),
            (Event, 1_048_576, None),
            (Event, 1_048_577, Some(1_048_576)),
        ];
        for (kind, bytes, refused) in table {
            let got = admit(&request(kind, json_of(bytes)));
            assert_eq!(got.err(), refused.map(|max| InvokeError::PayloadTooLarge { max }), "{kind:?} {bytes}");
        }
    }

    #[test]
    fn an_empty_body_becomes_an_empty_object_and_any_other_stays_as_it_is() {
        let payload =
            |body: &'static str| admit(&request(InvocationType::RequestResponse, body)).expect("admitted").payload;
        assert_eq!(payload(""), "{}");
        assert_eq!(payload(" { \"a\" : 1.0 } "), " { \"a\" : 1.0 } ");
    }

    #[test]
    fn what_is_not_json_is_refused_with_the_recorded_text() {
        let error = admit(&request(InvocationType::Event, "badbod")).expect_err("not JSON");
        assert!(error.to_string().starts_with(
            "Could not parse request body into json: Could not parse payload into json: Unrecognized token 'badbod': \
             was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        ));
    }

    #[test]
    fn the_client_context_is_decoded() {
        let with = |client_context: &str| {
            let client_context = Some(client_context.to_owned());
            admit(&InvokeRequest { client_context, ..request(InvocationType::RequestResponse, "{}") })
        };
        let decoded = with(&STANDARD.encode(r#"{"custom":{"k":"v"}}"#)).expect("admitted");
        assert_eq!(decoded.client_context.as_deref(), Some(r#"{"custom":{"k":"v"}}"#));
        for refused in
            ["no base64!", &STANDARD.encode("no JSON"), &STANDARD.encode(format!("\"{}\"", "x".repeat(2_700)))]
        {
            assert!(with(refused).is_err(), "{refused}");
        }
    }
}
