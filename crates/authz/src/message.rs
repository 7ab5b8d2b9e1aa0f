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

#[cfg(test)]
mod tests {
    use super::*;

    const ACTION: &str = "sts:AssumeRole";

    fn statement(source: Source) -> StatementRef {
        StatementRef { source, policy: "p".into(), statement: "Sid1".to_owned() }
    }

    fn message(reason: Reason) -> String {
        Decision { allowed: false, reason }.message("arn:aws:iam::1:user/u", ACTION, "arn:aws:iam::1:role/r")
    }

    // Source: "Troubleshoot access denied error messages", the implicit and the explicit example of each policy type.
    #[test]
    fn a_denial_says_which_kind_of_policy_denies() {
        for (source, implicit, explicit) in [
            (Source::Identity, "no identity-based policy allows", "an explicit deny in an identity-based policy"),
            (Source::Resource, "no resource-based policy allows", "an explicit deny in a resource-based policy"),
            (Source::Boundary, "no permissions boundary allows", "an explicit deny in a permissions boundary"),
            (Source::Session, "no session policy allows", "an explicit deny in a session policy"),
            (Source::Trust, "no role trust policy allows", "an explicit deny in the role trust policy"),
        ] {
            let start = "User: arn:aws:iam::1:user/u is not authorized to perform: sts:AssumeRole on resource: \
                         arn:aws:iam::1:role/r";
            let of_implicit = message(Reason::ImplicitDeny(source));
            assert_eq!(of_implicit, format!("{start} because {implicit} the sts:AssumeRole action"));
            let of_explicit = message(Reason::ExplicitDeny(statement(source)));
            assert_eq!(of_explicit, format!("{start} with {explicit}"));
        }
        assert_eq!(message(Reason::RootAssumesRole), "Roles may not be assumed by root accounts.");
    }

    #[test]
    fn the_audit_log_names_policy_and_statement() {
        for (reason, expected) in [
            (Reason::Root, "the account itself"),
            (Reason::AllowedBy(statement(Source::Identity)), "identity-based policy p, statement Sid1"),
            (
                Reason::ExplicitDeny(statement(Source::Boundary)),
                "explicit deny in permissions boundary p, statement Sid1",
            ),
            (
                Reason::AllowedBy(StatementRef { policy: "".into(), ..statement(Source::Resource) }),
                "resource-based policy, statement Sid1",
            ),
            (Reason::ImplicitDeny(Source::Session), "no session policy allows it"),
            (Reason::RootAssumesRole, "roles may not be assumed by root accounts"),
        ] {
            assert_eq!(reason.to_string(), expected);
        }
    }
}
