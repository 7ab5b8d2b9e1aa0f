//! What the store keeps of a function.
//!
//! One record per function holds `$LATEST` and the version counter; one record per published version. Every change to
//! a function or to one of its versions also replaces the function's record, so its key version orders them all.

use std::collections::BTreeMap;

use hearth_ports::CodeDigest;
use hearth_store::{Key, Record};
use hearth_types::{FunctionUid, Scope, SnapshotId};
use serde::{Deserialize, Serialize};

use crate::alias::AliasRecord;
use crate::event_invoke::EventInvokeRecord;
use crate::image::Image;
use crate::lifecycle::Phase;
use crate::permission::PolicyRecord;
use crate::provisioned::ProvisionedRecord;
use crate::runtime_management::RuntimeManagement;
use crate::settings::Settings;
use crate::url::config::UrlRecord;

/// A code package as uploaded, or an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) digest: CodeDigest,
    /// Size of the zip.
    pub(crate) bytes: u64,
    /// Size of the tree. 0 for functions of servers that did not note it: those had no layers.
    #[serde(default)]
    pub(crate) unpacked_bytes: u64,
}

/// Code and settings that belong together; immutable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) snapshot: SnapshotId,
    pub(crate) code: Code,
    /// Where the code comes from, unless it is a zip package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<Image>,
    pub(crate) settings: Settings,
    #[serde(default)]
    pub(crate) runtime: RuntimeManagement,
}

impl Deployment {
    /// Every package it needs.
    pub(crate) fn digests(&self) -> impl Iterator<Item = CodeDigest> + '_ {
        std::iter::once(self.code.digest).chain(self.settings.layers.iter().map(|layer| layer.code.digest))
    }

    /// Whether a version of this one would differ from a version of `other`.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.code.digest == other.code.digest && self.settings == other.settings
    }
}

/// A function: its `$LATEST` and what outlives any one version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FunctionRecord {
    pub(crate) uid: FunctionUid,
    pub(crate) name: String,
    pub(crate) phase: Phase,
    pub(crate) revision_id: String,
    pub(crate) last_modified_ms: i64,
    /// What `$LATEST` shows.
    pub(crate) latest: Deployment,
    /// What `$LATEST` still runs while an update is in progress.
    pub(crate) serving: Option<Deployment>,
    /// Version numbers given out in this life, deleted ones included. Never falls.
    pub(crate) versions_issued: u64,
    pub(crate) tags: BTreeMap<String, String>,
    /// Resource policies: under the qualifier they are for, the function's own under an empty one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) policies: BTreeMap<String, PolicyRecord>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) aliases: BTreeMap<String, AliasRecord>,
    /// 0 lets nothing run; `None` shares what nobody reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reserved_concurrency: Option<u32>,
    /// Whether a chain of requests may come back to the function again and again.
    #[serde(default)]
    pub(crate) allows_loops: bool,
    /// How asynchronous invocations are dealt with, under the qualifier they are invoked by; `$LATEST` without one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) event_invoke: BTreeMap<String, EventInvokeRecord>,
    /// Provisioned concurrency, under the version or alias it is for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) provisioned: BTreeMap<String, ProvisionedRecord>,
    /// Under the alias they are for, the function's own under an empty one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) urls: BTreeMap<String, UrlRecord>,
}

/// A published version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    /// Of its function.
    pub(crate) uid: FunctionUid,
    pub(crate) number: u64,
    pub(crate) phase: Phase,
    pub(crate) revision_id: String,
    pub(crate) last_modified_ms: i64,
    /// Given when it was published; else the description of `$LATEST` then.
    pub(crate) description: Option<String>,
    /// Settings as `$LATEST` had them.
    pub(crate) deployment: Deployment,
}

impl Record for FunctionRecord {
    const KIND: &'static str = "lambda.function";
    const VERSION: u32 = 1;
}

impl Record for VersionRecord {
    const KIND: &'static str = "lambda.version";
    const VERSION: u32 = 1;
}

pub(crate) fn functions_key(scope: &Scope) -> Key {
    Key::new(scope, FunctionRecord::KIND)
}

pub(crate) fn function_key(scope: &Scope, name: &str) -> Key {
    functions_key(scope).part(name)
}

pub(crate) fn all_versions_key(scope: &Scope) -> Key {
    Key::new(scope, VersionRecord::KIND)
}

pub(crate) fn versions_key(scope: &Scope, uid: &FunctionUid) -> Key {
    all_versions_key(scope).part(uid.as_str())
}

pub(crate) fn version_key(scope: &Scope, uid: &FunctionUid, number: u64) -> Key {
    versions_key(scope, uid).part_u64(number)
}
