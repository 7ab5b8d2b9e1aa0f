//! Unpacked packages that are missing when the server starts, as after a restore: backups leave them out, since they can be
//! made again from what was uploaded, and images from their registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use hearth_ports::{CodeDigest, CodePackages, Images, PinnedImage};
use hearth_store::Blobs;
use hearth_types::{AccountId, Partition, Random, RequestContext, RequestId, Scope};

use crate::catalog::Catalog;
use crate::error::LambdaError;
use crate::layer::Layers;
use crate::package::Packages;
use crate::pulls;

/// Packages that are read and unpacked at the same time; each is in memory meanwhile.
const UNPACKED_AT_ONCE_MAX: usize = 4;

/// Unpacks what functions and layers name and is not there. Images are fetched behind: what runs from one fails until it is
/// there. A package that is lost is told of in the log, and its functions fail.
pub async fn unpack_missing(
    catalog: &Catalog,
    layers: &Layers,
    blobs: &Arc<dyn Blobs>,
    packages: &Arc<dyn CodePackages>,
    images: &Arc<dyn Images>,
    random: &dyn Random,
) {
    let is_missing = |digest: &CodeDigest| !packages.is_installed(digest);
    let mut from_images: BTreeMap<CodeDigest, PinnedImage> = BTreeMap::new();
    for (_, function) in catalog.all() {
        let published = function.published.values().map(|version| &version.record.deployment);
        let serving = function.record.serving.iter();
        let all = std::iter::once(&function.record.latest).chain(serving).chain(published);
        from_images.extend(all.filter_map(|it| it.pinned_image()).map(|image| (image.digest, image)));
    }
    from_images.retain(|digest, _| is_missing(digest));
    let mut zips = catalog.digests();
    zips.extend(layers.digests());
    zips.retain(|digest| is_missing(digest) && !from_images.contains_key(digest));

    if !zips.is_empty() {
        tracing::info!(packages = zips.len(), "unpacking packages again");
    }
    // Packages are by content: whose they are does not matter.
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None };
    let ctx = RequestContext::service(&scope, "lambda.amazonaws.com", RequestId::generate(random));
    let unpacked = futures_util::stream::iter(zips).map(|digest| {
        let ctx = &ctx;
        async move { (digest, unpack(ctx, digest, &**blobs, &**packages).await) }
    });
    let mut unpacked = std::pin::pin!(unpacked.buffer_unordered(UNPACKED_AT_ONCE_MAX));
    while let Some((digest, result)) = unpacked.next().await {
        if let Err(error) = result {
            tracing::error!(%error, ?digest, "a package cannot be unpacked: functions that use it fail");
        }
    }
    let fetching = Arc::new(Packages::new(Arc::clone(blobs), Arc::clone(packages), Arc::clone(images)));
    for image in from_images.into_values() {
        let fetching = Arc::clone(&fetching);
        tokio::spawn(async move {
            tracing::info!(image = image.uri, "fetching an image again");
            if pulls::install_one(&fetching, &image).await.is_err() {
                tracing::error!(image = image.uri, "an image is missing: functions that use it fail until a restart");
            }
        });
    }
}

async fn unpack(
    ctx: &RequestContext,
    digest: CodeDigest,
    blobs: &dyn Blobs,
    packages: &dyn CodePackages,
) -> Result<(), LambdaError> {
    let Some(zip) = blobs.get(&digest.0).await? else {
        return Err(LambdaError::internal("the package that was uploaded is not there any more"));
    };
    packages.install(ctx, digest, zip).await?;
    Ok(())
}
