//! Functions from container images: what a function keeps of its image, what of the image's own settings a function
//! overrides, and which requests contradict its package type.
//!
//! A reference is looked up when it is given, and from then on the function names its image by digest: whatever becomes
//! of the tag, a version runs what it ran.

use std::time::Duration;

use hearth_ports::{CodeDigest, ImageConfig, ImageError, ImageLaunch, PackageError, PinnedImage, ResolvedImage};
use hearth_types::limits::IMAGE_CONFIG_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lifecycle::Cause;
use crate::record::{Code, Deployment};
use crate::settings::{Requested, Settings};
use crate::shape::code_sha256;

/// How long a request may wait for a registry.
pub(crate) const RESOLVE_WAIT_MAX: Duration = Duration::from_secs(50);

/// Of the API model; there is no other.
const IMAGE: &str = "Image";

/// The text users report.
const ZIP_MEMBERS: &str =
    "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.";

/// The image of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    /// As it was given.
    pub(crate) uri: String,
    /// By digest.
    pub(crate) pinned_uri: String,
    config: ImageConfig,
}

impl Image {
    /// The code and the image of a deployment.
    pub(crate) fn deployed(uri: String, ResolvedImage { digest, pinned_uri, config }: ResolvedImage) -> (Code, Self) {
        // As real Lambda shows it: images count as no code.
        (Code { digest, bytes: 0, unpacked_bytes: 0 }, Self { uri, pinned_uri, config })
    }

    /// What is run.
    pub(crate) fn launch(&self, overrides: &Overrides) -> ImageLaunch {
        let or = |mine: &[String], image: &[String]| if mine.is_empty() { image.to_vec() } else { mine.to_vec() };
        let mut command_line = or(&overrides.entry_point, &self.config.entry_point);
        command_line.extend(self.command(overrides));
        ImageLaunch {
            command_line,
            working_directory: overrides.working_directory.clone().unwrap_or(self.config.working_directory.clone()),
            environment: self.config.environment.clone(),
        }
    }

    fn command(&self, overrides: &Overrides) -> Vec<String> {
        if overrides.command.is_empty() { self.config.command.clone() } else { overrides.command.clone() }
    }

    /// What `_HANDLER` says. Source: AWS's base images and Runtime Interface Emulator take the command's last word.
    pub(crate) fn handler(&self, overrides: &Overrides) -> String {
        self.command(overrides).pop().unwrap_or_default()
    }
}

/// `ImageConfig`: in place of what the image says. Empty lists override nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Overrides {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry_point: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_directory: Option<String>,
}

impl Overrides {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// # Errors
    /// They are too long.
    pub(crate) fn check(mut self) -> Result<Self, LambdaError> {
        self.working_directory = self.working_directory.filter(|directory| !directory.is_empty());
        let texts = || self.entry_point.iter().chain(&self.command).chain(&self.working_directory);
        if texts().map(String::len).sum::<usize>() > IMAGE_CONFIG_BYTES_MAX {
            return Err(LambdaError::invalid(format!(
                "ImageConfig must be smaller than {IMAGE_CONFIG_BYTES_MAX} bytes"
            )));
        }
        if texts().any(|text| text.contains('\0')) {
            return Err(LambdaError::invalid("ImageConfig must not contain null characters"));
        }
        Ok(self)
    }
}

/// Whether a new function is one from an image.
///
/// # Errors
/// The members contradict each other.
pub(crate) fn is_wanted(
    package_type: Option<&str>,
    has_uri: bool,
    has_zip: bool,
    requested: &Requested,
) -> Result<bool, LambdaError> {
    if package_type != Some(IMAGE) {
        check_zip(requested)?;
        return match has_uri {
            true => Err(LambdaError::invalid(
                "Please don't provide ImageUri when creating a function with packageType Zip.",
            )),
            false => Ok(false),
        };
    }
    check_members(requested)?;
    match (has_uri, has_zip) {
        (true, false) => Ok(true),
        (false, _) => {
            Err(LambdaError::invalid("Please provide ImageUri when creating a function with packageType Image."))
        }
        (true, true) => {
            Err(LambdaError::invalid("Please don't provide ZipFile when creating a function with packageType Image."))
        }
    }
}

/// Sees that a request asks nothing of a function from an image that only zip packages have.
///
/// # Errors
/// It does.
pub(crate) fn check_members(requested: &Requested) -> Result<(), LambdaError> {
    let has_layers = requested.layers.as_ref().is_some_and(|layers| !layers.is_empty());
    match requested.runtime.is_some() || requested.handler.is_some() || has_layers {
        true => Err(LambdaError::invalid(ZIP_MEMBERS)),
        false => Ok(()),
    }
}

/// Sees that a request asks nothing of a function from a zip package that only images have.
///
/// # Errors
/// It does.
pub(crate) fn check_zip(requested: &Requested) -> Result<(), LambdaError> {
    match &requested.image_config {
        Some(overrides) if !overrides.is_empty() => {
            Err(LambdaError::invalid("Please don't provide ImageConfig when the intended function PackageType is Zip."))
        }
        _ => Ok(()),
    }
}

impl Deployment {
    /// `CodeSha256`: of a zip in base64; of an image, as images write their digest.
    pub(crate) fn code_sha256(&self) -> String {
        match &self.image {
            Some(_) => self.code.digest.hex(),
            None => code_sha256(self.code.digest),
        }
    }

    /// What its tree is made from, if that is an image.
    pub(crate) fn pinned_image(&self) -> Option<PinnedImage> {
        let Self { code: Code { digest, .. }, settings: Settings { architecture, .. }, .. } = self;
        let digest: CodeDigest = *digest;
        self.image.as_ref().map(|image| PinnedImage {
            digest,
            uri: image.pinned_uri.clone(),
            architecture: *architecture,
        })
    }

    /// What is run, if that is an image.
    pub(crate) fn image_launch(&self) -> Option<ImageLaunch> {
        self.image.as_ref().map(|image| image.launch(&self.settings.image_overrides))
    }

    pub(crate) fn handler(&self) -> String {
        match &self.image {
            Some(image) => image.handler(&self.settings.image_overrides),
            None => self.settings.handler.clone(),
        }
    }
}

/// What becomes of a function whose image does not come; `None` when it may come later.
pub(crate) fn cause(error: &ImageError) -> Option<Cause> {
    match error {
        ImageError::NotFound { .. } => Some(Cause::ImageDeleted),
        ImageError::AccessDenied { .. } | ImageError::Refused { .. } => Some(Cause::ImageAccessDenied),
        ImageError::Invalid { .. } | ImageError::MediaType { .. } | ImageError::Architecture { .. } => {
            Some(Cause::InvalidImage)
        }
        ImageError::Package(PackageError::Unreadable | PackageError::TooLarge { .. }) => Some(Cause::InvalidImage),
        ImageError::Unreachable { .. } => Some(Cause::Unreachable),
        ImageError::Package(PackageError::DiskFull | PackageError::Internal(_)) => None,
    }
}

impl From<ImageError> for LambdaError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::AccessDenied { ref why } => {
                tracing::info!(why, "an image may not be read");
                Self::AccessDenied { message: error.to_string() }
            }
            ImageError::Package(error) => error.into(),
            ImageError::Invalid { ref why, .. } | ImageError::MediaType { found: ref why, .. } => {
                tracing::info!(why, "an image was refused");
                Self::InvalidParameterValue(error.to_string())
            }
            error => Self::InvalidParameterValue(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn each_setting_of_the_image_is_overridden_by_itself() {
        let config = ImageConfig {
            entry_point: list("/entry -v"),
            command: list("app.handler"),
            working_directory: "/work".to_owned(),
            environment: list("A=b"),
        };
        let image = Image { uri: String::new(), pinned_uri: String::new(), config };
        let launch = |entry_point: &str, command: &str, working_directory: Option<&str>| {
            let overrides = Overrides {
                entry_point: list(entry_point),
                command: list(command),
                working_directory: working_directory.map(str::to_owned),
            };
            let ImageLaunch { command_line, working_directory, .. } = image.launch(&overrides);
            (command_line.join(" "), working_directory, image.handler(&overrides))
        };
        let text = str::to_owned;
        assert_eq!(launch("", "", None), (text("/entry -v app.handler"), text("/work"), text("app.handler")));
        assert_eq!(launch("/mine", "", None), (text("/mine app.handler"), text("/work"), text("app.handler")));
        assert_eq!(launch("", "x y", Some("/w")), (text("/entry -v x y"), text("/w"), text("y")));
    }

    #[test]
    fn overrides_are_16_kb_at_most() {
        let of = |bytes| Overrides { command: vec!["x".repeat(bytes)], ..Overrides::default() };
        assert!(of(16_384).check().is_ok());
        assert!(of(16_385).check().is_err());
    }
}
