//! The only doors between services. Data types and traits; no implementation, no I/O.
//!
//! Every method takes a [`RequestContext`](hearth_types::RequestContext): who calls is known everywhere.

pub mod audit;
pub mod authorize;
pub mod code;
pub mod credentials;
pub mod event_bus;
pub mod event_source;
pub mod function;
pub mod image;
pub mod invoke;
pub mod logs;
pub mod metrics;
pub mod object;
pub mod provisioned;
pub mod queue;
pub mod response_stream;
pub mod roles;
pub mod runtime_version;
pub mod topic;

pub use audit::{AuditLog, AuditRecord, Verdict};
pub use authorize::{Access, Authorizer, Condition, Denied, Guard, ResourcePolicy};
pub use code::{CodeDigest, CodePackages, InstalledPackage, PackageError};
pub use credentials::{
    AccessKey, AccessKeys, CredentialError, CredentialIssuer, Credentials, KeyLookup, RoleRefused, ServiceRoles,
};
pub use event_bus::{EventBusError, EventSink, ServiceEvent};
pub use event_source::{EventPollers, QueueMapping};
pub use function::{
    Architecture, Concurrency, EventTerms, FunctionCatalog, FunctionVersion, IMAGE_RUNTIME, LogFormat, LogLevel,
    ResolveError, Resolved, RuntimeId, SystemLogLevel, Weighted,
};
pub use image::{
    ImageConfig, ImageError, ImageLaunch, ImageLayer, Images, LayerCompression, PinnedImage, ResolvedImage,
};
pub use invoke::{
    EnvironmentKeeper, InvocationType, InvokeError, InvokeRequest, InvokeResponse, Invoker, ThrottleReason,
};
pub use logs::{LogEvent, LogQuery, LogReader, LogSink, StoredLogEvent};
pub use metrics::{Dimensions, Meter, Metric, MetricDatum, MetricSink, NoMetrics, Unit};
pub use object::{ObjectError, ObjectRef, ObjectStore};
pub use provisioned::{Provision, ProvisionStatus, Provisioned};
pub use queue::{
    AttributeValue, MessageAttribute, MessageAttributes, OutgoingMessage, QueueConsumer, QueueError, QueueFacts,
    QueueSender, ReceiveTerms, ReceivedMessage,
};
pub use response_stream::{StreamCompletion, StreamError, StreamEvent, StreamedResponse};
pub use roles::{Grant, RoleFacts, Roles, TemporaryCredentials, TemporaryKey};
pub use runtime_version::RuntimeVersion;
pub use topic::{Notification, TopicError, TopicPublisher};
