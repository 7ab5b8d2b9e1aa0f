//! Session tags, and what of a session goes on to the sessions made with it.
//!
//! Source: IAM user guide, "Pass session tags in AWS STS" and "Monitor and control actions taken with assumed roles".

use hearth_ports::Condition;
use hearth_types::Session;
use serde::Deserialize;

use crate::StsError;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What a new session is marked with: what was asked for, and what it inherits from the calling session.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_keys: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

impl Marks {
    /// # Errors
    /// Tags that contradict each other, or those of the calling session.
    pub(crate) fn new(
        asked: &[Tag],
        transitive_keys: Vec<String>,
        source_identity: Option<String>,
        caller: Option<&Session>,
    ) -> Result<Self, StsError> {
        let is_same = |left: &str, right: &str| left.to_lowercase() == right.to_lowercase();
        for (at, tag) in asked.iter().enumerate() {
            if asked[..at].iter().any(|other| is_same(&other.key, &tag.key)) {
                let text = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(StsError::InvalidParameterValue(text));
            }
        }
        if transitive_keys.iter().any(|key| !asked.iter().any(|tag| is_same(&tag.key, key))) {
            let text = "The specified transitive tag key must be included in the requested tags.";
            return Err(StsError::InvalidParameterValue(text));
        }
        let inherited = caller.map_or(&[][..], |session| &session.transitive_tag_keys);
        let is_inherited = |key: &str| inherited.iter().any(|other| is_same(other, key));
        if transitive_keys.iter().any(|key| is_inherited(key)) {
            let text = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
            return Err(StsError::InvalidParameterValue(text));
        }
        if asked.iter().any(|tag| is_inherited(&tag.key)) {
            let text = "One of the specified tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
            return Err(StsError::InvalidParameterValue(text));
        }
        let mut tags: Vec<_> = asked.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
        let of_caller = caller.map_or(&[][..], |session| &session.tags);
        tags.extend(of_caller.iter().filter(|(key, _)| is_inherited(key)).cloned());
        let transitive_keys = transitive_keys.into_iter().chain(inherited.iter().cloned()).collect();
        let of_caller = caller.and_then(|session| session.source_identity.clone());
        Ok(Self { tags, transitive_keys, source_identity: source_identity.or(of_caller) })
    }

    /// What must be allowed beside assuming the role. Tags and source identities that are inherited count like those
    /// that are passed.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &'static str> + use<> {
        let tags = (!self.tags.is_empty()).then_some("sts:TagSession");
        tags.into_iter().chain(self.source_identity.is_some().then_some("sts:SetSourceIdentity"))
    }

    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let mut conditions: Vec<Condition> = self
            .tags
            .iter()
            .map(|(key, value)| Condition::one(format!("aws:RequestTag/{key}"), value.clone()))
            .collect();
        if !self.tags.is_empty() {
            let keys = self.tags.iter().map(|(key, _)| key.clone()).collect();
            conditions.push(Condition::many("aws:TagKeys", keys));
        }
        if !self.transitive_keys.is_empty() {
            conditions.push(Condition::many("sts:TransitiveTagKeys", self.transitive_keys.clone()));
        }
        if let Some(identity) = &self.source_identity {
            conditions.push(Condition::one("sts:SourceIdentity", identity.clone()));
        }
        conditions
    }
}
