//! Which service and operation a request is for: by the service it was signed for, then by `X-Amz-Target`, then by the
//! path of a CBOR request, then by a form's `Action`, then by its path.

use std::sync::Arc;

use bytes::Bytes;
use hearth_types::AccountId;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, StatusCode};

use super::{Front, Refusal};
use crate::error::{ErrorAnswer, Fault};
use crate::model::OperationId;
use crate::protocol::{JsonVersion, Protocol, form_bytes, rpc_cbor};
use crate::router::Route;
use crate::sigv4::{AuthError, Authorization, header};

/// Characters of a path that an answer quotes.
const QUOTED_PATH_MAX: usize = 200;

/// Services that read errors in XML, though nothing in their requests says so. A query service's error has the form
/// that their clients take for their own. Source: botocore, `RestXMLParser`.
const REST_XML: [&str; 4] = ["cloudfront", "route53", "s3", "s3express"];

/// What the head alone tells.
pub(super) enum Detected {
    Operation {
        service: usize,
        target: Target,
    },
    /// A query service: the operation stands in the form. `any` when the service is still open too.
    Form {
        service: usize,
        any: bool,
    },
}

pub(super) struct Target {
    pub(super) operation: OperationId,
    pub(super) labels: Vec<(Arc<str>, String)>,
}

impl Detected {
    pub(super) const fn service(&self) -> usize {
        match self {
            Self::Operation { service, .. } | Self::Form { service, .. } => *service,
        }
    }
}

impl Front {
    pub(super) fn detect(&self, head: &Parts, authorization: Option<&Authorization>) -> Result<Detected, Refusal> {
        let all = || (0..self.services.len()).collect::<Vec<usize>>();
        let Some(name) = signed_for(authorization) else {
            return self.among(&all(), head).unwrap_or_else(|| Err(self.no_operation(head, None)));
        };
        let is_named = |&index: &usize| self.model(index).signing_name() == name;
        let candidates: Vec<usize> = (0..self.services.len()).filter(is_named).collect();
        let Some(&first) = candidates.first() else {
            let answer = ErrorAnswer::new(
                "NotImplementedException",
                StatusCode::NOT_IMPLEMENTED,
                format!("Hearth does not serve {name} yet."),
            );
            let protocol = if REST_XML.contains(&name) { Protocol::Query } else { self.guess(head) };
            return Err(Refusal::new(protocol, None, answer));
        };
        // Who signed for a query service sends it forms, to its resources' own URLs too.
        let query = candidates.iter().find(|&&index| self.model(index).protocol() == Protocol::Query);
        if let Some(&service) = query
            && header(&head.headers, "x-amz-target").is_none()
            && has_form(head)
        {
            return Ok(Detected::Form { service, any: false });
        }
        let refused = match self.among(&candidates, head) {
            Some(Ok(Detected::Form { service, .. })) => return Ok(Detected::Form { service, any: false }),
            Some(Ok(detected)) => return Ok(detected),
            Some(Err(refusal)) => Some(refusal),
            None => None,
        };
        match self.among(&all(), head) {
            Some(Ok(Detected::Operation { service, .. })) => Err(self.wrong_service(service)),
            // Whose it is stands in it.
            Some(Ok(form @ Detected::Form { .. })) => Ok(form),
            Some(Err(_)) | None => match refused {
                Some(refusal) => Err(refusal),
                // Without a form: the protocol has a word for that.
                None if self.model(first).protocol() == Protocol::Query => {
                    Ok(Detected::Form { service: first, any: false })
                }
                None => Err(self.no_operation(head, Some(first))),
            },
        }
    }

    /// The operation that one of these services has for the request, if any.
    fn among(&self, candidates: &[usize], head: &Parts) -> Option<Result<Detected, Refusal>> {
        let is_json = |&index: &usize| matches!(self.model(index).protocol(), Protocol::AwsJson(_));
        if let Some(target) = header(&head.headers, "x-amz-target")
            && candidates.iter().any(is_json)
        {
            return Some(self.by_target(candidates, target));
        }
        if is_rpc_cbor(head)
            && let Some((prefix, name)) = rpc_cbor::target(head.uri.path())
            && candidates.iter().any(|&index| self.model(index).protocol() == Protocol::RpcCbor)
        {
            return Some(self.by_name(candidates, Protocol::RpcCbor, prefix, name));
        }
        if is_form(head)
            && let Some(&service) = candidates.iter().find(|&&index| self.model(index).protocol() == Protocol::Query)
        {
            return Some(Ok(Detected::Form { service, any: true }));
        }
        candidates.iter().find_map(|&service| {
            let router = self.services[service].router.as_ref()?;
            let Route { operation, labels } = router.route(&head.method, head.uri.path(), head.uri.query())?;
            Some(Ok(Detected::Operation { service, target: Target { operation, labels } }))
        })
    }

    fn no_operation(&self, head: &Parts, service: Option<usize>) -> Refusal {
        let path: String = head.uri.path().chars().take(QUOTED_PATH_MAX).collect();
        let protocol = service.map_or_else(|| self.guess(head), |index| self.model(index).protocol());
        let answer = ErrorAnswer::new(
            "UnknownOperationException",
            StatusCode::NOT_FOUND,
            format!("No operation answers {} {path}.", head.method),
        );
        Refusal::new(protocol, service, answer)
    }

    fn wrong_service(&self, asked: usize) -> Refusal {
        let model = self.model(asked);
        let error = AuthError::Service { expected: model.signing_name().to_owned() };
        Refusal::new(model.protocol(), Some(asked), error.answer(model.protocol()))
    }

    fn by_target(&self, candidates: &[usize], target: &str) -> Result<Detected, Refusal> {
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        self.by_name(candidates, Protocol::AwsJson(JsonVersion::V1_1), prefix, name)
    }

    /// The operation of that name, in the service of that prefix. `protocol` of any version.
    fn by_name(&self, candidates: &[usize], protocol: Protocol, prefix: &str, name: &str) -> Result<Detected, Refusal> {
        let is_meant = |&index: &usize| {
            let model = self.model(index);
            std::mem::discriminant(&model.protocol()) == std::mem::discriminant(&protocol)
                && model.target_prefix() == Some(prefix)
        };
        let service = candidates.iter().copied().find(is_meant);
        let operation = service.and_then(|index| Some((index, self.model(index).operation_id(name)?)));
        match operation {
            Some((service, operation)) => {
                Ok(Detected::Operation { service, target: Target { operation, labels: Vec::new() } })
            }
            None => Err(Refusal::new(
                service.map_or(protocol, |index| self.model(index).protocol()),
                service,
                ErrorAnswer::new("UnknownOperationException", StatusCode::BAD_REQUEST, ""),
            )),
        }
    }

    /// Service and operation, once the body is there. The error is in the words of the service given back with it.
    pub(super) fn target(
        &self,
        detected: Detected,
        authorization: Option<&Authorization>,
        head: &Parts,
        body: &Bytes,
    ) -> Result<(usize, Target), (usize, ErrorAnswer)> {
        let service = match detected {
            Detected::Operation { service, target } => return Ok((service, target)),
            Detected::Form { service, .. } => service,
        };
        let sender = |code: &'static str, message: String| {
            (service, ErrorAnswer::new(code, StatusCode::BAD_REQUEST, message).fault(Fault::Client))
        };
        let (mut action, mut version) = (None, None);
        for (name, value) in form_urlencoded::parse(form_bytes(head.uri.query(), body)) {
            match name.as_ref() {
                "Action" => action = Some(value.into_owned()),
                "Version" => version = Some(value.into_owned()),
                _ => {}
            }
            if action.is_some() && version.is_some() {
                break;
            }
        }
        let Some(action) = action else {
            let message = "The request is missing an action or a required parameter.";
            return Err(sender("MissingAction", message.to_owned()));
        };
        // The service it is signed for comes first; what belongs to another is signed wrongly.
        let others = (0..self.services.len()).filter(|&index| index != service);
        for index in std::iter::once(service).chain(others) {
            let model = self.model(index);
            if model.protocol() != Protocol::Query {
                continue;
            }
            let Some(operation) = model.operation_id(&action) else { continue };
            let is_meant = match &version {
                Some(version) => *model.api_version() == **version,
                // Links in messages name none.
                None => authorization.is_none() && self.services[index].service.allows_unsigned(operation),
            };
            if !is_meant {
                continue;
            }
            let is_open = !model.operation(operation).needs_credentials();
            if is_open || signed_for(authorization).is_none_or(|name| name == model.signing_name()) {
                return Ok((index, Target { operation, labels: Vec::new() }));
            }
            return Err((index, *self.wrong_service(index).answer));
        }
        let version = version.unwrap_or_else(|| "NO_VERSION_SPECIFIED".to_owned());
        Err(sender("InvalidAction", format!("Could not find operation {action} for version {version}")))
    }

    /// The protocol to refuse in while the service is not known.
    pub(super) fn guess(&self, head: &Parts) -> Protocol {
        if header(&head.headers, "x-amz-target").is_some() {
            return Protocol::AwsJson(JsonVersion::V1_1);
        }
        if is_rpc_cbor(head) {
            return Protocol::RpcCbor;
        }
        if is_form(head) { Protocol::Query } else { Protocol::RestJson }
    }

    fn model(&self, index: usize) -> &crate::model::Model {
        self.services[index].service.model()
    }
}

fn signed_for(authorization: Option<&Authorization>) -> Option<&str> {
    authorization.map(|authorization| authorization.credential.service.as_str())
}

fn is_rpc_cbor(head: &Parts) -> bool {
    header(&head.headers, rpc_cbor::SMITHY_PROTOCOL.as_str()) == Some(rpc_cbor::NAME)
}

/// A form in the body, or an `Action` in the query string.
fn is_form(head: &Parts) -> bool {
    // A form is also what curl calls any body: only the root path, and that of a resource, takes it for one.
    (matches!(head.uri.path(), "" | "/") || is_of_resource(head.uri.path())) && has_form(head)
}

/// `/ACCOUNT/NAME`, as the URL of a queue has it.
fn is_of_resource(path: &str) -> bool {
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    parts.is_some_and(|(account, name)| account.parse::<AccountId>().is_ok() && !name.contains('/'))
}

fn has_form(head: &Parts) -> bool {
    let content_type = header(&head.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    (head.method == Method::POST && content_type.starts_with("application/x-www-form-urlencoded"))
        || head.uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("Action="))
}
