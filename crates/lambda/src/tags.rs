//! Tags: which resource a request means, and which tags it may have. Pure.
//!
//! Source: Lambda developer guide, "Using tags on Lambda functions"; the refusals are recorded unless said otherwise.

use std::collections::BTreeMap;

use hearth_ports::Condition;
use hearth_types::{Arn, RequestContext, limits};

use crate::error::LambdaError;
use crate::name::Target;

/// Keys that start so are AWS's own.
const RESERVED_PREFIX: &str = "aws:";

/// A resource that tags may be on.
pub(crate) struct Tagged {
    pub(crate) arn: Arn,
    pub(crate) ctx: RequestContext,
}

/// What of a kind that tags may be on here.
pub(crate) enum Holder {
    Function(Target),
    /// An event source mapping, by its UUID.
    Mapping(String),
}

impl Tagged {
    /// The context is that of the account the resource is of.
    ///
    /// # Errors
    /// Never: the model's pattern admits nothing but ARNs with accounts.
    pub(crate) fn parse(ctx: RequestContext, resource: &str) -> Result<Self, LambdaError> {
        let arn: Arn = resource.parse().map_err(LambdaError::internal)?;
        let ctx = match arn.account.parse() {
            Ok(owner) => ctx.in_account(owner),
            Err(_) => ctx,
        };
        Ok(Self { arn, ctx })
    }

    /// Which one it is; nothing here looks whether it is there.
    ///
    /// # Errors
    /// It is a version or alias, or something else, of which Hearth has none.
    pub(crate) fn holder(&self) -> Result<Holder, LambdaError> {
        let arn = self.arn.to_string();
        let mut parts = self.arn.resource.split(':');
        match parts.next() {
            Some("function") => {}
            Some("event-source-mapping") => return Ok(Holder::Mapping(parts.next().unwrap_or_default().to_owned())),
            Some("capacity-provider") => return Err(LambdaError::NoCapacityProvider { arn }),
            Some("code-signing-config") => return Err(LambdaError::NoCodeSigningConfig { arn }),
            _ => return Err(LambdaError::ResourceNotFound),
        }
        let target = Target::parse(&self.ctx, &arn, None)?;
        if target.qualifier.is_some() {
            return Err(LambdaError::invalid(
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            ));
        }
        Ok(Holder::Function(target))
    }

    /// There is no such mapping.
    pub(crate) fn no_mapping(&self) -> LambdaError {
        LambdaError::NoEventSourceMapping { arn: self.arn.to_string() }
    }
}

/// Whether somebody may give these tags.
///
/// # Errors
/// A key is AWS's own. Hearth's own text.
pub(crate) fn check_given(tags: &BTreeMap<String, String>) -> Result<(), LambdaError> {
    let reserved = |key: &&String| key.get(..RESERVED_PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case("aws:"));
    match tags.keys().find(reserved) {
        Some(key) => {
            Err(LambdaError::invalid(format!("The tag key {key} starts with aws:, which is reserved for AWS.")))
        }
        None => Ok(()),
    }
}

/// Whether a resource may have as many tags.
///
/// # Errors
/// More than 50.
pub(crate) fn check_count(tags: &BTreeMap<String, String>) -> Result<(), LambdaError> {
    if tags.len() > limits::TAGS_MAX {
        return Err(LambdaError::invalid("Number of tags exceeds resource tag limit."));
    }
    Ok(())
}

/// The tags a request wants to give. Source: "Actions, resources, and condition keys for AWS Lambda".
pub(crate) fn conditions(tags: &BTreeMap<String, String>) -> Vec<Condition> {
    if tags.is_empty() {
        return Vec::new();
    }
    let values = tags.iter().map(|(key, value)| Condition::one(format!("aws:RequestTag/{key}"), value));
    std::iter::once(key_condition(tags.keys().cloned().collect())).chain(values).collect()
}

/// The tags that a resource has. Source: as above.
pub(crate) fn of_resource(tags: &BTreeMap<String, String>) -> Vec<Condition> {
    tags.iter().map(|(key, value)| Condition::one(format!("aws:ResourceTag/{key}"), value)).collect()
}

/// The keys a request names.
pub(crate) fn key_condition(keys: Vec<String>) -> Condition {
    Condition::many("aws:TagKeys", keys)
}
