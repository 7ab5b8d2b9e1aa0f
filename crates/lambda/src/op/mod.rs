//! One operation, one file: its input, its handler, its answer.

mod create_function;
mod delete_function;
mod get_function;
mod get_function_code_signing_config;
mod get_function_concurrency;
mod get_function_configuration;
mod get_policy;
mod invoke;
mod list_functions;
mod list_tags;
mod list_versions_by_function;
mod publish_version;
mod update_function_code;
mod update_function_configuration;

use std::sync::Arc;

use hearth_types::limits::{API_REQUEST_BYTES_MAX, CODE_REQUEST_BYTES_MAX, INVOKE_REQUEST_BYTES_MAX};
use hearth_wire::Service;
use http::StatusCode;
use serde::Serialize;

use crate::lambda::Lambda;

/// The answer of an operation that has nothing to say.
#[derive(Debug, Serialize)]
struct Nothing {}

/// The Lambda API as a service of the front.
#[must_use]
pub fn service(lambda: Arc<Lambda>) -> Arc<dyn Service> {
    const SMALL: usize = API_REQUEST_BYTES_MAX;
    hearth_wire::service(hearth_wire::models::lambda(), lambda)
        .op("CreateFunction", CODE_REQUEST_BYTES_MAX, create_function::handle)
        .op("GetFunction", SMALL, get_function::handle)
        .op("GetFunctionConfiguration", SMALL, get_function_configuration::handle)
        .op("ListFunctions", SMALL, list_functions::handle)
        .op("UpdateFunctionCode", CODE_REQUEST_BYTES_MAX, update_function_code::handle)
        .op("UpdateFunctionConfiguration", SMALL, update_function_configuration::handle)
        // Recorded: the wire says 204 where the model says 200.
        .op_with_status("DeleteFunction", SMALL, StatusCode::NO_CONTENT, delete_function::handle)
        .op("PublishVersion", SMALL, publish_version::handle)
        .op("ListVersionsByFunction", SMALL, list_versions_by_function::handle)
        .op("GetFunctionCodeSigningConfig", SMALL, get_function_code_signing_config::handle)
        .op("GetFunctionConcurrency", SMALL, get_function_concurrency::handle)
        .op("GetPolicy", SMALL, get_policy::handle)
        .op("ListTags", SMALL, list_tags::handle)
        .raw("Invoke", INVOKE_REQUEST_BYTES_MAX, invoke::handle)
        // As the real service calls it where it refuses a payload for its size.
        .called("Invoke", "InvokeFunction")
        // Runtimes are refused with texts of their own, blocked ones included: settings/runtime.rs.
        .exempt("CreateFunction", "Runtime")
        .exempt("UpdateFunctionConfiguration", "Runtime")
        .build()
}
