//! Provisioned concurrency: how many environments are kept ready for a version or an alias. Pure.
//!
//! Source: Lambda developer guide, "Configuring provisioned concurrency for a function"; the refusals are recorded.

use std::sync::Arc;

use hearth_ports::{ProvisionStatus, Provisioned};
use hearth_types::clock::format_utc;
use hearth_types::{SnapshotId, Version};
use serde::{Deserialize, Serialize};

use crate::alias::AliasRecord;
use crate::catalog::Function;
use crate::error::LambdaError;
use crate::record::FunctionRecord;

pub(crate) const ONLY_PUBLISHED: &str =
    "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";

/// Source: hashicorp/terraform#24957 and hashicorp/terraform-provider-aws#48116, which quote the service.
const WITH_WEIGHTS: &str = "Alias with weights can not be used with Provisioned Concurrency";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProvisionedRecord {
    pub(crate) count: u32,
    pub(crate) last_modified_ms: i64,
}

/// Of all versions and aliases of a function.
pub(crate) fn total(record: &FunctionRecord) -> u32 {
    record.provisioned.values().fold(0, |total, config| total.saturating_add(config.count))
}

/// What a qualifier leads to, each with its part of `count`: with weights, the second version has its share, rounded up.
pub(crate) fn parts(record: &FunctionRecord, qualifier: &str, count: u32) -> Vec<(Version, u32)> {
    let Some(alias) = record.aliases.get(qualifier) else {
        return Version::parse(qualifier).map(|version| (version, count)).into_iter().collect();
    };
    let second = alias.second.map(|second| {
        let part = (f64::from(count) * second.weight).ceil();
        (Version::Published(second.version), (part as u32).min(count))
    });
    let rest = count - second.map_or(0, |(_, part)| part);
    [Some((alias.version, rest)), second].into_iter().flatten().filter(|(_, part)| *part > 0).collect()
}

/// Of one provision: its qualifier, when it was put, and how much of what is kept.
pub(crate) type Facts = (Arc<str>, i64, Vec<(SnapshotId, u32)>);

/// What the data plane must be told of anew when it changes.
pub(crate) fn facts(function: &Function) -> Vec<Facts> {
    let modified = function.record.provisioned.values().map(|config| config.last_modified_ms);
    let provisions = function.provisions().into_iter().zip(modified).map(|(provision, modified_ms)| {
        let parts = provision.parts.iter().map(|(version, count)| (version.snapshot.clone(), *count));
        (provision.qualifier, modified_ms, parts.collect())
    });
    provisions.collect()
}

/// Whether the version or alias may be provisioned.
///
/// # Errors
/// It leads to `$LATEST` or to two versions, or what it leads to is provisioned under another name.
pub(crate) fn check(record: &FunctionRecord, qualifier: &str) -> Result<(), LambdaError> {
    if let Some(alias) = record.aliases.get(qualifier) {
        check_led(record, alias)?;
        // One that has been provisioned may get weights later: so is its traffic moved.
        return if alias.second.is_some() { Err(LambdaError::invalid(WITH_WEIGHTS)) } else { Ok(()) };
    }
    let version = Version::parse(qualifier).unwrap_or(Version::Latest);
    if version == Version::Latest {
        return Err(LambdaError::invalid(ONLY_PUBLISHED));
    }
    let provisioned = record.aliases.iter().filter(|(name, _)| record.provisioned.contains_key(*name));
    if provisioned.into_iter().any(|(_, alias)| alias.leads_to(version)) {
        return Err(LambdaError::VersionOfProvisionedAlias);
    }
    Ok(())
}

/// Whether an alias, provisioned or not, may lead where it is to lead.
///
/// # Errors
/// It is provisioned, and must not.
pub(crate) fn check_alias(record: &FunctionRecord, name: &str, alias: &AliasRecord) -> Result<(), LambdaError> {
    if record.provisioned.contains_key(name) { check_led(record, alias) } else { Ok(()) }
}

fn check_led(record: &FunctionRecord, alias: &AliasRecord) -> Result<(), LambdaError> {
    if alias.version == Version::Latest {
        return Err(LambdaError::invalid(ONLY_PUBLISHED));
    }
    let versions = record.provisioned.keys().filter(|name| !record.aliases.contains_key(*name));
    if versions.filter_map(|number| Version::parse(number)).any(|version| alias.leads_to(version)) {
        return Err(LambdaError::AliasOfProvisionedVersion);
    }
    Ok(())
}

/// The members that Put, Get and List answer alike.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProvisionedShown {
    requested_provisioned_concurrent_executions: u32,
    available_provisioned_concurrent_executions: u32,
    allocated_provisioned_concurrent_executions: u32,
    status: &'static str,
    status_reason: Option<String>,
    last_modified: String,
}

impl ProvisionedShown {
    /// `state` is what the data plane says; nothing right after a change.
    pub(crate) fn new(config: ProvisionedRecord, state: Option<Provisioned>) -> Self {
        let (status, ready) = state.map_or((ProvisionStatus::InProgress, 0), |state| (state.status, state.ready));
        let (status, status_reason) = match status {
            ProvisionStatus::InProgress => ("IN_PROGRESS", None),
            ProvisionStatus::Ready => ("READY", None),
            ProvisionStatus::Failed(reason) => ("FAILED", Some(reason)),
        };
        Self {
            requested_provisioned_concurrent_executions: config.count,
            available_provisioned_concurrent_executions: ready,
            allocated_provisioned_concurrent_executions: ready,
            status,
            status_reason,
            // As the API reference's examples have it.
            last_modified: format_utc(config.last_modified_ms, "%Y-%m-%dT%H:%M:%S+0000"),
        }
    }
}
