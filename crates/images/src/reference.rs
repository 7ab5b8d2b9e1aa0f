//! What an `ImageUri` names. Pure.
//!
//! `registry[:port]/repository[:tag][@sha256:digest]`, or `oci:/directory[:tag][@sha256:digest]` for an OCI layout on this
//! machine. Source: OCI distribution specification, "Pulling manifests"; Docker's reference grammar.

use std::fmt;
use std::path::PathBuf;

use hearth_ports::CodeDigest;

use crate::limits::REFERENCE_BYTES_MAX;

const LAYOUT: &str = "oci:";
const TAG_BYTES_MAX: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) place: Place,
    pub(crate) version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A directory of this machine.
    Layout(PathBuf),
    /// Host with its port, as written, and the repository.
    Registry { host: String, repository: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `latest`, or in a layout the only one there is.
    Any,
    Tag(String),
    Digest(CodeDigest),
}

impl Reference {
    /// `None` when it names nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > REFERENCE_BYTES_MAX || text.contains(char::is_control) {
            return None;
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let name_start = named.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match named[name_start..].split_once(':') {
            // `oci:layout` without a slash is a scheme and no tag.
            Some((name, tag)) if name_start > 0 => (&named[..name_start + name.len()], Some(tag)),
            _ => (named, None),
        };
        if !tag.is_none_or(is_tag) {
            return None;
        }
        let version = match (digest, tag) {
            // A digest says more than the tag beside it.
            (Some(digest), _) => Version::Digest(digest),
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => Version::Any,
        };
        Some(Self { place: Place::parse(name)?, version })
    }

    /// The same image by its digest.
    pub(crate) fn pinned(&self, digest: &CodeDigest) -> Self {
        Self { place: self.place.clone(), version: Version::Digest(*digest) }
    }
}

impl Place {
    fn parse(name: &str) -> Option<Self> {
        if let Some(path) = name.strip_prefix(LAYOUT) {
            let plain = path.starts_with('/') && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
            return plain.then(|| Self::Layout(PathBuf::from(path)));
        }
        let (host, repository) = name.split_once('/')?;
        // `library/python` is Docker's short form and says no registry.
        let is_host = host == "localhost" || host.contains(['.', ':']);
        let fine = is_host && is_host_name(host) && repository.split('/').all(is_component);
        fine.then(|| Self::Registry { host: host.to_owned(), repository: repository.to_owned() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Layout(path) => write!(f, "{LAYOUT}{}", path.display())?,
            Place::Registry { host, repository } => write!(f, "{host}/{repository}")?,
        }
        match &self.version {
            Version::Any => Ok(()),
            Version::Tag(tag) => write!(f, ":{tag}"),
            Version::Digest(digest) => write!(f, "@sha256:{}", digest.hex()),
        }
    }
}

/// `sha256:<64 hex digits>`; there are no others here.
pub(crate) fn parse_digest(text: &str) -> Option<CodeDigest> {
    let digits = text.strip_prefix("sha256:")?;
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    (!digits.contains(|digit: char| digit.is_ascii_uppercase())).then_some(CodeDigest(digest))
}

fn is_tag(tag: &str) -> bool {
    let starts_well = tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    starts_well && tag.len() <= TAG_BYTES_MAX && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn is_component(component: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    ends(component.chars().next()) && ends(component.chars().last()) && component.chars().all(inner)
}

fn is_host_name(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let name_is_fine = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    name_is_fine && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000001";

    fn registry(host: &str, repository: &str) -> Place {
        Place::Registry { host: host.to_owned(), repository: repository.to_owned() }
    }

    #[test]
    fn the_usual_forms_are_understood() {
        let digest = parse_digest(DIGEST).expect("digest");
        let tag = |tag: &str| Version::Tag(tag.to_owned());
        for (text, place, version) in [
            ("localhost:5000/app", registry("localhost:5000", "app"), Version::Any),
            ("127.0.0.1:5000/team/app:v1", registry("127.0.0.1:5000", "team/app"), tag("v1")),
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/hello-world:latest",
                registry("123456789012.dkr.ecr.us-east-1.amazonaws.com", "hello-world"),
                tag("latest"),
            ),
            (&format!("ghcr.io/a/b:v1@{DIGEST}"), registry("ghcr.io", "a/b"), Version::Digest(digest)),
            ("oci:/srv/images/app:v1", Place::Layout("/srv/images/app".into()), tag("v1")),
            ("oci:/srv/app", Place::Layout("/srv/app".into()), Version::Any),
            (&format!("oci:/srv/app@{DIGEST}"), Place::Layout("/srv/app".into()), Version::Digest(digest)),
        ] {
            assert_eq!(Reference::parse(text), Some(Reference { place, version }), "{text}");
        }
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for text in [
            "",
            "app",
            "library/python:3",
            "localhost:5000/",
            "localhost:5000/App",
            "localhost:5000/a/../b",
            "localhost:x/app",
            "user@localhost:5000/app",
            "localhost:5000/app:",
            "localhost:5000/app:.x",
            "localhost:5000/app@sha256:12",
            "localhost:5000/app@md5:d41d8cd98f00b204e9800998ecf8427e",
            "http://localhost:5000/app",
            "localhost:5000/app?x=1",
            "oci:relative/path",
            "oci:/srv/../etc",
            "oci:/srv//app",
            "oci:/srv/./app",
            "oci:",
        ] {
            assert_eq!(Reference::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_pinned_reference_is_read_back() {
        let digest = parse_digest(DIGEST).expect("digest");
        for text in ["localhost:5000/team/app:v1", "oci:/srv/app:v1"] {
            let pinned = Reference::parse(text).expect("reference").pinned(&digest);
            assert_eq!(Reference::parse(&pinned.to_string()), Some(pinned));
        }
    }
}
