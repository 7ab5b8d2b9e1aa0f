//! Which service and operation a request is for: by the service it was signed for, then by `X-Amz-Target`, then by a
//! form's `Action`, then by its path.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, StatusCode};

use super::{Front, Refusal};
use crate::error::{ErrorAnswer, Fault};
use crate::model::OperationId;
use crate::protocol::{JsonVersion, Protocol, form_bytes};
use crate::router::Route;
use crate::sigv4::{Authorization, header};

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
        let signed_for = authorization.map(|authorization| authorization.credential.service.as_str());
        let candidates: Vec<usize> = (0..self.services.len())
            .filter(|&index| signed_for.is_none_or(|name| self.model(index).signing_name() == name))
            .collect();
        if let (Some(name), true) = (signed_for, candidates.is_empty()) {
            let answer = ErrorAnswer::new(
                "NotImplementedException",
                StatusCode::NOT_IMPLEMENTED,
                format!("Hearth does not serve {name} yet."),
            );
            let protocol = if REST_XML.contains(&name) { Protocol::Query } else { self.guess(head).0 };
            return Err(Refusal::new(protocol, None, answer));
        }
        let is_json = |&index: &usize| matches!(self.model(index).protocol(), Protocol::AwsJson(_));
        if let Some(target) = header(&head.headers, "x-amz-target")
            && candidates.iter().any(is_json)
        {
            return self.by_target(&candidates, target);
        }
        if is_form(head)
            && let Some(&service) = candidates.iter().find(|&&index| self.model(index).protocol() == Protocol::Query)
        {
            return Ok(Detected::Form { service, any: signed_for.is_none() });
        }
        for &service in &candidates {
            let router = self.services[service].router.as_ref();
            let route = router.and_then(|router| router.route(&head.method, head.uri.path(), head.uri.query()));
            if let Some(Route { operation, labels }) = route {
                return Ok(Detected::Operation { service, target: Target { operation, labels } });
            }
        }
        // Signed for a query service, but without a form: its protocol has a word for that.
        match candidates.iter().find(|&&index| signed_for.is_some() && self.model(index).protocol() == Protocol::Query)
        {
            Some(&service) => Ok(Detected::Form { service, any: false }),
            None => {
                let path: String = head.uri.path().chars().take(QUOTED_PATH_MAX).collect();
                let (protocol, _) = self.guess(head);
                let service = candidates.first().copied().filter(|_| signed_for.is_some());
                let protocol = service.map_or(protocol, |index| self.model(index).protocol());
                let answer = ErrorAnswer::new(
                    "UnknownOperationException",
                    StatusCode::NOT_FOUND,
                    format!("No operation answers {} {path}.", head.method),
                );
                Err(Refusal::new(protocol, service, answer))
            }
        }
    }

    fn by_target(&self, candidates: &[usize], target: &str) -> Result<Detected, Refusal> {
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        let service = candidates.iter().copied().find(|&index| self.model(index).target_prefix() == Some(prefix));
        let operation = service.and_then(|index| Some((index, self.model(index).operation_id(name)?)));
        match operation {
            Some((service, operation)) => {
                Ok(Detected::Operation { service, target: Target { operation, labels: Vec::new() } })
            }
            None => Err(Refusal::new(
                service.map_or(Protocol::AwsJson(JsonVersion::V1_1), |index| self.model(index).protocol()),
                service,
                ErrorAnswer::new("UnknownOperationException", StatusCode::BAD_REQUEST, ""),
            )),
        }
    }

    /// Service and operation, once the body is there. The error is in the words of the service given back with it.
    pub(super) fn target(
        &self,
        detected: Detected,
        head: &Parts,
        body: &Bytes,
    ) -> Result<(usize, Target), (usize, ErrorAnswer)> {
        let (service, any) = match detected {
            Detected::Operation { service, target } => return Ok((service, target)),
            Detected::Form { service, any } => (service, any),
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
        let version = version.unwrap_or_else(|| "NO_VERSION_SPECIFIED".to_owned());
        let services = if any { 0..self.services.len() } else { service..service + 1 };
        for index in services {
            let model = self.model(index);
            if model.protocol() == Protocol::Query
                && model.api_version() == version
                && let Some(operation) = model.operation_id(&action)
            {
                return Ok((index, Target { operation, labels: Vec::new() }));
            }
        }
        Err(sender("InvalidAction", format!("Could not find operation {action} for version {version}")))
    }

    /// The protocol to refuse in while the service is not known.
    pub(super) fn guess(&self, head: &Parts) -> (Protocol, Option<usize>) {
        if header(&head.headers, "x-amz-target").is_some() {
            return (Protocol::AwsJson(JsonVersion::V1_1), None);
        }
        (if is_form(head) { Protocol::Query } else { Protocol::RestJson }, None)
    }

    fn model(&self, index: usize) -> &crate::model::Model {
        self.services[index].service.model()
    }
}

/// A form in the body, or an `Action` in the query string.
fn is_form(head: &Parts) -> bool {
    let content_type = header(&head.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    // A form is also what curl calls any body: only the root path takes it for one.
    if !matches!(head.uri.path(), "" | "/") {
        return false;
    }
    (head.method == Method::POST && content_type.starts_with("application/x-www-form-urlencoded"))
        || head.uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("Action="))
}
