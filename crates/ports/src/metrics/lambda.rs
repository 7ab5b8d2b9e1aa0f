//! What Lambda tells about functions: namespace `AWS/Lambda`. Source: Lambda developer guide, "Types of metrics for Lambda
//! functions".

use super::{Dimensions, Metric, Unit};

pub const NAMESPACE: &str = "AWS/Lambda";

macro_rules! metrics {
    ($($(#[$doc:meta])* $ident:ident = $name:literal, $unit:ident;)*) => {
        $($(#[$doc])* pub static $ident: Metric = Metric { namespace: NAMESPACE, name: $name, unit: Unit::$unit };)*
        /// All of them.
        pub static ALL: &[&Metric] = &[$(&$ident),*];
    };
}

metrics! {
    /// Each time code was run, also when it failed; not so for what was throttled or refused.
    INVOCATIONS = "Invocations", Count;
    /// 1 for each invocation that ended with a function error, 0 for the others.
    ERRORS = "Errors", Count;
    /// Invocations that found no room.
    THROTTLES = "Throttles", Count;
    /// What the handler took, without the start of its environment.
    DURATION = "Duration", Milliseconds;
    /// What extensions took after the handler.
    POST_RUNTIME_EXTENSIONS_DURATION = "PostRuntimeExtensionsDuration", Milliseconds;
    CONCURRENT_EXECUTIONS = "ConcurrentExecutions", Count;
    /// Of functions without reserved concurrency, together.
    UNRESERVED_CONCURRENT_EXECUTIONS = "UnreservedConcurrentExecutions", Count;
    /// Not to be had for invocations on demand: in use without a reservation, reserved, or provisioned. What is provisioned
    /// is a part of its function's reservation, if there is one.
    CLAIMED_ACCOUNT_CONCURRENCY = "ClaimedAccountConcurrency", Count;
    PROVISIONED_CONCURRENT_EXECUTIONS = "ProvisionedConcurrentExecutions", Count;
    PROVISIONED_CONCURRENCY_INVOCATIONS = "ProvisionedConcurrencyInvocations", Count;
    PROVISIONED_CONCURRENCY_SPILLOVER_INVOCATIONS = "ProvisionedConcurrencySpilloverInvocations", Count;
    /// The part of the provisioned concurrency that is in use: 0.5 is half of it.
    PROVISIONED_CONCURRENCY_UTILIZATION = "ProvisionedConcurrencyUtilization", Count;
    /// Events that stopped in a loop of functions, queues and topics.
    RECURSIVE_INVOCATIONS_DROPPED = "RecursiveInvocationsDropped", Count;
    ASYNC_EVENTS_RECEIVED = "AsyncEventsReceived", Count;
    /// From the queueing of an event to the invocation of its function.
    ASYNC_EVENT_AGE = "AsyncEventAge", Milliseconds;
    ASYNC_EVENTS_DROPPED = "AsyncEventsDropped", Count;
    DEAD_LETTER_ERRORS = "DeadLetterErrors", Count;
    DESTINATION_DELIVERY_FAILURES = "DestinationDeliveryFailures", Count;
    /// Taken from the source of a mapping; 0 for a poll that found nothing.
    POLLED_EVENT_COUNT = "PolledEventCount", Count;
    /// Kept from the function by the mapping's filter.
    FILTERED_OUT_EVENT_COUNT = "FilteredOutEventCount", Count;
    /// Each time the function was asked to run with them, so again when it is tried again.
    INVOKED_EVENT_COUNT = "InvokedEventCount", Count;
    /// Each time that did not end well for them.
    FAILED_INVOKE_EVENT_COUNT = "FailedInvokeEventCount", Count;
    /// From the source, when they were done with; 0 when that failed.
    DELETED_EVENT_COUNT = "DeletedEventCount", Count;
    URL_REQUEST_COUNT = "UrlRequestCount", Count;
    URL_4XX_COUNT = "Url4xxCount", Count;
    URL_5XX_COUNT = "Url5xxCount", Count;
    URL_REQUEST_LATENCY = "UrlRequestLatency", Milliseconds;
}

/// The whole account and region.
#[must_use]
pub const fn of_region() -> Dimensions {
    Vec::new()
}

#[must_use]
pub fn of_function(name: &str) -> Dimensions {
    vec![("FunctionName".to_owned(), name.to_owned())]
}

/// A version or alias as it was asked for: `name`, `name:version` or `name:alias`.
#[must_use]
pub fn of_resource(name: &str, resource: &str) -> Dimensions {
    vec![("FunctionName".to_owned(), name.to_owned()), ("Resource".to_owned(), resource.to_owned())]
}

/// Which version of a weighted alias's two ran.
#[must_use]
pub fn of_executed_version(name: &str, resource: &str, version: &str) -> Dimensions {
    let executed = ("ExecutedVersion".to_owned(), version.to_owned());
    std::iter::once(executed).chain(of_resource(name, resource)).collect()
}

#[must_use]
pub fn of_mapping(uuid: &str) -> Dimensions {
    vec![("EventSourceMappingUUID".to_owned(), uuid.to_owned())]
}
