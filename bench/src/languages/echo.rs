//! The echo function in each language, and the bare program beside it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};

use hearth_sandbox::runtimes::{Interpreter, Language, Root, program_name};
use serde_json::json;
use tokio::process::Command;

use super::Origin;
use super::installed::Tree;
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
const EMPTY_DOTNET: &str = "Empty.dll";
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

/// The interpreter with nothing to do.
pub(super) struct Bare {
    program: PathBuf,
    /// Where that is, if it is not this machine's.
    tree: Option<Tree>,
    arguments: Vec<OsString>,
    library_path: Option<PathBuf>,
    /// Has what the interpreter runs, if that had to be made.
    folder: Option<PathBuf>,
}

impl Bare {
    /// `None`: this machine cannot build what it would run.
    pub(super) fn new(origin: &Origin) -> Result<Option<Self>, BenchError> {
        let (program, tree, library_path) = match origin {
            Origin::Function => (stock_program()?, None, None),
            Origin::Interpreter(language, found) => {
                let library_path = match &found.interpreter {
                    Interpreter::Prefix { prefix, needs_library_path: true } => Some(prefix.join("lib")),
                    _ => None,
                };
                (found.interpreter.program(Root::With(*language)), None, library_path)
            }
            // It finds its libraries by `/proc`, which such a root has not.
            Origin::Image(Language::Java { .. }, _) => return Ok(None),
            Origin::Image(language, reference) => match Tree::unpack(reference)? {
                Some(tree) => (PathBuf::from(program_name(*language)), Some(tree), None),
                None => return Ok(None),
            },
        };
        let Some(language) = origin.language() else {
            return Ok(Some(Self { program, tree, arguments: vec!["end".into()], library_path, folder: None }));
        };
        let arguments: &[&str] = match language {
            Language::Python { .. } => &["-I", "-S", "-c", "pass"],
            Language::Node { .. } => &["-e", "0"],
            Language::Ruby { .. } => &["--disable=gems", "-e", "0"],
            Language::Java { .. } => &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-version"],
            Language::Dotnet { .. } => &["exec"],
        };
        let mut arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let mut folder = None;
        if let Language::Dotnet { major } = language {
            let Some(made) = empty_dotnet_program(major)? else { return Ok(None) };
            arguments.push(made.join(EMPTY_DOTNET).into());
            folder = Some(made);
        }
        Ok(Some(Self { program, tree, arguments, library_path, folder }))
    }

    pub(super) fn command(&self) -> Command {
        let mut command = match &self.tree {
            Some(tree) => tree.command(&self.program),
            None => with(Command::new(&self.program), &[]),
        };
        command.args(&self.arguments).stderr(Stdio::null()).env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
        if let Some(path) = &self.library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        command
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // What is left in the temporary directory is no reason to fail.
        let _ = self.folder.as_ref().map(std::fs::remove_dir_all);
    }
}

/// .NET's program starts nothing by itself: a folder with a program that ends at once.
fn empty_dotnet_program(major: u8) -> Result<Option<PathBuf>, BenchError> {
    let compile = |source: &Path, directory: &Path| {
        let mut command = Blocking::new(COMPILE_CSHARP);
        command.args([&directory.join(EMPTY_DOTNET), source]).arg("--program");
        command
    };
    let Some(program) =
        compiled("Empty.cs", "public static class Empty { public static void Main() { } }\n", EMPTY_DOTNET, compile)?
    else {
        return Ok(None);
    };
    let folder = std::env::temp_dir().join(format!("hearth-bench-{}-empty", std::process::id()));
    let framework = json!({ "name": "Microsoft.NETCore.App", "version": format!("{major}.0.0") });
    let config = json!({ "runtimeOptions": { "tfm": format!("net{major}.0"), "framework": framework } });
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes);
    std::fs::create_dir_all(&folder)
        .and_then(|()| write(EMPTY_DOTNET, &program))
        .and_then(|()| write("Empty.runtimeconfig.json", config.to_string().as_bytes()))
        .map_err(BenchError::io("temporary file"))?;
    Ok(Some(folder))
}
