//! What is started as a runtime process, and Lambda's words for what could not be started. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use hearth_ports::ImageLaunch;
use hearth_types::Mebibytes;

use super::control::error_text;
use crate::environment::InitFailure;
use crate::init::WORKING_DIRECTORY;
use crate::protocol::{Launch, LaunchFailure};
use crate::runtimes::class_archive::Archive;
use crate::runtimes::{BOOTSTRAPS, ImageRoot, MEMORY, Program, Runtime, memory_variables};
use crate::variables::{MEMORY_SIZE, wrapper};

/// How a runtime process with these variables is started, from the archive of classes that its root has, if it has one.
pub(super) fn launch(
    runtime: &Runtime,
    (image, root): (Option<&ImageLaunch>, Option<&ImageRoot>),
    has_class_archive: bool,
    mut variables: BTreeMap<String, String>,
) -> Launch {
    let has_own_client = root.is_some_and(ImageRoot::has_own_client);
    let mut working_directory = WORKING_DIRECTORY.to_owned();
    let (programs, mut arguments) = match (&runtime.program, image) {
        (Program::Image, Some(ImageLaunch { command_line, working_directory: directory, .. })) => {
            // A relative one is below the root, as in Docker.
            working_directory = Path::new("/").join(directory).to_string_lossy().into_owned();
            let path = variables.get("PATH").map(String::as_str).unwrap_or_default();
            let (program, arguments) =
                command_line.split_first().map_or(("", [].as_slice()), |(first, rest)| (first, rest));
            (candidates(program, path, &working_directory), arguments.to_vec())
        }
        (Program::Interpreter { .. }, _)
            if let Some((program, arguments)) = root.and_then(|root| root.command.clone()) =>
        {
            (vec![program], arguments)
        }
        (Program::Interpreter { program, arguments }, _) => (vec![program.clone()], arguments.clone()),
        (Program::Bootstrap | Program::Image, _) => {
            (BOOTSTRAPS.iter().map(|text| (*text).to_owned()).collect(), Vec::new())
        }
    };
    let wrapper = wrapper(&variables, runtime).filter(|_| !has_own_client);
    if has_class_archive && wrapper.is_none() && runtime.starts_as_usual(&variables) {
        Archive::Use.tell(&mut arguments);
    }
    let memory = variables.get(MEMORY_SIZE).cloned().unwrap_or_default();
    if let (Some(language), Ok(memory), false) = (runtime.language, memory.parse(), has_own_client) {
        for (name, value) in memory_variables(language, Mebibytes(memory)) {
            // The function's own word goes.
            variables.entry(name.to_owned()).or_insert(value);
        }
    }
    Launch {
        programs,
        arguments: arguments.into_iter().map(|argument| argument.replace(MEMORY, &memory)).collect(),
        working_directory,
        wrapper,
        environment: variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
        when_furnished: true,
    }
}

/// The files a command's first word may mean: a path from the working directory, or a name in the directories of `PATH`.
fn candidates(program: &str, path: &str, working_directory: &str) -> Vec<String> {
    let from = |directory: &str| {
        let directory = Path::new("/").join(working_directory).join(directory);
        directory.join(program).to_string_lossy().into_owned()
    };
    match program {
        "" => Vec::new(),
        program if program.contains('/') => vec![from("")],
        _ => path.split(':').map(from).collect(),
    }
}

/// Lambda's words for a runtime that could not be started. Recorded for custom runtimes.
pub(super) fn launch_failure(failure: LaunchFailure, image: Option<&str>) -> InitFailure {
    let (error_type, message) = match failure {
        // Source: Go's words for what is not in PATH, and for what is not where a path says.
        LaunchFailure::NoProgram if let Some(program) = image => {
            let message = match program.contains('/') {
                true => format!("fork/exec {program}: no such file or directory"),
                false => format!("exec: \"{program}\": executable file not found in $PATH"),
            };
            ("Runtime.InvalidEntrypoint", message)
        }
        LaunchFailure::WorkingDirectory { errno } => {
            ("Runtime.InvalidWorkingDir", format!("chdir to the working directory: {}", error_text(errno)))
        }
        LaunchFailure::NoProgram => (
            "Runtime.InvalidEntrypoint",
            // The platform's own directory is not the customer's business.
            format!("Couldn't find valid bootstrap(s): [{}]", BOOTSTRAPS[1..].join(" ")),
        ),
        LaunchFailure::Exec { program, errno } => {
            ("Runtime.InvalidEntrypoint", format!("fork/exec {program}: {}", error_text(errno)))
        }
        LaunchFailure::Confinement { errno } => {
            tracing::error!(error = error_text(errno), "a runtime process could not be confined");
            ("Sandbox.Failure", "the runtime process could not be confined".to_owned())
        }
    };
    InitFailure::Launch { error_type, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotnet_is_told_of_the_function_s_memory_unless_the_function_says_something_itself() {
        let runtime = crate::runtimes::find(&hearth_ports::RuntimeId("dotnet8".into())).expect("known");
        let launched = |more: Option<(&str, &str)>| {
            let own = [(MEMORY_SIZE, "512")].into_iter().chain(more);
            let variables = own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            launch(runtime, (None, None), false, variables).environment
        };
        let usual = launched(None);
        assert!(usual.contains(&"DOTNET_GCTotalPhysicalMemory=20000000".to_owned()), "{usual:?}");
        assert!(usual.contains(&"DOTNET_GCHeapHardLimitPercent=55".to_owned()), "{usual:?}");
        let own = launched(Some(("DOTNET_GCHeapHardLimitPercent", "32")));
        assert!(own.contains(&"DOTNET_GCHeapHardLimitPercent=32".to_owned()), "{own:?}");
    }

    #[test]
    fn a_command_s_first_word_is_a_path_or_a_name_to_look_for() {
        let path = "/usr/bin:/bin";
        for (program, expected) in [
            ("/entry", vec!["/entry"]),
            ("./entry", vec!["/work/./entry"]),
            ("bin/entry", vec!["/work/bin/entry"]),
            ("python3", vec!["/usr/bin/python3", "/bin/python3"]),
            ("", vec![]),
        ] {
            assert_eq!(candidates(program, path, "/work"), expected, "{program}");
        }
    }
}
