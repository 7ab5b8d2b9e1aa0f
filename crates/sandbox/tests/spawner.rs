//! The spawner's door, knocked at by a server gone bad: whatever is sent, only slots of known trees within the limits
//! come out, and the next honest request is served.

#[path = "support/groups.rs"]
mod groups;

use std::collections::BTreeSet;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use groups::groups;
use hearth_ports::CodeDigest;
use hearth_sandbox::package::{TreeStore, Unpacker};
use hearth_sandbox::protocol::{Boot, FurnishSlot, Order, PrepareSlot, Reply, Report, Request};
use hearth_sandbox::runtimes::{Language, Root, Search};
use hearth_types::{Mebibytes, Random, SeededRandom};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// More than the spawner takes.
const DESCRIPTORS_SENT_MAX: usize = 30;
const NONSENSE_MESSAGES: usize = 4_000;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Spawner {
    program: Child,
    socket: OwnedFd,
    dir: tempfile::TempDir,
}

fn send(socket: &OwnedFd, bytes: &[u8]) {
    send_with(socket, bytes, 0);
}

/// With so many descriptors that nobody asked for.
fn send_with(socket: &OwnedFd, bytes: &[u8], descriptors: usize) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_SENT_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = vec![socket.as_fd(); descriptors];
    assert!(descriptors.is_empty() || ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).expect("sent");
}

fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(message).expect("encodes")
}

fn receive<M: DeserializeOwned>(socket: &OwnedFd) -> Option<(M, Vec<OwnedFd>)> {
    receive_now(socket, RecvFlags::empty()).expect("received")
}

/// `None` inside when the other side has closed.
fn receive_now<M: DeserializeOwned>(
    socket: &OwnedFd,
    flags: RecvFlags,
) -> Result<Option<(M, Vec<OwnedFd>)>, rustix::io::Errno> {
    let mut buffer = [0; 4_096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(12))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, flags)?;
    let descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    let descriptors = descriptors.collect();
    Ok((received.bytes > 0).then(|| (postcard::from_bytes(&buffer[..received.bytes]).expect("decodes"), descriptors)))
}

impl Spawner {
    /// `None`, loudly, where it cannot work.
    fn start(instance: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("tempdir");
        let trees = dir.path().join("trees");
        TreeStore::open(&trees, Unpacker::new(env!("CARGO_BIN_EXE_hearth-spawner").into())).expect("tree store");
        std::fs::create_dir(trees.join(digest(1).hex())).expect("tree");
        std::fs::write(trees.join(digest(2).hex()), "a file").expect("file");
        std::os::unix::fs::symlink("/etc", trees.join(digest(3).hex())).expect("link");
        let (program, socket) = launch(Stdio::inherit());
        send(&socket, &encode(&boot(&format!("test-{instance}-{}", std::process::id()), dir.path())));
        match receive::<Reply>(&socket) {
            Some((Reply::Ready { roots, .. }, _)) => assert_eq!(roots, [Root::Provided]),
            other => {
                eprintln!("SKIPPED: the spawner cannot work here: {other:?}");
                return None;
            }
        }
        Some(Self { program, socket, dir })
    }

    fn ask(&self, request: &Request) -> (Reply, Vec<OwnedFd>) {
        send(&self.socket, &encode(request));
        self.answer()
    }

    /// The next reply that is no remark.
    fn answer(&self) -> (Reply, Vec<OwnedFd>) {
        loop {
            match receive(&self.socket).expect("the spawner lives") {
                (Reply::Trouble { .. }, _) => {}
                answer => return answer,
            }
        }
    }

    /// A slot that is up, with what it gave.
    fn prepared(&self, request: PrepareSlot) -> Vec<OwnedFd> {
        let slot = request.slot;
        let (reply, descriptors) = self.ask(&Request::Prepare(request));
        let Reply::Prepared { slot: made, knobs } = reply else { panic!("{reply:?}") };
        assert_eq!((made, descriptors.len()), (slot, 3 + knobs.len()));
        let (report, _listeners) = receive::<Report>(&descriptors[0]).expect("a word");
        assert_eq!(report, Report::Up { waits: true });
        descriptors
    }

    /// Makes a slot a function's, and ends it.
    fn furnished(&self, request: FurnishSlot) -> Reply {
        let slot = request.slot;
        let descriptors = self.prepared(prepare(slot));
        let (reply, _) = self.ask(&Request::Furnish(request));
        // A slot that nobody holds ends.
        drop(descriptors);
        assert_eq!(self.answer().0, Reply::Ended { slot });
        reply
    }

    fn end(mut self) {
        drop(self.socket);
        assert!(self.program.wait().expect("ended").success());
        assert!(Path::new(self.dir.path()).join("trees").exists());
    }
}

/// What it is told first; the trees are below the directory.
fn boot(instance: &str, dir: &Path) -> Boot {
    Boot {
        instance: instance.to_owned(),
        trees: dir.join("trees"),
        storage: dir.to_owned(),
        write_bytes_per_second: 0,
        memory: Mebibytes(2_048),
        network: false,
        stock_max: 16,
        search: Search::default(),
        interpreters: Vec::new(),
    }
}

fn launch(stderr: Stdio) -> (Child, OwnedFd) {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("socket pair");
    let program = Command::new(env!("CARGO_BIN_EXE_hearth-spawner"))
        .arg0(hearth_sandbox::spawner::PROGRAM_NAME)
        .stdin(Stdio::from(theirs))
        .stderr(stderr)
        .spawn()
        .expect("spawner");
    (program, ours)
}

fn digest(number: u8) -> CodeDigest {
    CodeDigest([number; 32])
}

fn prepare(slot: u64) -> PrepareSlot {
    let (root, ephemeral_storage) = (Root::Provided, Mebibytes(512));
    PrepareSlot { slot, root, image: None, memory: None, ephemeral_storage, for_copy: false }
}

fn furnish(slot: u64) -> FurnishSlot {
    FurnishSlot { slot, code: digest(1), layers: Vec::new(), memory: Mebibytes(128), ephemeral_storage: Mebibytes(512) }
}

#[test]
fn garbage_is_refused_and_the_next_request_served() {
    let Some(spawner) = Spawner::start("garbage") else { return };
    let random = SeededRandom::new(7);
    for length in (1..=1_024).step_by(13) {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        // Whatever else it may decode to, not to a request that is served.
        bytes[0] |= 0x80;
        send(&spawner.socket, &bytes);
    }
    send(&spawner.socket, &[1; 10_000]);
    send(&spawner.socket, &encode(&Request::Destroy { slot: 999 }));
    assert_eq!(spawner.furnished(furnish(1)), Reply::Furnished { slot: 1 });
    spawner.end();
}

/// What could be made of nonsense: names in the spawner's directories and in its own root, and how many descriptors and
/// mounts it has.
fn belongings(spawner: &Spawner) -> (BTreeSet<PathBuf>, [usize; 2]) {
    let process = PathBuf::from(format!("/proc/{}", spawner.program.id()));
    let names = |dir: &Path| std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("entry").path());
    let dir = spawner.dir.path();
    let mut all: BTreeSet<PathBuf> = names(dir).chain(names(&dir.join("trees"))).collect();
    // Devices of disks that were lent to functions stay there for the next.
    let is_loop = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("loop"));
    all.extend(names(&process.join("root")).filter(|path| !is_loop(path)));
    let mounts = std::fs::read_to_string(process.join("mountinfo")).expect("mounts").lines().count();
    (all, [names(&process.join("fd")).count(), mounts])
}

/// The same, when it has made all that it makes ahead of need.
fn at_rest(spawner: &Spawner) -> (BTreeSet<PathBuf>, [usize; 2]) {
    let mut last = belongings(spawner);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = belongings(spawner);
        if now == last {
            return now;
        }
        last = now;
    }
}

/// A message of any kind but an honest one, of which some may still be right by chance.
fn nonsense(random: &SeededRandom, live: u64) -> Vec<u8> {
    let number = |below: usize| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        (u64::from_ne_bytes(bytes) % below as u64) as usize
    };
    let noise = |length: usize| {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        bytes
    };
    let path = |text: &str| {
        let mut digest = [b'/'; 32];
        digest[..text.len()].copy_from_slice(text.as_bytes());
        CodeDigest(digest)
    };
    let slot = number(1_000) as u64;
    let requests = [
        Request::Prepare(prepare(slot)),
        Request::Prepare(PrepareSlot { memory: Some(Mebibytes(number(20_000) as u32)), ..prepare(slot) }),
        Request::Prepare(prepare(live)),
        Request::Furnish(furnish(slot)),
        Request::Furnish(furnish(u64::MAX)),
        // Another's slot, and one's own for a second time.
        Request::Furnish(furnish(live)),
        Request::Furnish(FurnishSlot { code: path("../../../../etc"), ..furnish(live) }),
        Request::Furnish(FurnishSlot { layers: vec![path("/etc/passwd\0"); number(9)], ..furnish(slot) }),
        Request::Copy { slot },
        Request::Copy { slot: live },
        Request::KeepClassArchive { slot },
        Request::KeepClassArchive { slot: live },
        Request::Destroy { slot },
        Request::Destroy { slot: u64::MAX },
    ];
    let mut bytes = encode(&requests[number(requests.len())]);
    match number(6) {
        0 => noise(1 + number(1_500)),
        1 => bytes[..1 + number(bytes.len())].to_vec(),
        2 => [bytes, noise(1 + number(40))].concat(),
        3 => {
            // Not in the slot's number: it might become the live one's.
            let at = bytes.len() - 1 - number(bytes.len().min(4));
            bytes[at] ^= 1 << number(8);
            bytes
        }
        4 => [&bytes[..], &bytes[..]].concat(),
        _ => bytes,
    }
}

/// Counts replies.
#[derive(Debug, Default)]
struct Heard {
    made: usize,
    ended: usize,
    refused: usize,
}

impl Heard {
    /// All that there are now. What comes with them is dropped, which ends the slot.
    fn take(&mut self, spawner: &Spawner, live: u64) {
        while let Ok(received) = receive_now::<Reply>(&spawner.socket, RecvFlags::DONTWAIT) {
            match received.expect("the spawner lives").0 {
                Reply::Prepared { .. } => self.made += 1,
                Reply::Ended { .. } => self.ended += 1,
                Reply::NotPrepared { .. }
                | Reply::NotFurnished { .. }
                | Reply::NotCopied { .. }
                | Reply::ClassArchiveNotKept { .. }
                | Reply::Copied { process: None, .. }
                | Reply::Trouble { .. } => self.refused += 1,
                other => assert!(matches!(other, Reply::Furnished { slot } if slot != live), "{other:?}"),
            }
        }
    }
}

#[test]
fn nonsense_makes_nothing_and_leaves_what_is_there_alone() {
    let Some(mut spawner) = Spawner::start("nonsense") else { return };
    let live = 1 << 40;
    let descriptors = spawner.prepared(prepare(live));
    assert_eq!(spawner.ask(&Request::Furnish(furnish(live))).0, Reply::Furnished { slot: live });
    let before = at_rest(&spawner);
    let random = SeededRandom::new(11);
    let mut heard = Heard::default();
    for count in 0..NONSENSE_MESSAGES {
        send_with(&spawner.socket, &nonsense(&random, live), count % (DESCRIPTORS_SENT_MAX + 1));
        heard.take(&spawner, live);
    }
    let deadline = Instant::now() + PATIENCE;
    while (heard.made > heard.ended || belongings(&spawner) != before) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        heard.take(&spawner, live);
    }
    assert_eq!(heard.made, heard.ended, "every slot that came of it was ended");
    assert_eq!(belongings(&spawner), before);
    assert!(heard.refused > NONSENSE_MESSAGES / 4 && heard.made > NONSENSE_MESSAGES / 40, "{heard:?}");
    assert!(spawner.program.try_wait().expect("a child").is_none());
    // The one that was there before does what it is told, and new ones come.
    send(&descriptors[0], &encode(&Order::ListExtensions));
    assert_eq!(receive::<Report>(&descriptors[0]).expect("alive").0, Report::Extensions(Vec::new()));
    drop(descriptors);
    assert_eq!(spawner.answer().0, Reply::Ended { slot: live });
    assert_eq!(spawner.furnished(furnish(live + 1)), Reply::Furnished { slot: live + 1 });
    spawner.end();
}

#[test]
fn nothing_outside_the_trees_and_the_limits_can_be_asked_for() {
    let Some(spawner) = Spawner::start("limits") else { return };
    let refused = [
        PrepareSlot { memory: Some(Mebibytes(64)), ..prepare(1) },
        PrepareSlot { memory: Some(Mebibytes(u32::MAX)), ..prepare(2) },
        PrepareSlot { ephemeral_storage: Mebibytes(100_000), ..prepare(3) },
        PrepareSlot { root: Root::With(Language::Python { minor: 11 }), ..prepare(4) },
    ];
    for request in refused {
        let slot = request.slot;
        let (reply, descriptors) = spawner.ask(&Request::Prepare(request));
        assert!(matches!(reply, Reply::NotPrepared { slot: refused, .. } if refused == slot), "{reply:?}");
        assert!(descriptors.is_empty());
    }
    let language = Language::Node { major: 22 };
    let (reply, _) = spawner.ask(&Request::AddRoot { language });
    let message = "Node.js 22 is not to be found".to_owned();
    assert_eq!(reply, Reply::RootNotAdded { language, message });
    let refused = [
        (FurnishSlot { memory: Mebibytes(64), ..furnish(10) }, "memory"),
        (FurnishSlot { ephemeral_storage: Mebibytes(1), ..furnish(11) }, "ephemeral storage"),
        (FurnishSlot { layers: vec![digest(1); 6], ..furnish(12) }, "the number of layers"),
        (FurnishSlot { code: digest(9), ..furnish(13) }, "No such file"),
        (FurnishSlot { code: digest(2), ..furnish(14) }, "Not a directory"),
        // A link, wherever it leads.
        (FurnishSlot { code: digest(3), ..furnish(15) }, "symbolic links"),
        (FurnishSlot { layers: vec![digest(1), digest(3)], ..furnish(16) }, "symbolic links"),
    ];
    for (request, why) in refused {
        let slot = request.slot;
        let reply = spawner.furnished(request);
        let Reply::NotFurnished { slot: refused, message } = &reply else { panic!("{slot}: {reply:?}") };
        assert!(*refused == slot && message.contains(why), "{reply:?}");
    }
    spawner.end();
}

#[test]
fn a_slot_in_use_is_not_made_twice_and_serves_one_function_only() {
    let Some(spawner) = Spawner::start("twice") else { return };
    let descriptors = spawner.prepared(prepare(7));
    assert!(matches!(spawner.ask(&Request::Prepare(prepare(7))).0, Reply::NotPrepared { slot: 7, .. }));
    assert_eq!(spawner.ask(&Request::Furnish(furnish(7))).0, Reply::Furnished { slot: 7 });
    let other = FurnishSlot { memory: Mebibytes(256), ..furnish(7) };
    assert!(matches!(spawner.ask(&Request::Furnish(other)).0, Reply::NotFurnished { slot: 7, .. }));
    assert!(matches!(spawner.ask(&Request::Furnish(furnish(8))).0, Reply::NotFurnished { slot: 8, .. }));
    assert_eq!(spawner.ask(&Request::Destroy { slot: 7 }).0, Reply::Ended { slot: 7 });
    drop(descriptors);
    spawner.end();
}

#[test]
fn only_an_empty_slot_gets_a_copy_of_a_waiting_process() {
    let Some(spawner) = Spawner::start("copy") else { return };
    let descriptors = spawner.prepared(prepare(7));
    // No process of this root can wait for a function.
    assert_eq!(spawner.ask(&Request::Copy { slot: 7 }).0, Reply::Copied { slot: 7, process: None });
    assert!(matches!(spawner.ask(&Request::Copy { slot: 8 }).0, Reply::NotCopied { slot: 8, .. }));
    assert_eq!(spawner.ask(&Request::Furnish(furnish(7))).0, Reply::Furnished { slot: 7 });
    assert!(matches!(spawner.ask(&Request::Copy { slot: 7 }).0, Reply::NotCopied { slot: 7, .. }));
    drop(descriptors);
    spawner.end();
}

/// A server gone bad does not wait until a slot is up: what it then asks for must not reach a root that others share.
#[test]
fn an_archive_of_classes_is_taken_from_no_slot_of_a_function_and_for_no_root_without_java() {
    let Some(spawner) = Spawner::start("classes") else { return };
    let refused = |slot| {
        let (reply, _) = spawner.ask(&Request::KeepClassArchive { slot });
        let Reply::ClassArchiveNotKept { slot: of, message } = reply else { panic!("{reply:?}") };
        assert_eq!(of, slot);
        message
    };
    assert!(refused(1).contains("no such slot"));
    let _held = spawner.prepared(prepare(1));
    refused(1);
    assert_eq!(spawner.ask(&Request::Furnish(furnish(1))).0, Reply::Furnished { slot: 1 });
    assert!(refused(1).contains("for no other function"));
    spawner.end();
}

#[test]
fn furnishing_a_slot_that_is_not_up_yet_changes_nothing_for_the_next() {
    let Some(spawner) = Spawner::start("early") else { return };
    for slot in 1..=20 {
        send(&spawner.socket, &encode(&Request::Prepare(prepare(slot))));
        let (furnished, descriptors) = {
            send(&spawner.socket, &encode(&Request::Furnish(furnish(slot))));
            let (prepared, descriptors) = spawner.answer();
            assert!(matches!(prepared, Reply::Prepared { .. }), "{prepared:?}");
            (spawner.answer().0, descriptors)
        };
        match furnished {
            Reply::Furnished { .. } => {}
            Reply::NotFurnished { message, .. } => assert!(message.contains("not up yet"), "{message}"),
            other => panic!("{other:?}"),
        }
        drop(descriptors);
        assert_eq!(spawner.answer().0, Reply::Ended { slot });
    }
    // Had code been mounted in the shared root, this slot would have it twice, and say so by failing to mount there.
    assert_eq!(spawner.furnished(furnish(100)), Reply::Furnished { slot: 100 });
    spawner.end();
}

#[test]
fn without_a_proper_start_it_does_nothing() {
    let (mut program, socket) = launch(Stdio::inherit());
    send(&socket, &[0xff; 100]);
    assert!(!program.wait().expect("ended").success());
    let (mut program, socket) = launch(Stdio::inherit());
    drop(socket);
    assert!(program.wait().expect("ended").success());
}

/// Wherever in its own start the spawner is when the server is stopped, or killed.
#[test]
fn a_server_that_ends_as_soon_as_it_has_started_is_an_orderly_end() {
    let dir = tempfile::tempdir().expect("tempdir");
    TreeStore::open(&dir.path().join("trees"), Unpacker::new(env!("CARGO_BIN_EXE_hearth-spawner").into()))
        .expect("tree store");
    for (number, pause_ms) in [0, 0, 1, 2, 4, 8, 15, 30, 60, 120].into_iter().enumerate() {
        let instance = format!("test-early-end-{}-{number}", std::process::id());
        let (program, socket) = launch(Stdio::piped());
        send(&socket, &encode(&boot(&instance, dir.path())));
        std::thread::sleep(Duration::from_millis(pause_ms));
        if number.is_multiple_of(2) {
            rustix::net::shutdown(&socket, Shutdown::Both).expect("shut down");
        } else {
            drop(socket);
        }
        let output = program.wait_with_output().expect("ended");
        assert!(output.status.success(), "after {pause_ms} ms: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "after {pause_ms} ms");
        assert_eq!(groups(&instance), Vec::<PathBuf>::new(), "after {pause_ms} ms");
    }
}

/// Each check of what is asked for is taken away, in a build made for that: one of the tests above must notice.
#[cfg(feature = "mutations")]
#[test]
#[ignore = "make mutate-sandbox"]
fn every_check_that_is_taken_away_is_noticed() {
    let pairs = [
        ("request-limits", "nothing_outside_the_trees_and_the_limits_can_be_asked_for"),
        ("tree-resolution", "nothing_outside_the_trees_and_the_limits_can_be_asked_for"),
        ("one-slot-per-id", "a_slot_in_use_is_not_made_twice_and_serves_one_function_only"),
        ("one-function-per-slot", "a_slot_in_use_is_not_made_twice_and_serves_one_function_only"),
        ("own-mounts-only", "furnishing_a_slot_that_is_not_up_yet_changes_nothing_for_the_next"),
        (
            "class-archive-of-nobody",
            "an_archive_of_classes_is_taken_from_no_slot_of_a_function_and_for_no_root_without_java",
        ),
    ];
    let notices = |without: &str, test: &str| {
        let mut helper = Command::new(std::env::current_exe().expect("this test"));
        helper.args(["--exact", test]).env(hearth_sandbox::mutation::VARIABLE, without);
        !helper.output().expect("helper").status.success()
    };
    for (without, test) in pairs {
        assert!(hearth_sandbox::mutation::Control::ALL.iter().any(|control| control.name() == without), "{without}");
        assert!(!notices("", test), "{test} fails anyway");
        assert!(notices(without, test), "without {without}, {test} sees nothing");
        println!("  {without:<58} caught: {test}");
    }
}
