//! Who Hearth is to a registry: the `auths` of a Docker configuration file. Pure. Programs that keep credentials
//! (`credsStore`, `credHelpers`) are not run: what they would be asked for counts as not there.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Docker Hub's key in the file, and its host.
const HUB_KEY: &str = "https://index.docker.io/v1/";
pub(crate) const HUB_HOST: &str = "registry-1.docker.io";

/// By host with its port, as references name it. `Debug` leaves the secrets out.
#[derive(Clone, Default)]
pub struct Credentials {
    /// What stands behind `Basic` in an `Authorization` header.
    basic: BTreeMap<String, String>,
    /// The file names programs that keep others.
    has_helpers: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.basic.keys()).finish()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("it is no Docker configuration file: {0}")]
    Json(#[from] serde_json::Error),
    #[error("what it has for {0} is not `user:password` in base64")]
    Encoding(String),
    #[error(
        "what it has for {0} is an identity token, which Hearth cannot use: log in with a password or access token"
    )]
    IdentityToken(String),
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: Option<serde_json::Value>,
    #[serde(rename = "credHelpers")]
    helpers: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(rename = "identitytoken")]
    identity_token: Option<String>,
}

impl Credentials {
    /// From the text of `~/.docker/config.json`.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let file: File = serde_json::from_str(text)?;
        let mut basic = BTreeMap::new();
        for (key, entry) in file.auths {
            if entry.identity_token.is_some_and(|token| !token.is_empty()) {
                return Err(CredentialsError::IdentityToken(key));
            }
            let given = match (entry.auth, entry.username, entry.password) {
                (Some(auth), _, _) if !auth.is_empty() => auth,
                (_, Some(user), Some(password)) => STANDARD.encode(format!("{user}:{password}")),
                // What a helper keeps is listed without anything.
                _ => continue,
            };
            let is_pair = STANDARD.decode(&given).is_ok_and(|pair| pair.contains(&b':'));
            if !is_pair {
                return Err(CredentialsError::Encoding(key));
            }
            basic.insert(host(&key), given);
        }
        Ok(Self { basic, has_helpers: file.store.is_some() || file.helpers.is_some() })
    }

    /// Whether the file names programs that keep credentials, which are not asked.
    #[must_use]
    pub fn has_helpers(&self) -> bool {
        self.has_helpers
    }

    pub(crate) fn basic(&self, host: &str) -> Option<&str> {
        self.basic.get(host).map(String::as_str)
    }
}

/// Keys are hosts, or addresses of older programs.
fn host(key: &str) -> String {
    if key == HUB_KEY || key == "docker.io" {
        return HUB_HOST.to_owned();
    }
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    bare.split('/').next().unwrap_or(bare).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_configuration_is_read() {
        let text = r#"{"auths": {
            "localhost:5000": {"auth": "dTpw"},
            "https://registry.example.com/v2/": {"username": "u", "password": "p"},
            "https://index.docker.io/v1/": {"auth": "dTpw"},
            "kept.example.com": {}
        }, "credsStore": "desktop"}"#;
        let credentials = Credentials::parse(text).expect("read");
        for host in ["localhost:5000", "registry.example.com", HUB_HOST] {
            assert_eq!(credentials.basic(host), Some("dTpw"), "{host}");
        }
        assert_eq!(credentials.basic("kept.example.com"), None);
        assert!(credentials.has_helpers());
        assert!(!format!("{credentials:?}").contains("dTpw"));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"auths": {"a": {"auth": "!"}}}"#,
            r#"{"auths": {"a": {"auth": "dXA="}}}"#,
            r#"{"auths": {"a": {"identitytoken": "t"}}}"#,
        ] {
            assert!(Credentials::parse(text).is_err(), "{text}");
        }
    }
}
