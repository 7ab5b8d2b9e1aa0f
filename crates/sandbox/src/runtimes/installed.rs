//! What `hearth runtimes install` leaves in its directory: for each [language](hearth_types::Language::slug) a directory that
//! has the interpreter, or for an identifier a file that names the container image its functions run in. A layout beside that
//! file is named from there (`oci:ruby3.3.oci:debian`), so that a data directory can be moved. Names that begin with a dot are on
//! their way.

use std::path::Path;

use hearth_types::runtime;

/// Of a file whose name is an identifier and whose content is a reference.
pub const IMAGE_EXTENSION: &str = "image";
/// How references to layouts begin.
const LAYOUT: &str = "oci:";
/// Of a reference.
const REFERENCE_BYTES_MAX: u64 = 4_096;

/// Identifiers with their images. What cannot be read or means nothing is told of and left out.
#[must_use]
pub fn installed_images(directory: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut all: Vec<(String, String)> = entries.filter_map(|entry| image(&entry.path())).collect();
    all.sort_unstable();
    all
}

fn image(file: &Path) -> Option<(String, String)> {
    let id = file.file_name()?.to_str()?.strip_suffix(IMAGE_EXTENSION)?.strip_suffix('.')?;
    if !runtime::find(id).is_some_and(runtime::CatalogRow::is_offered) {
        return None;
    }
    let is_small = std::fs::metadata(file).is_ok_and(|file| file.len() <= REFERENCE_BYTES_MAX);
    match std::fs::read_to_string(file) {
        Ok(reference) if is_small => Some((id.to_owned(), place(file.parent()?, reference.trim()))),
        _ => {
            tracing::warn!(file = %file.display(), "does not name an image; install the runtime again");
            None
        }
    }
}

/// A reference as everybody understands it, of one that may name a layout in this directory.
#[must_use]
pub fn place(directory: &Path, reference: &str) -> String {
    match reference.strip_prefix(LAYOUT) {
        Some(beside) if !beside.starts_with('/') => {
            let directory = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
            format!("{LAYOUT}{}", directory.join(beside).display())
        }
        _ => reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_named_by_an_identifier_name_its_image() {
        let dir = tempfile::tempdir().expect("tempdir");
        for (name, text) in [
            ("java21.image", "oci:/srv/java:v1\n"),
            ("python3.14.image", "registry.example.com/python"),
            ("ruby3.3.image", "oci:ruby3.3.oci:debian"),
            ("cobol.image", "x"),
            ("java8.image", "blocked"),
            (".java25.image", "on its way"),
            ("nodejs22.x", "no image"),
        ] {
            std::fs::write(dir.path().join(name), text).expect("file");
        }
        let images = installed_images(dir.path());
        let here = dir.path().canonicalize().expect("directory");
        let beside = format!("oci:{}/ruby3.3.oci:debian", here.display());
        let expected =
            [("java21", "oci:/srv/java:v1"), ("python3.14", "registry.example.com/python"), ("ruby3.3", &*beside)];
        assert_eq!(images, expected.map(|(id, reference)| (id.to_owned(), reference.to_owned())));
        assert_eq!(installed_images(&dir.path().join("none")), []);
    }
}
