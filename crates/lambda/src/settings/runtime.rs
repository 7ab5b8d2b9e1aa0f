//! Which runtime identifiers exist, and which may still be chosen.

use hearth_ports::{Architecture, IMAGE_RUNTIME, RuntimeId};
use hearth_types::runtime::{self, CATALOG, CatalogRow};

use crate::error::LambdaError;

/// Answers whether this server can run a runtime on an architecture. The error says why it never will, and which it can.
pub type Runnable = dyn Fn(&RuntimeId, Architecture) -> Result<Readiness, String> + Send + Sync;

/// Whether functions of a runtime can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Once its interpreter is on this machine.
    NotReady,
}

/// What may be chosen, in the order the real service lists it (recorded).
pub(crate) fn offered_runtimes() -> String {
    let listed: Vec<&str> = CATALOG.iter().filter(|row| row.is_listed).map(|row| row.id).collect();
    listed.join(", ")
}

/// Whether functions may be created with a runtime of that name, where it can run.
#[must_use]
pub fn is_offered(name: &str) -> bool {
    runtime::find(name).is_some_and(CatalogRow::is_offered)
}

/// Whether there is, or was, a runtime of that name: a layer may be for any.
pub(crate) fn is_runtime(name: &str) -> bool {
    runtime::find(name).is_some()
}

/// Checks that a function may be created with, or changed to, this runtime. One that is not ready fails later, as on AWS, and
/// gets well when it is.
///
/// # Errors
/// The name is unknown, the runtime is blocked, or this server can never run it.
pub(crate) fn choose(name: &str, architecture: Architecture, runnable: &Runnable) -> Result<RuntimeId, LambdaError> {
    let row = runtime::find(name);
    if row.is_some_and(|row| !row.is_offered()) {
        return Err(LambdaError::invalid(format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if row.is_none() {
        return Err(LambdaError::invalid(format!(
            "Value {name} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
            offered_runtimes()
        )));
    }
    let id = RuntimeId(name.into());
    match runnable(&id, architecture) {
        Ok(_) => Ok(id),
        Err(reason) => {
            Err(LambdaError::Unsupported { member: format!("Runtime {name} on {architecture}"), instead: reason })
        }
    }
}

/// What functions from images have for a runtime.
///
/// # Errors
/// This server does not run images for the architecture.
pub(crate) fn of_images(architecture: Architecture, runnable: &Runnable) -> Result<RuntimeId, LambdaError> {
    let id = RuntimeId(IMAGE_RUNTIME.into());
    match runnable(&id, architecture) {
        Ok(_) => Ok(id),
        Err(reason) => {
            Err(LambdaError::Unsupported { member: format!("PackageType Image on {architecture}"), instead: reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python_only(id: &RuntimeId, _: Architecture) -> Result<Readiness, String> {
        match &*id.0 {
            "python3.11" => Ok(Readiness::Ready),
            "python3.12" => Ok(Readiness::NotReady),
            _ => Err("this server runs python3.11.".to_owned()),
        }
    }

    #[test]
    fn an_unknown_runtime_gets_the_recorded_text() {
        let error = choose("non-existent-runtime", Architecture::X86_64, &python_only).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "Value non-existent-runtime at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN"
        );
    }

    #[test]
    fn every_recorded_blocked_runtime_is_refused_with_the_recorded_text() {
        for name in ["dotnetcore3.1", "go1.x", "java8", "nodejs12.x", "nodejs14.x", "provided", "python3.7", "ruby2.7"]
        {
            let error = choose(name, Architecture::X86_64, &python_only).expect_err(name);
            assert_eq!(
                error.to_string(),
                format!(
                    "The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
                )
            );
        }
    }

    #[test]
    fn what_this_server_cannot_run_is_refused_with_what_it_can() {
        for name in ["python3.11", "python3.12"] {
            assert_eq!(&*choose(name, Architecture::X86_64, &python_only).expect("ready, or can be").0, name);
        }
        for name in ["java21", "ruby4.0"] {
            let error = choose(name, Architecture::X86_64, &python_only).expect_err(name);
            assert_eq!(
                error.to_string(),
                format!("Hearth does not support Runtime {name} on x86_64 yet: this server runs python3.11.")
            );
        }
    }
}
