//! From what a request calls a layer to the layer meant. Nothing here looks whether it exists.

use hearth_types::{Arn, RequestContext};

use crate::error::LambdaError;

/// A layer of some account, perhaps with a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerTarget {
    pub(crate) name: String,
    /// Without version.
    pub(crate) arn: Arn,
}

impl LayerTarget {
    /// Takes a bare name or an ARN without version; the model admits nothing else.
    ///
    /// # Errors
    /// The layer is of another region.
    pub(crate) fn parse(ctx: &RequestContext, text: &str) -> Result<Self, LambdaError> {
        match text.parse::<Arn>() {
            Ok(arn) => {
                let name = arn.resource.strip_prefix("layer:").ok_or(LambdaError::ResourceNotFound)?;
                if arn.region != ctx.region.as_str() {
                    return Err(LambdaError::ResourceNotFound);
                }
                Ok(Self { name: name.to_owned(), arn })
            }
            Err(_) => Ok(Self { name: text.to_owned(), arn: layer_arn(ctx, text) }),
        }
    }

    /// Takes the ARN of a layer version apart; `None` for what names none that could exist.
    pub(crate) fn parse_version(text: &str) -> Option<(Self, u64)> {
        let arn: Arn = text.parse().ok()?;
        let (name, number) = arn.resource.strip_prefix("layer:")?.split_once(':')?;
        let (name, number) = (name.to_owned(), number.parse().ok()?);
        let arn = Arn { resource: format!("layer:{name}"), ..arn };
        Some((Self { name, arn }, number))
    }

    /// The request's context for the account that the layer is of.
    ///
    /// # Errors
    /// Never for a parsed target: its account is digits.
    pub(crate) fn context(&self, ctx: RequestContext) -> Result<RequestContext, LambdaError> {
        if self.arn.account == ctx.account.as_str() {
            return Ok(ctx);
        }
        Ok(ctx.in_account(self.arn.account.parse().map_err(LambdaError::internal)?))
    }

    /// # Errors
    /// No version has that number.
    pub(crate) fn check_number(number: i64) -> Result<u64, LambdaError> {
        let number = u64::try_from(number).ok().filter(|number| *number > 0);
        number.ok_or_else(|| LambdaError::invalid("Layer Version Cannot be less than 1"))
    }

    pub(crate) fn version_arn(&self, number: u64) -> Arn {
        self.arn.qualified(&number.to_string())
    }
}

pub(crate) fn layer_arn(ctx: &RequestContext, name: &str) -> Arn {
    Arn { resource: format!("layer:{name}"), ..ctx.function_arn(name) }
}
