//! Archives of classes: a Java that starts from one has the classes of Hearth's client, and those of its own that it takes to
//! answer an event, in memory without reading and verifying them. Each Java makes its own by rehearsing once
//! (`runtimes/java`, `Preparation`); what it holds is Hearth's and the Java's alone, never a function's.
//!
//! Roots that are images start without: what is laid over an image is the same for all of them, an archive is one Java's.

use std::collections::BTreeMap;

use super::{Language, Runtime};

/// The archive, in `/var/runtime`.
pub(crate) const NAME: &str = "bootstrap.jsa";
/// Where Java writes it in its sandbox, below `/`.
pub(crate) const WRITTEN: &str = "tmp/bootstrap.jsa";
/// Of an archive; Java 17's and 25's have some.
pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// The first that can write one when it ends. Source: JDK Enhancement Proposal 350.
const JAVA_MIN: u8 = 13;
/// Stands before the program in Java's arguments, and after its options.
const ENTRY: &str = "-jar";
/// Whatever follows the program makes Hearth's client rehearse.
const REHEARSE: &str = "rehearse";

/// What a Java process does about archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Archive {
    /// Rehearses, and writes what it has loaded.
    Write,
    /// Rehearses from the archive, or fails.
    Try,
    /// Starts from the archive. One that does not fit is no failure.
    Use,
}

impl Archive {
    /// Puts it into the arguments that a Java is started with.
    pub(crate) fn tell(self, arguments: &mut Vec<String>) {
        let of = format!("-XX:SharedArchiveFile=/var/runtime/{NAME}");
        let options = match self {
            Self::Write => vec![format!("-XX:ArchiveClassesAtExit=/{WRITTEN}")],
            Self::Try => vec![of, "-Xshare:on".to_owned()],
            Self::Use => vec![of],
        };
        let at = arguments.iter().position(|argument| argument == ENTRY).unwrap_or(arguments.len());
        arguments.splice(at..at, options);
        arguments.extend((self != Self::Use).then(|| REHEARSE.to_owned()));
    }
}

impl Runtime {
    /// Whether its interpreter can start from an archive of classes.
    pub(crate) const fn has_class_archive(&self) -> bool {
        matches!(self.root.language(), Some(Language::Java { major: JAVA_MIN.. }))
    }

    /// Whether a process with these variables is told by nobody but Hearth how its Java starts. Other options may not go with
    /// the archive, and Java then complains where the function would be heard.
    pub(crate) fn starts_as_usual(&self, variables: &BTreeMap<String, String>) -> bool {
        variables.keys().all(|name| !self.reads_at_start(name))
    }
}

#[cfg(test)]
mod tests {
    use hearth_ports::RuntimeId;

    use super::*;
    use crate::runtimes::{Program, find};
    use crate::variables::{Host, prepared};

    fn runtime(id: &str) -> &'static Runtime {
        find(&RuntimeId(id.into())).expect("known")
    }

    #[test]
    fn javas_from_13_on_have_one_and_nothing_else() {
        for (id, has) in [("java8.al2", false), ("java11", false), ("java17", true), ("java21", true), ("java25", true)]
        {
            assert_eq!(runtime(id).has_class_archive(), has, "{id}");
        }
        for id in ["python3.12", "nodejs22.x", "dotnet8", "provided.al2023"] {
            assert!(!runtime(id).has_class_archive(), "{id}");
        }
    }

    #[test]
    fn options_come_before_the_program_and_all_else_stays() {
        let Program::Interpreter { arguments: usual, .. } = &runtime("java17").program else { panic!("interpreted") };
        for (archive, more) in [(Archive::Write, 2), (Archive::Try, 3), (Archive::Use, 1)] {
            let mut arguments = usual.clone();
            archive.tell(&mut arguments);
            assert_eq!(arguments.len(), usual.len() + more, "{archive:?}");
            let entry = arguments.iter().position(|argument| argument == ENTRY).expect("a program");
            assert!(arguments[..entry].iter().any(|argument| argument.contains(NAME)), "{arguments:?}");
            assert!(usual.iter().all(|argument| arguments.contains(argument)), "{arguments:?}");
            assert_eq!(arguments.last().is_some_and(|last| last == REHEARSE), archive != Archive::Use);
        }
    }

    #[test]
    fn who_says_himself_how_java_starts_gets_none() {
        let runtime = runtime("java21");
        let usual = prepared(runtime, Host { endpoint: true, ..Host::default() });
        assert!(runtime.starts_as_usual(&usual));
        for name in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"] {
            let mut variables = usual.clone();
            variables.insert(name.to_owned(), "-Xshare:off".to_owned());
            assert!(!runtime.starts_as_usual(&variables), "{name}");
        }
    }
}
