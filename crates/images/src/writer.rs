//! Writing an OCI layout: blobs under their digests, and an index that names one image. Source: OCI image specification 1.1,
//! "OCI Image Layout Specification". Readers find nothing before the index is there, which is written last.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hearth_ports::{Architecture, CodeDigest};
use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::manifest::{Blob, CONFIG, LAYER, MANIFEST, NAME, name_of};

const READ_BYTES: usize = 64 << 10;

/// A layout that is being written into a directory of its own.
pub struct LayoutWriter {
    directory: PathBuf,
}

impl LayoutWriter {
    /// Makes the directory.
    ///
    /// # Errors
    /// It cannot be made, or is there already.
    pub fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir(directory)?;
        fs::create_dir_all(directory.join("blobs/sha256"))?;
        Ok(Self { directory: directory.to_owned() })
    }

    fn place(&self, digest: &CodeDigest) -> PathBuf {
        self.directory.join("blobs/sha256").join(digest.hex())
    }

    /// Keeps a document as a blob.
    fn document(&self, bytes: &[u8]) -> io::Result<Blob> {
        let digest = CodeDigest(Sha256::digest(bytes).into());
        fs::write(self.place(&digest), bytes)?;
        Ok(Blob { digest, bytes: bytes.len() as u64 })
    }

    /// Takes a file of the same disk as a blob.
    fn file(&self, file: &Path) -> io::Result<Blob> {
        let blob = digest_of(File::open(file)?)?;
        fs::rename(file, self.place(&blob.digest))?;
        Ok(blob)
    }

    /// Writes an image whose only layer is a tar archive, which is moved, and gives it a name. Answers the layer's digest.
    ///
    /// # Errors
    /// Something cannot be written.
    pub fn root(self, tar: &Path, architecture: Architecture, tag: &str) -> io::Result<CodeDigest> {
        let layer = self.file(tar)?;
        let config = json!({
            "architecture": name_of(architecture),
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [named(&layer.digest)]},
        });
        let config = self.document(config.to_string().as_bytes())?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, &layer)],
        });
        let manifest = self.document(manifest.to_string().as_bytes())?;
        self.finish(descriptor(MANIFEST, &manifest), tag)?;
        Ok(layer.digest)
    }

    /// Takes a checked file without a name, of the same disk, as a blob. Whoever may see the directory may read it.
    pub(crate) fn open_file(&self, file: &File, digest: &CodeDigest) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(0o644))?;
        let open = format!("/proc/self/fd/{}", file.as_raw_fd());
        match linkat(CWD, open, CWD, self.place(digest), AtFlags::SYMLINK_FOLLOW) {
            // An image may have a layer twice.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the documents of an image whose layers are there, and gives it a name.
    pub(crate) fn image(self, manifest: &[u8], config: &[u8], tag: &str) -> io::Result<()> {
        self.document(config)?;
        let blob = self.document(manifest)?;
        let kind = serde_json::from_slice::<Value>(manifest)?["mediaType"].as_str().unwrap_or(MANIFEST).to_owned();
        self.finish(descriptor(&kind, &blob), tag)
    }

    fn finish(self, mut manifest: Value, tag: &str) -> io::Result<()> {
        manifest["annotations"] = json!({NAME: tag});
        fs::write(self.directory.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        fs::write(self.directory.join("index.json"), index.to_string())
    }
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({"mediaType": media_type, "digest": named(&blob.digest), "size": blob.bytes})
}

fn named(digest: &CodeDigest) -> String {
    format!("sha256:{}", digest.hex())
}

/// Of a file.
///
/// # Errors
/// It cannot be read.
pub fn sha256(file: &Path) -> io::Result<CodeDigest> {
    Ok(digest_of(File::open(file)?)?.digest)
}

fn digest_of(mut file: File) -> io::Result<Blob> {
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; READ_BYTES]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Blob { digest: CodeDigest(hash.finalize().into()), bytes });
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Arc;

    use hearth_ports::{ImageError, Images as _, LayerCompression, PinnedImage};

    use super::*;
    use crate::{Config, Progress, RegistryImages};

    #[tokio::test]
    async fn what_is_written_is_read_back_and_is_for_its_machine_only() {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("tar"), "an archive").expect("file");
        let layout = dir.path().join("layout");
        let writer = LayoutWriter::create(&layout).expect("made");
        let digest = writer.root(&dir.path().join("tar"), Architecture::Arm64, "v1").expect("written");
        assert!(!dir.path().join("tar").exists(), "it is moved");
        let config =
            Config { layouts: vec![dir.path().to_owned()], scratch: dir.path().to_owned(), ..Config::default() };
        let images = RegistryImages::new(config);
        let uri = format!("oci:{}:v1", layout.display());
        let image = images.resolve(&uri, Architecture::Arm64).await.expect("resolved");
        let pinned = PinnedImage { digest: image.digest, uri: image.pinned_uri, architecture: Architecture::Arm64 };
        let layers = images.layers(&pinned).await.expect("layers");
        assert_eq!(layers.len(), 1);
        assert_eq!(
            (layers[0].digest, layers[0].diff_id, layers[0].compression),
            (digest, digest, LayerCompression::None)
        );
        let mut text = String::new();
        images.fetch(&pinned, &layers[0]).await.expect("fetched").read_to_string(&mut text).expect("read");
        assert_eq!(text, "an archive");
        let other = images.resolve(&uri, Architecture::X86_64).await;
        assert!(matches!(&other, Err(ImageError::Architecture { image, .. }) if image == "linux/arm64"), "{other:?}");
    }

    #[tokio::test]
    async fn an_image_is_saved_as_it_is_and_every_byte_is_told_of() {
        #[derive(Default)]
        struct Told(parking_lot::Mutex<Vec<(usize, usize, u64, u64)>>);
        impl Progress for Told {
            fn layer(&self, number: usize, of: usize, bytes: u64) {
                self.0.lock().push((number, of, bytes, 0));
            }

            fn advance(&self, bytes: u64) {
                if let Some(last) = self.0.lock().last_mut() {
                    last.3 += bytes;
                }
            }
        }
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("tar"), "an archive").expect("file");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let digest = LayoutWriter::create(&from)
            .and_then(|writer| writer.root(&dir.path().join("tar"), Architecture::Arm64, "v1"))
            .expect("written");
        let config =
            Config { layouts: vec![dir.path().to_owned()], scratch: dir.path().to_owned(), ..Config::default() };
        let images = RegistryImages::new(config);
        let uri = format!("oci:{}:v1", from.display());
        let told = Arc::new(Told::default());
        images.save(&uri, Architecture::Arm64, (&to, "saved"), Arc::clone(&told) as _).await.expect("saved");
        assert_eq!(*told.0.lock(), [(1, 1, 10, 10)]);
        let saved =
            images.resolve(&format!("oci:{}:saved", to.display()), Architecture::Arm64).await.expect("resolved");
        assert_eq!(saved.digest, images.resolve(&uri, Architecture::Arm64).await.expect("resolved").digest);
        assert_eq!(fs::read(to.join("blobs/sha256").join(digest.hex())).expect("blob"), b"an archive");
        // What is not what its digest says is not kept.
        fs::write(from.join("blobs/sha256").join(digest.hex()), "an Archive").expect("file");
        let broken = images.save(&uri, Architecture::Arm64, (&dir.path().join("other"), "saved"), told).await;
        assert!(matches!(broken, Err(ImageError::Invalid { .. })), "{broken:?}");
        assert!(!dir.path().join("other/index.json").exists());
    }

    #[test]
    fn a_directory_that_is_there_is_not_written_into() {
        let dir = tempfile::tempdir().expect("directory");
        assert!(LayoutWriter::create(dir.path()).is_err());
    }

    #[test]
    fn checksums_are_sha_256() {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("file"), "abc").expect("file");
        // Source: FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&dir.path().join("file")).expect("read").hex(), expected);
    }
}
