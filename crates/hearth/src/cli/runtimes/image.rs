//! Container images as roots of runtimes: fetched into the data directory, so that functions need no registry later; the name
//! of an image for a runtime; and the removal of what nobody names any more.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use hearth_images::RegistryImages;
use hearth_ports::{ImageError, Images as _};
use hearth_sandbox::process::NATIVE;
use hearth_sandbox::runtimes::{IMAGE_EXTENSION, place};
use tokio::time::timeout;

use super::Failure;
use super::install::{RESOLVE_WAIT_MAX, UNFINISHED, cannot, unfinished};
use super::record::Record;
use crate::cli::block_on;
use crate::cli::progress::Bar;
use crate::config::Images;
use crate::server::runtime_images_config;

/// How references to layouts begin.
const LAYOUT: &str = "oci:";
/// Of a layout in the directory of runtimes.
pub(super) const LAYOUT_EXTENSION: &str = "oci";
/// How an image that was fetched is called in its layout.
const TAG: &str = "fetched";
/// Characters of its digest in the layout's name.
const NAME_DIGITS: usize = 16;

/// Gives a runtime an image. A layout is used where it is; what is in a registry is fetched. Answers what the reference stands
/// for, by digest.
pub(super) fn install(id: &str, reference: &str, images: &Images, runtimes: &Path) -> Result<String, Failure> {
    if !hearth_images::is_reference(reference) {
        let form = "write oci:/directory:tag, or registry/repository:tag";
        return Err(Failure::new(format!("{reference} names no image; {form}")));
    }
    if reference.starts_with(LAYOUT) {
        let images = RegistryImages::new(runtime_images_config(images, std::env::temp_dir()));
        let resolved = block_on(async { Ok(images.resolve(reference, NATIVE).await.map_err(said)?.pinned_uri) })?;
        name(id, reference, runtimes)?;
        return Ok(resolved);
    }
    unfinished(id, runtimes, |unfinished| {
        let images = RegistryImages::new(runtime_images_config(images, unfinished.to_owned()));
        let (made, bar) = (unfinished.join(LAYOUT_EXTENSION), Arc::new(Bar::new()));
        let fetched = block_on(async {
            let known = timeout(RESOLVE_WAIT_MAX, images.resolve(reference, NATIVE)).await;
            known.map_err(|_| Failure::new(format!("the registry of {reference} does not answer")))?.map_err(said)?;
            images.save(reference, NATIVE, (&made, TAG), Arc::clone(&bar) as _).await.map_err(said)
        });
        bar.clear();
        let image = fetched?;
        let digest = image.digest.hex();
        let layout = format!("sha256-{}.{LAYOUT_EXTENSION}", &digest[..NAME_DIGITS]);
        let target = runtimes.join(&layout);
        // The same image has the same name: it is there already, or it is half of one that was taken away.
        let _ = fs::remove_dir_all(&target);
        fs::rename(&made, &target).map_err(|error| cannot(runtimes, &error))?;
        let record = Record { from: image.uri.clone(), version: None, sha256: digest };
        record.write(&target).map_err(|error| cannot(runtimes, &error))?;
        name(id, &beside(&layout, TAG, runtimes)?, runtimes)?;
        Ok(image.uri)
    })
}

/// With what the one who asks for it may know and callers of a server need not.
fn said(error: ImageError) -> Failure {
    Failure::new(match error {
        ImageError::AccessDenied { why } => why,
        ImageError::Invalid { ref why, .. } => format!("{error} ({why})"),
        error => error.to_string(),
    })
}

/// A reference to a layout in the directory of runtimes.
pub(super) fn beside(layout: &str, tag: &str, runtimes: &Path) -> Result<String, Failure> {
    let reference = format!("{LAYOUT}{layout}:{tag}");
    if hearth_images::is_reference(&place(runtimes, &reference)) {
        return Ok(reference);
    }
    Err(Failure::new(format!("{} cannot be named in a reference to an image", runtimes.display())))
}

/// Says which image functions of a runtime run in; a running server takes it from there. Layouts that no runtime has any more
/// are removed: what a server has taken from one it has in its own place.
pub(super) fn name(id: &str, reference: &str, runtimes: &Path) -> Result<(), Failure> {
    let unfinished = runtimes.join(format!("{UNFINISHED}{id}.{IMAGE_EXTENSION}"));
    let file = runtimes.join(format!("{id}.{IMAGE_EXTENSION}"));
    let named = fs::write(&unfinished, reference).and_then(|()| fs::rename(&unfinished, &file));
    named.and_then(|()| sweep(runtimes)).map_err(|error| cannot(runtimes, &error))
}

fn sweep(runtimes: &Path) -> std::io::Result<()> {
    let is = |path: &Path, extension: &str| path.extension() == Some(OsStr::new(extension));
    let all: Vec<_> = fs::read_dir(runtimes)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    let references = all.iter().filter(|path| is(path, IMAGE_EXTENSION)).map(fs::read_to_string);
    let references = references.collect::<std::io::Result<Vec<_>>>()?;
    for layout in all.iter().filter(|path| is(path, LAYOUT_EXTENSION)) {
        let name = layout.file_name().unwrap_or_default().to_string_lossy();
        let named = format!("{LAYOUT}{name}:");
        if !references.iter().any(|reference| reference.starts_with(&named)) {
            fs::remove_dir_all(layout)?;
            Record::remove(layout)?;
        }
    }
    Ok(())
}

/// The layout in the directory of runtimes that a reference names, if it does.
pub(super) fn layout(reference: &str) -> Option<&Path> {
    let (place, _tag) = reference.strip_prefix(LAYOUT)?.rsplit_once(':')?;
    Some(Path::new(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_goes_when_no_runtime_names_it_any_more() {
        let dir = tempfile::tempdir().expect("directory");
        let runtimes = dir.path();
        for layout in ["java17.oci", "sha256-ab.oci"] {
            fs::create_dir(runtimes.join(layout)).expect("directory");
            let record = Record { from: layout.to_owned(), version: None, sha256: String::new() };
            record.write(&runtimes.join(layout)).expect("record");
        }
        fs::create_dir(runtimes.join("nodejs22")).expect("directory");
        let there = || {
            let mut names: Vec<String> = fs::read_dir(runtimes)
                .expect("directory")
                .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
                .collect();
            names.sort_unstable();
            names
        };
        let named = |id: &str, layout: &str| {
            let reference = beside(layout, "v1", runtimes).expect("reference");
            name(id, &reference, runtimes).expect("named");
        };
        fs::write(runtimes.join("java17.image"), "oci:java17.oci:v1").expect("file");
        named("java17.al2023", "java17.oci");
        assert_eq!(there(), ["java17.al2023.image", "java17.image", "java17.oci", "java17.oci.json", "nodejs22"]);
        name("java17", "oci:/srv/java:v1", runtimes).expect("named");
        assert!(there().contains(&"java17.oci".to_owned()), "the other one has it");
        name("java17.al2023", "registry.example.com/java", runtimes).expect("named");
        assert_eq!(there(), ["java17.al2023.image", "java17.image", "nodejs22"]);
    }

    #[test]
    fn what_a_reference_cannot_name_is_refused() {
        let dir = tempfile::tempdir().expect("directory");
        let odd = dir.path().join("at@home");
        fs::create_dir(&odd).expect("directory");
        assert!(beside("java17.oci", "v1", &odd).is_err());
        let reference = beside("java17.oci", "v1", dir.path()).expect("fine");
        assert_eq!(reference, "oci:java17.oci:v1");
        let whole = place(dir.path(), &reference);
        let expected = dir.path().canonicalize().expect("directory").join("java17.oci");
        assert_eq!(layout(&whole), Some(&*expected));
        assert_eq!(layout("registry.example.com/java:v1"), None);
    }
}
