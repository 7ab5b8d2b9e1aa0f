//! From a reference to a checked image: the one [`Images`] of a server.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{
    Architecture, CodeDigest, ImageError, ImageLayer, Images, PackageError, PinnedImage, ResolvedImage,
};
use http_body_util::BodyExt;
use rustix::fs::{CWD, Mode, OFlags, openat};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::credentials::Credentials;
use crate::layout::Layout;
use crate::limits::{BLOB_WAIT_MAX, INDEX_DEPTH_MAX, MANIFEST_BYTES_MAX, PIECE_WAIT_MAX};
use crate::manifest::{self, Blob, ImageManifest, Manifest, Refusal};
use crate::reference::{Place, Reference, Version};
use crate::registry::{Registries, RegistryError, Repository};
use crate::writer::LayoutWriter;

const COPY_BYTES: usize = 64 << 10;

/// What the operator allows and knows.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Directories below which OCI layouts may be read.
    pub layouts: Vec<PathBuf>,
    /// Registries that others stand in for, by host with its port.
    pub mirrors: BTreeMap<String, String>,
    pub credentials: Credentials,
    /// Where blobs lie while they are read, in files without names.
    pub scratch: PathBuf,
}

/// Watches an image come.
pub trait Progress: Send + Sync {
    /// The next layer begins: which of how many, and its bytes.
    fn layer(&self, number: usize, of: usize, bytes: u64);
    /// So many bytes of it have come.
    fn advance(&self, bytes: u64);
}

/// Layouts below listed directories, and any registry.
pub struct RegistryImages {
    config: Config,
    registries: Registries,
}

/// Where the bytes of one image come from.
enum Source<'a> {
    Layout(Layout),
    Repository(Repository<'a>),
}

/// Which reference an error is about.
struct About<'a>(&'a str);

impl About<'_> {
    fn uri(&self) -> String {
        self.0.to_owned()
    }

    fn invalid(&self, why: impl ToString) -> ImageError {
        ImageError::Invalid { uri: self.uri(), why: why.to_string() }
    }

    fn refused(&self, refusal: Refusal, function: Architecture) -> ImageError {
        let uri = self.uri();
        match refusal {
            Refusal::Invalid(why) => ImageError::Invalid { uri, why },
            Refusal::MediaType(found) => ImageError::MediaType { uri, found },
            Refusal::Platform(image) => ImageError::Architecture { uri, image, function },
            Refusal::NoSuchName => ImageError::NotFound { uri },
        }
    }

    fn registry(&self, error: RegistryError) -> ImageError {
        match error {
            RegistryError::NotFound => ImageError::NotFound { uri: self.uri() },
            RegistryError::Denied(why) => ImageError::AccessDenied { why },
            RegistryError::Unreachable(why) => ImageError::Unreachable { uri: self.uri(), why },
        }
    }

    fn layout(&self, error: io::Error) -> ImageError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ImageError::NotFound { uri: self.uri() },
            io::ErrorKind::PermissionDenied => {
                ImageError::AccessDenied { why: format!("the server's user may not read {}: {error}", self.0) }
            }
            _ => self.invalid(error),
        }
    }
}

impl RegistryImages {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { registries: Registries::new(config.credentials.clone()), config }
    }

    fn source(&self, reference: &Reference, about: &About<'_>) -> Result<Source<'_>, ImageError> {
        match &reference.place {
            Place::Layout(path) => match Layout::open(path, &self.config.layouts) {
                Some(Ok(layout)) => Ok(Source::Layout(layout)),
                Some(Err(error)) => Err(about.layout(error)),
                None => Err(ImageError::Refused {
                    what: format!("the layout {}", path.display()),
                    instead: "the server's configuration must list its directory in `images.layouts`.",
                }),
            },
            Place::Registry { host, repository } => {
                let host = self.config.mirrors.get(host).unwrap_or(host);
                Ok(Source::Repository(self.registries.repository(host, repository)))
            }
        }
    }

    /// The manifest for an architecture: its bytes, and what it says.
    async fn manifest(
        &self,
        source: &Source<'_>,
        version: &Version,
        architecture: Architecture,
        about: &About<'_>,
    ) -> Result<(Bytes, ImageManifest), ImageError> {
        let mut bytes = source.named(version, about).await?;
        for _ in 0..=INDEX_DEPTH_MAX {
            let read = manifest::read(&bytes, architecture).map_err(|refusal| about.refused(refusal, architecture))?;
            match read {
                Manifest::Image(image) => return Ok((bytes, image)),
                Manifest::Index(blob) => bytes = source.manifest(&blob.digest, about).await?,
            }
        }
        Err(about.invalid(format!("more than {INDEX_DEPTH_MAX} indexes in each other")))
    }

    /// Whatever an image is made of, except its layers.
    async fn image(&self, uri: &str, architecture: Architecture) -> Result<Documents, ImageError> {
        let about = About(uri);
        let reference = Reference::parse(uri).ok_or_else(|| about.invalid("not a reference"))?;
        let source = self.source(&reference, &about)?;
        let (bytes, manifest) = self.manifest(&source, &reference.version, architecture, &about).await?;
        let config_bytes = source.document(&manifest.config, &about).await?;
        let configured = manifest.configured(&config_bytes, architecture);
        let (config, layers) = configured.map_err(|refusal| about.refused(refusal, architecture))?;
        let digest = digest_of(&bytes);
        let pinned_uri = reference.pinned(&digest).to_string();
        let resolved = ResolvedImage { digest, pinned_uri, config };
        Ok(Documents { resolved, layers, manifest: bytes, config: config_bytes })
    }

    /// Writes an image into a new layout, under a name; every blob is checked as for a function. Its layers lie in the
    /// [scratch directory](Config::scratch) until they are whole, which is on the layout's disk.
    ///
    /// # Errors
    /// As for a function; and the layout cannot be written.
    pub async fn save(
        &self,
        uri: &str,
        architecture: Architecture,
        (layout, tag): (&Path, &str),
        progress: Arc<dyn Progress>,
    ) -> Result<PinnedImage, ImageError> {
        let Documents { resolved, layers, manifest, config } = self.image(uri, architecture).await?;
        let image = PinnedImage { digest: resolved.digest, uri: resolved.pinned_uri, architecture };
        let writer = LayoutWriter::create(layout).map_err(full)?;
        for (number, layer) in (1..).zip(&layers) {
            progress.layer(number, layers.len(), layer.bytes);
            let blob = self.layer(&image, layer, Some(Arc::clone(&progress))).await?;
            writer.open_file(&blob, &layer.digest).map_err(full)?;
        }
        writer.image(&manifest, &config, tag).map_err(full)?;
        Ok(image)
    }

    async fn layer(
        &self,
        image: &PinnedImage,
        layer: &ImageLayer,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<File, ImageError> {
        let about = About(&image.uri);
        let reference = Reference::parse(&image.uri).ok_or_else(|| about.invalid("not a reference"))?;
        let source = self.source(&reference, &about)?;
        let blob = scratch(&self.config.scratch).map_err(full)?;
        let mut copy = Copy { blob, layer: *layer, hash: Sha256::new(), bytes: 0, progress };
        match source {
            // Copied, too: a file of somebody else's may change after it was checked.
            Source::Layout(layout) => {
                let mut file = layout.blob(&layer.digest).map_err(|error| about.layout(error))?;
                let work = move || {
                    let mut buffer = vec![0; COPY_BYTES];
                    loop {
                        match file.read(&mut buffer).map_err(Trouble::Read)? {
                            0 => return copy.finish(),
                            read => copy.take(&buffer[..read])?,
                        }
                    }
                };
                let copied = tokio::task::spawn_blocking(work).await;
                copied.map_err(|error| internal(&error))?.map_err(|trouble| trouble.about(&about))
            }
            Source::Repository(repository) => {
                let blob = repository.blob(&named(&layer.digest)).await.map_err(|error| about.registry(error))?;
                let mut body = blob.into_body();
                let late = || ImageError::Unreachable { uri: about.uri(), why: "the layer does not come".to_owned() };
                let copied = async {
                    loop {
                        let Some(frame) = timeout(PIECE_WAIT_MAX, body.frame()).await.map_err(|_| late())? else {
                            break;
                        };
                        let frame = frame
                            .map_err(|error| ImageError::Unreachable { uri: about.uri(), why: error.to_string() })?;
                        if let Some(piece) = frame.data_ref() {
                            // Into the page cache, a piece at a time: as short as a lock.
                            copy.take(piece).map_err(|trouble| trouble.about(&about))?;
                        }
                    }
                    copy.finish().map_err(|trouble| trouble.about(&about))
                };
                timeout(BLOB_WAIT_MAX, copied).await.map_err(|_| late())?
            }
        }
    }
}

/// What is known of an image without its layers.
struct Documents {
    resolved: ResolvedImage,
    layers: Vec<ImageLayer>,
    manifest: Bytes,
    config: Bytes,
}

impl Source<'_> {
    /// What a tag stands for now, or what a digest stands for always.
    async fn named(&self, version: &Version, about: &About<'_>) -> Result<Bytes, ImageError> {
        let tag = match version {
            Version::Digest(digest) => return self.manifest(digest, about).await,
            Version::Tag(tag) => Some(tag.as_str()),
            Version::Any => None,
        };
        match self {
            Self::Layout(layout) => {
                let index = layout.index().map_err(|error| about.layout(error))?;
                let named =
                    manifest::named(&index, tag).map_err(|refusal| about.refused(refusal, Architecture::X86_64));
                self.document(&named?, about).await
            }
            Self::Repository(repository) => {
                repository.manifest(tag.unwrap_or("latest")).await.map_err(|error| about.registry(error))
            }
        }
    }

    /// A manifest or index by its digest.
    async fn manifest(&self, digest: &CodeDigest, about: &About<'_>) -> Result<Bytes, ImageError> {
        match self {
            Self::Layout(_) => self.document(&Blob { digest: *digest, bytes: MANIFEST_BYTES_MAX as u64 }, about).await,
            Self::Repository(repository) => {
                let bytes = repository.manifest(&named(digest)).await.map_err(|error| about.registry(error))?;
                checked(bytes, digest, about)
            }
        }
    }

    /// A blob that fits into memory.
    async fn document(&self, blob: &Blob, about: &About<'_>) -> Result<Bytes, ImageError> {
        let bytes = match self {
            Self::Layout(layout) => {
                let file = layout.blob(&blob.digest).map_err(|error| about.layout(error))?;
                let mut bytes = Vec::new();
                let read = file.take(MANIFEST_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
                read.map_err(|error| about.layout(error))?;
                bytes.into()
            }
            Self::Repository(repository) => {
                repository.document(&named(&blob.digest)).await.map_err(|error| about.registry(error))?
            }
        };
        checked(bytes, &blob.digest, about)
    }
}

#[async_trait]
impl Images for RegistryImages {
    async fn resolve(&self, uri: &str, architecture: Architecture) -> Result<ResolvedImage, ImageError> {
        Ok(self.image(uri, architecture).await?.resolved)
    }

    async fn layers(&self, image: &PinnedImage) -> Result<Vec<ImageLayer>, ImageError> {
        Ok(self.image(&image.uri, image.architecture).await?.layers)
    }

    async fn fetch(&self, image: &PinnedImage, layer: &ImageLayer) -> Result<File, ImageError> {
        self.layer(image, layer, None).await
    }
}

/// A blob on its way into a file, counted and hashed.
struct Copy {
    blob: File,
    layer: ImageLayer,
    hash: Sha256,
    bytes: u64,
    progress: Option<Arc<dyn Progress>>,
}

enum Trouble {
    Read(io::Error),
    Write(io::Error),
    /// It is not what it should be.
    Other(&'static str),
}

impl Trouble {
    fn about(self, about: &About<'_>) -> ImageError {
        match self {
            Self::Read(error) => about.layout(error),
            Self::Write(error) => full(error),
            Self::Other(why) => about.invalid(why),
        }
    }
}

impl Copy {
    fn take(&mut self, piece: &[u8]) -> Result<(), Trouble> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.layer.bytes {
            return Err(Trouble::Other("a layer is longer than its manifest says"));
        }
        self.hash.update(piece);
        self.progress.iter().for_each(|progress| progress.advance(piece.len() as u64));
        self.blob.write_all(piece).map_err(Trouble::Write)
    }

    fn finish(mut self) -> Result<File, Trouble> {
        if self.bytes != self.layer.bytes {
            return Err(Trouble::Other("a layer is shorter than its manifest says"));
        }
        if self.hash.finalize()[..] != self.layer.digest.0 {
            return Err(Trouble::Other("a layer has another digest than its manifest says"));
        }
        self.blob.seek(SeekFrom::Start(0)).map_err(Trouble::Write)?;
        Ok(self.blob)
    }
}

/// A file without a name.
fn scratch(directory: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    Ok(openat(CWD, directory, flags, Mode::RUSR | Mode::WUSR)?.into())
}

fn full(error: io::Error) -> ImageError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PackageError::DiskFull.into(),
        _ => internal(&error),
    }
}

fn internal(error: &dyn std::fmt::Display) -> ImageError {
    PackageError::Internal(format!("cannot keep a layer of an image: {error}")).into()
}

fn named(digest: &CodeDigest) -> String {
    format!("sha256:{}", digest.hex())
}

fn digest_of(bytes: &[u8]) -> CodeDigest {
    CodeDigest(Sha256::digest(bytes).into())
}

fn checked(bytes: Bytes, digest: &CodeDigest, about: &About<'_>) -> Result<Bytes, ImageError> {
    match digest_of(&bytes) == *digest {
        true => Ok(bytes),
        false => Err(about.invalid("a document has another digest than the one it was asked for by")),
    }
}
