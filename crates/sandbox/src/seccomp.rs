//! The system calls a function may make. What lives here: building and installing the filter. The list itself is the
//! table in [`table`]; nothing else in Hearth decides about system calls.
//!
//! Two programs are stacked. The first allows the calls of [`table::ALLOWED`] and answers `ENOSYS` to every other
//! number, including those of kernels to come: libraries take that as "old kernel" and fall back (glibc from `clone3`
//! to `clone`, whose flags a filter can read). The second answers `EPERM` to what [`table::REFUSED`] names, by number
//! or by argument. Of two refusals the kernel takes the one installed last (seccomp(2)), so a refused call gets `EPERM`.

pub mod table;

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::mutation::{self, Control};
use table::{ALLOWED, Compare, REFUSED, When};

/// Both programs, ready to install. Built once, before any fork: installing allocates nothing.
#[derive(Clone, Debug)]
pub struct Filter {
    allowed: BpfProgram,
    refused: BpfProgram,
}

#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    #[error("the seccomp filter cannot be built: {0}")]
    Build(#[from] BackendError),
    #[error("the seccomp filter is too long for the kernel: {instructions} instructions, at most {max}")]
    TooLong { instructions: usize, max: usize },
    #[error("the kernel refused the seccomp filter ({0}); it must be built with CONFIG_SECCOMP_FILTER")]
    Install(#[from] seccompiler::Error),
}

/// `BPF_MAXINSNS` of the kernel.
const INSTRUCTIONS_MAX: usize = 4_096;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

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

fn filter_of(allowed: &[&[table::Call]]) -> Result<Filter, SeccompError> {
    let off = REFUSED.iter().map(|(call, _)| call).filter(|call| mutation::is_call_off(call.name));
    let allowed = allowed.iter().copied().flatten().chain(off).map(|call| (call.number, Vec::new())).collect();
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, when) in REFUSED.iter().filter(|(call, _)| !mutation::is_call_off(call.name)) {
        let rules = refused.entry(call.number).or_default();
        if let When::Arguments(alternatives) = when {
            for conditions in *alternatives {
                rules.push(rule(conditions)?);
            }
        }
    }
    let unlisted = match mutation::is_off(Control::UnlistedCalls) {
        // A filter that does nothing is refused.
        true => SeccompAction::Log,
        false => SeccompAction::Errno(errno(libc::ENOSYS)),
    };
    Ok(Filter {
        allowed: program(allowed, unlisted, SeccompAction::Allow)?,
        refused: program(refused, SeccompAction::Allow, SeccompAction::Errno(errno(libc::EPERM)))?,
    })
}

/// Puts the filter on the calling thread and everything it starts, for good. Sets `no_new_privs`.
///
/// # Errors
/// [`SeccompError::Install`] when the kernel has no seccomp filters.
pub fn install(filter: &Filter) -> Result<(), SeccompError> {
    seccompiler::apply_filter(&filter.allowed)?;
    seccompiler::apply_filter(&filter.refused)?;
    Ok(())
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, SeccompError> {
    let program = BpfProgram::try_from(SeccompFilter::new(rules, otherwise, listed, ARCHITECTURE)?)?;
    if program.len() > INSTRUCTIONS_MAX {
        return Err(SeccompError::TooLong { instructions: program.len(), max: INSTRUCTIONS_MAX });
    }
    Ok(program)
}

fn rule(conditions: &[(u8, Compare)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(argument, compare)| {
        let (operator, value) = match *compare {
            Compare::Is(value) => (SeccompCmpOp::Eq, value),
            Compare::IsNot(value) => (SeccompCmpOp::Ne, value),
            Compare::Masked { mask, value } => (SeccompCmpOp::MaskedEq(mask.into()), value),
        };
        // The kernel reads these arguments as 32 bits: comparing 64 would let a set upper half slip through.
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator, value.into())
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

const fn errno(code: i32) -> u32 {
    code.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_filter_fits_into_the_kernel() {
        let filter = filter().expect("tables are well-formed");
        assert!(filter.allowed.len() > ALLOWED.iter().map(|group| group.len()).sum(), "one comparison per call");
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
        let allowed: BTreeSet<i64> = ALLOWED.iter().copied().flatten().map(|call| call.number).collect();
        for (call, when) in REFUSED {
            match when {
                When::Always => assert!(!allowed.contains(&call.number), "{}", call.name),
                When::Arguments(_) => assert!(allowed.contains(&call.number), "{} could never pass", call.name),
            }
        }
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
