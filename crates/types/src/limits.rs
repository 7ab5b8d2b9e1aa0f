//! Lambda's documented limits, in one table. Source: "Lambda quotas" in the Lambda developer guide unless noted.

use crate::units::{Mebibytes, Millis};

/// Request payload of a synchronous invocation, bytes.
pub const INVOKE_REQUEST_BYTES_MAX: usize = 6_291_456;
/// Response payload, bytes: 6 MiB + 100, as recorded from the real service.
pub const INVOKE_RESPONSE_BYTES_MAX: usize = 6_291_556;
/// A response in streaming mode, bytes; documented as 200 MB.
pub const RESPONSE_STREAM_BYTES_MAX: u64 = 200 << 20;
/// What of it goes at any speed, bytes, and the speed of the rest. Source: as above, "Bandwidth for response streaming".
pub const RESPONSE_STREAM_BURST_BYTES: u64 = 6 << 20;
pub const RESPONSE_STREAM_BYTES_PER_SECOND: u64 = 2 << 20;
/// Payload of an asynchronous invocation, bytes.
pub const INVOKE_EVENT_BYTES_MAX: usize = 1_048_576;
/// A whole CreateFunction or UpdateFunctionCode request, bytes (recorded).
pub const CODE_REQUEST_BYTES_MAX: usize = 70_167_211;
/// A zip sent in the request, bytes (recorded).
pub const ZIP_BYTES_MAX: usize = 52_428_800;
/// Code and layers, unpacked, bytes (recorded).
pub const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// Environment variables, measured as compact JSON, bytes.
pub const ENVIRONMENT_JSON_BYTES_MAX: usize = 4_096;
/// `X-Amz-Client-Context` after decoding, bytes.
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// Tail of the log that `X-Amz-Log-Type: Tail` returns, bytes.
pub const LOG_TAIL_BYTES_MAX: usize = 4_096;
/// Any other API request, bytes. The real service answers larger ones with 413.
pub const API_REQUEST_BYTES_MAX: usize = 6_291_456;
/// Request line and headers together, bytes.
pub const REQUEST_HEAD_BYTES_MAX: usize = 1_048_576;

pub const MEMORY_MIN: Mebibytes = Mebibytes(128);
pub const MEMORY_MAX: Mebibytes = Mebibytes(10_240);
pub const MEMORY_DEFAULT: Mebibytes = Mebibytes(128);
/// The memory size that earns one full vCPU.
pub const MEMORY_PER_VCPU: Mebibytes = Mebibytes(1_769);
pub const EPHEMERAL_STORAGE_MIN: Mebibytes = Mebibytes(512);
pub const EPHEMERAL_STORAGE_MAX: Mebibytes = Mebibytes(10_240);
pub const EPHEMERAL_STORAGE_DEFAULT: Mebibytes = Mebibytes(512);
pub const TIMEOUT_DEFAULT: Millis = Millis::from_secs(3);
pub const TIMEOUT_MAX: Millis = Millis::from_secs(900);
/// The init phase of an on-demand environment.
pub const INIT_TIMEOUT: Millis = Millis::from_secs(10);
/// The init phase of an environment of provisioned concurrency; longer when the function's own time-out is. Source:
/// Lambda developer guide, "Understanding the Lambda execution environment lifecycle".
pub const PROVISIONED_INIT_TIMEOUT: Millis = Millis::from_secs(130);

/// `MaximumRetryAttempts` of an asynchronous invocation, and its default. Source: Lambda API reference.
pub const EVENT_RETRIES_MAX: u32 = 2;
/// `MaximumEventAgeInSeconds`, and its default.
pub const EVENT_AGE_MAX: Millis = Millis::from_secs(21_600);

/// Packages of all functions and layers of an account in a region, bytes.
pub const CODE_STORAGE_BYTES_MAX: u64 = 300 << 30;
pub const LAYERS_MAX: usize = 5;
/// `ImageConfig`, all its texts together, bytes.
pub const IMAGE_CONFIG_BYTES_MAX: usize = 16_384;
pub const TAGS_MAX: usize = 50;
/// Filters of an event source mapping.
pub const MAPPING_FILTERS_MAX: usize = 5;
/// Page size of ListFunctions and ListVersionsByFunction.
pub const LIST_PAGE_MAX: usize = 50;
/// Account-wide concurrency and the part that must stay unreserved.
pub const ACCOUNT_CONCURRENCY: u32 = 1_000;
pub const UNRESERVED_CONCURRENCY_MIN: u32 = 100;
/// Descriptors of a function's process.
pub const SANDBOX_DESCRIPTORS_MAX: u64 = 1_024;
/// Processes and threads of an environment.
pub const SANDBOX_PROCESSES_MAX: u64 = 1_024;
/// What an environment may write to its `/tmp` a second, once that is more than its memory takes up: more than that keeps
/// the kernel so busy that others wait for it.
pub const SANDBOX_STORAGE_WRITE_PER_SECOND: Mebibytes = Mebibytes(128);
/// Validity of the presigned `Code.Location` of GetFunction.
pub const CODE_LOCATION_TTL: Millis = Millis::from_secs(600);

/// Extensions of one execution environment, internal and external ones together. Source: Lambda quotas.
pub const EXTENSIONS_MAX: usize = 10;
