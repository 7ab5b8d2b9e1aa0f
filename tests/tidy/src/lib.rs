//! Reads this repository's own source: what `tests/` here checks of it are the invariants that `ARCHITECTURE.md` marks
//! *(tidy)*. Nothing of the product depends on it.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, by its path from the root of the repository.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// The part that is compiled into the product: everything before the test module.
    #[must_use]
    pub fn product_code(&self) -> &str {
        self.text.split_once("\n#[cfg(test)]\nmod tests {").map_or(&self.text, |(product, _)| product)
    }

    /// Whether the file holds tests or benchmarks only.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "testing" | "testing.rs"))
    }
}

/// Where the repository is.
#[must_use]
pub fn root() -> PathBuf {
    // This package lies two folders below.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Every file with one of the extensions that belongs to the repository, in the order of their paths.
#[must_use]
pub fn sources(extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), extensions, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// What builds and set-ups make, and what git keeps.
const NOT_OURS: &[&str] = &["target", ".git", ".venv", ".tools", "node_modules", "__pycache__", ".hearth"];

fn collect(directory: &Path, extensions: &[&str], found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(&path, extensions, found);
            }
        } else if extensions.iter().any(|extension| path.extension().is_some_and(|own| own == *extension))
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
}
