//! The synthetic parts of the root file system: `/etc`, and the device nodes. Nothing of the host's `/etc` is shown but
//! its public certificates, and where its `alternatives` point.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::identity::{FUNCTION_ID, FUNCTION_USER};
use crate::protocol::SANDBOX_ADDRESS;

/// Where distributions keep the bundle of certificates; the first that is there is copied.
const CERTIFICATE_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];
/// Single certificates under the hash of their subject, as OpenSSL looks them up.
const CERTIFICATE_DIRECTORY: &str = "/etc/ssl/certs";
const CERTIFICATES_MAX: usize = 1_000;

/// Writes `/etc` of a sandbox into `etc`.
pub(super) fn write(etc: &Path) -> io::Result<()> {
    let text = |name: &str, content: String| fs::write(etc.join(name), content);
    text(
        "passwd",
        format!(
            "root:x:0:0:root:/root:/sbin/nologin\n\
             {FUNCTION_USER}:x:{FUNCTION_ID}:{FUNCTION_ID}::/home/{FUNCTION_USER}:/sbin/nologin\n"
        ),
    )?;
    text("group", format!("root:x:0:\n{FUNCTION_USER}:x:{FUNCTION_ID}:\n"))?;
    write_network(etc)?;
    text("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned())?;
    text(
        "os-release",
        "NAME=\"Hearth\"\nID=hearth\nPRETTY_NAME=\"Hearth execution environment\"\nVERSION_ID=\"1\"\n".to_owned(),
    )?;
    symlink("../usr/share/zoneinfo/UTC", etc.join("localtime"))?;
    certificates(etc)?;
    alternatives(etc)
}

/// What of `/etc` is about the sandbox's network, whatever else is there.
pub(super) fn write_network(etc: &Path) -> io::Result<()> {
    let text = |name: &str, content: String| fs::write(etc.join(name), content);
    text(
        "hosts",
        format!("127.0.0.1 localhost localhost.localdomain\n{SANDBOX_ADDRESS} sandbox sandbox.localdomain\n"),
    )?;
    text("hostname", format!("{}\n", super::HOST_NAME))?;
    text("resolv.conf", format!("nameserver {SANDBOX_ADDRESS}\noptions timeout:5 attempts:2\n"))
}

/// The bundle where Debian's and where Amazon Linux's programs look for it, and the hashed directory.
fn certificates(etc: &Path) -> io::Result<()> {
    let directory = etc.join("ssl/certs");
    fs::create_dir_all(&directory)?;
    fs::create_dir_all(etc.join("pki/tls/certs"))?;
    if let Some(bundle) = CERTIFICATE_BUNDLES.iter().find_map(|path| fs::read(path).ok()) {
        fs::write(directory.join("ca-certificates.crt"), bundle)?;
        symlink("certs/ca-certificates.crt", etc.join("ssl/cert.pem"))?;
        symlink("../../../ssl/certs/ca-certificates.crt", etc.join("pki/tls/certs/ca-bundle.crt"))?;
        symlink("certs/ca-bundle.crt", etc.join("pki/tls/cert.pem"))?;
    }
    let Ok(entries) = fs::read_dir(CERTIFICATE_DIRECTORY) else { return Ok(()) };
    for entry in
        entries.flatten().filter(|entry| is_subject_hash(&entry.file_name().to_string_lossy())).take(CERTIFICATES_MAX)
    {
        // A link to a certificate that was removed is none.
        if let Ok(certificate) = fs::read(entry.path()) {
            fs::write(directory.join(entry.file_name()), certificate)?;
        }
    }
    Ok(())
}

/// `1a2b3c4d.0`
fn is_subject_hash(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Debian's tools are partly links through `/etc/alternatives`. Copies those links whose target a sandbox can see.
fn alternatives(etc: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir("/etc/alternatives") else { return Ok(()) };
    let directory = etc.join("alternatives");
    fs::create_dir(&directory)?;
    for entry in entries.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if (target.starts_with("/usr/bin") || target.starts_with("/usr/lib")) && target.exists() {
            symlink(target, directory.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// `/dev` of a sandbox, complete. Numbers: kernel documentation, admin-guide/devices.
pub(super) fn devices(dev: &Path) -> io::Result<()> {
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let node = dev.join(name);
        mknodat(CWD, &node, FileType::CharacterDevice, Mode::empty(), makedev(major, minor))?;
        // Not left to the umask: a function writes to them too.
        fs::set_permissions(node, fs::Permissions::from_mode(0o666))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_taken_from_the_hosts_directory() {
        for (name, taken) in [
            ("002c0b4f.0", true),
            ("5ed36f99.12", true),
            ("private.0", false),
            ("002c0b4f", false),
            ("002c0b4f.key", false),
            ("002c0b4f.", false),
        ] {
            assert_eq!(is_subject_hash(name), taken, "{name}");
        }
    }

    #[test]
    fn etc_knows_the_function_user_and_no_other_person() {
        let dir = tempfile::tempdir().expect("tempdir");
        write(dir.path()).expect("written");
        let passwd = fs::read_to_string(dir.path().join("passwd")).expect("passwd");
        let names: Vec<_> = passwd.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names, ["root", "sbx_user1051"]);
        let hosts = fs::read_to_string(dir.path().join("hosts")).expect("hosts");
        assert!(hosts.contains("sandbox.localdomain"));
    }
}
