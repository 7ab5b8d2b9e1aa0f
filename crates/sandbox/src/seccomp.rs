//! The system calls a function may make. What lives here: building and installing the filter. The list itself is the
//! table in [`table`]; nothing else in Hearth decides about system calls.
//!
//! Calls of [`table::ALLOWED`] pass. Every other number, including those of kernels to come, gets `ENOSYS`: libraries
//! take that as "old kernel" and fall back (glibc from `clone3` to `clone`, whose flags a filter can read). What
//! [`table::REFUSED`] names, by number or by argument, gets `EPERM`.

mod program;
pub mod table;

use std::collections::BTreeMap;

use seccompiler::BpfProgram;

use crate::mutation::{self, Control};
use program::{Answer, Verdict};
use table::{ALLOWED, REFUSED, When};

/// The program, ready to install. Built once, before any fork: installing allocates nothing.
#[derive(Clone, Debug)]
pub struct Filter(BpfProgram);

#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    #[error("the seccomp filter is too long for the kernel: {instructions} instructions, at most {max}")]
    TooLong { instructions: usize, max: usize },
    #[error("the kernel refused the seccomp filter ({0}); it must be built with CONFIG_SECCOMP_FILTER")]
    Install(#[from] seccompiler::Error),
}

/// `BPF_MAXINSNS` of the kernel.
const INSTRUCTIONS_MAX: usize = 4_096;

/// Builds the filter for the architecture of this binary.
///
/// # Errors
/// [`SeccompError`] when the tables do not fit into a BPF program.
pub fn filter() -> Result<Filter, SeccompError> {
    filter_of(ALLOWED)
}

/// The filter of what unpacks an archive: memory, and files below a directory.
///
/// # Errors
/// As [`filter`].
pub fn unpacker_filter() -> Result<Filter, SeccompError> {
    filter_of(&[table::UNPACKER])
}

/// The filter of what unpacks a layer of an image: besides, it looks at what is there, links and deletes.
///
/// # Errors
/// As [`filter`].
pub fn layer_unpacker_filter() -> Result<Filter, SeccompError> {
    filter_of(&[table::UNPACKER, table::LAYER_UNPACKER])
}

fn filter_of(allowed: &[&[table::Call]]) -> Result<Filter, SeccompError> {
    let unlisted = match mutation::is_off(Control::UnlistedCalls) {
        // A filter that does nothing is refused.
        true => Answer::Log,
        false => Answer::Errno(libc::ENOSYS),
    };
    let program = program::program(&verdicts(allowed), unlisted);
    match program.len() {
        0..=INSTRUCTIONS_MAX => Ok(Filter(program)),
        instructions => Err(SeccompError::TooLong { instructions, max: INSTRUCTIONS_MAX }),
    }
}

/// What becomes of each call that the tables name.
fn verdicts(allowed: &[&[table::Call]]) -> BTreeMap<u32, Verdict> {
    let allowed = allowed.iter().copied().flatten().map(|call| (call.number, Verdict::Return(Answer::Allow)));
    let mut verdicts: BTreeMap<u32, Verdict> = allowed.collect();
    for (call, when) in REFUSED {
        let verdict = match when {
            _ if mutation::is_call_off(call.name) => Verdict::Return(Answer::Allow),
            When::Always => Verdict::Return(Answer::Errno(libc::EPERM)),
            When::Arguments(alternatives) if verdicts.contains_key(&call.number) => Verdict::Arguments(alternatives),
            // Refusing some arguments allows no others.
            When::Arguments(_) => continue,
        };
        verdicts.insert(call.number, verdict);
    }
    verdicts
}

/// Puts the filter on the calling thread and everything it starts, for good. Sets `no_new_privs`.
///
/// # Errors
/// [`SeccompError::Install`] when the kernel has no seccomp filters.
pub fn install(filter: &Filter) -> Result<(), SeccompError> {
    Ok(seccompiler::apply_filter(&filter.0)?)
}

impl Filter {
    /// As the kernel takes it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0
            .iter()
            .flat_map(|line| {
                let [low, high] = line.code.to_ne_bytes();
                let [a, b, c, d] = line.k.to_ne_bytes();
                [low, high, line.jt, line.jf, a, b, c, d]
            })
            .collect()
    }

    pub(crate) fn instructions(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_filter_fits_into_the_kernel() {
        let filter = filter().expect("tables are well-formed");
        assert!(filter.0.len() > REFUSED.len(), "it is not empty");
    }

    #[test]
    fn no_call_is_listed_twice() {
        let mut seen = BTreeSet::new();
        for call in ALLOWED.iter().copied().flatten() {
            assert!(seen.insert(call.number), "{} is listed twice", call.name);
        }
        let mut seen = BTreeSet::new();
        for (call, _) in REFUSED {
            assert!(seen.insert(call.number), "{} is refused twice", call.name);
        }
    }

    #[test]
    fn what_is_always_refused_is_not_also_allowed() {
        let allowed: BTreeSet<u32> = ALLOWED.iter().copied().flatten().map(|call| call.number).collect();
        for (call, when) in REFUSED {
            match when {
                When::Always => assert!(!allowed.contains(&call.number), "{}", call.name),
                When::Arguments(_) => assert!(allowed.contains(&call.number), "{} could never pass", call.name),
            }
        }
    }

    #[test]
    fn refusing_some_arguments_of_a_call_allows_nobody_the_others() {
        let unpacker = verdicts(&[table::UNPACKER]);
        let clone = REFUSED.iter().find(|(call, _)| call.name == "clone").expect("it is in the table");
        assert_eq!(unpacker.get(&clone.0.number), None);
        assert!(matches!(verdicts(ALLOWED).get(&clone.0.number), Some(Verdict::Arguments(_))));
    }

    #[test]
    fn clone3_is_unknown_so_that_libraries_use_clone() {
        let listed = |name: &str| {
            ALLOWED.iter().copied().flatten().chain(REFUSED.iter().map(|(call, _)| call)).any(|call| call.name == name)
        };
        assert!(!listed("clone3"));
        assert!(listed("clone"));
    }
}
