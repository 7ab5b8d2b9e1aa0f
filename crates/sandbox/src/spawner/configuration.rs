//! What a distribution keeps of a language elsewhere: Debian's Javas have their configuration in `/etc`, where sandboxes have
//! nothing of the host's, and links to it in their own directory. Such files are copied, to be laid over the links.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Of one file; a list of certificate authorities has a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files and directories that are looked at; a Java development kit has some 800.
const ENTRIES_MAX: usize = 8_192;
/// What sandboxes see of the host anyway.
const SHOWN: &str = "/usr";

/// Copies the files that links in `prefix` lead to outside of it, to the links' places in `target`. Says whether there are any.
pub(super) fn copy(prefix: &Path, target: &Path) -> io::Result<bool> {
    let prefix = fs::canonicalize(prefix)?;
    let mut directories = vec![PathBuf::new()];
    let (mut seen, mut copied) = (0, false);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(prefix.join(&directory))? {
            let entry = entry?;
            seen += 1;
            if seen > ENTRIES_MAX {
                return Err(io::Error::other(format!("{} has more than {ENTRIES_MAX} files", prefix.display())));
            }
            let (kind, below) = (entry.file_type()?, directory.join(entry.file_name()));
            if kind.is_dir() {
                directories.push(below);
            } else if kind.is_symlink() && leads_out(&prefix, &entry.path()) {
                let to = target.join(&below);
                to.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::copy(entry.path(), to)?;
                copied = true;
            }
        }
    }
    Ok(copied)
}

fn leads_out(prefix: &Path, link: &Path) -> bool {
    let Ok(file) = fs::canonicalize(link) else { return false };
    let is_elsewhere = !file.starts_with(prefix) && !file.starts_with(SHOWN);
    is_elsewhere && fs::metadata(&file).is_ok_and(|file| file.is_file() && file.len() <= FILE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_that_links_lead_out_to_are_copied_and_nothing_else() {
        let dir = tempfile::tempdir().expect("tempdir");
        let [prefix, etc, target] = ["java", "etc", "target"].map(|name| dir.path().join(name));
        for directory in [&prefix.join("conf/security"), &etc, &target] {
            fs::create_dir_all(directory).expect("directory");
        }
        fs::write(etc.join("java.security"), "configured").expect("file");
        fs::write(prefix.join("own"), "own").expect("file");
        fs::write(etc.join("large"), vec![0; FILE_BYTES_MAX as usize + 1]).expect("file");
        symlink(etc.join("java.security"), prefix.join("conf/security/java.security")).expect("link");
        for (link, to) in
            [("within", prefix.join("own")), ("nothing", etc.join("none")), ("large", etc.join("large")), ("dir", etc)]
        {
            symlink(to, prefix.join(link)).expect("link");
        }
        assert!(copy(&prefix, &target).expect("copied"));
        assert_eq!(fs::read_to_string(target.join("conf/security/java.security")).expect("copied"), "configured");
        let names: Vec<_> =
            fs::read_dir(&target).expect("listed").map(|entry| entry.expect("entry").file_name()).collect();
        assert_eq!(names, ["conf"]);
    }
}
