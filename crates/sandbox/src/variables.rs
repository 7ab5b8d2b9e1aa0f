//! The environment a runtime process starts with. Source: Lambda developer guide, "Using environment variables", and
//! recordings of python3.14, node24 and provided.al2023.
//!
//! Three sets, the later one wins: defaults of the platform that a function may override, what the environment was
//! asked for ([`EnvironmentSpec::variables`]), and what describes the sandbox itself, which nobody overrides.

use std::collections::BTreeMap;

use hearth_ports::ImageLaunch;

use crate::environment::EnvironmentSpec;
use crate::protocol::{ENDPOINT_PORT, RECORDS_DESCRIPTOR, RECORDS_VARIABLE, RUNTIME_API_PORT, SANDBOX_ADDRESS};
use crate::runtimes::prestart::PREPARED;
use crate::runtimes::{ImageRoot, Program, Runtime};

const LIBRARIES: &str = "LD_LIBRARY_PATH";
const INTERPRETER_LIBRARIES: &str = "/var/lang/lib";
/// A function's memory in MiB.
pub(crate) const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// Names a program that is run in place of the runtime, with the runtime's command line as its arguments.
const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// Defaults of every runtime.
const DEFAULTS: &[(&str, &str)] = &[
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ("AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1:2000"),
    ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1"),
    ("_AWS_XRAY_DAEMON_PORT", "2000"),
    ("LANG", "en_US.UTF-8"),
    (LIBRARIES, "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"),
    ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
    ("TZ", ":UTC"),
];

/// Of [`DEFAULTS`], what an image's own variables do not say.
const IMAGE_DEFAULTS: &[&str] = &[
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "TZ",
];
/// Where programs of an image are looked for that says nothing of it. Source: Docker.
const IMAGE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What this machine adds to the table of runtimes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host<'a> {
    /// The interpreter finds its own shared library only through `LD_LIBRARY_PATH`.
    pub needs_library_path: bool,
    /// Somebody serves Hearth's endpoint inside the sandbox.
    pub endpoint: bool,
    /// The image that is the runtime's root.
    pub image: Option<&'a ImageRoot>,
}

/// Everything a runtime process starts with, by name.
#[must_use]
pub fn variables(spec: &EnvironmentSpec, runtime: &Runtime, host: Host<'_>) -> BTreeMap<String, String> {
    let mut all = match &spec.image {
        Some(image) => of_image(image),
        None => defaults(runtime, host),
    };
    if host.endpoint {
        all.insert("AWS_ENDPOINT_URL".to_owned(), format!("http://{SANDBOX_ADDRESS}:{ENDPOINT_PORT}"));
    }
    all.extend(spec.variables.iter().cloned());
    match &spec.image {
        // Where its code is, an image may say itself.
        Some(_) => all.extend([runtime_api()]),
        None => all.extend(sandbox()),
    }
    if spec.metadata.is_some() {
        all.insert("AWS_LAMBDA_METADATA_API".to_owned(), format!("{SANDBOX_ADDRESS}:{RUNTIME_API_PORT}"));
    }
    all.extend(records(runtime));
    all.insert(MEMORY_SIZE.to_owned(), spec.memory.to_string());
    all.insert("_HANDLER".to_owned(), spec.handler.clone());
    match runtime.program {
        Program::Image => None,
        Program::Bootstrap => all.remove("AWS_EXECUTION_ENV"),
        Program::Interpreter { .. } => {
            all.insert("AWS_EXECUTION_ENV".to_owned(), format!("AWS_Lambda_{}", spec.runtime.0))
        }
    };
    with_libraries(all, host)
}

/// What a runtime process starts with that waits for its function.
#[must_use]
pub fn prepared(runtime: &Runtime, host: Host<'_>) -> BTreeMap<String, String> {
    let mut all = defaults(runtime, host);
    all.extend(sandbox());
    all.extend(records(runtime));
    all.insert(PREPARED.to_owned(), "1".to_owned());
    with_libraries(all, host)
}

/// The platform's, over those of an image that is the root.
fn defaults(runtime: &Runtime, host: Host<'_>) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut all = host.image.map(|image| image.variables.clone()).unwrap_or_default();
    all.extend(DEFAULTS.iter().map(owned));
    all.extend(runtime.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    all
}

/// An image's own variables over what the platform has for all.
fn of_image(image: &ImageLaunch) -> BTreeMap<String, String> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let defaults = DEFAULTS.iter().copied().filter(|(name, _)| IMAGE_DEFAULTS.contains(name));
    let places = [("PATH", IMAGE_PATH), ("LAMBDA_TASK_ROOT", "/var/task"), ("LAMBDA_RUNTIME_DIR", "/var/runtime")];
    let its_own = image.environment.iter().filter_map(|variable| variable.split_once('='));
    defaults.chain(places).chain(its_own.filter(|(name, _)| !name.is_empty())).map(owned).collect()
}

/// Where the Runtime API is.
fn runtime_api() -> (String, String) {
    ("AWS_LAMBDA_RUNTIME_API".to_owned(), format!("{SANDBOX_ADDRESS}:{RUNTIME_API_PORT}"))
}

/// What is the same in every sandbox and overridden by nobody.
fn sandbox() -> [(String, String); 3] {
    [
        runtime_api(),
        ("LAMBDA_RUNTIME_DIR".to_owned(), "/var/runtime".to_owned()),
        ("LAMBDA_TASK_ROOT".to_owned(), "/var/task".to_owned()),
    ]
}

/// Managed runtimes write their log records to a descriptor of their own.
fn records(runtime: &Runtime) -> Option<(String, String)> {
    match runtime.program {
        Program::Bootstrap | Program::Image => None,
        Program::Interpreter { .. } => Some((RECORDS_VARIABLE.to_owned(), RECORDS_DESCRIPTOR.to_string())),
    }
}

/// A function may set the variable, and Lambda's interpreters do not depend on it.
fn with_libraries(mut all: BTreeMap<String, String>, host: Host<'_>) -> BTreeMap<String, String> {
    if host.needs_library_path {
        let libraries = all.entry(LIBRARIES.to_owned()).or_default();
        if !libraries.split(':').any(|dir| dir == INTERPRETER_LIBRARIES) {
            let separator = if libraries.is_empty() { "" } else { ":" };
            libraries.push_str(separator);
            libraries.push_str(INTERPRETER_LIBRARIES);
        }
    }
    all
}

/// What extensions see of a runtime's variables (`NAME=value`): not what describes the runtime, nor what begins with an
/// underscore. Source: Lambda developer guide, "Using the Lambda Extensions API", and AWS's Runtime Interface Emulator.
#[must_use]
pub fn of_extensions(all: &BTreeMap<String, String>) -> Vec<String> {
    const RUNTIMES_OWN: &[&str] = &[
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    ];
    let shown = all.iter().filter(|(name, _)| !name.starts_with('_') && !RUNTIMES_OWN.contains(&name.as_str()));
    shown.map(|(name, value)| format!("{name}={value}")).collect()
}

/// The wrapper that has to start the runtime. Custom runtimes have none: theirs is the function's own program.
#[must_use]
pub fn wrapper(variables: &BTreeMap<String, String>, runtime: &Runtime) -> Option<String> {
    match runtime.program {
        Program::Bootstrap | Program::Image => None,
        Program::Interpreter { .. } => variables.get(WRAPPER).filter(|path| !path.is_empty()).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use hearth_ports::{Architecture, CodeDigest, RuntimeId};
    use hearth_types::Mebibytes;

    use super::*;
    use crate::runtimes::find;

    fn spec(runtime: &str, variables: &[(&str, &str)]) -> (EnvironmentSpec, &'static Runtime) {
        let spec = EnvironmentSpec {
            identity: hearth_runtime_api::Identity {
                function_name: "f".to_owned(),
                function_version: "$LATEST".to_owned(),
                handler: "app.handler".to_owned(),
                account_id: "000000000000".to_owned(),
            },
            runtime: RuntimeId(runtime.into()),
            architecture: Architecture::X86_64,
            code: CodeDigest([0; 32]),
            layers: Vec::new(),
            memory: Mebibytes(1_769),
            ephemeral_storage: Mebibytes(512),
            handler: "app.handler".to_owned(),
            image: None,
            metadata: None,
            variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let runtime = find(&spec.runtime).expect("known runtime");
        (spec, runtime)
    }

    #[test]
    fn a_function_overrides_defaults_but_not_what_describes_the_sandbox() {
        let given = [
            ("LANG", "C"),
            ("TZ", "Europe/Paris"),
            ("LAMBDA_TASK_ROOT", "/elsewhere"),
            ("_HANDLER", "other"),
            ("_LAMBDA_TELEMETRY_LOG_FD", "1"),
            ("MINE", "1"),
        ];
        let (spec, runtime) = spec("python3.11", &given);
        let all = variables(&spec, runtime, Host::default());
        let expected = [
            ("LANG", "C"),
            ("TZ", "Europe/Paris"),
            ("MINE", "1"),
            ("LAMBDA_TASK_ROOT", "/var/task"),
            ("_HANDLER", "app.handler"),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11"),
            ("AWS_LAMBDA_RUNTIME_API", "169.254.100.1:9001"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
            ("_LAMBDA_TELEMETRY_LOG_FD", "62"),
        ];
        for (name, value) in expected {
            assert_eq!(all.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[test]
    fn a_custom_runtime_has_no_execution_env_and_no_wrapper() {
        let (spec, runtime) = spec("provided.al2023", &[("AWS_EXECUTION_ENV", "x"), (WRAPPER, "/opt/wrapper")]);
        let all = variables(&spec, runtime, Host::default());
        assert_eq!(all.get("AWS_EXECUTION_ENV"), None);
        assert_eq!(all.get("PWD"), None);
        assert_eq!(all.get("_LAMBDA_TELEMETRY_LOG_FD"), None);
        assert_eq!(wrapper(&all, runtime), None);
    }

    #[test]
    fn an_interpreter_with_a_shared_library_survives_a_functions_library_path() {
        let (spec, runtime) = spec("python3.11", &[(LIBRARIES, "/var/task/lib")]);
        let host = Host { needs_library_path: true, ..Host::default() };
        assert_eq!(variables(&spec, runtime, host)[LIBRARIES], "/var/task/lib:/var/lang/lib");
        assert_eq!(variables(&spec, runtime, Host::default())[LIBRARIES], "/var/task/lib");
    }

    #[test]
    fn an_image_s_variables_lie_between_the_platforms_defaults_and_the_functions_own() {
        let (mut spec, runtime) = spec(hearth_ports::IMAGE_RUNTIME, &[("MINE", "function"), ("LANG", "C")]);
        let environment = [
            "PATH=/image/bin",
            "MINE=image",
            "THEIRS=a=b",
            "AWS_LAMBDA_RUNTIME_API=x",
            "LAMBDA_TASK_ROOT=/function",
            "=x",
        ];
        let image = |environment: &[&str]| ImageLaunch {
            command_line: Vec::new(),
            working_directory: String::new(),
            environment: environment.iter().map(|variable| (*variable).to_owned()).collect(),
        };
        spec.image = Some(image(&environment).into());
        let all = variables(&spec, runtime, Host::default());
        for (name, value) in [
            ("PATH", "/image/bin"),
            ("MINE", "function"),
            ("THEIRS", "a=b"),
            ("LANG", "C"),
            ("AWS_LAMBDA_RUNTIME_API", "169.254.100.1:9001"),
            ("LAMBDA_TASK_ROOT", "/function"),
            ("_HANDLER", "app.handler"),
        ] {
            assert_eq!(all.get(name).map(String::as_str), Some(value), "{name}");
        }
        // Libraries of the image are where it has them.
        assert_eq!(all.get(LIBRARIES), None);
        spec.image = Some(image(&[]).into());
        assert_eq!(variables(&spec, runtime, Host::default())["PATH"], IMAGE_PATH);
    }

    #[test]
    fn the_endpoint_is_announced_only_where_there_is_one() {
        let (spec, runtime) = spec("nodejs20.x", &[]);
        assert_eq!(variables(&spec, runtime, Host::default()).get("AWS_ENDPOINT_URL"), None);
        let host = Host { endpoint: true, ..Host::default() };
        assert_eq!(variables(&spec, runtime, host)["AWS_ENDPOINT_URL"], "http://169.254.100.1:4566");
    }
}
