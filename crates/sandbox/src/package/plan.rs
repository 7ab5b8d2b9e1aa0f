//! What an archive's names and links may be. Pure: decides before anything is written, and knows no file system.
//!
//! A plan holds directories, files and links, each path once. Nothing lies below a file or a link, and links are made
//! last, so while files are written no link exists that a path could lead through.

use std::collections::BTreeMap;

/// Files, directories (also those only implied by a path) and links of one archive.
pub(super) const NODES_MAX: usize = 200_000;
/// Directories above each other, so that walking a tree needs few descriptors.
pub(super) const DEPTH_MAX: usize = 128;
/// One name, as Linux limits it.
const NAME_BYTES_MAX: usize = 255;
/// A path below the tree's root; leaves room for where the tree is mounted under Linux' 4,096.
pub(super) const PATH_BYTES_MAX: usize = 2_048;
/// The target of a link.
pub(super) const TARGET_BYTES_MAX: u64 = 1_024;
/// Links followed from one to the next, as Linux limits them.
pub(super) const LINKS_FOLLOWED_MAX: usize = 40;

/// A path below the root of a tree: its names joined by `/`; empty for the root itself.
pub(super) type TreePath = String;

/// The archive is not one we unpack. Callers see one text for every reason; the reason goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("an entry has an empty or overlong name")]
    Name,
    #[error("an entry's name leaves the tree")]
    Outside,
    #[error("two entries have the same name, or one lies below a file or a link")]
    Collision,
    #[error("an entry is a device, a pipe or a socket")]
    Kind,
    #[error("a link's target is absolute, leaves the tree or does not end")]
    Link,
    #[error("too many entries, or too deep")]
    TooMany,
}

/// What an entry becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    /// With its permission bits.
    File {
        mode: u32,
    },
    Link,
}

impl Kind {
    /// `mode` as Unix archivers store it, 0 when unknown (archives made on Windows).
    ///
    /// Every file becomes readable, as a function runs as another user than the owner; execute bits are kept; set-user,
    /// set-group, sticky and foreign write bits are not.
    pub(super) fn of(name: &str, mode: u32) -> Result<Self, Refusal> {
        let directory = name.ends_with('/');
        match mode & libc::S_IFMT {
            libc::S_IFDIR => Ok(Self::Directory),
            0 | libc::S_IFREG if directory => Ok(Self::Directory),
            0 | libc::S_IFREG => Ok(Self::File { mode: 0o644 | (mode & 0o111) }),
            libc::S_IFLNK if !directory => Ok(Self::Link),
            _ => Err(Refusal::Kind),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File,
    Link(Option<String>),
}

/// The tree an archive would become.
#[derive(Debug, Default)]
pub(super) struct Plan {
    nodes: BTreeMap<TreePath, Node>,
}

impl Plan {
    /// Adds an entry and returns its path; `None` is the root itself, as in `./`.
    pub(super) fn add(&mut self, name: &str, kind: Kind) -> Result<Option<TreePath>, Refusal> {
        let components = components(name)?;
        let Some((_, parents)) = components.split_last() else {
            return if kind == Kind::Directory { Ok(None) } else { Err(Refusal::Name) };
        };
        let mut path = TreePath::new();
        for parent in parents {
            push(&mut path, parent);
            match self.nodes.get(&path) {
                Some(Node::Directory) => {}
                Some(_) => return Err(Refusal::Collision),
                None => self.insert(path.clone(), Node::Directory)?,
            }
        }
        let path = components.join("/");
        let node = match kind {
            Kind::Directory => Node::Directory,
            Kind::File { .. } => Node::File,
            Kind::Link => Node::Link(None),
        };
        match self.nodes.get(&path) {
            // Archivers list a directory after its content, or twice.
            Some(Node::Directory) if kind == Kind::Directory => {}
            Some(_) => return Err(Refusal::Collision),
            None => self.insert(path.clone(), node)?,
        }
        Ok(Some(path))
    }

    fn insert(&mut self, path: TreePath, node: Node) -> Result<(), Refusal> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Refusal::TooMany);
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Parents come before their children.
    pub(super) fn directories(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(|(_, node)| **node == Node::Directory).map(|(path, _)| path.as_str())
    }

    /// Sets the target of a link that was added.
    pub(super) fn point(&mut self, path: &str, target: String) {
        self.nodes.insert(path.to_owned(), Node::Link(Some(target)));
    }

    /// The links with their targets, once it is sure that none leads out of the tree.
    pub(super) fn links(&self) -> Result<Vec<(&str, &str)>, Refusal> {
        let mut links = Vec::new();
        for (path, node) in &self.nodes {
            if let Node::Link(target) = node {
                let target = target.as_deref().ok_or(Refusal::Link)?;
                self.follow(path, target)?;
                links.push((path.as_str(), target));
            }
        }
        Ok(links)
    }

    /// Walks to where a link leads, through other links as the kernel would: a target that looks harmless may pass a link
    /// that lies deeper than what it points to, and climb out behind it. A target that does not exist is fine.
    fn follow(&self, link: &str, target: &str) -> Result<(), Refusal> {
        let mut at: Vec<&str> = link.split('/').collect();
        at.pop();
        let mut ahead: Vec<&str> = Vec::new();
        let mut followed = 0;
        let mut next = Some(target);
        loop {
            if let Some(target) = next.take() {
                followed += 1;
                let malformed = target.is_empty() || target.starts_with('/') || target.contains('\0');
                if malformed || target.len() as u64 > TARGET_BYTES_MAX || followed > LINKS_FOLLOWED_MAX {
                    return Err(Refusal::Link);
                }
                ahead.extend(target.split('/').rev());
            }
            match ahead.pop() {
                None => return Ok(()),
                Some("" | ".") => {}
                Some("..") => {
                    at.pop().ok_or(Refusal::Link)?;
                }
                Some(name) => {
                    at.push(name);
                    if let Some(Node::Link(target)) = self.nodes.get(&at.join("/")) {
                        at.pop();
                        next = Some(target.as_deref().ok_or(Refusal::Link)?);
                    }
                }
            }
        }
    }
}

/// Takes an entry's name apart, without the `.` some archivers write. A backslash is an ordinary character of a Linux
/// name, but no name may leave the tree by it either.
fn components(name: &str) -> Result<Vec<&str>, Refusal> {
    if name.is_empty() || name.len() > PATH_BYTES_MAX || name.contains('\0') {
        return Err(Refusal::Name);
    }
    if name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..") {
        return Err(Refusal::Outside);
    }
    let components: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if components.iter().any(|part| part.len() > NAME_BYTES_MAX) {
        return Err(Refusal::Name);
    }
    if components.len() > DEPTH_MAX {
        return Err(Refusal::TooMany);
    }
    Ok(components)
}

fn push(path: &mut TreePath, name: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Kind = Kind::File { mode: 0o644 };

    fn add_all(entries: &[(&str, Kind)]) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        for (name, kind) in entries {
            plan.add(name, *kind)?;
        }
        Ok(plan)
    }

    #[test]
    fn names_that_leave_the_tree_are_refused() {
        for name in ["/etc/passwd", "..", "../a", "a/../../b", "a/..", "\\a", "..\\a", "a\\..\\..\\b", "a/..\\b"] {
            assert_eq!(components(name), Err(Refusal::Outside), "{name}");
        }
        for name in ["", "a\0b"] {
            assert_eq!(components(name), Err(Refusal::Name), "{name}");
        }
        assert_eq!(components(&"n".repeat(256)), Err(Refusal::Name));
        assert_eq!(components(&"d/".repeat(129)), Err(Refusal::TooMany));
    }

    #[test]
    fn harmless_names_are_kept() {
        for (name, expected) in [
            ("a", vec!["a"]),
            ("./a//b/./c", vec!["a", "b", "c"]),
            ("..a/b..", vec!["..a", "b.."]),
            ("unit\\x2d.service", vec!["unit\\x2d.service"]),
            ("./", vec![]),
        ] {
            assert_eq!(components(name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn a_path_has_one_meaning() {
        for entries in [
            [("a", FILE), ("a", FILE)],
            [("a", FILE), ("./a", FILE)],
            [("a", FILE), ("a/b", FILE)],
            [("a/b", FILE), ("a", FILE)],
            [("a", Kind::Link), ("a/b", FILE)],
            [("a/b", FILE), ("a", Kind::Link)],
            [("a", Kind::Link), ("a", FILE)],
            [("a", Kind::Directory), ("a", Kind::Link)],
        ] {
            assert_eq!(add_all(&entries).map(|_| ()), Err(Refusal::Collision), "{entries:?}");
        }
        assert!(add_all(&[("a/b", FILE), ("a/", Kind::Directory), ("a/", Kind::Directory)]).is_ok());
    }

    #[test]
    fn directories_come_before_what_they_contain() {
        let plan = add_all(&[("a/b/c", FILE), ("a-b/x", FILE)]).expect("valid");
        assert_eq!(plan.directories().collect::<Vec<_>>(), ["a", "a-b", "a/b"]);
    }

    #[test]
    fn a_link_may_point_anywhere_inside_and_nowhere_else() {
        let target = |path: &str, target: &str| {
            let mut plan = add_all(&[("dir/sub/file", FILE), (path, Kind::Link)]).expect("valid");
            plan.point(path, target.to_owned());
            plan.links().map(|links| links.len())
        };
        for (path, to) in
            [("l", "dir"), ("l", "."), ("dir/l", "../dir/sub"), ("dir/sub/l", "../.."), ("l", "missing/x")]
        {
            assert_eq!(target(path, to), Ok(1), "{path} → {to}");
        }
        for (path, to) in
            [("l", "/etc"), ("l", ".."), ("dir/l", "../.."), ("l", "dir/../.."), ("l", ""), ("l", "a\0"), ("l", "l")]
        {
            assert_eq!(target(path, to), Err(Refusal::Link), "{path} → {to}");
        }
    }

    #[test]
    fn a_link_cannot_climb_out_behind_another_link() {
        // Read as text, a/b/up/../.. is "a"; followed, a/b/up is "z", and two above that is outside.
        let mut plan = add_all(&[("z/", Kind::Directory), ("a/b/up", Kind::Link), ("l", Kind::Link)]).expect("valid");
        plan.point("a/b/up", "../../z".to_owned());
        plan.point("l", "a/b/up/../..".to_owned());
        assert_eq!(plan.links(), Err(Refusal::Link));
    }

    #[test]
    fn links_in_a_circle_are_refused() {
        let mut plan = add_all(&[("a", Kind::Link), ("b", Kind::Link)]).expect("valid");
        plan.point("a", "b".to_owned());
        plan.point("b", "a".to_owned());
        assert_eq!(plan.links(), Err(Refusal::Link));
    }

    #[test]
    fn permissions_are_readable_executable_as_given_and_nothing_more() {
        for (mode, expected) in [
            (0, 0o644),
            (0o100_644, 0o644),
            (0o100_600, 0o644),
            (0o100_000, 0o644),
            (0o100_755, 0o755),
            (0o100_700, 0o744),
            (0o106_777, 0o755),
            (0o101_666, 0o644),
        ] {
            assert_eq!(Kind::of("f", mode), Ok(Kind::File { mode: expected }), "{mode:o}");
        }
    }

    #[test]
    fn devices_pipes_and_sockets_are_refused() {
        for mode in [libc::S_IFCHR, libc::S_IFBLK, libc::S_IFIFO, libc::S_IFSOCK] {
            assert_eq!(Kind::of("f", mode | 0o644), Err(Refusal::Kind), "{mode:o}");
        }
        assert_eq!(Kind::of("f/", libc::S_IFLNK | 0o777), Err(Refusal::Kind));
    }
}
