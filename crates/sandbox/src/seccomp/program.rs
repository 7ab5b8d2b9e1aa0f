//! From the tables to the one BPF program the kernel runs before each system call: a search tree over the calls'
//! numbers, and behind the numbers that need it a look at the arguments. A seventh of what a comparison per call takes,
//! which counts because the kernel compiles the program anew for every process it is put on.
//!
//! ```text
//! another architecture?  ─▶ the process ends
//! number < 64?  ─▶ number < 21?  ─▶ …  ─▶ allow | ENOSYS | EPERM | arguments
//! ```
//! Source: kernel documentation, userspace-api/seccomp_filter and networking/filter.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, sock_filter};

use super::table::Compare;

/// What becomes of a call: one of its alternatives of conditions refuses it, or nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Return(Answer),
    /// `EPERM` when all conditions of any alternative hold, else the call is made.
    Arguments(&'static [&'static [(u8, Compare)]]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Allow,
    Errno(i32),
    /// For a filter that does nothing.
    Log,
}

impl Answer {
    const fn code(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(),
            Self::Log => libc::SECCOMP_RET_LOG,
        }
    }
}

/// `struct seccomp_data`: where the number, the architecture and the lower half of an argument are. Both architectures
/// are little-endian.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u8) -> u32 {
    16 + 8 * index as u32
}

/// `AUDIT_ARCH_*` of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const OUR_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OUR_ARCHITECTURE: u32 = 0xc000_00b7;

/// The program for calls of these numbers; `unlisted` is for all others, those of the x32 ABI among them.
pub(super) fn program(verdicts: &BTreeMap<u32, Verdict>, unlisted: Answer) -> BpfProgram {
    let mut program = vec![
        load(ARCHITECTURE),
        jump(libc::BPF_JEQ, OUR_ARCHITECTURE, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    program.extend(tree(&ranges(verdicts, Verdict::Return(unlisted))));
    program
}

/// From which number on which verdict holds, in order, the first from 0 on.
fn ranges(verdicts: &BTreeMap<u32, Verdict>, unlisted: Verdict) -> Vec<(u32, Verdict)> {
    let mut ranges = vec![(0, unlisted)];
    for (&number, &verdict) in verdicts {
        // What this number does, and that the next does not: overwritten when it is in the table, too.
        for (from, verdict) in [(number, verdict), (number + 1, unlisted)] {
            ranges.retain(|(start, _)| *start != from);
            ranges.push((from, verdict));
        }
    }
    ranges.dedup_by(|next, former| next.1 == former.1);
    ranges
}

/// A binary search; the number is loaded.
fn tree(ranges: &[(u32, Verdict)]) -> BpfProgram {
    if let [(_, verdict)] = ranges {
        return leaf(*verdict);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let Some((middle, _)) = high.first() else { return BpfProgram::new() };
    let (below, above) = (tree(low), tree(high));
    let mut program = match u8::try_from(below.len()) {
        Ok(length) => vec![jump(libc::BPF_JGE, *middle, length, 0)],
        // Only jumps without a condition go that far.
        Err(_) => vec![jump(libc::BPF_JGE, *middle, 0, 1), far(below.len())],
    };
    program.extend(below);
    program.extend(above);
    program
}

fn leaf(verdict: Verdict) -> BpfProgram {
    match verdict {
        Verdict::Return(verdict) => vec![answer(verdict.code())],
        Verdict::Arguments(alternatives) => {
            let mut program: BpfProgram = alternatives.iter().flat_map(|conditions| refusal(conditions)).collect();
            program.push(answer(Answer::Allow.code()));
            program
        }
    }
}

/// `EPERM` when all conditions hold; what follows otherwise.
fn refusal(conditions: &[(u8, Compare)]) -> BpfProgram {
    let mut program = vec![answer(Answer::Errno(libc::EPERM).code())];
    // From the end: each knows by then how far it is to what follows.
    for (index, compare) in conditions.iter().rev() {
        // A few instructions per condition, a few conditions per alternative.
        let past = program.len() as u8;
        let (mask, value, is) = match *compare {
            Compare::Is(value) => (None, value, true),
            Compare::IsNot(value) => (None, value, false),
            Compare::Masked { mask, value } => (Some(mask), value, true),
        };
        let (equal, other) = if is { (0, past) } else { (past, 0) };
        // The kernel reads these arguments as 32 bits: comparing 64 would let a set upper half slip through.
        let looked = std::iter::once(load(argument(*index)))
            .chain(mask.map(|mask| instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask)))
            .chain([jump(libc::BPF_JEQ, value, equal, other)]);
        program.splice(0..0, looked);
    }
    program
}

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn jump(compare: u32, with: u32, when: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | compare | libc::BPF_K, when, otherwise, with)
}

fn far(instructions: usize) -> sock_filter {
    // A program has 4,096 at most.
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, instructions as u32)
}

fn answer(code: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, code)
}

const fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's interpreter would answer.
    fn run(program: &BpfProgram, architecture: u32, number: u32, arguments: [u32; 6]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let choose = |holds: bool| usize::from(if holds { jt } else { jf });
            let code = u32::from(code);
            if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                value = match k {
                    NUMBER => number,
                    ARCHITECTURE => architecture,
                    offset => arguments[(offset as usize - 16) / 8],
                };
            } else if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K {
                value &= k;
            } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
                at += choose(value == k);
            } else if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K {
                at += choose(value >= k);
            } else if code == libc::BPF_JMP | libc::BPF_JA {
                at += k as usize;
            } else {
                assert_eq!(code, libc::BPF_RET | libc::BPF_K);
                return k;
            }
        }
    }

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    fn verdict(verdict: Option<&Verdict>, arguments: [u32; 6]) -> u32 {
        match verdict {
            None => ENOSYS,
            Some(Verdict::Return(answer)) => answer.code(),
            Some(Verdict::Arguments(alternatives)) => {
                let holds = |(index, compare): &(u8, Compare)| {
                    let value = arguments[usize::from(*index)];
                    match *compare {
                        Compare::Is(other) => value == other,
                        Compare::IsNot(other) => value != other,
                        Compare::Masked { mask, value: other } => value & mask == other,
                    }
                };
                if alternatives.iter().any(|all| all.iter().all(holds)) { EPERM } else { ALLOW }
            }
        }
    }

    /// Every value a table compares with, and its neighbours.
    fn interesting(alternatives: &[&[(u8, Compare)]]) -> Vec<u32> {
        let values = alternatives.iter().copied().flatten().flat_map(|(_, compare)| match *compare {
            Compare::Is(value) | Compare::IsNot(value) => [value, value],
            Compare::Masked { mask, value } => [value, !mask | value],
        });
        let mut all: Vec<u32> = values.flat_map(|value| [value, value ^ 1, value | 0x8_0000]).collect();
        all.extend([0, u32::MAX]);
        all.sort_unstable();
        all.dedup();
        all
    }

    #[test]
    fn every_number_and_every_argument_that_matters_gets_what_the_tables_say() {
        let verdicts = super::super::verdicts(super::super::table::ALLOWED);
        let program = program(&verdicts, Answer::Errno(libc::ENOSYS));
        let mut arguments_seen = 0;
        for number in (0..1_024).chain([0x4000_0000, 0x4000_0001, u32::MAX]) {
            let expected = verdicts.get(&number);
            assert_eq!(run(&program, OUR_ARCHITECTURE, number, [0; 6]), verdict(expected, [0; 6]), "{number}");
            if let Some(Verdict::Arguments(alternatives)) = expected {
                let values = interesting(alternatives);
                for first in &values {
                    for second in &values {
                        for third in &values {
                            let arguments = [*first, *second, *third, 0, 0, 0];
                            arguments_seen += 1;
                            let answered = run(&program, OUR_ARCHITECTURE, number, arguments);
                            assert_eq!(answered, verdict(expected, arguments), "{number} of {arguments:?}");
                        }
                    }
                }
            }
        }
        assert!(arguments_seen > 1_000);
    }

    #[test]
    fn calls_of_another_architecture_end_the_process() {
        let program = program(&BTreeMap::new(), Answer::Allow);
        assert_eq!(run(&program, OUR_ARCHITECTURE ^ 1, 0, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(run(&program, OUR_ARCHITECTURE, 0, [0; 6]), ALLOW);
    }

    #[test]
    fn a_tree_wider_than_a_short_jump_still_finds_everything() {
        let listed: BTreeMap<u32, Verdict> =
            (0..900).map(|number| (number * 2, Verdict::Return(Answer::Errno((number % 3 + 1) as i32)))).collect();
        let program = program(&listed, Answer::Allow);
        for number in 0..1_900 {
            let expected = listed.get(&number).map_or(ALLOW, |_| libc::SECCOMP_RET_ERRNO | (number / 2 % 3 + 1));
            assert_eq!(run(&program, OUR_ARCHITECTURE, number, [0; 6]), expected, "{number}");
        }
    }
}
