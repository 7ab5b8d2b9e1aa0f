//! Provisioned concurrency: environments that are initialised ahead of invocations. What the control plane wants and what
//! the data plane has.

use std::sync::Arc;

use crate::function::FunctionVersion;

/// The environments to keep ready for those who invoke a function by one qualifier.
#[derive(Clone, Debug)]
pub struct Provision {
    /// The name of an alias, or a version's number.
    pub qualifier: Arc<str>,
    /// What the qualifier leads to, each with its part of the environments.
    pub parts: Vec<(Arc<FunctionVersion>, u32)>,
}

/// How far a provision has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// Environments that are initialised, whether they run or wait.
    pub ready: u32,
    pub status: ProvisionStatus,
}

/// Source: `ProvisionedConcurrencyStatusEnum` in the Lambda API model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvisionStatus {
    InProgress,
    Ready,
    /// With the reason.
    Failed(String),
}
