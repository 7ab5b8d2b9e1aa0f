//! Which runtimes can be started before it is known which function they are for, and what makes a function unfit for
//! such a process: whatever an interpreter reads once, when it starts.

use std::collections::BTreeMap;

use hearth_types::Mebibytes;

use super::{Language, Runtime};

/// Whether a runtime's process can be started ahead of need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prestart {
    /// The function brings its own program.
    Never,
    Always,
    /// It sizes its heap when it starts, by the memory it sees: one for each memory size.
    PerMemory,
}

/// Variables of a process that waits for its function. The runtime's bootstrap takes it as the order to ask for its
/// assignment, and a function never sees it.
pub(crate) const PREPARED: &str = "_HEARTH_PREPARED";

/// Read by the loader, the C library or OpenSSL when a process starts; a trailing `*` stands for all names that begin
/// so. And what replaces the process altogether.
const READ_AT_START: &[&str] = &[
    "AWS_LAMBDA_EXEC_WRAPPER",
    "GCONV_PATH",
    "GLIBC_*",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LD_*",
    "LOCPATH",
    "MALLOC_*",
    "OPENSSL_*",
    "SSL_*",
    "TZ",
    "TZDIR",
];

impl Runtime {
    /// The memory that a process started ahead of need must have been started with, to be fit for this function: `None`
    /// when none is fit, `Some(None)` when any is.
    ///
    /// `wanted` is the function's whole environment, `usual` that of a process that waits.
    #[must_use]
    pub fn prestarted_for(
        &self,
        memory: Mebibytes,
        wanted: &BTreeMap<String, String>,
        usual: &BTreeMap<String, String>,
    ) -> Option<Option<Mebibytes>> {
        let memory = match self.prestart {
            Prestart::Never => return None,
            Prestart::Always => None,
            Prestart::PerMemory => Some(memory),
        };
        let differs = |name: &str| self.is_read_at_start(name) && wanted.get(name) != usual.get(name);
        let unfit = wanted.keys().chain(usual.keys()).any(|name| differs(name));
        // .NET takes an empty value for none, where one is set later.
        let is_empty = |value: &String| value.is_empty() && matches!(self.language, Some(Language::Dotnet { .. }));
        (!unfit && !wanted.values().any(is_empty)).then_some(memory)
    }

    /// Whether a process that waits cannot become the function's by itself: Java has no call that changes its environment
    /// or the directory it runs in, over which the function's code is mounted. What .NET changes of its environment, native
    /// libraries do not see.
    pub(crate) fn changes_from_outside(&self) -> bool {
        matches!(self.language, Some(Language::Java { .. } | Language::Dotnet { .. }))
    }

    fn is_read_at_start(&self, name: &str) -> bool {
        self.reads_at_start(name) || READ_AT_START.iter().any(|pattern| is_like(name, pattern))
    }

    /// Whether the variable is one that this interpreter itself reads when it starts.
    pub(super) fn reads_at_start(&self, name: &str) -> bool {
        self.read_at_start.iter().any(|pattern| is_like(name, pattern))
    }
}

fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use hearth_ports::RuntimeId;

    use super::*;
    use crate::runtimes::{RUNTIMES, find};

    const MEMORY: Mebibytes = Mebibytes(512);

    fn fit(runtime: &str, more: &[(&str, &str)]) -> Option<Option<Mebibytes>> {
        let runtime = find(&RuntimeId(runtime.into())).expect("known");
        let usual: BTreeMap<String, String> =
            [("LANG", "en_US.UTF-8"), ("TZ", ":UTC")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut wanted = usual.clone();
        wanted.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        runtime.prestarted_for(MEMORY, &wanted, &usual)
    }

    #[test]
    fn a_function_with_variables_of_its_own_fits() {
        let own = [("TABLE", "t"), ("AWS_REGION", "eu-west-1"), ("LANG", "en_US.UTF-8"), ("LDAP_URL", "x")];
        assert_eq!(fit("python3.11", &own), Some(None));
        assert_eq!(fit("nodejs20.x", &own), Some(Some(MEMORY)), "by its memory, which its heap goes by");
        assert_eq!(fit("provided.al2023", &own), None);
    }

    #[test]
    fn whatever_is_read_at_the_start_takes_a_process_of_its_own() {
        for runtime in RUNTIMES.iter().filter(|runtime| runtime.prestart != Prestart::Never) {
            for name in READ_AT_START.iter().chain(runtime.read_at_start) {
                let name = name.replace('*', "X");
                assert_eq!(fit(runtime.id, &[(&name, "other")]), None, "{} {name}", runtime.id);
            }
        }
    }

    #[test]
    fn a_variable_that_is_empty_takes_a_dotnet_process_of_its_own() {
        assert_eq!(fit("dotnet8", &[("TABLE", "t")]), Some(Some(MEMORY)));
        assert_eq!(fit("dotnet8", &[("TABLE", "")]), None);
        assert_eq!(fit("java21", &[("TABLE", "")]), Some(Some(MEMORY)));
    }

    #[test]
    fn what_concerns_another_language_only_does_not_matter() {
        assert_eq!(fit("python3.11", &[("NODE_OPTIONS", "--x")]), Some(None));
        assert_eq!(fit("nodejs20.x", &[("PYTHONPATH", "/opt/x")]), Some(Some(MEMORY)));
    }
}
