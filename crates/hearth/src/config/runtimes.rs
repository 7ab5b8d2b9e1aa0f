//! `[runtimes]`: which runtimes have a container image as their root, by identifier.

use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuntimesError {
    #[error("`runtimes`: {0} is no runtime that functions can be created with")]
    NoRuntime(String),
    #[error(
        "`runtimes.\"{runtime}\"`: {reference} names no image; write oci:/directory:tag, or registry/repository:tag"
    )]
    NoReference { runtime: String, reference: String },
}

/// Identifiers and references as they stand in the file, if they can mean something.
pub(super) fn check(runtimes: &BTreeMap<String, String>) -> Result<(), RuntimesError> {
    for (runtime, reference) in runtimes {
        if !hearth_lambda::is_offered(runtime) {
            return Err(RuntimesError::NoRuntime(runtime.clone()));
        }
        if !hearth_images::is_reference(reference) {
            let (runtime, reference) = (runtime.clone(), reference.clone());
            return Err(RuntimesError::NoReference { runtime, reference });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(runtime: &str, reference: &str) -> Result<(), RuntimesError> {
        check(&BTreeMap::from([(runtime.to_owned(), reference.to_owned())]))
    }

    #[test]
    fn a_runtime_is_one_of_lambda_s_and_its_image_what_functions_may_name_too() {
        for reference in ["oci:/srv/python:v1", "public.ecr.aws/lambda/python:3.12", "localhost:5000/node"] {
            assert_eq!(checked("python3.12", reference), Ok(()), "{reference}");
        }
        for runtime in ["python3.12x", "python2.7", "python", "container-image"] {
            assert_eq!(checked(runtime, "oci:/srv/x"), Err(RuntimesError::NoRuntime(runtime.to_owned())));
        }
        for reference in ["python:3.12", "oci:relative", "", "/srv/images"] {
            assert!(matches!(checked("python3.12", reference), Err(RuntimesError::NoReference { .. })), "{reference}");
        }
    }
}
