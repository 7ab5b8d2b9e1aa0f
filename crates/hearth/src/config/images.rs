//! `[images]`: where container images may come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hearth_images::Credentials;
use serde::Deserialize;

/// As the file has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    /// Directories below which OCI layouts may be read, whoever asks.
    layouts: Vec<PathBuf>,
    /// Registries that others stand in for: `"registry" = "other"`.
    mirrors: BTreeMap<String, String>,
    /// Docker's configuration file with credentials; else the user's own, if there is one.
    docker_config: Option<PathBuf>,
}

/// What the server works with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Images {
    pub(crate) layouts: Vec<PathBuf>,
    pub(crate) mirrors: BTreeMap<String, String>,
    pub(crate) credentials: Credentials,
    /// What could not be used of the user's own file, for the log.
    pub(crate) note: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("`images.docker_config`: {path} cannot be used: {why}")]
pub(crate) struct DockerConfigError {
    path: PathBuf,
    why: String,
}

#[derive(Debug, thiserror::Error)]
#[error("`images.layouts`: {0} is not an absolute path")]
pub(crate) struct LayoutsError(PathBuf);

impl File {
    /// Without credentials.
    pub(super) fn resolve(&self) -> Result<Images, LayoutsError> {
        match self.layouts.iter().find(|layout| !layout.is_absolute()) {
            Some(relative) => Err(LayoutsError(relative.clone())),
            None => {
                let (layouts, mirrors) = (self.layouts.clone(), self.mirrors.clone());
                Ok(Images { layouts, mirrors, ..Images::default() })
            }
        }
    }

    /// Reads the credentials; now, as the user whom the server becomes may not read them.
    pub(super) fn credentials(&self, images: &mut Images) -> Result<(), DockerConfigError> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
            text.and_then(|text| Credentials::parse(&text).map_err(|error| error.to_string()))
        };
        if let Some(path) = &self.docker_config {
            images.credentials = read(path).map_err(|why| DockerConfigError { path: path.clone(), why })?;
        } else if let Some(path) = users_own().filter(|path| path.is_file()) {
            match read(&path) {
                Ok(credentials) => images.credentials = credentials,
                Err(why) => images.note = Some(format!("{} is not used for registries: {why}", path.display())),
            }
        }
        Ok(())
    }
}

/// Source: Docker's command line reference, "Environment variables".
fn users_own() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
    directory.map(|directory| directory.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_named_by_absolute_paths() {
        let file = |text: &str| toml::from_str::<File>(text).expect("valid").resolve();
        let images = file("layouts = [\"/srv/images\"]\nmirrors = { \"a.example.com\" = \"localhost:5000\" }");
        let images = images.expect("valid");
        assert_eq!(images.layouts, [PathBuf::from("/srv/images")]);
        assert_eq!(images.mirrors["a.example.com"], "localhost:5000");
        assert!(file("layouts = [\"images\"]").is_err());
    }

    #[test]
    fn a_named_file_with_credentials_must_be_one() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("config.json");
        let file = File { docker_config: Some(path.clone()), ..File::default() };
        let mut images = Images::default();
        assert!(file.credentials(&mut images).is_err());
        std::fs::write(&path, r#"{"auths": {"localhost:5000": {"auth": "dTpw"}}}"#).expect("file");
        file.credentials(&mut images).expect("read");
        assert!(format!("{images:?}").contains("localhost:5000"));
    }
}
