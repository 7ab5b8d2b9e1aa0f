//! Notices runtimes that have come while the server runs: installed by whatever means, or an image that could be had
//! at last. Their functions become active then.

use std::sync::Arc;
use std::time::Duration;

use hearth_lambda::Lambda;
use hearth_sandbox::Backend;
use tokio_util::sync::CancellationToken;

/// Between two looks, each of which costs next to nothing while nothing has changed. People install runtimes.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

pub(super) async fn watch(backend: Arc<dyn Backend>, lambda: Arc<Lambda>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_PAUSE)).await.is_some() {
        if backend.look_for_runtimes().await {
            lambda.runtimes_changed();
        }
    }
}
