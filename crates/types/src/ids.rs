//! Ids that are never reused.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::random::{self, Random};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn generate(source: &dyn Random) -> Self {
                Self(random::uuid(source).into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One life of a function: delete and re-create gives another uid behind the same name.
    FunctionUid
);
text_id!(
    /// The id of one API request, and of all attempts of one invocation.
    RequestId
);
text_id!(
    /// One immutable state of a function version's code and configuration.
    SnapshotId
);
