//! The echo function in each language, and the bare program beside it.

use std::path::Path;
use std::process::{Command as Blocking, Stdio};

use hearth_sandbox::runtimes::{Found, Interpreter, Language, Root};
use tokio::process::Command;

use crate::cold::starts::with;
use crate::functions::package;
use crate::null_runtime::{ECHO_NODE, ECHO_PYTHON, stock_program};
use crate::{BenchError, ProgramArgs};

const ECHO_RUBY: &str = "def handler(event:, context:)\n  event\nend\n";
const ECHO_JAVA: &str = "package app;\n\
    import com.amazonaws.services.lambda.runtime.Context;\n\
    import com.amazonaws.services.lambda.runtime.RequestHandler;\n\
    public class handler implements RequestHandler<Object, Object> {\n\
    \tpublic Object handleRequest(Object event, Context context) { return event; }\n}\n";
const ECHO_DOTNET: &str = "public class App { public static object Handle(object e) { return e; } }\n";
/// Compiles what a machine with a compiler only can measure; part of this repository.
const COMPILE_CSHARP: &str = "tools/compile-csharp.sh";

/// What is measured of a language.
pub(super) struct Echo {
    pub(super) handler: &'static str,
    pub(super) package: Vec<u8>,
}

/// `None`: this machine cannot build it.
pub(super) fn of(language: Option<Language>, program: &ProgramArgs) -> Result<Option<Echo>, BenchError> {
    let text = |name, text: &str| Ok(Some(Echo { handler: "app.handler", package: package(name, text.as_bytes())? }));
    match language {
        None => {
            let native = stock_program()?;
            let bytes = std::fs::read(&native).map_err(BenchError::io(native.display().to_string()))?;
            Ok(Some(Echo { handler: "bootstrap", package: package("bootstrap", &bytes)? }))
        }
        Some(Language::Python { .. }) => text("app.py", ECHO_PYTHON),
        Some(Language::Node { .. }) => text("app.mjs", ECHO_NODE),
        Some(Language::Ruby { .. }) => text("app.rb", ECHO_RUBY),
        Some(Language::Java { .. }) => {
            let archive = program.runtimes.join("java/bootstrap.jar");
            let compile = |source: &Path, directory: &Path| {
                let mut command = Blocking::new("javac");
                command
                    .args(["--release", "8", "-Xlint:-options", "-cp"])
                    .arg(&archive)
                    .arg("-d")
                    .args([directory, source]);
                command
            };
            let built = compiled("handler.java", ECHO_JAVA, "app/handler.class", compile)?;
            built
                .map(|bytes| Ok(Echo { handler: "app.handler", package: package("app/handler.class", &bytes)? }))
                .transpose()
        }
        Some(Language::Dotnet { .. }) => {
            let compile = |source: &Path, directory: &Path| {
                let mut command = Blocking::new(COMPILE_CSHARP);
                command.args([&directory.join("App.dll"), source]);
                command
            };
            let built = compiled("App.cs", ECHO_DOTNET, "App.dll", compile)?;
            built
                .map(|bytes| Ok(Echo { handler: "App::App::Handle", package: package("App.dll", &bytes)? }))
                .transpose()
        }
    }
}

/// What a compiler makes of a source. `None`: there is no compiler.
fn compiled(
    name: &str,
    source: &str,
    result: &str,
    command: impl Fn(&Path, &Path) -> Blocking,
) -> Result<Option<Vec<u8>>, BenchError> {
    let directory = std::env::temp_dir().join(format!("hearth-bench-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(BenchError::io("temporary directory"))?;
    let path = directory.join(name);
    std::fs::write(&path, source).map_err(BenchError::io("temporary file"))?;
    let status = command(&path, &directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let bytes = status.is_ok_and(|status| status.success()).then(|| std::fs::read(directory.join(result)));
    // What is left in the temporary directory is no reason to fail.
    let _ = std::fs::remove_dir_all(&directory);
    bytes.transpose().map_err(BenchError::io("what was compiled"))
}

/// The interpreter with nothing to do. `None`: .NET's program starts nothing by itself.
pub(super) fn bare(language: Option<Language>, found: Option<&Found>) -> Result<Option<Command>, BenchError> {
    let (Some(language), Some(found)) = (language, found) else {
        return Ok(Some(with(Command::new(stock_program()?), &["end"])));
    };
    let arguments: &[&str] = match language {
        Language::Python { .. } => &["-I", "-S", "-c", "pass"],
        Language::Node { .. } => &["-e", "0"],
        Language::Ruby { .. } => &["--disable=gems", "-e", "0"],
        Language::Java { .. } => &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-version"],
        Language::Dotnet { .. } => return Ok(None),
    };
    let mut command = with(Command::new(found.interpreter.program(Root::With(language))), arguments);
    if let Interpreter::Prefix { prefix, needs_library_path: true } = &found.interpreter {
        command.env("LD_LIBRARY_PATH", prefix.join("lib"));
    }
    command.stderr(Stdio::null());
    Ok(Some(command))
}
