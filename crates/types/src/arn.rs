//! Amazon Resource Names. Source: AWS "Amazon Resource Names" documentation.

use std::fmt;
use std::str::FromStr;

use crate::scope::{AccountId, Partition, Region};

/// `arn:partition:service:region:account:resource`, kept as its six parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    pub resource: String,
}

/// The text is not an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ARN has six parts separated by colons and starts with \"arn\"")]
pub struct ArnError;

impl Arn {
    /// An unqualified function ARN.
    #[must_use]
    pub fn function(partition: Partition, region: &Region, account: AccountId, name: &str) -> Self {
        Self {
            partition: partition.as_str().to_owned(),
            service: "lambda".to_owned(),
            region: region.as_str().to_owned(),
            account: account.as_str().to_owned(),
            resource: format!("function:{name}"),
        }
    }

    /// A global IAM ARN such as `arn:aws:iam::123456789012:role/path/name`.
    #[must_use]
    pub fn iam(partition: Partition, account: AccountId, resource: &str) -> Self {
        Self {
            partition: partition.as_str().to_owned(),
            service: "iam".to_owned(),
            region: String::new(),
            account: account.as_str().to_owned(),
            resource: resource.to_owned(),
        }
    }

    /// The same ARN with `:qualifier` behind it.
    #[must_use]
    pub fn qualified(&self, qualifier: &str) -> Self {
        Self { resource: format!("{}:{qualifier}", self.resource), ..self.clone() }
    }
}

impl FromStr for Arn {
    type Err = ArnError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().map(str::to_owned).ok_or(ArnError);
        if next()? != "arn" {
            return Err(ArnError);
        }
        Ok(Self { partition: next()?, service: next()?, region: next()?, account: next()?, resource: next()? })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_survives_parsing_and_printing() {
        let text = "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST";
        let arn: Arn = text.parse().expect("valid");
        assert_eq!(arn.resource, "function:f:$LATEST");
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn what_has_too_few_parts_is_no_arn() {
        assert_eq!("arn:aws:lambda".parse::<Arn>(), Err(ArnError));
        assert_eq!("f".parse::<Arn>(), Err(ArnError));
    }
}
