//! `hearth runtimes install`: an interpreter into the data directory, or a container image for a runtime. What is made has
//! another name until it is whole and has said its version, so that an interrupted installation leaves nothing half.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use hearth_images::RegistryImages;
use hearth_ports::Images as _;
use hearth_sandbox::process::NATIVE;
use hearth_sandbox::runtimes::{IMAGE_EXTENSION, Search, installed_images, place};
use hearth_types::Language;
use hearth_types::runtime::{CATALOG, CatalogRow, Install, find};
use rustix::fs::{FlockOperation, flock};
use tokio::time::timeout;

use super::{Data, Failure, debian, recipe, search};
use crate::cli::block_on;
use crate::config::{Config, Overrides};
use crate::server::runtime_images_config;

/// How long a registry may take to say what a reference stands for.
const RESOLVE_WAIT_MAX: Duration = Duration::from_secs(50);
/// How what is on its way is called; the next installation removes what an interrupted one left.
const UNFINISHED: &str = ".installing-";
/// Of a layout with the root file system of a language.
const LAYOUT_EXTENSION: &str = "oci";
/// Held by whoever installs.
const LOCK: &str = ".lock";

#[derive(clap::Args)]
pub(super) struct Args {
    /// Identifier of the runtime, such as nodejs22.x
    #[arg(value_name = "RUNTIME")]
    runtime: String,

    /// Let functions of this runtime run in a container image instead: oci:/directory:tag, or registry/repository:tag
    #[arg(long, value_name = "REF")]
    image: Option<String>,

    /// Where packages of Debian are fetched from
    #[arg(long, value_name = "URL", env = "HEARTH_DEBIAN_MIRROR", default_value = debian::MIRROR)]
    mirror: String,

    #[command(flatten)]
    data: Data,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (row, language) = wanted(&args.runtime)?;
    let runtimes = args.data.runtimes()?;
    if let Some((_, image)) = installed_images(&runtimes).into_iter().find(|(id, _)| id == row.id)
        && args.image.is_none()
    {
        println!("{} is ready already: image {image}", row.id);
        return Ok(ExitCode::SUCCESS);
    }
    match &args.image {
        Some(image) => {
            let pinned = resolve(image)?;
            let _lock = lock(&runtimes)?;
            name_image(row.id, image, &runtimes)?;
            println!("Functions with {} run in {pinned}. A running server fetches it now.", row.id);
        }
        None => {
            if let Some(found) = search(runtimes.clone()).find(language) {
                println!("{} is ready already: {} in {}", row.id, found.version, found.interpreter.place().display());
                return Ok(ExitCode::SUCCESS);
            }
            let _lock = lock(&runtimes)?;
            let (version, place) = match row.install {
                Some(Install::Debian { suite, package }) => root((suite, package), language, &args.mirror, &runtimes)?,
                _ => interpreter(row, language, &runtimes)?,
            };
            println!("{} is ready: {} {version} in {}", row.id, language.family(), place.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn wanted(id: &str) -> Result<(&'static CatalogRow, Language), Failure> {
    let offered = || {
        let ids = CATALOG.iter().filter(|row| row.is_offered() && row.language.is_some()).map(|row| row.id);
        ids.collect::<Vec<_>>().join(", ")
    };
    match find(id).map(|row| (row, row.language)) {
        Some((row, Some(language))) => Ok((row, language)),
        Some((row, None)) if !row.is_offered() => {
            Err(Failure::new(format!("no functions can be created with {id} any more; there are {}", offered())))
        }
        Some(_) => Err(Failure::new(format!("{id} has no interpreter: its functions bring their program"))),
        None => Err(Failure::new(format!("there is no runtime {id}; there are {}", offered()))),
    }
}

/// One installation at a time in a data directory; what an interrupted one left is removed.
fn lock(runtimes: &Path) -> Result<File, Failure> {
    let locked = || {
        DirBuilder::new().recursive(true).mode(0o700).create(runtimes)?;
        let lock = File::create(runtimes.join(LOCK))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        for entry in fs::read_dir(runtimes)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let is_directory = entry.file_type()?.is_dir();
                if is_directory { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }?;
            }
        }
        Ok(lock)
    };
    locked().map_err(|error: std::io::Error| Failure::new(format!("cannot use {}: {error}", runtimes.display())))
}

/// Does something in a directory that nobody takes for an installation, and that is gone afterwards.
fn unfinished<T>(
    language: Language,
    runtimes: &Path,
    work: impl FnOnce(&Path) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let unfinished = runtimes.join(format!("{UNFINISHED}{}", language.slug()));
    fs::create_dir(&unfinished).map_err(|error| cannot(runtimes, &error))?;
    let done = work(&unfinished);
    // Also after a failure, whose reason is worth more than that of this.
    let _ = fs::remove_dir_all(&unfinished);
    done
}

fn cannot(runtimes: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot install into {}: {error}", runtimes.display()))
}

/// Its patch release, once it is in its place, and that.
fn interpreter(row: &CatalogRow, language: Language, runtimes: &Path) -> Result<(String, PathBuf), Failure> {
    unfinished(language, runtimes, |unfinished| {
        recipe::follow(row, language, unfinished)?;
        // Asked as the server will ask.
        let found = Search::default().with_installed(unfinished.to_owned()).find(language);
        let found = found
            .ok_or_else(|| Failure::new(format!("what was installed is no {language} that runs on this machine")))?;
        let place = runtimes.join(language.slug());
        fs::rename(unfinished.join(language.slug()), &place).map_err(|error| cannot(runtimes, &error))?;
        Ok((found.version, place))
    })
}

/// The interpreter's patch release, once its image is there and named for every runtime of the language, and where the image is.
fn root(
    package: (&str, &str),
    language: Language,
    mirror: &str,
    runtimes: &Path,
) -> Result<(String, PathBuf), Failure> {
    let name = format!("{}.{LAYOUT_EXTENSION}", language.slug());
    let (reference, layout) = (format!("oci:{name}:{}", debian::TAG), runtimes.join(&name));
    if !hearth_images::is_reference(&place(runtimes, &reference)) {
        return Err(Failure::new(format!("{} cannot be named in a reference to an image", layout.display())));
    }
    unfinished(language, runtimes, |unfinished| {
        let made = unfinished.join(&name);
        let version = debian::follow(package, language, mirror, unfinished, &made)?;
        // Where there is one, its installation was interrupted before it was named, or its name has been taken away.
        let _ = fs::remove_dir_all(&layout);
        fs::rename(&made, &layout).map_err(|error| cannot(runtimes, &error))?;
        let named = installed_images(runtimes);
        let rows = CATALOG.iter().filter(|row| row.language == Some(language) && row.is_offered());
        // Which image another runtime of the language has is its user's choice.
        for row in rows.filter(|row| named.iter().all(|(id, _)| id != row.id)) {
            name_image(row.id, &reference, runtimes)?;
        }
        Ok((version, layout))
    })
}

/// Says which image functions of a runtime run in; a running server takes it from there.
fn name_image(id: &str, reference: &str, runtimes: &Path) -> Result<(), Failure> {
    let unfinished = runtimes.join(format!("{UNFINISHED}{id}.{IMAGE_EXTENSION}"));
    let file = runtimes.join(format!("{id}.{IMAGE_EXTENSION}"));
    let written = fs::write(&unfinished, reference).and_then(|()| fs::rename(&unfinished, &file));
    written.map_err(|error| Failure::new(format!("{} cannot be written: {error}", file.display())))
}

/// What a reference stands for, by digest.
fn resolve(image: &str) -> Result<String, Failure> {
    if !hearth_images::is_reference(image) {
        let form = "write oci:/directory:tag, or registry/repository:tag";
        return Err(Failure::new(format!("{image} names no image; {form}")));
    }
    let config = Config::load(None, Overrides { ephemeral: true, ..Overrides::default() });
    let config = config.map_err(|error| Failure::new(error.to_string()))?;
    let images = RegistryImages::new(runtime_images_config(&config.images, std::env::temp_dir()));
    block_on(async {
        let resolved = timeout(RESOLVE_WAIT_MAX, images.resolve(image, NATIVE)).await;
        let resolved = resolved.map_err(|_| Failure::new(format!("the registry of {image} does not answer")))?;
        Ok(resolved.map_err(|error| Failure::new(error.to_string()))?.pinned_uri)
    })
}
