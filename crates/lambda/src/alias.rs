//! Aliases: names of a function that lead to one version or, by shares, to two. Pure.
//!
//! Source: Lambda developer guide, "Create an alias for a Lambda function" and "Implement Lambda canary deployments using
//! a weighted alias"; the refusals are recorded.

use std::collections::BTreeMap;

use hearth_types::{RequestContext, Version};
use serde::{Deserialize, Serialize};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::name::Target;

/// An alias as it is stored; its name is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    pub(crate) version: Version,
    /// Where a part of the invocations goes.
    pub(crate) second: Option<Share>,
    pub(crate) description: String,
    pub(crate) revision_id: String,
}

/// A second version of an alias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) version: u64,
    /// 0.0 to 1.0, of all invocations.
    pub(crate) weight: f64,
}

impl AliasRecord {
    pub(crate) fn leads_to(&self, version: Version) -> bool {
        self.version == version || self.second.is_some_and(|second| Version::Published(second.version) == version)
    }
}

/// `RoutingConfig` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RoutingConfig {
    additional_version_weights: Option<BTreeMap<String, f64>>,
}

impl RoutingConfig {
    /// `None` without weights: the alias leads to one version.
    ///
    /// # Errors
    /// More than one weight, or one of a version that `function` has not.
    pub(crate) fn second(&self, target: &Target, function: &Function) -> Result<Option<Share>, LambdaError> {
        let weights = self.additional_version_weights.iter().flatten();
        let mut shares = weights.map(|(version, weight)| (version, *weight));
        let Some((version, weight)) = shares.next() else { return Ok(None) };
        if shares.next().is_some() {
            return Err(LambdaError::invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
        }
        match existing(target, function, version)? {
            Version::Published(version) => Ok(Some(Share { version, weight })),
            // The model admits digits only.
            Version::Latest => Err(target.qualified(version).not_found()),
        }
    }
}

/// The version of that name, if the function has it.
///
/// # Errors
/// It has not.
pub(crate) fn existing(target: &Target, function: &Function, version: &str) -> Result<Version, LambdaError> {
    let named = Version::parse(version).filter(|named| named.to_string() == version);
    named
        .filter(|named| match named {
            Version::Latest => true,
            Version::Published(number) => function.published.contains_key(number),
        })
        .ok_or_else(|| target.qualified(version).not_found())
}

/// Whether an alias may lead to these two.
///
/// # Errors
/// They are the same, or the first is `$LATEST`.
pub(crate) fn check_routing(version: Version, second: Option<Share>) -> Result<(), LambdaError> {
    match (version, second) {
        (_, None) => Ok(()),
        (Version::Latest, Some(_)) => {
            let text = "$LATEST is not supported for an alias pointing to more than 1 version";
            Err(LambdaError::InvalidUntyped(text.to_owned()))
        }
        (Version::Published(number), Some(second)) if number == second.version => Err(LambdaError::invalid(format!(
            "Invalid function version {number}. Function version {number} is already included in routing configuration."
        ))),
        (Version::Published(_), Some(_)) => Ok(()),
    }
}

/// `AliasConfiguration` of the API model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AliasConfiguration {
    alias_arn: String,
    name: String,
    function_version: String,
    description: String,
    /// Only if it has weights.
    routing_config: Option<RoutingShown>,
    revision_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RoutingShown {
    additional_version_weights: BTreeMap<String, f64>,
}

impl AliasConfiguration {
    pub(crate) fn new(ctx: &RequestContext, function: &str, name: &str, alias: &AliasRecord) -> Self {
        let weights = alias.second.map(|second| BTreeMap::from([(second.version.to_string(), second.weight)]));
        Self {
            alias_arn: ctx.function_arn(function).qualified(name).to_string(),
            name: name.to_owned(),
            function_version: alias.version.to_string(),
            description: alias.description.clone(),
            routing_config: weights.map(|additional_version_weights| RoutingShown { additional_version_weights }),
            revision_id: alias.revision_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_different_published_versions_may_share_an_alias() {
        let share = |version| Some(Share { version, weight: 0.5 });
        assert!(check_routing(Version::Latest, None).is_ok());
        assert!(check_routing(Version::Published(1), share(2)).is_ok());
        let refusals = [
            (
                Version::Published(1),
                "Invalid function version 1. Function version 1 is already included in routing configuration.",
            ),
            (Version::Latest, "$LATEST is not supported for an alias pointing to more than 1 version"),
        ];
        for (version, text) in refusals {
            assert_eq!(check_routing(version, share(1)).expect_err("refused").to_string(), text);
        }
    }

    #[test]
    fn an_alias_leads_to_each_of_its_versions() {
        let alias = AliasRecord {
            version: Version::Published(1),
            second: Some(Share { version: 2, weight: 0.0 }),
            description: String::new(),
            revision_id: String::new(),
        };
        assert!(alias.leads_to(Version::Published(1)) && alias.leads_to(Version::Published(2)));
        assert!(!alias.leads_to(Version::Published(3)) && !alias.leads_to(Version::Latest));
    }
}
