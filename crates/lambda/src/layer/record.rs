//! What the store keeps of a layer.
//!
//! One record per layer holds the version counter and outlives every version, so that no number is given out twice; one
//! record per version. Every change also replaces the layer's record, so its key version orders them all.

use hearth_ports::Architecture;
use hearth_store::{Key, Record};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

use crate::permission::PolicyRecord;
use crate::record::Code;

/// A layer, with or without versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    pub(crate) name: String,
    /// Version numbers given out, deleted ones included. Never falls.
    pub(crate) versions_issued: u64,
}

/// A version of a layer. Nothing but its policy ever changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerVersionRecord {
    pub(crate) layer: String,
    pub(crate) number: u64,
    pub(crate) created_ms: i64,
    pub(crate) description: String,
    pub(crate) license_info: Option<String>,
    pub(crate) compatible_runtimes: Option<Vec<String>>,
    pub(crate) compatible_architectures: Option<Vec<Architecture>>,
    pub(crate) code: Code,
    pub(crate) policy: Option<PolicyRecord>,
}

impl LayerVersionRecord {
    /// Whether a list of what suits that runtime and architecture shows it. What says nothing of architectures is for
    /// x86_64. Source: Lambda API reference, PublishLayerVersion.
    pub(crate) fn suits(&self, runtime: Option<&str>, architecture: Option<Architecture>) -> bool {
        let runtimes = self.compatible_runtimes.as_deref().unwrap_or_default();
        let architectures = self.compatible_architectures.as_deref().unwrap_or(&[Architecture::X86_64]);
        runtime.is_none_or(|runtime| runtimes.iter().any(|other| other == runtime))
            && architecture.is_none_or(|architecture| architectures.contains(&architecture))
    }
}

/// A layer version as a function has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRef {
    /// Of the version.
    pub(crate) arn: String,
    pub(crate) code: Code,
}

impl Record for LayerRecord {
    const KIND: &'static str = "lambda.layer";
    const VERSION: u32 = 1;
}

impl Record for LayerVersionRecord {
    const KIND: &'static str = "lambda.layer_version";
    const VERSION: u32 = 1;
}

pub(super) fn layers_key(scope: &Scope) -> Key {
    Key::new(scope, LayerRecord::KIND)
}

pub(super) fn layer_key(scope: &Scope, name: &str) -> Key {
    layers_key(scope).part(name)
}

pub(super) fn all_versions_key(scope: &Scope) -> Key {
    Key::new(scope, LayerVersionRecord::KIND)
}

pub(super) fn versions_key(scope: &Scope, name: &str) -> Key {
    all_versions_key(scope).part(name)
}

pub(super) fn version_key(scope: &Scope, name: &str, number: u64) -> Key {
    versions_key(scope, name).part_u64(number)
}
