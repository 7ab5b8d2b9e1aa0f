//! `hearth runtimes install`: an interpreter or a root into the data directory, or a container image for a runtime. What is made
//! has another name until it is whole and has said its version, so that an interrupted installation leaves nothing half.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use hearth_sandbox::runtimes::{Root, Search, installed_images};
use hearth_types::Language;
use hearth_types::runtime::{CATALOG, CatalogRow, Install, find};
use rustix::fs::{FlockOperation, flock};

use super::record::Record;
use super::{Failure, Settings, debian, image, recipe, search};

/// How long a registry may take to say what a reference stands for.
pub(super) const RESOLVE_WAIT_MAX: Duration = Duration::from_secs(50);
/// How what is on its way is called; the next installation removes what an interrupted one left.
pub(super) const UNFINISHED: &str = ".installing-";
/// Held by whoever installs.
const LOCK: &str = ".lock";

#[derive(clap::Args)]
pub(super) struct Args {
    /// Identifier of the runtime, such as nodejs22.x
    #[arg(value_name = "RUNTIME")]
    runtime: String,

    /// Let functions of this runtime run in a container image instead: oci:/directory:tag, or registry/repository:tag, which
    /// is fetched now
    #[arg(long, value_name = "REF")]
    image: Option<String>,

    /// Where packages of Debian are fetched from (default: where mmdebstrap or debootstrap has them from)
    #[arg(long, value_name = "URL", env = "HEARTH_DEBIAN_MIRROR")]
    mirror: Option<String>,

    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (row, language) = wanted(&args.runtime)?;
    let config = args.settings.load()?;
    let runtimes = Settings::runtimes(&config)?;
    match (config.runtimes.get(row.id), &args.image) {
        (Some(configured), Some(_)) => {
            return Err(Failure::new(format!(
                "the configuration file gives {} the image {configured}, which goes before this one; change it there",
                row.id
            )));
        }
        (Some(configured), None) => println!("{} is ready already: image {configured} of the configuration", row.id),
        (None, Some(image)) => {
            let _lock = lock(&runtimes)?;
            let pinned = image::install(row.id, image, &config.images, &runtimes)?;
            println!(
                "Functions with {} run in {pinned}. A running server takes it now, unless it has another image for them: then \
                 at its next start.",
                row.id
            );
        }
        (None, None) => match is_ready(row, language, &runtimes) {
            Some(what) => println!("{} is ready already: {what}", row.id),
            None => {
                let _lock = lock(&runtimes)?;
                let (version, place) = match row.install {
                    Some(Install::Debian { suite, package }) => {
                        root((suite, package), language, args.mirror.as_deref(), &runtimes)?
                    }
                    _ => interpreter(row, language, &runtimes)?,
                };
                println!("{} is ready: {} {version} in {}", row.id, language.family(), place.display());
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn is_ready(row: &CatalogRow, language: Language, runtimes: &Path) -> Option<String> {
    if let Some((_, image)) = installed_images(runtimes).into_iter().find(|(id, _)| id == row.id) {
        return Some(format!("image {image}"));
    }
    let found = search(runtimes.to_owned()).find(language)?;
    Some(format!("{} in {}", found.version, found.interpreter.place().display()))
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
    locked().map_err(|error: std::io::Error| cannot(runtimes, &error))
}

/// Does something in a directory that nobody takes for an installation, and that is gone afterwards.
pub(super) fn unfinished<T>(
    what: &str,
    runtimes: &Path,
    work: impl FnOnce(&Path) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let unfinished = runtimes.join(format!("{UNFINISHED}{what}"));
    fs::create_dir(&unfinished).map_err(|error| cannot(runtimes, &error))?;
    let done = work(&unfinished);
    // Also after a failure, whose reason is worth more than that of this.
    let _ = fs::remove_dir_all(&unfinished);
    done
}

pub(super) fn cannot(runtimes: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot install into {}: {error}", runtimes.display()))
}

/// Its patch release, once it is in its place, and that.
fn interpreter(row: &CatalogRow, language: Language, runtimes: &Path) -> Result<(String, PathBuf), Failure> {
    let failed = |error: std::io::Error| cannot(runtimes, &error);
    unfinished(&language.slug(), runtimes, |unfinished| {
        let from = recipe::follow(row, language, unfinished)?;
        // Asked as the server will ask.
        let found = Search::default().with_installed(unfinished.to_owned()).find(language);
        let found = found
            .ok_or_else(|| Failure::new(format!("what was installed is no {language} that runs on this machine")))?;
        let program = found.interpreter.program(Root::With(language));
        let sha256 = hearth_images::sha256(&program).map_err(failed)?.hex();
        let record = Record { from, version: Some(found.version.clone()), sha256 };
        let place = runtimes.join(language.slug());
        record.write(&place).map_err(failed)?;
        fs::rename(unfinished.join(language.slug()), &place).map_err(failed)?;
        Ok((found.version, place))
    })
}

/// The interpreter's patch release, once its root is there and named for every runtime of the language, and where the root is.
fn root(
    (suite, package): (&str, &str),
    language: Language,
    mirror: Option<&str>,
    runtimes: &Path,
) -> Result<(String, PathBuf), Failure> {
    let failed = |error: std::io::Error| cannot(runtimes, &error);
    let name = format!("{}.{}", language.slug(), image::LAYOUT_EXTENSION);
    let (reference, layout) = (image::beside(&name, debian::TAG, runtimes)?, runtimes.join(&name));
    unfinished(&language.slug(), runtimes, |unfinished| {
        let made = unfinished.join(&name);
        let (version, digest) = debian::follow((suite, package), language, mirror, unfinished, &made)?;
        let from = mirror.map_or_else(String::new, |mirror| format!(" from {mirror}"));
        let from = format!("{package} of Debian {suite}{from}");
        // Where there is one, its installation was interrupted before it was named, or its name has been taken away.
        let _ = fs::remove_dir_all(&layout);
        Record { from, version: Some(version.clone()), sha256: digest.hex() }.write(&layout).map_err(failed)?;
        fs::rename(&made, &layout).map_err(failed)?;
        let named = installed_images(runtimes);
        let rows = CATALOG.iter().filter(|row| row.language == Some(language) && row.is_offered());
        // Which image another runtime of the language has is its user's choice.
        for row in rows.filter(|row| named.iter().all(|(id, _)| id != row.id)) {
            image::name(row.id, &reference, runtimes)?;
        }
        Ok((version, layout))
    })
}
