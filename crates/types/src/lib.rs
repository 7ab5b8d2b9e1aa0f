//! The nouns every other crate speaks in: ARNs, names, qualifiers, units, limits, clocks and the
//! request context.
//!
//! What never lives here: I/O, tokio, anything that knows how a service behaves.

pub mod arn;
pub mod auth_mode;
pub mod causes;
pub mod clock;
pub mod context;
pub mod function_ref;
pub mod ids;
pub mod limits;
pub mod qualifier;
pub mod random;
pub mod runtime;
pub mod scope;
pub mod units;

pub use arn::{Arn, ArnError};
pub use auth_mode::{AuthMode, SandboxAuth};
pub use causes::causes;
pub use clock::{Anchor, Clock, ManualClock, ServiceClock, SystemClock};
pub use context::{Caller, Origin, Proof, RequestContext, Session};
pub use function_ref::{FunctionRef, FunctionRefError};
pub use ids::{FunctionUid, RequestId, SnapshotId};
pub use qualifier::{Qualifier, Version};
pub use random::{OsRandom, Random, SeededRandom};
pub use runtime::Language;
pub use scope::{AccountId, Partition, Region, Scope};
pub use units::{Mebibytes, Millis};
