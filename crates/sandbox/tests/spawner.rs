//! The spawner's door, knocked at by a server gone bad: whatever is sent, only slots of known trees within the limits
//! come out, and the next honest request is served.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hearth_ports::CodeDigest;
use hearth_sandbox::package::TreeStore;
use hearth_sandbox::protocol::{Boot, CreateSlot, Reply, Report, Request, Step};
use hearth_sandbox::runtimes::Root;
use hearth_types::{Mebibytes, Random, SeededRandom};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags,
    SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

struct Spawner {
    program: Child,
    socket: OwnedFd,
    dir: tempfile::TempDir,
}

fn send(socket: &OwnedFd, bytes: &[u8]) {
    sendmsg(socket, &[IoSlice::new(bytes)], &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL).expect("sent");
}

fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(message).expect("encodes")
}

fn receive<M: DeserializeOwned>(socket: &OwnedFd) -> Option<(M, Vec<OwnedFd>)> {
    let mut buffer = [0; 4_096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .expect("received");
    let descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    let descriptors = descriptors.collect();
    (received.bytes > 0).then(|| (postcard::from_bytes(&buffer[..received.bytes]).expect("decodes"), descriptors))
}

impl Spawner {
    /// `None`, loudly, where it cannot work.
    fn start(instance: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("tempdir");
        let trees = dir.path().join("trees");
        TreeStore::open(&trees).expect("tree store");
        std::fs::create_dir(trees.join(digest(1).hex())).expect("tree");
        std::fs::write(trees.join(digest(2).hex()), "a file").expect("file");
        std::os::unix::fs::symlink("/etc", trees.join(digest(3).hex())).expect("link");
        let (program, socket) = launch();
        let instance = format!("test-{instance}-{}", std::process::id());
        send(&socket, &encode(&Boot { instance, trees, interpreters: Vec::new() }));
        match receive::<Reply>(&socket) {
            Some((Reply::Ready { roots }, _)) => assert_eq!(roots, [Root::Provided]),
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

    /// What the first process of a slot says, and that the slot ends without a trace when nobody holds it.
    fn first_words(&self, request: CreateSlot) -> Report {
        let slot = request.slot;
        let (reply, mut descriptors) = self.ask(&Request::Create(request));
        assert_eq!((reply, descriptors.len()), (Reply::Created { slot }, 2));
        let (report, _listeners) = receive::<Report>(&descriptors[0]).expect("a word");
        descriptors.clear();
        assert_eq!(self.answer().0, Reply::Ended { slot });
        report
    }

    fn end(mut self) {
        drop(self.socket);
        assert!(self.program.wait().expect("ended").success());
        assert!(Path::new(self.dir.path()).join("trees").exists());
    }
}

fn launch() -> (Child, OwnedFd) {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("socket pair");
    let program = Command::new(env!("CARGO_BIN_EXE_hearth-spawner"))
        .arg0(hearth_sandbox::spawner::PROGRAM_NAME)
        .stdin(Stdio::from(theirs))
        .spawn()
        .expect("spawner");
    (program, ours)
}

fn digest(number: u8) -> CodeDigest {
    CodeDigest([number; 32])
}

fn create(slot: u64) -> CreateSlot {
    CreateSlot {
        slot,
        root: Root::Provided,
        code: digest(1),
        layers: Vec::new(),
        memory: Mebibytes(128),
        ephemeral_storage: Mebibytes(512),
    }
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
    assert_eq!(spawner.first_words(create(1)), Report::Up);
    spawner.end();
}

#[test]
fn nothing_outside_the_trees_and_the_limits_can_be_asked_for() {
    let Some(spawner) = Spawner::start("limits") else { return };
    let refused = [
        CreateSlot { memory: Mebibytes(64), ..create(1) },
        CreateSlot { memory: Mebibytes(u32::MAX), ..create(2) },
        CreateSlot { ephemeral_storage: Mebibytes(100_000), ..create(3) },
        CreateSlot { layers: vec![digest(1); 6], ..create(4) },
        CreateSlot { root: Root::Python311, ..create(5) },
    ];
    for request in refused {
        let slot = request.slot;
        let (reply, descriptors) = spawner.ask(&Request::Create(request));
        assert!(matches!(reply, Reply::NotCreated { slot: refused, .. } if refused == slot), "{reply:?}");
        assert!(descriptors.is_empty());
    }
    let misled = [
        (digest(9), libc::ENOENT),
        (digest(2), libc::ENOTDIR),
        // A link, wherever it leads.
        (digest(3), libc::ELOOP),
    ];
    for (slot, (code, errno)) in (10..).zip(misled) {
        let request = CreateSlot { code, ..create(slot) };
        assert_eq!(spawner.first_words(request), Report::NotUp { step: Step::Code, errno });
    }
    let request = CreateSlot { layers: vec![digest(1), digest(3)], ..create(20) };
    assert_eq!(spawner.first_words(request), Report::NotUp { step: Step::Layers, errno: libc::ELOOP });
    spawner.end();
}

#[test]
fn a_slot_in_use_is_not_made_twice() {
    let Some(spawner) = Spawner::start("twice") else { return };
    let (reply, descriptors) = spawner.ask(&Request::Create(create(7)));
    assert_eq!(reply, Reply::Created { slot: 7 });
    assert!(matches!(spawner.ask(&Request::Create(create(7))).0, Reply::NotCreated { slot: 7, .. }));
    assert_eq!(spawner.ask(&Request::Destroy { slot: 7 }).0, Reply::Ended { slot: 7 });
    drop(descriptors);
    spawner.end();
}

#[test]
fn without_a_proper_start_it_does_nothing() {
    let (mut program, socket) = launch();
    send(&socket, &[0xff; 100]);
    assert!(!program.wait().expect("ended").success());
    let (mut program, socket) = launch();
    drop(socket);
    assert!(program.wait().expect("ended").success());
}
