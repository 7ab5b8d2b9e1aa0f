//! What the tests of both backends share: machines to run on, functions made of a few lines, and sinks to look into.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hearth_network::protocol::Boot;
use hearth_network::{NetworkClient, NetworkConfig, Policy};
use hearth_ports::{Architecture, CodeDigest, LogLevel, RuntimeId};
use hearth_sandbox::cgroup::machine_memory;
use hearth_sandbox::package::{TreeStore, Unpacker};
use hearth_sandbox::process::{EndpointHook, PoolConfig, RuntimeImages};
use hearth_sandbox::runtimes::{Language, Root, Search};
use hearth_sandbox::{
    Backend, Environment, EnvironmentSpec, Identity, Invocation, InvocationOutcome, LogRecord, OutputSink,
    ProcessBackend, ProcessConfig, SpawnerConfig, SpawnerProcess,
};
use hearth_types::{Mebibytes, RequestId};
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;

/// Of most functions of these tests.
pub const PYTHON: Root = Root::With(Language::Python { minor: 11 });
pub const NODE: Root = Root::With(Language::Node { major: 20 });

/// What a sandbox may write to its disk: a limit like any other, and yet a disk is full at once.
pub const WRITE_PER_SECOND: Mebibytes = Mebibytes(1_024);

static INSTANCES: AtomicU64 = AtomicU64::new(0);

/// Output as the sink got it, records in angle brackets behind their level and format.
#[derive(Default)]
pub struct Collected(Mutex<Vec<u8>>);

impl OutputSink for Collected {
    fn output(&self, bytes: &[u8]) {
        self.0.lock().extend_from_slice(bytes);
    }

    fn record(&self, record: LogRecord<'_>) {
        let level = record.level.map_or("-", LogLevel::as_str);
        let format = if record.is_json { "json" } else { "text" };
        self.0
            .lock()
            .extend_from_slice(&[b"<", level.as_bytes(), b" ", format.as_bytes(), b" ", record.bytes, b">"].concat());
    }
}

impl Collected {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }

    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// A process backend with its own directory of code trees.
pub struct Machine {
    pub backend: Arc<ProcessBackend>,
    trees: PathBuf,
    packages: AtomicU64,
    dir: TempDir,
}

/// How a machine differs from the usual one.
#[derive(Default)]
pub struct Setup {
    pub instance: Option<String>,
    pub search: Option<Search>,
    pub on_endpoint: Option<EndpointHook>,
    /// Makes trees of images that are roots of runtimes, in the directory of the trees.
    pub images: Option<fn(&Path) -> RuntimeImages>,
    /// No pool when `None`.
    pub pool: Option<PoolConfig>,
    /// Of all environments together; the machine's when `None`.
    pub memory: Option<Mebibytes>,
    /// No network when `None`.
    pub network: Option<Policy>,
}

/// Whom hearth-network becomes: a number that is assigned to nobody.
const NETWORK_IDENTITY: u32 = 0x6fff_fffe;

/// A hearth-network for sandboxes.
async fn network(policy: Policy) -> Arc<NetworkClient> {
    let boot = Boot { policy, identity: NETWORK_IDENTITY, resolv_conf: "/etc/resolv.conf".into() };
    let program = Some(env!("CARGO_BIN_EXE_hearth-spawner").into());
    NetworkClient::start(NetworkConfig { program, boot }).await.expect("hearth-network")
}

impl Machine {
    /// `None`, loudly, where this machine or user cannot isolate processes.
    pub async fn start() -> Option<Self> {
        Self::start_with(Setup::default()).await
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    pub async fn start_with(setup: Setup) -> Option<Self> {
        let dir = tempfile::tempdir().expect("tempdir");
        let trees = dir.path().join("trees");
        let instance = || format!("test-{}-{}", std::process::id(), INSTANCES.fetch_add(1, Ordering::Relaxed));
        let store =
            TreeStore::open(&trees, Unpacker::new(env!("CARGO_BIN_EXE_hearth-spawner").into())).expect("tree store");
        let spawner = SpawnerProcess::start(SpawnerConfig {
            instance: setup.instance.unwrap_or_else(instance),
            trees: trees.clone(),
            storage: dir.path().to_owned(),
            write_per_second: WRITE_PER_SECOND,
            memory: setup.memory.unwrap_or_else(|| machine_memory().expect("readable")),
            network: setup.network.is_some(),
            stock_max: 16,
            search: setup.search.unwrap_or_else(Search::from_environment),
            program: Some(env!("CARGO_BIN_EXE_hearth-spawner").into()),
        });
        let network = match setup.network {
            Some(policy) if spawner.is_ok() => Some(network(policy).await),
            _ => None,
        };
        let config = ProcessConfig {
            trees: store,
            pool: setup.pool.unwrap_or(PoolConfig { depth_max: 0, copies: false, ..PoolConfig::default() }),
            images: setup.images.map(|make| make(&trees)).unwrap_or_default(),
            network,
            on_endpoint: setup.on_endpoint,
        };
        let backend = match spawner {
            Ok(spawner) => ProcessBackend::new(spawner, config).await,
            Err(error) => Err(error),
        };
        match backend {
            Ok(backend) => Some(Self { backend: Arc::new(backend), trees, packages: AtomicU64::new(0), dir }),
            Err(error) => {
                eprintln!("SKIPPED: no process backend here: {error}");
                None
            }
        }
    }

    /// Waits until every kind of slot that can be made here waits to be taken.
    pub async fn wait_for_pool(&self) {
        let runtimes = ["provided.al2023", "python3.11", "nodejs20.x"].map(|id| RuntimeId(id.into()));
        runtimes.iter().for_each(|runtime| self.backend.expect(runtime));
        // Empty ones, and one with Python in it.
        let has = |root: &Root| self.backend.roots().contains(root);
        let kinds = [Root::Provided, PYTHON, NODE].iter().filter(|root| has(root)).count() + usize::from(has(&PYTHON));
        let filled = async {
            while self.backend.pool_depth() < kinds {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), filled).await.expect("the pool fills up");
    }

    /// Waits until a process of this runtime waits for a function.
    pub async fn wait_for_started(&self, runtime: &str) {
        self.backend.expect(&RuntimeId(runtime.into()));
        let started = async {
            while !self.backend.has_started(runtime) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), started).await.expect("one is started");
    }

    /// Waits until an archive of a Java's classes is there, or is known not to come; which.
    pub async fn wait_for_class_archive(&self, runtime: &str) -> bool {
        let runtime = RuntimeId(runtime.into());
        self.backend.expect(&runtime);
        let tried = async {
            loop {
                match self.backend.class_archive(&runtime) {
                    Some(has) => return has,
                    None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), tried).await.expect("it is tried")
    }

    /// Waits until environments like this get copies of a waiting process: those before do not.
    pub async fn wait_for_copies(&self, spec: &EnvironmentSpec) {
        let copied = async {
            while self.backend.copies() == 0 {
                let sink = std::sync::Arc::new(Collected::default());
                let first = self.backend.create(spec.clone(), sink).await.expect("created");
                first.destroy().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), copied).await.expect("one is copied");
    }

    /// A code package with these files; those called `bootstrap` or ending in `.sh` can be run.
    pub fn package(&self, files: &[(&str, &str)]) -> CodeDigest {
        self.package_of(&files.iter().map(|(name, text)| (*name, text.as_bytes())).collect::<Vec<_>>())
    }

    /// The same, of any content.
    pub fn package_of(&self, files: &[(&str, &[u8])]) -> CodeDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&self.packages.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let digest = CodeDigest(digest);
        let tree = self.trees.join(digest.hex());
        fs::create_dir(&tree).expect("tree");
        for (name, content) in files {
            let path = tree.join(name);
            fs::create_dir_all(path.parent().expect("below the tree")).expect("directory");
            fs::write(&path, content).expect("file");
            let mode = if name.ends_with("bootstrap") || name.ends_with(".sh") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        }
        digest
    }
}

impl Machine {
    /// Deletes a package and installs another under its digest, of one file.
    pub fn replace(&self, code: CodeDigest, name: &str, content: &str) {
        let tree = self.trees.join(code.hex());
        fs::remove_dir_all(&tree).expect("deleted");
        fs::create_dir(&tree).expect("tree");
        fs::write(tree.join(name), content).expect("file");
    }

    /// Copies a file of this machine into a package.
    pub fn add(&self, code: CodeDigest, name: &str, from: &std::path::Path) {
        let path = self.trees.join(code.hex()).join(name);
        fs::create_dir_all(path.parent().expect("below the tree")).expect("directory");
        fs::copy(from, path).expect("copied");
    }
}

pub fn spec(runtime: &str, code: CodeDigest) -> EnvironmentSpec {
    EnvironmentSpec {
        identity: Identity {
            function_name: "f".to_owned(),
            function_version: "$LATEST".to_owned(),
            handler: "app.handler".to_owned(),
            account_id: "000000000000".to_owned(),
        },
        runtime: RuntimeId(runtime.into()),
        architecture: if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 },
        code,
        layers: Vec::new(),
        memory: Mebibytes(512),
        ephemeral_storage: Mebibytes(512),
        handler: "app.handler".to_owned(),
        image: None,
        metadata: None,
        variables: vec![("AWS_LAMBDA_FUNCTION_NAME".to_owned(), "f".to_owned())],
    }
}

pub fn invocation(payload: impl Into<Bytes>) -> Invocation {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let id = format!("00000000-0000-4000-8000-{:012}", REQUESTS.fetch_add(1, Ordering::Relaxed));
    Invocation {
        request_id: RequestId::from(id.as_str()),
        deadline_ms: 4_102_444_800_000,
        invoked_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        trace: None,
        client_context: None,
        content_type: None,
        payload: payload.into(),
        sink: None,
    }
}

#[track_caller]
pub fn body(outcome: InvocationOutcome) -> String {
    match outcome {
        InvocationOutcome::Response { body } => String::from_utf8(body.to_vec()).expect("text"),
        other => panic!("not a response: {other:?}"),
    }
}

/// A custom runtime in the Python the system's tools bring: `handle(event)` in `app.py`.
pub const BOOTSTRAP: &str = r#"#!/usr/bin/python3
import http.client, json, os, sys, traceback
sys.path.insert(0, "/var/task")
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = api.getresponse()
    return answer, answer.read()
def failure(error):
    return json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
try:
    from app import handle
except Exception as error:
    call("POST", "init/error", failure(error), {"Lambda-Runtime-Function-Error-Type": "Runtime.ImportModuleError"})
    sys.exit(1)
while True:
    answer, event = call("GET", "invocation/next")
    request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        result = handle(json.loads(event))
        call("POST", f"invocation/{request}/response", json.dumps(result))
    except Exception as error:
        call("POST", f"invocation/{request}/error", failure(error), {"Lambda-Runtime-Function-Error-Type": "Function.Error"})
"#;

/// A function for [`BOOTSTRAP`].
pub const ECHO: &str = "def handle(event): return event";

/// A class `app.handler` that tells what a Java function sees of itself; `None` where nothing can compile it.
pub fn java_look() -> Option<Vec<u8>> {
    const SOURCE: &str = "tests/looks/handler.java";
    let folder = tempfile::tempdir().expect("folder");
    let mut javac = std::process::Command::new("javac");
    javac.args(["--release", "8", "-Xlint:-options", "-cp", "../../runtimes/java/bootstrap.jar", SOURCE, "-d"]);
    let status = javac.arg(folder.path()).status().ok()?;
    assert!(status.success(), "{SOURCE} does not compile");
    fs::read(folder.path().join("app/handler.class")).ok()
}

/// An environment that is ready.
pub async fn started(machine: &Machine, spec: EnvironmentSpec) -> (Arc<dyn Environment>, Arc<Collected>) {
    let output = Arc::new(Collected::default());
    let environment = machine.backend.create(spec, output.clone()).await.expect("created");
    environment.ready().await.unwrap_or_else(|error| panic!("{error:?}; {}", output.text()));
    (environment, output)
}

/// Invokes and expects a response.
pub async fn value(environment: &Arc<dyn Environment>, event: &Value) -> Value {
    serde_json::from_str(&body(environment.invoke(invocation(event.to_string())).await)).expect("JSON")
}

/// Children of a process, by name.
pub fn children(of: u32, name: &str) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let named = status.lines().next()?.ends_with(&format!("\t{name}"));
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"))?.parse().ok();
        parent.filter(|_| named)
    };
    let pids = std::fs::read_dir("/proc")
        .expect("proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}
