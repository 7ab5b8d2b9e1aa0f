//! Errors in full, for people.

use std::error::Error;

/// An error with what caused it, outermost first: clients of a network name the layer that failed, and what went wrong
/// stands behind it.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn what_is_behind_an_error_is_said_too() {
        assert_eq!(causes(&Outer(std::io::Error::other("refused"))), "cannot connect: refused");
    }
}
