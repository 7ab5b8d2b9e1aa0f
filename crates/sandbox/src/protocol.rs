//! What server, spawner and hearth-init say to each other. Data types only; [`hearth_network::seqpacket`] carries them.
//!
//! The spawner is privileged, so what can be asked of it is kept this small: slot numbers, digests, enums and sizes.
//! Never a path, an argument or a mount flag; what a digest or an enum stands for was fixed when it started.

use hearth_ports::CodeDigest;
use hearth_types::Mebibytes;
use hearth_types::limits::{EPHEMERAL_STORAGE_MAX, EPHEMERAL_STORAGE_MIN, LAYERS_MAX, MEMORY_MAX, MEMORY_MIN};
use serde::{Deserialize, Serialize};

use crate::cgroup::Knob;
use crate::mutation::{self, Control};
use crate::runtimes::{Client, Interpreter, Language, Root, Search};

/// Bytes of a [`Request`] or [`Reply`].
pub const SPAWNER_MESSAGE_BYTES_MAX: usize = 1_024;
/// Bytes of [`Boot`]: some paths.
pub const BOOT_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of an [`Order`] or [`Report`]. A function's variables are at most 4 KB, credentials and the platform's own
/// somewhat less; below the send buffer every kernel gives a unix socket.
pub const ORDER_BYTES_MAX: usize = 128 * 1_024;

/// Where the Runtime API, and everything else that Hearth offers inside a sandbox, is found. Recorded from Lambda.
pub const SANDBOX_ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(169, 254, 100, 1);
pub const RUNTIME_API_PORT: u16 = 9_001;
/// Hearth's own endpoint, the port its clients know.
pub const ENDPOINT_PORT: u16 = 4_566;

/// Announces the descriptor for log records to a managed runtime. Source: AWS's runtime interface clients.
pub(crate) const RECORDS_VARIABLE: &str = "_LAMBDA_TELEMETRY_LOG_FD";
/// Its number. Recorded from Lambda.
pub(crate) const RECORDS_DESCRIPTOR: i32 = 62;

/// Where layers bring external extensions. Source: Lambda developer guide, "Using the Lambda Extensions API".
pub const EXTENSIONS: &str = "/opt/extensions";

/// The first message to the spawner, from the program that started it: everything it needs to know. Not a request: the
/// spawner reads it once, before any slot exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Names the parent control group.
    pub instance: String,
    /// Directory with one code tree per digest.
    pub trees: std::path::PathBuf,
    /// Directory whose file system holds what functions write to `/tmp`; nothing in it ever has a name.
    pub storage: std::path::PathBuf,
    /// What each slot may write there a second; 0: as much as it can.
    pub write_bytes_per_second: u64,
    /// What all slots together may hold.
    pub memory: Mebibytes,
    /// Slots get a device that leads out.
    pub network: bool,
    /// How many slots are begun ahead of need, at most.
    pub stock_max: usize,
    pub interpreters: Vec<(Root, Interpreter)>,
    /// Where those are looked for that come later.
    pub search: Search,
}

/// Server to spawner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Prepare(PrepareSlot),
    Furnish(FurnishSlot),
    /// Puts a copy of its root's waiting runtime into a prepared slot, once.
    Copy {
        slot: u64,
    },
    /// Makes a root of an interpreter that has come meanwhile.
    AddRoot {
        language: Language,
    },
    /// Takes over the archive of classes that the root's Java has written in the slot, which was never a function's: for all
    /// slots of the root, once.
    KeepClassArchive {
        slot: u64,
    },
    /// Ends everything in the slot. Unknown slots are ignored: it may just have ended by itself.
    Destroy {
        slot: u64,
    },
}

/// A slot that has everything but a function: it can wait for one, with a runtime started already or without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareSlot {
    /// Never used before in this life of the spawner.
    pub slot: u64,
    pub root: Root,
    /// What is mounted in place of the root.
    pub image: Option<ImageTree>,
    /// What `/proc` tells of the machine goes by it. `None` when that may wait until the slot is furnished: nothing is
    /// started before that looks.
    pub memory: Option<Mebibytes>,
    pub ephemeral_storage: Mebibytes,
    /// It will get a copy of a process that waits elsewhere, so that none of its own needs to wait for something to run.
    pub for_copy: bool,
}

/// The tree of an image that is `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageTree {
    pub digest: CodeDigest,
    pub holds: ImageHolds,
}

/// What an image brings of its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ImageHolds {
    /// Code, runtime and extensions: it is the function.
    Function,
    /// The runtime; code and layers are mounted over it, and the client where it has none of its own.
    Runtime(Option<Client>),
}

/// Makes a prepared slot a function's, once and for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurnishSlot {
    pub slot: u64,
    /// In a slot with a function's image, that image.
    pub code: CodeDigest,
    /// The last one wins; none in a slot with a function's image.
    pub layers: Vec<CodeDigest>,
    pub memory: Mebibytes,
    pub ephemeral_storage: Mebibytes,
}

/// The request asks for what the spawner never gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is out of range")]
pub struct OutOfRange {
    pub what: &'static str,
}

/// The first of these that does not hold.
fn first_out_of_range(checks: &[(&'static str, bool)]) -> Result<(), OutOfRange> {
    let wrong = checks.iter().find(|(_, fine)| !fine && !mutation::is_off(Control::RequestLimits));
    wrong.map_or(Ok(()), |(what, _)| Err(OutOfRange { what }))
}

fn sizes(memory: Mebibytes, ephemeral_storage: Mebibytes) -> [(&'static str, bool); 2] {
    [
        ("memory", (MEMORY_MIN..=MEMORY_MAX).contains(&memory)),
        ("ephemeral storage", (EPHEMERAL_STORAGE_MIN..=EPHEMERAL_STORAGE_MAX).contains(&ephemeral_storage)),
    ]
}

impl PrepareSlot {
    /// The spawner's own check; it does not trust that the server has checked.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn check(&self) -> Result<(), OutOfRange> {
        first_out_of_range(&sizes(self.memory.unwrap_or(MEMORY_MIN), self.ephemeral_storage))
    }
}

impl FurnishSlot {
    /// As [`PrepareSlot::check`].
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn check(&self) -> Result<(), OutOfRange> {
        let [memory, storage] = sizes(self.memory, self.ephemeral_storage);
        first_out_of_range(&[memory, storage, ("the number of layers", self.layers.len() <= LAYERS_MAX)])
    }
}

/// Spawner to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// First message: slots of these roots can be made now. With descriptors: these files of the control group that all
    /// slots are in.
    Ready {
        roots: Vec<Root>,
        knobs: Vec<Knob>,
    },
    /// Slots with it can be made now, or could before.
    RootAdded {
        language: Language,
        interpreter: Interpreter,
    },
    RootNotAdded {
        language: Language,
        message: String,
    },
    /// First and last message: why not.
    BootFailed {
        message: String,
    },
    /// With descriptors: the control socket of hearth-init, the read ends of the function's output and of its log
    /// records, and these files of its control group, in this order.
    Prepared {
        slot: u64,
        knobs: Vec<Knob>,
    },
    /// Nothing of the slot exists.
    NotPrepared {
        slot: u64,
        message: String,
    },
    Furnished {
        slot: u64,
    },
    /// The slot is of no use any more and should be ended.
    NotFurnished {
        slot: u64,
        message: String,
    },
    /// The copy's number in the slot; `None` when there is nothing to copy yet.
    Copied {
        slot: u64,
        process: Option<i32>,
    },
    /// As [`NotFurnished`](Self::NotFurnished).
    NotCopied {
        slot: u64,
        message: String,
    },
    /// It is in `/var/runtime` of all slots of the root, older ones too.
    ClassArchiveKept {
        slot: u64,
    },
    ClassArchiveNotKept {
        slot: u64,
        message: String,
    },
    /// Nothing of the slot is left.
    Ended {
        slot: u64,
    },
    /// Something for the log that answers no request.
    Trouble {
        message: String,
    },
}

/// Server to hearth-init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Starts a process, one of each at a time. The first runtime process of a slot may be started without, see
    /// [`Report::Up`].
    Start(Process, Launch),
    /// Takes in a child that the spawner has put there, by its number.
    Adopt(Process, i32),
    /// Asks for the names of the programs in `/opt/extensions`.
    ListExtensions,
    /// Asks the runtime process to end (SIGTERM), or ends it (SIGKILL).
    EndRuntime { kill: bool },
    /// Asks for a socket of the sandbox's own network, for the server to connect into it.
    Socket,
    /// Makes these `NAME=value` what `/proc` shows as the environment of the runtime process, which was started with
    /// others and waits for its assignment.
    ShowEnvironment {
        environment: Vec<String>,
        /// Also what its C library has as the environment and, once the slot is a function's, its working directory.
        in_full: bool,
    },
    /// Ends every process but hearth-init.
    KillAll,
}

/// A process of the platform's making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Process {
    Runtime,
    /// By its file name in `/opt/extensions`.
    Extension(String),
}

/// How a process is started.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The first of these that is a file is run.
    pub programs: Vec<String>,
    pub arguments: Vec<String>,
    /// A program that is run with the runtime's command line as its arguments. Source: Lambda developer guide,
    /// "Modifying the runtime environment", wrapper scripts.
    pub wrapper: Option<String>,
    pub working_directory: String,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Not before the slot is a function's: the order may come while the spawner still furnishes it.
    pub when_furnished: bool,
}

impl Launch {
    /// Whether its environment announces the descriptor for log records; only then it gets it.
    pub(crate) fn writes_records(&self) -> bool {
        self.environment.iter().any(|variable| {
            variable.strip_prefix(RECORDS_VARIABLE).is_some_and(|rest| rest == format!("={RECORDS_DESCRIPTOR}"))
        })
    }
}

impl std::fmt::Debug for Launch {
    /// Without the environment: it holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch")
            .field("programs", &self.programs)
            .field("arguments", &self.arguments)
            .field("wrapper", &self.wrapper)
            .finish_non_exhaustive()
    }
}

/// Hearth-init to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// First message of a slot. With descriptors: the socket of a process that waits to become the runtime's, if one does
    /// (it takes one [`Launch`]; what comes back is a [`LaunchFailure`], or the end that exec makes); the listeners of the
    /// Runtime API and of Hearth's endpoint; and, where slots have a network, the TUN device and the name server's UDP and
    /// TCP sockets.
    Up {
        waits: bool,
    },
    /// First and last message of a slot that could not be furnished.
    NotUp {
        step: Step,
        errno: i32,
    },
    Started(Process),
    NotStarted(Process, LaunchFailure),
    Exited(Process, ExitStatus),
    /// The answer to [`Order::ListExtensions`]: at most one more than may be started.
    Extensions(Vec<String>),
    /// The answer to [`Order::Socket`], with one descriptor; without one there is none to be had.
    Socket,
    /// The answer to [`Order::ShowEnvironment`]; 0 when it is done.
    EnvironmentShown {
        errno: i32,
    },
    /// The answer to [`Order::KillAll`]: no process is left.
    Killed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaunchFailure {
    /// None of the programs is there.
    NoProgram,
    /// Its working directory is not there.
    WorkingDirectory { errno: i32 },
    /// The kernel does not run it.
    Exec { program: String, errno: i32 },
    /// The process could not be confined, so it was not started.
    Confinement { errno: i32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    Exited(i32),
    Signaled(i32),
}

/// What a slot is made of, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    ControlGroup,
    Network,
    Storage,
    Root,
    Processes,
    Identity,
    Privileges,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ControlGroup => "entering its control group",
            Self::Network => "its network",
            Self::Storage => "making /tmp",
            Self::Root => "its root file system",
            Self::Processes => "mounting /proc",
            Self::Identity => "its user namespace",
            Self::Privileges => "giving up privileges",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prepare() -> PrepareSlot {
        let (root, ephemeral_storage) = (Root::Provided, Mebibytes(512));
        PrepareSlot { slot: 7, root, image: None, memory: None, ephemeral_storage, for_copy: false }
    }

    fn furnish() -> FurnishSlot {
        FurnishSlot {
            slot: 7,
            code: CodeDigest([1; 32]),
            layers: vec![CodeDigest([2; 32]); 5],
            memory: Mebibytes(128),
            ephemeral_storage: Mebibytes(512),
        }
    }

    #[test]
    fn only_a_process_that_is_told_of_it_gets_the_descriptor_for_log_records() {
        let launch = |variables: &[&str]| Launch {
            programs: Vec::new(),
            arguments: Vec::new(),
            wrapper: None,
            working_directory: "/".to_owned(),
            environment: variables.iter().map(|variable| (*variable).to_owned()).collect(),
            when_furnished: true,
        };
        assert!(launch(&["A=b", "_LAMBDA_TELEMETRY_LOG_FD=62"]).writes_records());
        for others in [&[][..], &["_LAMBDA_TELEMETRY_LOG_FD=1"], &["X=_LAMBDA_TELEMETRY_LOG_FD=62"]] {
            assert!(!launch(others).writes_records(), "{others:?}");
        }
    }

    #[test]
    fn the_largest_request_fits() {
        let largest = Request::Furnish(FurnishSlot { slot: u64::MAX, ..furnish() });
        assert!(postcard::to_allocvec(&largest).expect("encodes").len() <= SPAWNER_MESSAGE_BYTES_MAX);
    }

    #[test]
    fn the_spawner_refuses_sizes_lambda_does_not_have() {
        assert_eq!((prepare().check(), furnish().check()), (Ok(()), Ok(())));
        for memory in [127, 10_241].map(Mebibytes) {
            assert!(PrepareSlot { memory: Some(memory), ..prepare() }.check().is_err(), "{memory}");
            assert!(FurnishSlot { memory, ..furnish() }.check().is_err(), "{memory}");
        }
        for ephemeral_storage in [511, 10_241].map(Mebibytes) {
            assert!(PrepareSlot { ephemeral_storage, ..prepare() }.check().is_err(), "{ephemeral_storage}");
            assert!(FurnishSlot { ephemeral_storage, ..furnish() }.check().is_err(), "{ephemeral_storage}");
        }
        assert!(FurnishSlot { layers: vec![CodeDigest([2; 32]); 6], ..furnish() }.check().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..SPAWNER_MESSAGE_BYTES_MAX)) {
            let _ = postcard::from_bytes::<Request>(&bytes);
            let _ = postcard::from_bytes::<Reply>(&bytes);
            let _ = postcard::from_bytes::<Order>(&bytes);
            let _ = postcard::from_bytes::<Report>(&bytes);
            let _ = postcard::from_bytes::<Boot>(&bytes);
        }

        #[test]
        fn what_decodes_is_what_was_sent(slot in any::<u64>(), layers in 0_usize..=5) {
            let request = Request::Furnish(FurnishSlot { slot, layers: vec![CodeDigest([9; 32]); layers], ..furnish() });
            let bytes = postcard::to_allocvec(&request).expect("encodes");
            prop_assert_eq!(postcard::from_bytes::<Request>(&bytes).expect("decodes"), request);
        }
    }
}
