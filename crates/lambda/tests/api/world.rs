//! A server with everything real but its neighbours, and a client that speaks HTTP to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_lambda::url::UrlDomain;
use hearth_lambda::{Catalog, Lambda, LambdaParts, Layers, Mappings, Readiness};
use hearth_ports::{Architecture, RuntimeId};
use hearth_store::{Blobs, Codec, DirBlobs, Key, SqliteStore, Store};
use hearth_types::{AuthMode, ManualClock, OsRandom, SandboxAuth};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::fakes::{
    AnyRole, FakeInvoker, FakePollers, GatedStore, Keeper, NoKeys, Permissions, Queues, Registry, Trees,
};

pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const NOW_MS: i64 = 1_768_232_232_000;
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/r";
/// Longest wait for background work.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) front: Arc<Front>,
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) store: Arc<GatedStore>,
    pub(crate) blobs: Arc<DirBlobs>,
    pub(crate) trees: Arc<Trees>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) invoker: Arc<FakeInvoker>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) pollers: Arc<FakePollers>,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) clock: Arc<ManualClock>,
    dir: Dir,
}

/// The data directory of a world that may be restarted.
struct Dir(Arc<tempfile::TempDir>);

impl Dir {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The body, if the status is this one.
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Status, code, `Type` and text of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String, Option<String>, String) {
        let body = self.json();
        let text = body.get("message").or_else(|| body.get("Message")).and_then(Value::as_str).unwrap_or_default();
        let code = self.header("x-amzn-errortype").unwrap_or_default().to_owned();
        let fault = body.get("Type").and_then(Value::as_str).map(str::to_owned);
        (self.status.as_u16(), code, fault, text.to_owned())
    }
}

/// The answer is this refusal.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str, text: &str) {
    let (got_status, got_code, _, got_text) = answer.refusal();
    assert_eq!((got_status, got_code.as_str(), got_text.as_str()), (status, code, text));
}

/// No bucket is there.
struct NoObjects;

#[async_trait::async_trait]
impl hearth_ports::ObjectStore for NoObjects {
    async fn read(
        &self,
        _: &hearth_types::RequestContext,
        _: &hearth_ports::ObjectRef,
        _: u64,
    ) -> Result<bytes::Bytes, hearth_ports::ObjectError> {
        let message = "The specified bucket does not exist".to_owned();
        Err(hearth_ports::ObjectError::Refused { code: "NoSuchBucket", message })
    }

    async fn write(
        &self,
        _: &hearth_types::RequestContext,
        _: &str,
        _: &str,
        _: &str,
        _: bytes::Bytes,
    ) -> Result<(), hearth_ports::ObjectError> {
        let message = "The specified bucket does not exist".to_owned();
        Err(hearth_ports::ObjectError::Refused { code: "NoSuchBucket", message })
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = Dir(Arc::new(tempfile::tempdir().expect("a directory")));
        Self::open(dir, Arc::new(Trees::default()), Arc::new(ManualClock::at(NOW_MS))).await
    }

    async fn open(dir: Dir, trees: Arc<Trees>, clock: Arc<ManualClock>) -> Self {
        let store = Arc::new(GatedStore::new(open_store(&dir.path("store")).await));
        let blobs = Arc::new(DirBlobs::open(&dir.path("blobs")).expect("blobs"));
        let codec = Arc::new(Codec::open(&dir.path("keys")).expect("keys"));
        let catalog = Catalog::load(&*store, &codec).await.expect("a catalogue");
        let keeper = Arc::new(Keeper::default());
        let permissions = Arc::new(Permissions::default());
        let invoker = Arc::new(FakeInvoker::new(catalog.clone(), permissions.clone()));
        let registry = Arc::new(Registry::default());
        let layers = Layers::load(store.clone(), codec.clone()).await.expect("layers");
        let (queues, pollers) = (Arc::<Queues>::default(), Arc::<FakePollers>::default());
        let mappings = Mappings::load(store.clone(), codec.clone(), pollers.clone(), clock.clone());
        let lambda = Lambda::start(LambdaParts {
            catalog: catalog.clone(),
            layers,
            mappings: mappings.await.expect("mappings"),
            queues: queues.clone(),
            objects: Arc::new(NoObjects),
            store: store.clone(),
            blobs: blobs.clone(),
            codec,
            packages: trees.clone(),
            images: registry.clone(),
            invoker: invoker.clone(),
            keeper: keeper.clone(),
            authorizer: permissions.clone(),
            credentials: Arc::new(AnyRole),
            metrics: Arc::new(hearth_ports::NoMetrics),
            runnable: Arc::new({
                let trees = trees.clone();
                move |runtime: &RuntimeId, architecture| {
                    let has_java = trees.has_java.load(Ordering::Relaxed);
                    runnable(runtime, architecture, has_java)
                }
            }),
            runtime_versions: Arc::new({
                let trees = trees.clone();
                move |runtime: &RuntimeId, architecture| trees.runtime_version(runtime, architecture)
            }),
            account_concurrency: 1_000,
            urls: UrlDomain::default(),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
        });
        let front = Front::new(FrontConfig {
            services: vec![hearth_lambda::service(lambda.clone())],
            keys: Arc::new(NoKeys),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
            auth: AuthMode::Open,
            sandbox_auth: SandboxAuth::Role,
        });
        let front = Arc::new(front.expect("one service"));
        Self {
            front,
            lambda,
            catalog,
            store,
            blobs,
            trees,
            registry,
            invoker,
            keeper,
            queues,
            pollers,
            permissions,
            clock,
            dir,
        }
    }

    /// The same data in a new server; the old one ends as if killed.
    pub(crate) async fn restart(self) -> Self {
        let (dir, trees, clock) = (Dir(self.dir.0.clone()), self.trees.clone(), self.clock.clone());
        self.store.kill();
        drop(self);
        Self::open(dir, trees, clock).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        send(&self.front, method, path, headers, body).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.send(method, path, &[], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }

    pub(crate) async fn create(&self, body: Value) -> Answer {
        self.call("POST", "/2015-03-31/functions", body).await
    }

    /// Creates a function and waits until it is active; the configuration it has then.
    pub(crate) async fn created(&self, name: &str) -> Value {
        self.create(function(name)).await.ok(201);
        self.settled(name).await
    }

    pub(crate) async fn update_configuration(&self, name: &str, body: Value) -> Answer {
        self.call("PUT", &format!("/2015-03-31/functions/{name}/configuration"), body).await
    }

    pub(crate) async fn update_code(&self, name: &str, body: Value) -> Answer {
        self.call("PUT", &format!("/2015-03-31/functions/{name}/code"), body).await
    }

    pub(crate) async fn publish(&self, name: &str, body: Value) -> Answer {
        self.call("POST", &format!("/2015-03-31/functions/{name}/versions"), body).await
    }

    pub(crate) async fn delete(&self, name: &str) -> Answer {
        self.call("DELETE", &format!("/2015-03-31/functions/{name}"), Value::Null).await
    }

    pub(crate) async fn invoke(&self, name: &str, headers: &[(&str, &str)], payload: &'static [u8]) -> Answer {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        self.send("POST", &path, headers, Bytes::from_static(payload)).await
    }

    pub(crate) async fn configuration(&self, name: &str) -> Value {
        self.get(&format!("/2015-03-31/functions/{name}/configuration")).await.ok(200)
    }

    /// Waits, as SDK waiters do, until the function is active and no update is in progress.
    pub(crate) async fn settled(&self, name: &str) -> Value {
        let started = Instant::now();
        loop {
            let shown = self.configuration(name).await;
            if shown["State"] == "Active" && shown["LastUpdateStatus"] == "Successful" {
                return shown;
            }
            assert!(started.elapsed() < PATIENCE, "never ready: {shown}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until a member of the function's configuration has this value.
    pub(crate) async fn until(&self, name: &str, member: &str, value: &str) -> Value {
        let started = Instant::now();
        loop {
            let shown = self.configuration(name).await;
            if shown[member] == value {
                return shown;
            }
            assert!(started.elapsed() < PATIENCE, "{member} never {value}: {shown}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until an action was asked for so often. On the test's one thread those operations have then decided on
    /// what they saw, up to their commit.
    pub(crate) async fn asked(&self, action: &str, times: usize) {
        while self.permissions.asked.lock().iter().filter(|(asked, _)| asked == action).count() < times {
            tokio::task::yield_now().await;
        }
    }

    /// Every value of the store, one after the other.
    pub(crate) async fn stored_bytes(&self) -> Vec<u8> {
        let entries = self.store.scan(&Key::root(), None, 1_000).await.expect("entries");
        entries.iter().flat_map(|entry| entry.value.to_vec()).collect()
    }

    /// Waits until exactly these many packages are kept, blobs and trees.
    pub(crate) async fn packages_left(&self, count: usize) {
        let started = Instant::now();
        loop {
            let blobs = self.blobs.list().await.expect("a list").len();
            let trees = self.trees.installed.lock().len();
            if (blobs, trees) == (count, count) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{blobs} blobs and {trees} trees instead of {count}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub(crate) async fn send(front: &Front, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "hearth.test:4566");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).expect("a request");
    let peer: SocketAddr = ([127, 0, 0, 1], 40_000).into();
    let connection = Connection { peer, secure: false, listener: Listener::Outside };
    let (head, body) = front.handle(&connection, request).await.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// The old server's worker may hold the store for a moment longer.
async fn open_store(dir: &Path) -> SqliteStore {
    let started = Instant::now();
    loop {
        match SqliteStore::open(dir) {
            Ok(store) => return store,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn runnable(id: &RuntimeId, architecture: Architecture, has_java: bool) -> Result<Readiness, String> {
    if architecture == Architecture::Arm64 {
        return Err("this machine is x86_64.".to_owned());
    }
    match &*id.0 {
        "provided.al2023" | "python3.11" | "image" => Ok(Readiness::Ready),
        "java25" if has_java => Ok(Readiness::Ready),
        "java25" => Ok(Readiness::NotReady),
        _ => Err("available are provided.al2023, python3.11.".to_owned()),
    }
}

/// Base64, as blobs stand in JSON.
pub(crate) fn blob(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The smallest CreateFunction request; the package is different for every name.
pub(crate) fn function(name: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "python3.11",
        "Role": ROLE,
        "Handler": "index.handler",
        "Code": {"ZipFile": blob(format!("PK {name}").as_bytes())},
    })
}

/// `base` with more members.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let (Some(base_members), Value::Object(more)) = (base.as_object_mut(), more) else { panic!("two objects") };
    base_members.extend(more);
    base
}

pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}")
}

pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
