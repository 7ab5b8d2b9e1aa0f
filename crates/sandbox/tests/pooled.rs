//! A process that was started before anybody knew what for, or copied from one, is, once it has its function, like one that
//! was started for it: whatever a function can see of itself is compared.

#[path = "isolation/image.rs"]
mod image;
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use hearth_ports::{CodeDigest, RuntimeId};
use hearth_sandbox::Backend;
use hearth_sandbox::process::{PoolConfig, RuntimeImages};
use hearth_sandbox::runtimes::ImageRoot;
use hearth_types::Mebibytes;
use serde_json::{Value, json};
use support::{Collected, Machine, Setup, spec, value};

/// What a Python function sees of itself.
const PYTHON: &str = r#"
import ctypes, os, resource, sys
def text(path):
    with open(path, "rb") as file: return file.read().decode("latin-1")
def limits():
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}
def mounts():
    # Without ids, and without the number of the device, which is everybody's own.
    def line(text):
        left, right = text.split(" - ")
        kind, source = right.split()[:2]
        return [left.split()[3:6], kind, "" if kind == "ext4" else source]
    return sorted(line(text) for text in open("/proc/self/mountinfo"))
def library(name):
    try: return ctypes.CDLL(name)._name
    except OSError as error: return str(error)
def handler(event, context):
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_char_p
    return {
        "environ": dict(os.environ), "order": list(os.environ),
        "proc environ": text("/proc/self/environ").split("\0"),
        "getenv": {name: (libc.getenv(name.encode()) or b"").decode() for name in os.environ},
        "path": sys.path, "argv": sys.argv, "flags": str(sys.flags), "modules": sorted(sys.modules),
        "command line": text("/proc/self/cmdline"), "cwd": os.getcwd(), "proc cwd": os.readlink("/proc/self/cwd"),
        "here": sorted(os.listdir(".")), "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
        "umask": os.umask(0o022), "limits": limits(), "fds": sorted(os.listdir("/proc/self/fd")), "mounts": mounts(),
        "status": [l for l in open("/proc/self/status") if l.startswith(("Cap", "NoNew", "Seccomp", "Sig", "Shd", "Threads", "Groups"))],
        "pid": os.getpid(), "session": os.getsid(0), "affinity": len(os.sched_getaffinity(0)), "nice": os.nice(0),
        "libraries": [library(name) for name in ("libtask.so", "liblayer.so", "libz.so.1")],
        "meminfo": text("/proc/meminfo").splitlines()[0], "oom": text("/proc/self/oom_score_adj"),
        "locale": __import__("locale").setlocale(0), "time": __import__("time").tzname,
        "program": os.readlink("/proc/self/exe"), "parent": os.getppid(), "group": os.getpgid(0) == os.getpid(),
        "files": sorted({l.split()[-1] for l in open("/proc/self/maps") if "/" in l}), "dumpable": ctypes.CDLL(None).prctl(3),
        "children": [str(s) for s in map(__import__("signal").getsignal, (17, 13, 2))], "owner": os.stat("/proc/self/environ").st_uid,
        "child": os.popen("echo child").read(), "name": context.function_name, "memory": context.memory_limit_in_mb,
    }
"#;

const NODE: &str = r#"
const fs = require("fs"), v8 = require("v8"), os = require("os");
const text = (path) => fs.readFileSync(path, "latin1");
const mounts = () => text("/proc/self/mountinfo").trim().split("\n").map((line) => {
  const [left, right] = line.split(" - ");
  const [kind, source] = right.split(" ");
  return [left.split(" ").slice(3, 6).join(" "), kind, kind === "ext4" ? "" : source].join(" ");
}).sort();
exports.handler = async (event, context) => ({
  environ: { ...process.env }, names: Object.keys(process.env).sort(),
  "proc environ": text("/proc/self/environ").split("\0").sort(),
  argv: process.argv, execArgv: process.execArgv, "command line": text("/proc/self/cmdline"), cwd: process.cwd(),
  here: fs.readdirSync(".").sort(), uid: process.getuid(), gid: process.getgid(), fds: fs.readdirSync("/proc/self/fd").length,
  limits: text("/proc/self/limits"), mounts: mounts(), heap: v8.getHeapStatistics().heap_size_limit,
  memory: os.totalmem(), processors: os.cpus().length, parallel: os.availableParallelism(), threads: fs.readdirSync("/proc/self/task").length,
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone, pid: process.pid, name: context.functionName,
  globals: Object.getOwnPropertyNames(globalThis).sort(), paths: module.paths, main: require.main === undefined,
});
"#;

/// Compiled by what the machine has.
const DOTNET: &str = "tests/looks/App.cs";

/// How the script says that the machine has no compiler.
const NO_COMPILER: i32 = 2;

struct Look {
    runtime: &'static str,
    /// Its root is an image, not this machine's.
    in_image: bool,
    handler: &'static str,
    /// In the package.
    file: &'static str,
    /// `None` where the machine cannot compile it.
    content: fn() -> Option<Vec<u8>>,
    /// Whether the heap is bound by the function's memory: 85 percent, as of AWS's client for Java.
    heap_is_of_memory: bool,
    /// Whether a process that waits may become one with a variable that is empty.
    takes_empty: bool,
    /// What may differ, with the reason.
    differs: &'static [(&'static str, &'static str)],
    /// What may differ in copies besides; `None` where there are none.
    differs_in_copies: Option<&'static [(&'static str, &'static str)]>,
}

/// How a function got its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Started,
    Waited,
    Copied,
}

const LOOKS: &[Look] = &[
    Look {
        runtime: "python3.11",
        in_image: false,
        handler: "app.handler",
        file: "app.py",
        content: || Some(PYTHON.into()),
        heap_is_of_memory: false,
        takes_empty: true,
        differs: &[],
        differs_in_copies: Some(&[
            ("pid", "two processes have taken part in it before"),
            ("session", "it is named after its first process"),
        ]),
    },
    Look {
        runtime: "nodejs20.x",
        in_image: false,
        handler: "app.handler",
        file: "app.js",
        content: || Some(NODE.into()),
        heap_is_of_memory: false,
        takes_empty: true,
        differs: &[(
            "threads",
            "libuv's workers run already, as on Lambda, whose runtime is an ES module; else they start with the first use",
        )],
        differs_in_copies: None,
    },
    Look {
        runtime: "java17",
        in_image: false,
        handler: "app.handler",
        file: "app/handler.class",
        content: support::java_look,
        heap_is_of_memory: true,
        takes_empty: true,
        differs: &[],
        differs_in_copies: None,
    },
    Look {
        runtime: "dotnet8",
        in_image: false,
        handler: "App::App::Look",
        file: "App.dll",
        content: dotnet,
        heap_is_of_memory: true,
        takes_empty: false,
        differs: &[("assemblies", "those of the framework that functions use are loaded already")],
        differs_in_copies: None,
    },
    Look {
        runtime: PYTHON_IN_AN_IMAGE,
        in_image: true,
        handler: "app.handler",
        file: "app.py",
        content: || Some(PYTHON.into()),
        heap_is_of_memory: false,
        takes_empty: true,
        differs: &[],
        differs_in_copies: None,
    },
];

/// What [`image`] has.
const PYTHON_IN_AN_IMAGE: &str = "python3.11";

/// The Python of this machine as an image that is the root of its runtime, with a variable of its own, and a shell.
fn python_as_image(trees: &Path) -> RuntimeImages {
    let digest = CodeDigest([0xee; 32]);
    let tree = trees.join(digest.hex());
    image::write(&tree);
    std::fs::create_dir(tree.join("bin")).expect("directory");
    std::fs::copy("/bin/sh", tree.join("bin/sh")).expect("a shell");
    let (id, variables) = (RuntimeId(PYTHON_IN_AN_IMAGE.into()), ["OF_THE_IMAGE=1".to_owned()]);
    // Where the machine has another version there is no such function; that is said when one is to be made.
    let root = ImageRoot::inspect(&id, digest, &variables, &tree).ok();
    RuntimeImages::ready(root.map(|root| (PYTHON_IN_AN_IMAGE.to_owned(), root)))
}

fn dotnet() -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("folder");
    let library = folder.path().join("App.dll");
    let status = Command::new("../../tools/compile-csharp.sh").arg(&library).arg(DOTNET).status().ok()?;
    assert!(status.success() || status.code() == Some(NO_COMPILER), "{DOTNET} does not compile");
    std::fs::read(library).ok()
}

async fn seen(look: &Look, memory: Mebibytes, way: Way) -> Option<Value> {
    let pool = match way {
        Way::Started => None,
        Way::Waited => Some(PoolConfig::default()),
        Way::Copied => Some(PoolConfig { depth_max: 0, ..PoolConfig::default() }),
    };
    let Some(content) = (look.content)() else {
        eprintln!("SKIPPED: the function for {} cannot be compiled on this machine", look.runtime);
        return None;
    };
    let images = look.in_image.then_some(python_as_image as _);
    let machine = Machine::start_with(Setup { pool, images, ..Setup::default() }).await?;
    let code = machine.package_of(&[(look.file, &content), ("libtask.so", b"not a library")]);
    let layer = machine.package(&[("lib/liblayer.so", "not a library")]);
    let mut spec = spec(look.runtime, code);
    if let Err(missing) = machine.backend.check(&spec.runtime, spec.architecture) {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    spec.handler = look.handler.to_owned();
    spec.memory = memory;
    spec.layers = vec![layer];
    spec.variables = [("MINE", "ünï"), ("AWS_LAMBDA_FUNCTION_NAME", "f"), ("LONG", &"x".repeat(3_000)), ("EMPTY", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    spec.variables.retain(|(_, value)| look.takes_empty || !value.is_empty());
    if look.runtime.starts_with("java") && !look.in_image {
        // What has started before is as it was.
        machine.wait_for_class_archive(look.runtime).await;
    }
    if way == Way::Copied {
        machine.wait_for_copies(&spec).await;
    }
    if way == Way::Waited {
        machine.wait_for_pool().await;
        // Of some kinds one is prepared when the first function has asked for it.
        let first = machine.backend.create(spec.clone(), Arc::new(Collected::default())).await.expect("created");
        first.destroy().await;
        machine.wait_for_started(look.runtime).await;
    }
    let copies = machine.backend.copies();
    let sink = Arc::new(Collected::default());
    let environment = machine.backend.create(spec, sink.clone()).await.expect("created");
    environment.ready().await.unwrap_or_else(|error| panic!("{error:?} {}", sink.text()));
    let seen = value(&environment, &json!({})).await;
    let got = match (machine.backend.pool_hits() > 0, machine.backend.copies() > copies) {
        (true, _) => Way::Waited,
        (false, true) => Way::Copied,
        (false, false) => Way::Started,
    };
    assert_eq!(got, way, "{}", look.runtime);
    assert_eq!(sink.text(), "");
    machine.backend.shutdown().await;
    Some(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_cannot_tell_whether_its_process_waited_for_it_or_was_copied() {
    for look in LOOKS {
        for memory in [Mebibytes(128), Mebibytes(1_769)] {
            let Some(started) = seen(look, memory, Way::Started).await else { break };
            if look.heap_is_of_memory {
                let (heap, memory) = (started["heap"].as_u64().expect("its bound"), memory.bytes());
                assert!(heap > memory * 3 / 4 && heap < memory * 9 / 10, "{} {memory}: {heap}", look.runtime);
            }
            let mut ways = vec![(Way::Waited, look.differs)];
            ways.extend(look.differs_in_copies.map(|differs| (Way::Copied, differs)));
            for (way, differs) in ways {
                let other = seen(look, memory, way).await.expect("as before");
                let (started, other) = (started.as_object().expect("object"), other.as_object().expect("object"));
                let differs = |name: &str| differs.iter().any(|(allowed, _)| *allowed == name);
                let different: Vec<String> = started
                    .keys()
                    .filter(|name| !differs(name) && started.get(*name) != other.get(*name))
                    .map(|name| format!("{name}:\n  {}\n  {}", json!(started[name]), json!(other[name])))
                    .collect();
                assert!(different.is_empty(), "{way:?} {} with {memory} MB:\n{}", look.runtime, different.join("\n"));
            }
        }
    }
}
