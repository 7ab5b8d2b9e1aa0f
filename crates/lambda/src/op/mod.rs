//! One operation, one file: its input, its handler, its answer.

mod add_layer_version_permission;
mod add_permission;
mod checkpoint_durable_execution;
mod create_alias;
mod create_capacity_provider;
mod create_code_signing_config;
mod create_event_source_mapping;
mod create_function;
mod create_function_url_config;
mod delete_alias;
mod delete_capacity_provider;
mod delete_code_signing_config;
mod delete_durable_execution;
mod delete_event_source_mapping;
mod delete_function;
mod delete_function_code_signing_config;
mod delete_function_concurrency;
mod delete_function_event_invoke_config;
mod delete_function_url_config;
mod delete_layer_version;
mod delete_provisioned_concurrency_config;
mod delete_resource_policy;
mod get_account_settings;
mod get_alias;
mod get_capacity_provider;
mod get_code_signing_config;
mod get_durable_execution;
mod get_durable_execution_history;
mod get_durable_execution_state;
mod get_event_source_mapping;
mod get_function;
mod get_function_code_signing_config;
mod get_function_concurrency;
mod get_function_configuration;
mod get_function_event_invoke_config;
mod get_function_recursion_config;
mod get_function_scaling_config;
mod get_function_url_config;
mod get_layer_version;
mod get_layer_version_by_arn;
mod get_layer_version_policy;
mod get_policy;
mod get_provisioned_concurrency_config;
mod get_resource_policy;
mod get_runtime_management_config;
mod invoke;
mod invoke_async;
mod invoke_with_response_stream;
mod list_aliases;
mod list_capacity_providers;
mod list_code_signing_configs;
mod list_durable_executions_by_function;
mod list_event_source_mappings;
mod list_function_event_invoke_configs;
mod list_function_url_configs;
mod list_function_versions_by_capacity_provider;
mod list_functions;
mod list_functions_by_code_signing_config;
mod list_layer_versions;
mod list_layers;
mod list_provisioned_concurrency_configs;
mod list_tags;
mod list_versions_by_function;
mod pause_durable_execution;
mod publish_layer_version;
mod publish_version;
mod put_function_code_signing_config;
mod put_function_concurrency;
mod put_function_event_invoke_config;
mod put_function_recursion_config;
mod put_function_scaling_config;
mod put_provisioned_concurrency_config;
mod put_resource_policy;
mod put_runtime_management_config;
mod remove_layer_version_permission;
mod remove_permission;
mod resume_durable_execution;
mod send_durable_execution_callback_failure;
mod send_durable_execution_callback_heartbeat;
mod send_durable_execution_callback_success;
mod stop_durable_execution;
mod tag_resource;
mod untag_resource;
mod update_alias;
mod update_capacity_provider;
mod update_code_signing_config;
mod update_event_source_mapping;
mod update_function_code;
mod update_function_configuration;
mod update_function_event_invoke_config;
mod update_function_url_config;

use std::pin::Pin;
use std::sync::Arc;

use hearth_types::RequestContext;
use hearth_types::limits::{API_REQUEST_BYTES_MAX, CODE_REQUEST_BYTES_MAX, INVOKE_REQUEST_BYTES_MAX};
use hearth_wire::Service;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;

/// The answer of an operation that has nothing to say, and the input of one that looks at nothing.
#[derive(Debug, Deserialize, Serialize)]
struct Nothing {}

type Answer<O> = Pin<Box<dyn Future<Output = Result<O, LambdaError>> + Send>>;

/// An operation that changes something is not stopped half-way when its client goes away.
fn to_the_end<I, O, F, Fut>(handle: F) -> impl Fn(Arc<Lambda>, RequestContext, I) -> Answer<O>
where
    O: Send + 'static,
    F: Fn(Arc<Lambda>, RequestContext, I) -> Fut,
    Fut: Future<Output = Result<O, LambdaError>> + Send + 'static,
{
    move |lambda, ctx, input| {
        let work = tokio::spawn(handle(lambda, ctx, input));
        Box::pin(async move { work.await.unwrap_or_else(|error| Err(LambdaError::internal(error))) })
    }
}

/// The Lambda API as a service of the front.
#[must_use]
pub fn service(lambda: Arc<Lambda>) -> Arc<dyn Service> {
    const SMALL: usize = API_REQUEST_BYTES_MAX;
    hearth_wire::service(hearth_wire::models::lambda(), lambda)
        .op("CreateFunction", CODE_REQUEST_BYTES_MAX, to_the_end(create_function::handle))
        .op("GetFunction", SMALL, get_function::handle)
        .op("GetFunctionConfiguration", SMALL, get_function_configuration::handle)
        .op("ListFunctions", SMALL, list_functions::handle)
        .op("UpdateFunctionCode", CODE_REQUEST_BYTES_MAX, to_the_end(update_function_code::handle))
        .op("UpdateFunctionConfiguration", SMALL, to_the_end(update_function_configuration::handle))
        // Recorded: the wire says 204 where the model says 200.
        .op_with_status("DeleteFunction", SMALL, StatusCode::NO_CONTENT, to_the_end(delete_function::handle))
        .op("PublishVersion", SMALL, to_the_end(publish_version::handle))
        .op("ListVersionsByFunction", SMALL, list_versions_by_function::handle)
        .op("GetFunctionCodeSigningConfig", SMALL, get_function_code_signing_config::handle)
        .op("PutFunctionConcurrency", SMALL, to_the_end(put_function_concurrency::handle))
        .op("GetFunctionConcurrency", SMALL, get_function_concurrency::handle)
        .op("DeleteFunctionConcurrency", SMALL, to_the_end(delete_function_concurrency::handle))
        .op("GetAccountSettings", SMALL, get_account_settings::handle)
        .op("PutFunctionEventInvokeConfig", SMALL, to_the_end(put_function_event_invoke_config::handle))
        .op("UpdateFunctionEventInvokeConfig", SMALL, to_the_end(update_function_event_invoke_config::handle))
        .op("GetFunctionEventInvokeConfig", SMALL, get_function_event_invoke_config::handle)
        .op("DeleteFunctionEventInvokeConfig", SMALL, to_the_end(delete_function_event_invoke_config::handle))
        .op("ListFunctionEventInvokeConfigs", SMALL, list_function_event_invoke_configs::handle)
        .op("AddPermission", SMALL, to_the_end(add_permission::handle))
        .op("RemovePermission", SMALL, to_the_end(remove_permission::handle))
        .op("GetPolicy", SMALL, get_policy::handle)
        .op("GetResourcePolicy", SMALL, get_resource_policy::handle)
        .op("PutResourcePolicy", SMALL, to_the_end(put_resource_policy::handle))
        .op("DeleteResourcePolicy", SMALL, to_the_end(delete_resource_policy::handle))
        .op("CreateAlias", SMALL, to_the_end(create_alias::handle))
        .op("GetAlias", SMALL, get_alias::handle)
        .op("UpdateAlias", SMALL, to_the_end(update_alias::handle))
        .op("DeleteAlias", SMALL, to_the_end(delete_alias::handle))
        .op("ListAliases", SMALL, list_aliases::handle)
        .op("PublishLayerVersion", CODE_REQUEST_BYTES_MAX, to_the_end(publish_layer_version::handle))
        .op("GetLayerVersion", SMALL, get_layer_version::handle)
        .op("GetLayerVersionByArn", SMALL, get_layer_version_by_arn::handle)
        .op("ListLayerVersions", SMALL, list_layer_versions::handle)
        .op("ListLayers", SMALL, list_layers::handle)
        .op("DeleteLayerVersion", SMALL, to_the_end(delete_layer_version::handle))
        .op("AddLayerVersionPermission", SMALL, to_the_end(add_layer_version_permission::handle))
        .op("GetLayerVersionPolicy", SMALL, get_layer_version_policy::handle)
        .op("RemoveLayerVersionPermission", SMALL, to_the_end(remove_layer_version_permission::handle))
        .op("TagResource", SMALL, to_the_end(tag_resource::handle))
        .op("UntagResource", SMALL, to_the_end(untag_resource::handle))
        .op("ListTags", SMALL, list_tags::handle)
        .op("GetFunctionRecursionConfig", SMALL, get_function_recursion_config::handle)
        .op("PutFunctionRecursionConfig", SMALL, to_the_end(put_function_recursion_config::handle))
        .op("GetRuntimeManagementConfig", SMALL, get_runtime_management_config::handle)
        .op("PutRuntimeManagementConfig", SMALL, put_runtime_management_config::handle)
        .op("GetCodeSigningConfig", SMALL, get_code_signing_config::handle)
        .op("DeleteCodeSigningConfig", SMALL, delete_code_signing_config::handle)
        .op("ListCodeSigningConfigs", SMALL, list_code_signing_configs::handle)
        .op("ListFunctionsByCodeSigningConfig", SMALL, list_functions_by_code_signing_config::handle)
        .op("PutFunctionCodeSigningConfig", SMALL, put_function_code_signing_config::handle)
        .op("DeleteFunctionCodeSigningConfig", SMALL, delete_function_code_signing_config::handle)
        .op("GetCapacityProvider", SMALL, get_capacity_provider::handle)
        .op("DeleteCapacityProvider", SMALL, delete_capacity_provider::handle)
        .op("ListCapacityProviders", SMALL, list_capacity_providers::handle)
        .op("ListFunctionVersionsByCapacityProvider", SMALL, list_function_versions_by_capacity_provider::handle)
        .op("GetDurableExecution", SMALL, get_durable_execution::handle)
        .op("GetDurableExecutionHistory", SMALL, get_durable_execution_history::handle)
        .op("DeleteDurableExecution", SMALL, delete_durable_execution::handle)
        .op("PauseDurableExecution", SMALL, pause_durable_execution::handle)
        .op("ResumeDurableExecution", SMALL, resume_durable_execution::handle)
        .op("StopDurableExecution", SMALL, stop_durable_execution::handle)
        .op("CheckpointDurableExecution", SMALL, checkpoint_durable_execution::handle)
        .op("GetDurableExecutionState", SMALL, get_durable_execution_state::handle)
        .op("SendDurableExecutionCallbackFailure", SMALL, send_durable_execution_callback_failure::handle)
        .op("SendDurableExecutionCallbackHeartbeat", SMALL, send_durable_execution_callback_heartbeat::handle)
        .op("SendDurableExecutionCallbackSuccess", SMALL, send_durable_execution_callback_success::handle)
        .op("ListDurableExecutionsByFunction", SMALL, list_durable_executions_by_function::handle)
        .op("CreateCapacityProvider", SMALL, create_capacity_provider::handle)
        .op("UpdateCapacityProvider", SMALL, update_capacity_provider::handle)
        .op("GetFunctionScalingConfig", SMALL, get_function_scaling_config::handle)
        .op("PutFunctionScalingConfig", SMALL, put_function_scaling_config::handle)
        .op("CreateCodeSigningConfig", SMALL, create_code_signing_config::handle)
        .op("UpdateCodeSigningConfig", SMALL, update_code_signing_config::handle)
        .op("UpdateEventSourceMapping", SMALL, to_the_end(update_event_source_mapping::handle))
        .op("CreateEventSourceMapping", SMALL, to_the_end(create_event_source_mapping::handle))
        .op("GetProvisionedConcurrencyConfig", SMALL, get_provisioned_concurrency_config::handle)
        .op("PutProvisionedConcurrencyConfig", SMALL, put_provisioned_concurrency_config::handle)
        .op("DeleteProvisionedConcurrencyConfig", SMALL, delete_provisioned_concurrency_config::handle)
        .op("ListProvisionedConcurrencyConfigs", SMALL, list_provisioned_concurrency_configs::handle)
        .op("CreateFunctionUrlConfig", SMALL, to_the_end(create_function_url_config::handle))
        .op("GetFunctionUrlConfig", SMALL, get_function_url_config::handle)
        .op("UpdateFunctionUrlConfig", SMALL, to_the_end(update_function_url_config::handle))
        .op("DeleteFunctionUrlConfig", SMALL, to_the_end(delete_function_url_config::handle))
        .op("ListFunctionUrlConfigs", SMALL, list_function_url_configs::handle)
        .op("GetEventSourceMapping", SMALL, get_event_source_mapping::handle)
        .op("DeleteEventSourceMapping", SMALL, to_the_end(delete_event_source_mapping::handle))
        .op("ListEventSourceMappings", SMALL, list_event_source_mappings::handle)
        .raw("Invoke", INVOKE_REQUEST_BYTES_MAX, invoke::handle)
        .raw("InvokeWithResponseStream", INVOKE_REQUEST_BYTES_MAX, invoke_with_response_stream::handle)
        .raw("InvokeAsync", INVOKE_REQUEST_BYTES_MAX, invoke_async::handle)
        // As the real service calls it where it refuses a payload for its size.
        .called("Invoke", "InvokeFunction")
        // Runtimes are refused with texts of their own, blocked ones included: settings/runtime.rs.
        .exempt("CreateFunction", "Runtime")
        .exempt("UpdateFunctionConfiguration", "Runtime")
        .exempt("PutFunctionRecursionConfig", "RecursiveLoop")
        // So are those of layers: layer/compatible.rs.
        .exempt("PublishLayerVersion", "CompatibleRuntimes")
        .exempt("PublishLayerVersion", "CompatibleArchitectures")
        .build()
}
