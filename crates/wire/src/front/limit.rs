//! How large a body may be, and what is said of one that is too large or never came whole.

use http::StatusCode;

use super::body::BodyRefused;
use super::detect::Detected;
use super::{Front, Mounted};
use crate::error::ErrorAnswer;
use crate::model::OperationId;

impl Front {
    pub(super) fn limit(&self, detected: &Detected) -> usize {
        let largest = |mounted: &Mounted| {
            let service = &mounted.service;
            service.model().operations().map(|(id, _)| service.limit_bytes(id)).max().unwrap_or_default()
        };
        match detected {
            Detected::Operation { service, target } => self.services[*service].service.limit_bytes(target.operation),
            // The operation stands in the body: any of them may be meant.
            Detected::Form { service, any: false } => largest(&self.services[*service]),
            Detected::Form { any: true, .. } => {
                self.services.iter().filter(|mounted| mounted.is_query()).map(largest).max().unwrap_or_default()
            }
        }
    }

    pub(super) fn body_refused(&self, refused: BodyRefused, detected: &Detected, limit: usize) -> ErrorAnswer {
        let operation = match detected {
            Detected::Operation { target, .. } => Some(target.operation),
            Detected::Form { .. } => None,
        };
        refused.answer(|| self.too_large(detected.service(), operation, limit))
    }

    pub(super) fn too_large(&self, service: usize, operation: Option<OperationId>, limit: usize) -> ErrorAnswer {
        let service = &self.services[service].service;
        let name = operation.map_or("requested", |operation| service.limit_name(operation));
        let message = format!("Request must be smaller than {limit} bytes for the {name} operation");
        ErrorAnswer::new("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, message)
    }
}
