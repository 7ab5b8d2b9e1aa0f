//! The data plane: from an [`InvokeRequest`](hearth_ports::InvokeRequest) to a function's answer.
//!
//! Start reading at [`pipeline`]: an invocation from top to bottom. Its steps and what they stand on:
//!
//! | file | what |
//! |---|---|
//! | `admit`, `json_check` | limits of a request, is it JSON |
//! | `gate`, `rates` | concurrency permits, request rates (pure) |
//! | `lease`, `pool` | warm or new environment; the pure pool behind it |
//! | `call` | what goes into an environment and what comes out (data) |
//! | `response_stream`, `token_bucket` | an answer that goes to the caller as it comes; how fast (pure) |
//! | `environment` | the life of one environment: init, invocation, reset, end |
//! | `failure` | cause of a failure → payload (pure) |
//! | `report`, `system_log` | the platform's log lines, as text and as JSON (pure) |
//! | `application_log`, `logs` | which of the function's records are kept (pure), the stream they go to |
//! | `recursion` | which invocation of a chain is one too many (pure) |
//! | `routing` | which of an alias's versions an invocation runs |
//! | `variables`, `trace` | what a function is told |
//! | `usage` | the hourly roll-up |
//! | `events` | asynchronous invocations, and who is told how they ended |
//! | `detached` | work that outlives its caller |
//! | `engine`, `config` | wiring, workers, shutdown |
//!
//! What never lives here: HTTP, how an environment is isolated, how a function is configured.

mod admit;
mod application_log;
mod call;
mod config;
mod detached;
mod engine;
mod environment;
mod events;
mod failure;
mod gate;
mod json_check;
mod lease;
mod log_permission;
mod logs;
mod metrics;
mod pipeline;
mod pool;
mod rates;
mod recursion;
mod report;
mod response_stream;
mod routing;
mod system_log;
#[cfg(test)]
mod testing;
mod token_bucket;
mod trace;
mod usage;
mod variables;

pub use config::{EngineConfig, FREEZE_GRACE, Freezing};
pub use engine::{Engine, EngineParts, StartError};
pub use response_stream::StreamLimits;
pub use usage::{Amounts, HourlyUsage};

#[cfg(test)]
mod tests;
