//! The recipe for what Debian has as a package: a small root file system of a release, with the package in it, becomes an OCI
//! layout whose image is the root of the runtime's functions. apt checks the signatures of what it fetches, and the
//! interpreter has said its version in the new root before that counts.
//!
//! `mmdebstrap` does it without root where user namespaces are allowed; `debootstrap` as root only.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use hearth_images::LayoutWriter;
use hearth_ports::CodeDigest;
use hearth_sandbox::process::NATIVE;
use hearth_sandbox::runtimes::program_name;
use hearth_types::Language;

use super::{Failure, tool};

/// What functions need besides the interpreter: TLS.
const CERTIFICATES: &str = "ca-certificates";
/// How the image is called in its layout.
pub(super) const TAG: &str = "debian";
/// Begins the line in which the interpreter says its version, among all others.
const SAYS: &str = "hearth-asked: ";
/// Releases after those that an installed debootstrap knows are made as `sid` is.
const LATEST_SCRIPT: &str = "sid";

/// The two programs that make a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Mmdebstrap,
    Debootstrap,
}

/// A root with a package.
struct Root<'a> {
    suite: &'a str,
    package: &'a str,
    language: Language,
    /// Where Debian's packages are; `None`: where the program that fetches them has them from by itself.
    mirror: Option<&'a str>,
}

/// Makes the layout `layout` by way of files in `directory`, both on one disk. Answers the interpreter's version and the digest
/// of the root's archive.
pub(super) fn follow(
    (suite, package): (&str, &str),
    language: Language,
    mirror: Option<&str>,
    directory: &Path,
    layout: &Path,
) -> Result<(String, CodeDigest), Failure> {
    let maker = maker(tool::is_there, rustix::process::geteuid().is_root())?;
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", directory.display()));
    let (root, tar) = (Root { suite, package, language, mirror }, directory.join("root.tar"));
    let said = match maker {
        Maker::Mmdebstrap => {
            // Its own processes may have no way into the data directory: they are other users there.
            let archive = File::create(&tar).map_err(failed)?;
            tool::run_into(Command::new("mmdebstrap").args(root.mmdebstrap()), archive.into(), directory)?
        }
        Maker::Debootstrap => {
            let tree = directory.join("root");
            tool::run(Command::new("unshare").args(root.debootstrap(&tree)), directory)?;
            let said = tool::run(Command::new("unshare").args(root.asked(&tree)), directory)?;
            tool::run(Command::new("tar").args(archive(&tree, &tar)), directory)?;
            fs::remove_dir_all(&tree).map_err(failed)?;
            said
        }
    };
    let version = version(&said, language);
    let version = version.ok_or_else(|| {
        Failure::new(format!("{package} of Debian {suite} is no {language} that runs in a root of its own"))
    })?;
    let written = LayoutWriter::create(layout).and_then(|writer| writer.root(&tar, NATIVE, TAG));
    Ok((version, written.map_err(failed)?))
}

/// What there is to make a root with.
fn maker(is_there: impl Fn(&str) -> bool, is_root: bool) -> Result<Maker, Failure> {
    if is_there("mmdebstrap") {
        return Ok(Maker::Mmdebstrap);
    }
    if is_there("debootstrap") && is_root {
        return Ok(Maker::Debootstrap);
    }
    Err(Failure::new(
        "this runtime comes as a package of Debian, and making a root file system of it takes mmdebstrap: apt-get install \
         mmdebstrap",
    ))
}

impl Root<'_> {
    fn mmdebstrap(&self) -> Vec<String> {
        let mut arguments = vec![
            // Nothing besides what packages take for granted: no apt, no init.
            "--variant=essential".to_owned(),
            // A mirror that is a snapshot has lists whose time is over. debootstrap does not look at that time, either; what
            // is signed by whom is checked by both.
            r#"--aptopt=Acquire::Check-Valid-Until "false""#.to_owned(),
            format!("--include={},{CERTIFICATES}", self.package),
            format!("--customize-hook={}", self.question(r#""$1""#)),
            self.suite.to_owned(),
            "-".to_owned(),
        ];
        arguments.extend(self.mirror.map(str::to_owned));
        arguments
    }

    fn debootstrap(&self, tree: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            // What it mounts is gone with its namespace.
            "--mount".into(),
            "debootstrap".into(),
            "--variant=minbase".into(),
            format!("--include={},{CERTIFICATES}", self.package).into(),
            self.suite.into(),
            tree.into(),
        ];
        let script = Path::new("/usr/share/debootstrap/scripts").join(self.suite);
        let script = if script.exists() { None } else { Some(LATEST_SCRIPT) };
        // An empty one is its own; a script can only follow one.
        let mirror = self.mirror.or(script.map(|_| ""));
        arguments.extend(mirror.into_iter().chain(script).map(OsString::from));
        arguments
    }

    /// Java looks at `/proc`.
    fn asked(&self, tree: &Path) -> Vec<OsString> {
        let script = self.question(r#""$0""#);
        let mut mount = OsString::from("--mount-proc=");
        mount.push(tree.join("proc"));
        vec!["--pid".into(), "--fork".into(), mount, "sh".into(), "-c".into(), script.into(), tree.into()]
    }

    /// A line of shell that asks the interpreter in `tree` for its version. Of the user's settings it is told nothing. On
    /// standard error, since the archive goes to standard output.
    fn question(&self, tree: &str) -> String {
        let option = if matches!(self.language, Language::Java { .. }) { "-version" } else { "--version" };
        let program = program_name(self.language);
        format!(
            r#"echo "{SAYS}$(chroot {tree} /usr/bin/env -i PATH=/usr/bin:/bin {program} {option} 2>&1 | head -n 1)" >&2"#
        )
    }
}

/// Devices are each sandbox's own.
fn archive(tree: &Path, tar: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--create".into(), "--numeric-owner".into(), "--file".into(), tar.into()];
    arguments.extend([
        "--exclude=./dev/*".into(),
        "--exclude=./proc/*".into(),
        "--exclude=./var/cache/apt/*".into(),
        "--directory".into(),
    ]);
    arguments.extend([tree.into(), ".".into()]);
    arguments
}

/// The number in what the interpreter said: `Python 3.14.8`, `ruby 3.3.8 (2025-04-09 …`, `openjdk version "21.0.12" 2026-…`.
/// Of another release it is no answer.
fn version(said: &[String], language: Language) -> Option<String> {
    let answer = said.iter().rev().find_map(|line| line.strip_prefix(SAYS))?;
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut words = answer.split(|c: char| !is_number(c)).filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let number = words.next()?;
    let rest = number.strip_prefix(&language.version())?;
    (rest.is_empty() || rest.starts_with('.')).then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUBY: Language = Language::Ruby { major: 3, minor: 3 };

    fn root(language: Language) -> Root<'static> {
        Root { suite: "trixie", package: "ruby3.3", language, mirror: Some("http://mirror.example.com/debian") }
    }

    #[test]
    fn mmdebstrap_is_asked_for_the_package_certificates_and_the_version_and_nothing_is_left_unchecked() {
        let arguments = root(RUBY).mmdebstrap();
        assert!(arguments.contains(&"--include=ruby3.3,ca-certificates".to_owned()));
        assert!(arguments.ends_with(&["trixie", "-", "http://mirror.example.com/debian"].map(str::to_owned)));
        let hook = arguments.iter().find_map(|argument| argument.strip_prefix("--customize-hook=")).expect("a hook");
        assert!(hook.contains(r#"chroot "$1" /usr/bin/env -i PATH=/usr/bin:/bin ruby --version"#), "{hook}");
        for unsigned in ["AllowUnauthenticated", "trusted", "no-check-gpg", "AllowInsecure"] {
            assert!(!arguments.iter().any(|argument| argument.contains(unsigned)), "{unsigned}");
        }
        let elsewhere = Root { mirror: None, ..root(RUBY) }.mmdebstrap();
        assert!(elsewhere.ends_with(&["trixie", "-"].map(str::to_owned)), "{elsewhere:?}");
        let java = Root { package: "openjdk-21-jre-headless", ..root(Language::Java { major: 21 }) }.mmdebstrap();
        assert!(java.iter().any(|argument| argument.contains("java -version")), "{java:?}");
    }

    #[test]
    fn debootstrap_makes_releases_it_does_not_know_as_the_latest() {
        let unknown = Root { suite: "no-such-release", ..root(RUBY) };
        let arguments = unknown.debootstrap(Path::new("/srv/root"));
        let expected = [
            "--mount",
            "debootstrap",
            "--variant=minbase",
            "--include=ruby3.3,ca-certificates",
            "no-such-release",
            "/srv/root",
            "http://mirror.example.com/debian",
            "sid",
        ];
        assert_eq!(arguments, expected.map(OsString::from));
        let by_itself = Root { mirror: None, ..unknown }.debootstrap(Path::new("/srv/root"));
        assert!(by_itself.ends_with(&["no-such-release", "/srv/root", "", "sid"].map(OsString::from)), "{by_itself:?}");
    }

    #[test]
    fn what_makes_a_root_without_root_is_preferred_and_named_when_it_is_missing() {
        let of = |there: &'static [&'static str], is_root| maker(move |program| there.contains(&program), is_root).ok();
        assert_eq!(of(&["mmdebstrap", "debootstrap"], true), Some(Maker::Mmdebstrap));
        assert_eq!(of(&["mmdebstrap"], false), Some(Maker::Mmdebstrap));
        assert_eq!(of(&["debootstrap"], true), Some(Maker::Debootstrap));
        assert_eq!(of(&["debootstrap"], false), None);
        let Err(failure) = maker(|_| false, true) else { panic!("there is none") };
        assert!(failure.to_string().ends_with("apt-get install mmdebstrap"), "{failure}");
    }

    #[test]
    fn the_interpreter_s_own_words_say_its_version_and_another_one_is_no_answer() {
        let asked = |answer: &str, language| version(&["I: done".to_owned(), format!("{SAYS}{answer}")], language);
        let python = Language::Python { minor: 14 };
        assert_eq!(asked("Python 3.14.8", python).as_deref(), Some("3.14.8"));
        assert_eq!(asked("Python 3.14.0rc2", python).as_deref(), Some("3.14.0"));
        let java = Language::Java { major: 21 };
        assert_eq!(asked(r#"openjdk version "21.0.12" 2026-01-20"#, java).as_deref(), Some("21.0.12"));
        assert_eq!(asked(r#"openjdk version "21" 2023-09-19"#, java).as_deref(), Some("21"));
        assert_eq!(asked(r#"openjdk version "210.1""#, java), None);
        assert_eq!(
            asked("ruby 3.3.8 (2025-04-09 revision b200bad6cd) [x86_64-linux-gnu]", RUBY).as_deref(),
            Some("3.3.8")
        );
        assert_eq!(asked("ruby 3.1.2p20", RUBY), None);
        assert_eq!(asked("chroot: failed to run command 'ruby': No such file or directory", RUBY), None);
        assert_eq!(version(&["ruby 3.3.8".to_owned()], RUBY), None, "not asked");
    }
}
