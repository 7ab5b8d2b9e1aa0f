//! Packages of functions and layers: taking one in, and removing those that no version names any more.
//!
//! A package is uploaded before the record that names it is committed. Until then a [`Pin`] keeps it; the collector
//! keeps what a version or a pin names, and no upload starts while it decides and deletes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::{CodeDigest, CodePackages, ImageError, Images, InstalledPackage, PinnedImage};
use hearth_store::Blobs;
use hearth_types::{RequestContext, limits};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::RwLock;

use crate::error::LambdaError;
use crate::record::Code;

/// The packages of all functions and layers. The blob store is theirs alone: a blob that no version names is deleted.
pub(crate) struct Packages {
    blobs: Arc<dyn Blobs>,
    trees: Arc<dyn CodePackages>,
    images: Arc<dyn Images>,
    pins: Arc<Pins>,
    /// Held shortly by uploads while they pin, and by the collector from deciding to the last deletion.
    gate: RwLock<()>,
}

#[derive(Default)]
struct Pins(Mutex<BTreeMap<CodeDigest, usize>>);

/// Keeps a package that no record names yet.
pub(crate) struct Pin {
    digest: CodeDigest,
    pins: Arc<Pins>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.0.lock();
        if let Some(count) = pins.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.digest);
            }
        }
    }
}

impl Packages {
    pub(crate) fn new(blobs: Arc<dyn Blobs>, trees: Arc<dyn CodePackages>, images: Arc<dyn Images>) -> Self {
        Self { blobs, trees, images, pins: Arc::default(), gate: RwLock::new(()) }
    }

    pub(crate) fn images(&self) -> &dyn Images {
        &*self.images
    }

    /// Fetches and unpacks an image. The record that names it keeps it, once the pin is gone.
    ///
    /// # Errors
    /// The image does not come, or is none.
    pub(crate) async fn install_image(&self, image: &PinnedImage) -> Result<Pin, ImageError> {
        let pin = self.pin(image.digest).await;
        self.trees.install_image(image, self.images.clone()).await?;
        Ok(pin)
    }

    /// Stores and unpacks a zip. Refused packages leave nothing behind.
    ///
    /// # Errors
    /// It is empty, too large, no zip, or more than 250 MB unpacked.
    pub(crate) async fn take_in(&self, ctx: &RequestContext, zip: Bytes) -> Result<(Code, Pin), LambdaError> {
        if zip.is_empty() {
            // Not recorded; the text users report.
            return Err(LambdaError::invalid("Uploaded file must be a non-empty zip"));
        }
        if zip.len() > limits::ZIP_BYTES_MAX {
            return Err(LambdaError::ZipTooLarge);
        }
        let (digest, zip) = tokio::task::spawn_blocking(move || (CodeDigest(Sha256::digest(&zip).into()), zip))
            .await
            .map_err(LambdaError::internal)?;
        let bytes = zip.len() as u64;
        let pin = self.pin(digest).await;
        // Unpacking also checks: what is no package never becomes a blob.
        let InstalledPackage { unpacked_bytes, .. } = self.trees.install(ctx, digest, zip.clone()).await?;
        self.blobs.put(zip).await?;
        Ok((Code { digest, bytes, unpacked_bytes }, pin))
    }

    /// A package as uploaded; `None` when no version names it any more.
    ///
    /// # Errors
    /// The blob cannot be read.
    pub(crate) async fn zip(&self, digest: CodeDigest) -> Result<Option<Bytes>, LambdaError> {
        Ok(self.blobs.get(&digest.0).await?)
    }

    /// Keeps a package for as long as the pin lives, if it is still there.
    pub(crate) async fn pin(&self, digest: CodeDigest) -> Pin {
        let _gate = self.gate.read().await;
        *self.pins.0.lock().entry(digest).or_default() += 1;
        Pin { digest, pins: self.pins.clone() }
    }

    /// Deletes every package that neither `named` nor a pin names. `named` is asked when no upload can start.
    ///
    /// # Errors
    /// The blobs cannot be listed or deleted; what is left is deleted next time.
    pub(crate) async fn collect(&self, named: impl FnOnce() -> BTreeSet<CodeDigest>) -> Result<(), LambdaError> {
        let _gate = self.gate.write().await;
        let mut keep = self.pins.0.lock().keys().copied().collect::<BTreeSet<_>>();
        // After the pins: a change drops its pin only once the catalogue shows it.
        keep.extend(named());
        for digest in self.blobs.list().await? {
            if !keep.contains(&CodeDigest(digest)) {
                self.blobs.delete(&digest).await?;
            }
        }
        let keep: Vec<CodeDigest> = keep.into_iter().collect();
        self.trees.retain(&keep).await;
        Ok(())
    }
}
