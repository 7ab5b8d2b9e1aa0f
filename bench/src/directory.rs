//! A directory of this run's own.

use std::path::PathBuf;

use crate::BenchError;

/// Deleted with the value.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    /// An empty one; `what` tells it from others of this process.
    pub(crate) fn new(what: &str) -> Result<Self, BenchError> {
        let path = std::env::temp_dir().join(format!("hearth-bench-{}-{what}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(BenchError::io("temporary directory"))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left in the temporary directory is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
