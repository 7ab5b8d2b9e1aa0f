//! One file per operation. Each asks [`crate::Sts::authorize`] first.

pub(crate) mod get_caller_identity;
