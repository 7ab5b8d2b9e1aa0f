//! What a layer version says it is for. Lambda itself never holds anybody to it: it filters lists.

use hearth_ports::Architecture;

use crate::error::LambdaError;
use crate::settings;

/// `CompatibleRuntimes` and `CompatibleArchitectures` of a request, which the real service refuses with texts of their
/// own (recorded).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compatible {
    pub(crate) runtimes: Option<Vec<String>>,
    pub(crate) architectures: Option<Vec<Architecture>>,
}

/// Source: the API model.
const RUNTIMES_MAX: usize = 15;
const ARCHITECTURES_MAX: usize = 2;

impl Compatible {
    /// # Errors
    /// Every violation in one text.
    pub(crate) fn check(
        runtimes: Option<Vec<String>>,
        architectures: Option<Vec<String>>,
    ) -> Result<Self, LambdaError> {
        let mut violations = Vec::new();
        let mut violate = |values: &[String], member: &str, constraint: String| {
            let shown = values.join(", ");
            violations.push(format!("Value '[{shown}]' at '{member}' failed to satisfy constraint: {constraint}"));
        };
        if let Some(runtimes) = &runtimes {
            if runtimes.len() > RUNTIMES_MAX {
                let constraint = format!("Member must have length less than or equal to {RUNTIMES_MAX}");
                violate(runtimes, "compatibleRuntimes", constraint);
            }
            if runtimes.iter().any(|runtime| !settings::is_runtime(runtime)) {
                let constraint = format!("Member must satisfy enum value set: [{}]", settings::offered_runtimes());
                violate(runtimes, "compatibleRuntimes", constraint);
            }
        }
        let mut known = Vec::new();
        if let Some(architectures) = &architectures {
            if architectures.len() > ARCHITECTURES_MAX {
                let constraint = format!("Member must have length less than or equal to {ARCHITECTURES_MAX}");
                violate(architectures, "compatibleArchitectures", constraint);
            }
            known.extend(architectures.iter().filter_map(|name| match name.as_str() {
                "x86_64" => Some(Architecture::X86_64),
                "arm64" => Some(Architecture::Arm64),
                _ => None,
            }));
            if known.len() != architectures.len() {
                violate(
                    architectures,
                    "compatibleArchitectures",
                    "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]".to_owned(),
                );
            }
        }
        match violations.len() {
            0 => Ok(Self { runtimes, architectures: architectures.map(|_| known) }),
            1 => Err(LambdaError::Violations(format!("1 validation error detected: {}", violations[0]))),
            count => {
                Err(LambdaError::Violations(format!("{count} validation errors detected: {}", violations.join("; "))))
            }
        }
    }
}
