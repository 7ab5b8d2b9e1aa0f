//! Decisions in words: AWS's to the caller, ours in the audit log.
//!
//! Source: IAM user guide, "Troubleshoot access denied error messages".

use std::fmt;

use crate::evaluate::{Decision, Reason, Source, StatementRef};

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Resource => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Trust => "role trust policy",
        }
    }

    /// As it stands behind "an explicit deny in".
    const fn article(self) -> &'static str {
        match self {
            Self::Identity => "an",
            Self::Resource | Self::Boundary | Self::Session => "a",
            Self::Trust => "the",
        }
    }
}

impl Decision {
    /// What a denial tells the caller.
    #[must_use]
    pub fn message(&self, caller_arn: &str, action: &str, resource: &str) -> String {
        let because = match &self.reason {
            Reason::RootAssumesRole => return "Roles may not be assumed by root accounts.".to_owned(),
            Reason::ExplicitDeny(StatementRef { source, .. }) => {
                format!(" with an explicit deny in {} {}", source.article(), source.name())
            }
            Reason::ImplicitDeny(source) => format!(" because no {} allows the {action} action", source.name()),
            Reason::Root | Reason::AllowedBy(_) => String::new(),
        };
        format!("User: {caller_arn} is not authorized to perform: {action} on resource: {resource}{because}")
    }
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.name())?;
        if !self.policy.is_empty() {
            write!(f, " {}", self.policy)?;
        }
        write!(f, ", statement {}", self.statement)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the account itself"),
            Self::AllowedBy(statement) => write!(f, "{statement}"),
            Self::ExplicitDeny(statement) => write!(f, "explicit deny in {statement}"),
            Self::ImplicitDeny(source) => write!(f, "no {} allows it", source.name()),
            Self::RootAssumesRole => f.write_str("roles may not be assumed by root accounts"),
        }
    }
}
