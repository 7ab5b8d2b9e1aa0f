//! Reading manifests, indexes and image configurations. Pure. Source: OCI image specification 1.1 and Docker's image
//! manifest version 2, schema 2.

use hearth_ports::{Architecture, CodeDigest, ImageConfig, ImageLayer, LayerCompression};
use serde::Deserialize;

use crate::limits::{BLOBS_BYTES_MAX, LAYERS_MAX, MANIFEST_BYTES_MAX, RUN_BYTES_MAX};
use crate::reference::parse_digest;

/// What a registry is asked for, the most telling first.
pub(crate) const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
const LAYERS: [(&str, LayerCompression); 6] = [
    ("application/vnd.oci.image.layer.v1.tar", LayerCompression::None),
    ("application/vnd.oci.image.layer.v1.tar+gzip", LayerCompression::Gzip),
    ("application/vnd.oci.image.layer.v1.tar+zstd", LayerCompression::Zstd),
    ("application/vnd.docker.image.rootfs.diff.tar", LayerCompression::None),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", LayerCompression::Gzip),
    ("application/vnd.docker.image.rootfs.diff.tar.zstd", LayerCompression::Zstd),
];
/// What Hearth itself writes.
pub(crate) const MANIFEST: &str = MANIFESTS[2];
pub(crate) const CONFIG: &str = CONFIGS[0];
pub(crate) const LAYER: &str = LAYERS[0].0;
/// Names a manifest in the index of a layout. Source: OCI image specification, "Pre-Defined Annotation Keys".
pub(crate) const NAME: &str = "org.opencontainers.image.ref.name";

/// Why a document is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Invalid(String),
    /// The type that was found.
    #[error("media type {0}")]
    MediaType(String),
    /// The platforms there are.
    #[error("it is for {0}")]
    Platform(String),
    #[error("there is no image of that name")]
    NoSuchName,
}

fn invalid(why: impl ToString) -> Refusal {
    Refusal::Invalid(why.to_string())
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

/// A blob and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) digest: CodeDigest,
    pub(crate) bytes: u64,
}

impl Descriptor {
    fn blob(&self) -> Result<Blob, Refusal> {
        let digest = parse_digest(&self.digest).ok_or_else(|| invalid(format!("digest {:?}", self.digest)))?;
        Ok(Blob { digest, bytes: self.size })
    }

    fn small_blob(&self) -> Result<Blob, Refusal> {
        let blob = self.blob()?;
        if blob.bytes > MANIFEST_BYTES_MAX as u64 {
            return Err(invalid(format!("a document of {} bytes", blob.bytes)));
        }
        Ok(blob)
    }
}

/// What a document turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Manifest {
    Image(ImageManifest),
    /// The entry for the platform that was asked for.
    Index(Blob),
}

/// The manifest of an image for one platform.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ImageManifest {
    pub(crate) config: Blob,
    layers: Vec<(Blob, LayerCompression)>,
}

/// Reads a manifest, or chooses from an index.
pub(crate) fn read(bytes: &[u8], architecture: Architecture) -> Result<Manifest, Refusal> {
    let document = document(bytes)?;
    match (document.manifests, document.config, document.layers) {
        (Some(manifests), None, None) => choose(&manifests, architecture).map(Manifest::Index),
        (None, Some(config), Some(layers)) => image(&config, &layers).map(Manifest::Image),
        _ => Err(invalid("neither a manifest nor an index")),
    }
}

/// The manifest or index that a layout's `index.json` has under a name, or the only one.
pub(crate) fn named(index: &[u8], name: Option<&str>) -> Result<Blob, Refusal> {
    let manifests = document(index)?.manifests.ok_or_else(|| invalid("index.json lists no manifests"))?;
    let found = match (name, manifests.as_slice()) {
        (None, [only]) => Some(only),
        (name, manifests) => {
            let name = name.unwrap_or("latest");
            manifests.iter().find(|manifest| manifest.annotations.get(NAME).is_some_and(|found| found == name))
        }
    };
    found.ok_or(Refusal::NoSuchName)?.small_blob()
}

fn document(bytes: &[u8]) -> Result<Document, Refusal> {
    let document: Document = serde_json::from_slice(bytes).map_err(invalid)?;
    match &document.media_type {
        Some(kind) if !MANIFESTS.contains(&kind.as_str()) => Err(Refusal::MediaType(kind.clone())),
        _ if document.schema_version != 2 => Err(invalid(format!("schema version {}", document.schema_version))),
        _ => Ok(document),
    }
}

/// As OCI names it.
pub(crate) fn name_of(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "amd64",
        Architecture::Arm64 => "arm64",
    }
}

fn choose(manifests: &[Descriptor], architecture: Architecture) -> Result<Blob, Refusal> {
    let wanted = name_of(architecture);
    let is_ours = |platform: &Platform| platform.os == "linux" && platform.architecture == wanted;
    let found = manifests.iter().find(|manifest| match &manifest.platform {
        Some(platform) => is_ours(platform),
        // It may be; its configuration will say.
        None => manifests.len() == 1,
    });
    match found {
        Some(manifest) if MANIFESTS.contains(&manifest.media_type.as_str()) => manifest.small_blob(),
        Some(manifest) => Err(Refusal::MediaType(manifest.media_type.clone())),
        None => {
            let platform = |platform: &Platform| format!("{}/{}", platform.os, platform.architecture);
            let there_are = manifests.iter().filter_map(|manifest| manifest.platform.as_ref()).map(platform);
            Err(Refusal::Platform(there_are.take(8).collect::<Vec<_>>().join(", ")))
        }
    }
}

fn image(config: &Descriptor, layers: &[Descriptor]) -> Result<ImageManifest, Refusal> {
    if !CONFIGS.contains(&config.media_type.as_str()) {
        return Err(Refusal::MediaType(config.media_type.clone()));
    }
    if layers.is_empty() || layers.len() > LAYERS_MAX {
        return Err(invalid(format!("{} layers; there are 1 to {LAYERS_MAX}", layers.len())));
    }
    let layer = |layer: &Descriptor| {
        let known = LAYERS.iter().find(|(kind, _)| *kind == layer.media_type);
        let (_, compression) = known.ok_or_else(|| Refusal::MediaType(layer.media_type.clone()))?;
        Ok((layer.blob()?, *compression))
    };
    let layers = layers.iter().map(layer).collect::<Result<Vec<_>, Refusal>>()?;
    let bytes = layers.iter().fold(0_u64, |sum, (blob, _)| sum.saturating_add(blob.bytes));
    if bytes > BLOBS_BYTES_MAX {
        return Err(invalid(format!("{bytes} bytes of layers; at most {BLOBS_BYTES_MAX}")));
    }
    Ok(ImageManifest { config: config.small_blob()?, layers })
}

#[derive(Debug, Deserialize)]
struct ConfigDocument {
    architecture: String,
    os: String,
    #[serde(default)]
    config: Option<RunDocument>,
    rootfs: RootDocument,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RunDocument {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RootDocument {
    diff_ids: Vec<String>,
}

impl ImageManifest {
    /// What the configuration says, which is `bytes`: how the image is run, and its layers.
    pub(crate) fn configured(
        &self,
        bytes: &[u8],
        architecture: Architecture,
    ) -> Result<(ImageConfig, Vec<ImageLayer>), Refusal> {
        let document: ConfigDocument = serde_json::from_slice(bytes).map_err(invalid)?;
        if document.os != "linux" || document.architecture != name_of(architecture) {
            return Err(Refusal::Platform(format!("{}/{}", document.os, document.architecture)));
        }
        let diff_ids = document.rootfs.diff_ids;
        if diff_ids.len() != self.layers.len() {
            return Err(invalid(format!("{} layers and {} of their digests", self.layers.len(), diff_ids.len())));
        }
        let layer = |(text, (blob, compression)): (&String, &(Blob, LayerCompression))| {
            let diff_id = parse_digest(text).ok_or_else(|| invalid(format!("digest {text:?}")))?;
            Ok(ImageLayer { digest: blob.digest, bytes: blob.bytes, compression: *compression, diff_id })
        };
        let layers = diff_ids.iter().zip(&self.layers).map(layer).collect::<Result<_, Refusal>>()?;
        let run = document.config.unwrap_or_default();
        let config = ImageConfig {
            entry_point: run.entrypoint.unwrap_or_default(),
            command: run.cmd.unwrap_or_default(),
            working_directory: run.working_dir.unwrap_or_default(),
            environment: run.env.unwrap_or_default(),
        };
        let texts = || {
            let lists = config.entry_point.iter().chain(&config.command).chain(&config.environment);
            lists.chain([&config.working_directory])
        };
        if texts().any(|text| text.contains('\0')) {
            return Err(invalid("a text with a null character"));
        }
        let bytes: usize = texts().map(String::len).sum();
        if bytes > RUN_BYTES_MAX {
            return Err(invalid(format!("{bytes} bytes of command line and variables; at most {RUN_BYTES_MAX}")));
        }
        Ok((config, layers))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn digest(number: u8) -> String {
        format!("sha256:{number:064x}")
    }

    fn blob(number: u8, bytes: u64) -> Blob {
        Blob { digest: parse_digest(&digest(number)).expect("digest"), bytes }
    }

    fn manifest(config: &str, layers: &[&str]) -> Value {
        let layer = |kind: &&str| json!({"mediaType": kind, "digest": digest(9), "size": 10});
        json!({
            "schemaVersion": 2,
            "config": {"mediaType": config, "digest": digest(1), "size": 2},
            "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        })
    }

    fn read_value(value: &Value) -> Result<Manifest, Refusal> {
        read(value.to_string().as_bytes(), Architecture::X86_64)
    }

    #[test]
    fn manifests_of_both_families_and_every_compression_are_read() {
        use LayerCompression::{Gzip, None, Zstd};
        for (config, layers) in [
            (
                CONFIGS[0],
                [
                    ("application/vnd.oci.image.layer.v1.tar", None),
                    ("application/vnd.oci.image.layer.v1.tar+gzip", Gzip),
                    ("application/vnd.oci.image.layer.v1.tar+zstd", Zstd),
                ]
                .as_slice(),
            ),
            (CONFIGS[1], &[("application/vnd.docker.image.rootfs.diff.tar.gzip", Gzip)]),
        ] {
            let kinds: Vec<&str> = layers.iter().map(|(kind, _)| *kind).collect();
            let expected = layers.iter().map(|(_, compression)| (blob(9, 10), *compression)).collect();
            let image = ImageManifest { config: blob(1, 2), layers: expected };
            assert_eq!(read_value(&manifest(config, &kinds)), Ok(Manifest::Image(image)));
        }
    }

    #[test]
    fn other_media_types_are_refused_by_name() {
        let helm = "application/vnd.cncf.helm.config.v1+json";
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        assert_eq!(read_value(&manifest(helm, &[LAYERS[0].0])), Err(Refusal::MediaType(helm.to_owned())));
        assert_eq!(read_value(&manifest(CONFIGS[0], &[foreign])), Err(Refusal::MediaType(foreign.to_owned())));
        let mut old = manifest(CONFIGS[0], &[LAYERS[0].0]);
        old["mediaType"] = json!("application/vnd.docker.distribution.manifest.v1+prettyjws");
        assert!(matches!(read_value(&old), Err(Refusal::MediaType(_))));
    }

    #[test]
    fn too_many_or_too_large_layers_are_refused() {
        let many = vec![LAYERS[0].0; LAYERS_MAX + 1];
        assert!(read_value(&manifest(CONFIGS[0], &many)).is_err());
        assert!(read_value(&manifest(CONFIGS[0], &many[1..])).is_ok());
        assert!(read_value(&manifest(CONFIGS[0], &[])).is_err());
        let mut large = manifest(CONFIGS[0], &[LAYERS[0].0, LAYERS[0].0]);
        large["layers"][0]["size"] = json!(BLOBS_BYTES_MAX);
        assert!(read_value(&large).is_err());
        large["layers"][1]["size"] = json!(u64::MAX);
        assert!(read_value(&large).is_err(), "a sum that does not fit");
    }

    fn index(platforms: &[(&str, &str)]) -> Value {
        let entry = |(at, (os, architecture)): (usize, &(&str, &str))| {
            json!({"mediaType": MANIFESTS[2], "digest": digest(at as u8), "size": 7,
                   "platform": {"os": os, "architecture": architecture}})
        };
        json!({"schemaVersion": 2, "manifests": platforms.iter().enumerate().map(entry).collect::<Vec<_>>()})
    }

    #[test]
    fn an_index_is_searched_for_the_platform() {
        let both = index(&[("linux", "arm64"), ("windows", "amd64"), ("linux", "amd64"), ("unknown", "unknown")]);
        assert_eq!(read_value(&both), Ok(Manifest::Index(blob(2, 7))));
        let arm = read(both.to_string().as_bytes(), Architecture::Arm64);
        assert_eq!(arm, Ok(Manifest::Index(blob(0, 7))));
        let none = index(&[("linux", "s390x"), ("linux", "arm64")]);
        assert_eq!(read_value(&none), Err(Refusal::Platform("linux/s390x, linux/arm64".to_owned())));
    }

    #[test]
    fn a_layout_finds_images_by_name_and_the_only_one_without() {
        let entry = |number: u8, name: &str| json!({"mediaType": MANIFESTS[2], "digest": digest(number), "size": 7, "annotations": {NAME: name}});
        let two = json!({"schemaVersion": 2, "manifests": [entry(1, "v1"), entry(2, "latest")]}).to_string();
        let find = |name| named(two.as_bytes(), name);
        assert_eq!(find(Some("v1")), Ok(blob(1, 7)));
        assert_eq!(find(None), Ok(blob(2, 7)));
        assert_eq!(find(Some("v2")), Err(Refusal::NoSuchName));
        let one = json!({"schemaVersion": 2, "manifests": [entry(1, "v1")]}).to_string();
        assert_eq!(named(one.as_bytes(), None), Ok(blob(1, 7)));
    }

    #[test]
    fn the_configuration_says_how_the_image_is_run_and_for_which_machine() {
        let image = ImageManifest { config: blob(1, 2), layers: vec![(blob(9, 10), LayerCompression::Gzip)] };
        let document = json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(4)]},
            "config": {"Env": ["A=b"], "Entrypoint": ["/e"], "Cmd": ["c", "d"], "WorkingDir": "/w", "User": "x"},
        });
        let bytes = document.to_string();
        let (config, layers) = image.configured(bytes.as_bytes(), Architecture::X86_64).expect("read");
        assert_eq!(config.entry_point, ["/e"]);
        assert_eq!(config.command, ["c", "d"]);
        assert_eq!(config.environment, ["A=b"]);
        assert_eq!(config.working_directory, "/w");
        assert_eq!(layers[0].diff_id, blob(4, 0).digest);
        let other = image.configured(bytes.as_bytes(), Architecture::Arm64);
        assert_eq!(other, Err(Refusal::Platform("linux/amd64".to_owned())));
        let mut long = document.clone();
        long["config"]["Env"] = json!(["A".repeat(RUN_BYTES_MAX + 1)]);
        assert!(image.configured(long.to_string().as_bytes(), Architecture::X86_64).is_err());
        let mut fewer = document;
        fewer["rootfs"]["diff_ids"] = json!([]);
        assert!(image.configured(fewer.to_string().as_bytes(), Architecture::X86_64).is_err());
    }
}
