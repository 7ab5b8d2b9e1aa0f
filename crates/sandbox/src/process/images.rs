//! The images that are roots of runtimes: each is looked up, fetched and unpacked when the server starts, in a task of its
//! own, and tried again for as long as it cannot be had. Functions of that runtime wait for it a while.
//!
//! What a reference stood for is remembered in a file, so that the tree is still there and still known at a start at
//! which nobody can be asked.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hearth_ports::{CodeDigest, CodePackages, ImageConfig, ImageError, Images, PinnedImage, ResolvedImage, RuntimeId};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::NATIVE;
use crate::environment::Unsupported;
use crate::package::TreeStore;
use crate::runtimes::ImageRoot;

/// How long a function waits for an image that is on its way.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a registry may take to say what a reference stands for.
const RESOLVE_WAIT_MAX: Duration = Duration::from_secs(50);
/// Between two attempts to have an image.
const RETRY_PAUSE: Duration = Duration::from_secs(30);
/// Bytes of the file: a few references and what their images say of themselves.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// See the module. Dropped, it stops what is on its way.
#[derive(Default)]
pub struct RuntimeImages {
    runtimes: RwLock<BTreeMap<String, watch::Receiver<State>>>,
    tasks: Mutex<JoinSet<()>>,
    /// `None` where all are there.
    source: Option<Arc<Source>>,
    /// One has become ready.
    news: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
enum State {
    OnItsWay,
    Ready(Arc<ImageRoot>),
    /// Why not.
    Failed(String),
}

/// What a reference stood for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// As it is configured.
    uri: String,
    /// By digest.
    pinned_uri: String,
    digest: CodeDigest,
    config: ImageConfig,
}

/// Where the tasks get images from, and what they remember.
struct Source {
    trees: TreeStore,
    images: Arc<dyn Images>,
    file: PathBuf,
    known: Mutex<BTreeMap<String, Known>>,
}

impl RuntimeImages {
    /// Begins to fetch the image of each runtime, by identifier. `file` is where they are remembered.
    ///
    /// # Errors
    /// The file cannot be read. That it is not there is none.
    pub fn start(
        configured: &BTreeMap<String, String>,
        trees: TreeStore,
        images: Arc<dyn Images>,
        file: PathBuf,
    ) -> io::Result<Self> {
        let mut known = read(&file)?;
        known.retain(|runtime, known| configured.get(runtime) == Some(&known.uri));
        known.values().for_each(|known| trees.keep(&known.digest, true));
        let source = Arc::new(Source { trees, images, file, known: Mutex::new(known) });
        let all = Self { source: Some(source), ..Self::default() };
        for (runtime, uri) in configured {
            all.add(runtime, uri);
        }
        Ok(all)
    }

    /// Begins to fetch the image of a runtime, unless it has one.
    pub(super) fn add(&self, runtime: &str, uri: &str) {
        let Some(source) = self.source.clone() else { return };
        let mut runtimes = self.runtimes.write();
        if runtimes.contains_key(runtime) {
            return;
        }
        let (state, shown) = watch::channel(State::OnItsWay);
        runtimes.insert(runtime.to_owned(), shown);
        let (runtime, uri, news) = (RuntimeId(runtime.into()), uri.to_owned(), Arc::clone(&self.news));
        self.tasks.lock().spawn(async move {
            have(runtime, uri, source, state).await;
            news.store(true, Ordering::Release);
        });
    }

    /// Whether one has become ready since this was last asked.
    pub(super) fn has_news(&self) -> bool {
        self.news.swap(false, Ordering::Acquire)
    }

    /// Images that are unpacked already, by the identifiers of their runtimes.
    #[must_use]
    pub fn ready(roots: impl IntoIterator<Item = (String, ImageRoot)>) -> Self {
        let shown = |root| watch::channel(State::Ready(Arc::new(root))).1;
        let runtimes = roots.into_iter().map(|(runtime, root)| (runtime, shown(root))).collect();
        Self { runtimes: RwLock::new(runtimes), ..Self::default() }
    }

    /// Whether functions of this runtime have an image as their root, and if so whether it can be had; one that is on its
    /// way can.
    pub(super) fn check(&self, runtime: &RuntimeId) -> Option<Result<(), Unsupported>> {
        Some(match &*self.runtimes.read().get(&*runtime.0)?.borrow() {
            State::OnItsWay | State::Ready(_) => Ok(()),
            State::Failed(why) => Err(Unsupported::NotReady(why.clone())),
        })
    }

    /// Whether functions of this runtime have an image as their root, and if so which build of it, once it is there.
    pub(super) fn origin(&self, runtime: &RuntimeId) -> Option<Option<String>> {
        Some(match &*self.runtimes.read().get(&*runtime.0)?.borrow() {
            State::Ready(root) => Some(root.digest.hex()),
            State::OnItsWay | State::Failed(_) => None,
        })
    }

    /// The root of this runtime's functions, if it is an image that is there.
    pub(super) fn at_hand(&self, runtime: &RuntimeId) -> Option<Arc<ImageRoot>> {
        match &*self.runtimes.read().get(&*runtime.0)?.borrow() {
            State::Ready(root) => Some(Arc::clone(root)),
            State::OnItsWay | State::Failed(_) => None,
        }
    }

    /// The root of this runtime's functions, if it is an image.
    ///
    /// # Errors
    /// It cannot be had, or not yet; which, and why.
    pub(super) async fn root(&self, runtime: &RuntimeId) -> Result<Option<Arc<ImageRoot>>, Unsupported> {
        let Some(mut state) = self.runtimes.read().get(&*runtime.0).cloned() else { return Ok(None) };
        // It closes when the task is done, and what it says last stays.
        let _ = timeout(WAIT_MAX, state.wait_for(|state| !matches!(state, State::OnItsWay))).await;
        let state = state.borrow().clone();
        match state {
            State::Ready(root) => Ok(Some(root)),
            State::Failed(why) => Err(Unsupported::NotReady(why)),
            State::OnItsWay => Err(Unsupported::NotReady(format!(
                "the image of the runtime {} is still being fetched; try again",
                runtime.0
            ))),
        }
    }
}

/// Until it is there.
async fn have(runtime: RuntimeId, uri: String, source: Arc<Source>, state: watch::Sender<State>) {
    tracing::info!(runtime = &*runtime.0, image = uri, "getting the runtime's image");
    let mut said = String::new();
    loop {
        match source.install(&runtime, &uri).await {
            Ok(root) => {
                tracing::info!(runtime = &*runtime.0, image = uri, digest = %root.digest.hex(), "the runtime's image is ready");
                state.send_replace(State::Ready(Arc::new(root)));
                return;
            }
            Err(why) => {
                let why = format!("the image {uri} of the runtime {} cannot be had: {why}", runtime.0);
                if said != why {
                    tracing::error!("{why}; trying again every {RETRY_PAUSE:?}");
                }
                state.send_replace(State::Failed(why.clone()));
                said = why;
            }
        }
        sleep(RETRY_PAUSE).await;
    }
}

impl Source {
    async fn install(&self, runtime: &RuntimeId, uri: &str) -> Result<ImageRoot, String> {
        let known = self.known.lock().get(&*runtime.0).cloned();
        let resolved = timeout(RESOLVE_WAIT_MAX, self.images.resolve(uri, NATIVE)).await;
        let resolved = resolved.map_err(|_| "the registry does not answer".to_owned());
        let now = match (resolved.and_then(|resolved| resolved.map_err(|error| text(&error))), known.clone()) {
            (Ok(ResolvedImage { digest, pinned_uri, config }), _) => {
                Known { uri: uri.to_owned(), pinned_uri, digest, config }
            }
            (Err(why), Some(known)) if self.trees.path(&known.digest).is_dir() => {
                tracing::warn!(
                    runtime = &*runtime.0,
                    image = uri,
                    why,
                    "the runtime's image is the one of the last start"
                );
                known
            }
            (Err(why), _) => return Err(why),
        };
        let Known { digest, pinned_uri, config, .. } = now.clone();
        self.trees.keep(&digest, true);
        let installed = async {
            let image = PinnedImage { digest, uri: pinned_uri, architecture: NATIVE };
            self.trees.install_image(&image, Arc::clone(&self.images)).await.map_err(|error| text(&error))?;
            ImageRoot::inspect(runtime, digest, &config.environment, &self.trees.path(&digest))
        };
        let before = known.map(|known| known.digest);
        match installed.await {
            Ok(root) => {
                self.remember(runtime, now)?;
                before.filter(|before| *before != digest).iter().for_each(|before| self.let_go(before));
                Ok(root)
            }
            Err(why) => {
                if before != Some(digest) {
                    self.let_go(&digest);
                }
                Err(why)
            }
        }
    }

    fn remember(&self, runtime: &RuntimeId, now: Known) -> Result<(), String> {
        let mut known = self.known.lock();
        if known.get(&*runtime.0) != Some(&now) {
            known.insert(runtime.0.to_string(), now);
            let text = serde_json::to_vec_pretty(&*known).map_err(|error| error.to_string())?;
            let new = self.file.with_extension("new");
            let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.file));
            written.map_err(|error| format!("{} cannot be written: {error}", self.file.display()))?;
        }
        Ok(())
    }

    /// Another runtime may have the same image.
    fn let_go(&self, digest: &CodeDigest) {
        if !self.known.lock().values().any(|known| known.digest == *digest) {
            self.trees.keep(digest, false);
        }
    }
}

/// With what the operator of a server may know and its callers need not.
fn text(error: &ImageError) -> String {
    match error {
        ImageError::AccessDenied { why } => why.clone(),
        ImageError::Invalid { why, .. } => format!("{error} ({why})"),
        _ => error.to_string(),
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, Known>> {
    let text = match std::fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => Err(io::Error::other("it is too large")),
        _ => std::fs::read(file),
    };
    text.and_then(|text| Ok(serde_json::from_slice(&text)?)).map_err(|error| {
        io::Error::new(error.kind(), format!("{}: {error}; delete it, it is made anew", file.display()))
    })
}
