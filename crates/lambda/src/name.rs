//! From what a request calls a function to the function meant.
//!
//! Nothing here looks whether the function exists.

use hearth_types::{Arn, FunctionRef, Qualifier, RequestContext};

use crate::error::LambdaError;

/// Longest bare function name. Source: Lambda API reference, `FunctionName`.
const NAME_CHARS_MAX: usize = 64;

/// Recorded with the refusal of a malformed name; the model's pattern for operations that take a qualifier in it.
const NAMESPACED_NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";

/// A function of this region as a request named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// From the name or from `Qualifier`, as given.
    pub(crate) qualifier: Option<String>,
    /// Unqualified. Its account is the one the request named, which may be another than the caller's.
    pub(crate) arn: Arn,
}

impl Target {
    /// Takes a bare name, a partial or a full ARN, each with or without qualifier.
    ///
    /// # Errors
    /// The name is malformed or too long, its qualifier contradicts `qualifier`, or it is of another region.
    pub(crate) fn parse(ctx: &RequestContext, name: &str, qualifier: Option<&str>) -> Result<Self, LambdaError> {
        let named = FunctionRef::parse(name).map_err(|_| LambdaError::Validation {
            value: name.to_owned(),
            member: "functionName",
            constraint: format!("Member must satisfy regular expression pattern: {NAMESPACED_NAME_PATTERN}"),
        })?;
        if named.name.len() > NAME_CHARS_MAX {
            return Err(LambdaError::invalid(format!(
                "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to {NAME_CHARS_MAX}",
                named.name
            )));
        }
        if let Some(region) = named.region.filter(|region| region != ctx.region.as_str()) {
            return Err(LambdaError::OtherRegion { named: region, here: ctx.region.to_string() });
        }
        let qualifier = match (named.qualifier, qualifier) {
            (Some(derived), Some(given)) if derived != given => {
                return Err(LambdaError::invalid(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (derived, given) => derived.or_else(|| given.map(str::to_owned)),
        };
        let mut arn = ctx.function_arn(&named.name);
        if let Some(account) = named.account {
            arn.account = account;
        }
        Ok(Self { name: named.name, qualifier, arn })
    }

    /// Takes the ARN of what may have a resource policy: of functions, versions and aliases.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), or the ARN is of something else.
    pub(crate) fn parse_resource(ctx: &RequestContext, arn: &str) -> Result<Self, LambdaError> {
        let is_function = arn.parse::<Arn>().is_ok_and(|arn| arn.resource.starts_with("function:"));
        if is_function { Self::parse(ctx, arn, None) } else { Err(LambdaError::ResourceNotFound) }
    }

    /// For operations on the whole function: a version or alias in the name is refused.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), or the name carries a qualifier other than `$LATEST`.
    pub(crate) fn parse_unqualified(ctx: &RequestContext, name: &str) -> Result<Self, LambdaError> {
        let target = Self::parse(ctx, name, None)?;
        match target.qualifier.as_deref() {
            None | Some("$LATEST") => Ok(Self { qualifier: None, ..target }),
            // Recorded for operations of this kind.
            Some(_) => Err(LambdaError::invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
            )),
        }
    }

    /// The request's context for the account that the function is of.
    ///
    /// # Errors
    /// Never for a parsed target: its account is digits.
    pub(crate) fn context(&self, ctx: RequestContext) -> Result<RequestContext, LambdaError> {
        if self.arn.account == ctx.account.as_str() {
            return Ok(ctx);
        }
        Ok(ctx.in_account(self.arn.account.parse().map_err(LambdaError::internal)?))
    }

    pub(crate) fn qualifier(&self) -> Option<Qualifier> {
        self.qualifier.as_deref().map(Qualifier::parse)
    }

    /// As qualified as the request was.
    pub(crate) fn qualified_arn(&self) -> Arn {
        match &self.qualifier {
            Some(qualifier) => self.arn.qualified(qualifier),
            None => self.arn.clone(),
        }
    }

    /// The same function, named with another qualifier.
    pub(crate) fn qualified(&self, qualifier: &str) -> Self {
        Self { qualifier: Some(qualifier.to_owned()), ..self.clone() }
    }

    pub(crate) fn not_found(&self) -> LambdaError {
        LambdaError::FunctionNotFound { arn: self.qualified_arn().to_string() }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::{RequestId, Scope};

    use super::*;

    fn ctx() -> RequestContext {
        let scope = Scope {
            partition: hearth_types::Partition::Aws,
            account: "123456789012".parse().expect("digits"),
            region: Some("us-east-1".into()),
        };
        RequestContext::service(&scope, "test", RequestId::from("r"))
    }

    #[test]
    fn every_form_of_a_name_means_the_same_function() {
        for name in ["f", "function:f", "123456789012:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f"] {
            let target = Target::parse(&ctx(), name, Some("7")).expect(name);
            assert_eq!(target.name, "f", "{name}");
            assert_eq!(target.qualified_arn().to_string(), "arn:aws:lambda:us-east-1:123456789012:function:f:7");
            assert_eq!(Target::parse(&ctx(), &format!("{name}:7"), None).expect(name), target);
            assert_eq!(Target::parse(&ctx(), &format!("{name}:7"), Some("7")).expect(name), target);
        }
    }

    #[test]
    fn refusals_have_the_recorded_texts() {
        let long = "a".repeat(65);
        let cases = [
            (
                "f:1",
                Some("2"),
                "The derived qualifier from the function name does not match the specified qualifier.".to_owned(),
            ),
            (
                "arn:aws:lambda:ap-southeast-1:123456789012:function:f",
                None,
                "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')".to_owned(),
            ),
            (
                long.as_str(),
                None,
                format!(
                    "1 validation error detected: Value '{long}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
                ),
            ),
            (
                "arn:aws:lambda:us-east-1:123400000000@function:myfn",
                None,
                format!(
                    "1 validation error detected: Value 'arn:aws:lambda:us-east-1:123400000000@function:myfn' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: {NAMESPACED_NAME_PATTERN}"
                ),
            ),
        ];
        for (name, qualifier, text) in cases {
            assert_eq!(Target::parse(&ctx(), name, qualifier).expect_err(name).to_string(), text);
        }
    }
}
