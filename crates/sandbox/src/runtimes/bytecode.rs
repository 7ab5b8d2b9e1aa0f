//! Byte code of the Python bootstrap. Compiling it took a third of a cold start's time in Python (3 of 10 ms, measured),
//! so it is done once, by the very interpreter that will run it: its format is private to each.

use super::client::PYTHON;
use super::discover::{Interpreter, output};
use super::{Language, Root};

/// In `/var/runtime`, what Python is given to run. Python tells byte code from source by how a file begins, so that this
/// may be either.
pub const ENTRY: &str = "bootstrap";
/// In `/var/runtime`. Tracebacks name it, and show its lines.
pub const SOURCE: &str = "bootstrap.py";

/// Arguments: the text, the name by which tracebacks call it. The header says nothing but who can read it; the rest of
/// it is for files that may be older than their source. Source: Python Enhancement Proposal 552.
const COMPILE: &str = "
import importlib.util, marshal, os, sys
code = compile(os.fsencode(sys.argv[1]), sys.argv[2], 'exec')
sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))";

/// The content of [`ENTRY`]. `None` when this is no root of Python, or its interpreter fails.
#[must_use]
pub fn compile(root: Root, interpreter: &Interpreter) -> Option<Vec<u8>> {
    let Some(Language::Python { .. }) = root.language() else { return None };
    let program = interpreter.program(root);
    let name = format!("/var/runtime/{SOURCE}");
    output(&program, &["-I", "-S", "-c", COMPILE, PYTHON, &name]).filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::Search;
    use super::*;

    #[test]
    fn byte_code_runs_under_the_name_of_its_source() {
        let search = Search::from_environment();
        let Some(interpreter) = search.interpreter(Language::Python { minor: 11 }) else {
            return eprintln!("SKIPPED: no Python 3.11 here");
        };
        let code = compile(Root::With(Language::Python { minor: 11 }), &interpreter).expect("byte code");
        let folder = tempfile::tempdir().expect("tempdir");
        let entry = folder.path().join(ENTRY);
        std::fs::write(&entry, code).expect("file");
        let program = match &interpreter {
            Interpreter::Prefix { prefix, .. } => prefix.join("bin/python3.11"),
            Interpreter::System { program, .. } => program.clone(),
        };
        // Without the Runtime API's address it ends at once.
        let ran = Command::new(program).args(["-I", "-S"]).arg(entry).env_clear().output().expect("run");
        let text = String::from_utf8_lossy(&ran.stderr);
        assert!(text.contains("  File \"/var/runtime/bootstrap.py\", line "), "{text}");
        assert!(text.ends_with("KeyError: 'AWS_LAMBDA_RUNTIME_API'\n"), "{text}");
    }

    #[test]
    fn an_interpreter_that_fails_leaves_the_source() {
        let none = Interpreter::System { program: "/bin/false".into(), name: "python3.11".to_owned(), library: None };
        assert_eq!(compile(Root::With(Language::Python { minor: 11 }), &none), None);
    }
}
