//! Recursive loops: a function that is invoked again and again in one chain of requests. Pure.
//!
//! The chain is told by the `Lineage` field of the trace header, which SDKs hand on from a function to what it calls:
//! `Lineage=1:<function>:<times before>`, further functions after a `+`. Source: Lambda developer guide, "Use Lambda
//! recursive loop detection to prevent infinite loops"; the inner form of the field is Hearth's own.

use std::sync::Arc;

use hearth_types::FunctionUid;

/// A function runs this often in one chain; then the chain is stopped.
const RUNS_MAX: u32 = 16;
/// Functions of a chain that are counted; those met first are forgotten first. Bounds the header.
const FUNCTIONS_MAX: usize = 16;
/// Enough of a function's uid to tell it from the others of a chain.
const NAME_CHARS: usize = 8;

const FIELD: &str = "Lineage=";
const FORM: &str = "1:";

/// The trace header with one more run of the function in its chain, and whether that is one too many.
pub(crate) fn extend(trace: &str, function: &FunctionUid) -> (Arc<str>, bool) {
    let name: String = function.as_str().chars().filter(char::is_ascii_alphanumeric).take(NAME_CHARS).collect();
    let mut header = String::with_capacity(trace.len() + 24);
    let mut chain = Vec::new();
    for part in trace.split(';') {
        if let Some(lineage) = part.strip_prefix(FIELD) {
            let entries = lineage.strip_prefix(FORM).unwrap_or_default().split('+');
            chain = entries.filter_map(|entry| entry.split_once(':')).collect();
        } else {
            header.push_str(part);
            header.push(';');
        }
    }
    let before = chain.iter().find(|(other, _)| *other == name);
    let runs = before.map_or(0, |(_, before)| before.parse::<u32>().unwrap_or(0).saturating_add(1));
    chain.retain(|(other, _)| *other != name);
    let forgotten = chain.len().saturating_sub(FUNCTIONS_MAX - 1);
    header.push_str(FIELD);
    header.push_str(FORM);
    for (other, count) in &chain[forgotten..] {
        header.push_str(other);
        header.push(':');
        header.push_str(count);
        header.push('+');
    }
    header.push_str(&name);
    header.push(':');
    header.push_str(&runs.to_string());
    (header.into(), runs >= RUNS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Root=1-634604a2-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0";

    fn uid(text: &str) -> FunctionUid {
        FunctionUid::from(text)
    }

    #[test]
    fn the_seventeenth_run_in_a_chain_is_one_too_many() {
        let mut trace: Arc<str> = ROOT.into();
        for run in 0..17 {
            let (next, is_loop) = extend(&trace, &uid("0a1b2c3d-4e5f"));
            assert_eq!(is_loop, run == 16, "{next}");
            assert_eq!(*next, format!("{ROOT};Lineage=1:0a1b2c3d:{run}"));
            trace = next;
        }
    }

    #[test]
    fn each_function_of_a_chain_is_counted_by_itself() {
        let mut trace: Arc<str> = ROOT.into();
        for _ in 0..16 {
            for name in ["aaaaaaaa", "bbbbbbbb"] {
                let (next, is_loop) = extend(&trace, &uid(name));
                assert!(!is_loop, "{next}");
                trace = next;
            }
        }
        assert!(trace.ends_with(";Lineage=1:aaaaaaaa:15+bbbbbbbb:15"), "{trace}");
        assert!(extend(&trace, &uid("aaaaaaaa")).1);
        assert!(!extend(&trace, &uid("cccccccc")).1);
    }

    #[test]
    fn a_chain_of_many_functions_stays_short_and_a_strange_one_begins_anew() {
        let mut trace: Arc<str> = ROOT.into();
        for number in 0..100 {
            trace = extend(&trace, &uid(&format!("{number:08}"))).0;
        }
        assert_eq!(trace.matches('+').count(), 15);
        assert!(trace.ends_with("00000099:0"));
        for strange in ["Lineage=", "Lineage=2:x:1", "Lineage=1:x", "Lineage=1:aaaaaaaa:many"] {
            let (next, is_loop) = extend(strange, &uid("bbbbbbbb"));
            assert!(next.ends_with("bbbbbbbb:0") && !is_loop, "{next}");
        }
    }
}
