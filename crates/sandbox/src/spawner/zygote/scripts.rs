//! What the original, the process in the middle and the copy are made to do, in order: the recipe of one copy.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use hearth_network::seqpacket::DESCRIPTORS_MAX;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};

use super::script::Script;
use super::{API, DATA_AT, DEFAULT_ACTION, Destination, FIRST, LISTENER, Original, SIGNAL_SET_BYTES, SOCKET};
use crate::init::WORKING_DIRECTORY;
use crate::protocol::{RECORDS_DESCRIPTOR, RUNTIME_API_PORT, SANDBOX_ADDRESS};
use crate::spawner::identity::FUNCTION_ID;
use crate::{landlock, seccomp, sys};

/// What the bootstrap has said when it waits.
const ASKED: &[u8] = b"GET /2018-06-01/hearth/assignment HTTP/1.1\r\nHost: runtime\r\n\r\n";
/// What the kernel keeps for each thread's list of mutexes. Source: set_robust_list(2).
const ROBUST_LIST_BYTES: u64 = 24;
/// See the kernel's linux/seccomp.h and linux/landlock.h.
const SECCOMP_SET_MODE_FILTER: u64 = 1;
const LANDLOCK_RULE_PATH_BENEATH: u64 = 1;
/// The slot's own; which pid namespace it is the original says for its children.
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUSER;
/// What stands for the present directory, as an argument.
const HERE: u64 = libc::AT_FDCWD as u64;

/// What is done for one copy, and the descriptors that takes.
pub(super) struct Scripts {
    descriptors: Vec<OwnedFd>,
    pub(super) original: Script,
    pub(super) middle: Script,
    pub(super) copy: Script,
}

impl Scripts {
    pub(super) fn new(original: &Original, own: BorrowedFd<'_>, destination: &Destination<'_>) -> io::Result<Self> {
        let of_init = |number| pidfd_getfd(destination.pidfd, number, PidfdGetfdFlags::empty());
        let mut descriptors = vec![
            destination.pidfd.try_clone_to_owned()?,
            of_init(destination.output)?,
            of_init(destination.records)?,
            own.try_clone_to_owned()?,
        ];
        let [init, output, records, own] = [FIRST, FIRST + 1, FIRST + 2, FIRST + 3].map(|number| number as u64);
        let mut next = FIRST as u64 + descriptors.len() as u64;
        let mut number_of = |fd: OwnedFd| {
            descriptors.push(fd);
            next += 1;
            next - 1
        };
        let birthplace = destination.cgroup.birthplace().map_err(io::Error::other)?.map(&mut number_of);
        let doors: Vec<u64> =
            destination.cgroup.doors().map_err(io::Error::other)?.into_iter().map(&mut number_of).collect();
        if descriptors.len() > DESCRIPTORS_MAX {
            return Err(io::Error::other("the group is in too many trees"));
        }
        let data_at = original.area + DATA_AT;

        let mut first = Script::new(data_at);
        let message = first.message(descriptors.len());
        first.call_for(libc::SYS_recvmsg, [SOCKET as u64, message, libc::MSG_CMSG_CLOEXEC as u64], 1);
        first.call(libc::SYS_setns, [init, libc::CLONE_NEWPID as u64]);
        first.fork(birthplace);
        // It keeps nothing of a slot.
        first.call(libc::SYS_setns, [own, libc::CLONE_NEWPID as u64]);
        first.call(libc::SYS_close_range, [FIRST as u64, LISTENER as u64 - 1, 0]);

        let mut middle = Script::new(data_at);
        let zero = middle.put(b"0");
        for door in &doors {
            middle.call(libc::SYS_write, [*door, zero, 1]);
        }
        let flags = libc::SIGCHLD | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
        middle.call(libc::SYS_clone, [flags as u64, 0, 0, original.tid_address]);
        middle.call(libc::SYS_exit_group, [0]);

        let mut copy = Script::new(data_at);
        copy.call(libc::SYS_getpid, []);
        copy.be_a_process(original);
        copy.call(libc::SYS_setns, [init, NAMESPACES as u64]);
        let root = [0; 3];
        copy.call(libc::SYS_setresgid, root).call(libc::SYS_setresuid, root);
        let rules = copy.fence(next);
        copy.restrict(rules);
        copy.connect(next);
        for (descriptor, number) in [(output, 1), (output, 2), (records, RECORDS_DESCRIPTOR as u64)] {
            copy.call(libc::SYS_dup3, [descriptor, number, 0]);
        }
        copy.call(libc::SYS_close_range, [FIRST as u64, RECORDS_DESCRIPTOR as u64 - 1, 0]);
        copy.call(libc::SYS_close_range, [RECORDS_DESCRIPTOR as u64 + 1, u64::from(u32::MAX), 0]);
        let directory = copy.text(WORKING_DIRECTORY);
        copy.call(libc::SYS_chdir, [directory]);
        copy.give_up(original.capabilities, destination.filter);

        let scripts = Self { descriptors, original: first, middle, copy };
        [&scripts.original, &scripts.middle, &scripts.copy].into_iter().try_for_each(Script::check)?;
        Ok(scripts)
    }

    /// Hands the original the descriptors.
    pub(super) fn send(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> = self.descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(socket, &[IoSlice::new(b"1")], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Script {
    fn text(&mut self, text: &str) -> u64 {
        self.put(&[text.as_bytes(), &[0]].concat())
    }

    /// Room for a message of one byte with so many descriptors; where the call finds it.
    fn message(&mut self, descriptors: usize) -> u64 {
        let byte = self.put(&[0; 8]);
        let control_bytes = 16 + (descriptors * 4).next_multiple_of(8);
        let control = self.put(&vec![0; control_bytes]);
        let vector = self.words(&[byte, 1]);
        // `struct msghdr`: no name; one vector; control data; flags.
        self.words(&[0, 0, vector, 1, control, control_bytes as u64, 0])
    }

    fn words(&mut self, words: &[u64]) -> u64 {
        self.put(&words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>())
    }

    /// A fork into the v2 control group behind a descriptor, where there is one.
    fn fork(&mut self, group: Option<u64>) {
        // `struct clone_args` as of Linux 5.7.
        let flags = if group.is_some() { sys::CLONE_INTO_CGROUP } else { 0 };
        let words = [flags, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0, 0, 0, group.unwrap_or_default()];
        let arguments = self.words(&words);
        self.call(libc::SYS_clone3, [arguments, (words.len() * 8) as u64]);
    }

    /// What the C library and the kernel know of a process that was forked by the C library, and started by hearth-init.
    fn be_a_process(&mut self, original: &Original) {
        self.call(libc::SYS_set_robust_list, [original.robust_list, ROBUST_LIST_BYTES]);
        let action = self.put(&DEFAULT_ACTION);
        self.call(libc::SYS_rt_sigaction, [libc::SIGCHLD as u64, action, 0, SIGNAL_SET_BYTES]);
        self.call(libc::SYS_setsid, []);
    }

    /// Makes the [fence around files](landlock); the descriptor it has then. `next` is the lowest one that is free.
    fn fence(&mut self, next: u64) -> Option<u64> {
        let rights = landlock::known_rights();
        if rights.is_empty() {
            return None;
        }
        let attributes = self.words(&[rights.bits()]);
        self.call_for(libc::SYS_landlock_create_ruleset, [attributes, 8, 0], next);
        for (at, (path, allowed)) in (next + 1..).zip(landlock::function_rules()) {
            let path = self.text(path);
            let flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
            self.call_for(libc::SYS_openat, [HERE, path, flags, 0], at);
            // `struct landlock_path_beneath_attr`, which is packed.
            let rule = self.put(&[&(allowed & rights).bits().to_ne_bytes()[..], &(at as i32).to_ne_bytes()].concat());
            self.call(libc::SYS_landlock_add_rule, [next, LANDLOCK_RULE_PATH_BENEATH, rule, 0]);
        }
        Some(next)
    }

    fn restrict(&mut self, rules: Option<u64>) {
        if let Some(rules) = rules {
            self.call(libc::SYS_landlock_restrict_self, [rules, 0]);
            self.call(libc::SYS_close_range, [rules, LISTENER as u64 - 1, 0]);
        }
    }

    /// Says to the slot's Runtime API what the bootstrap believes to have said. `next` is the lowest free descriptor.
    fn connect(&mut self, next: u64) {
        let kind = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as u64;
        self.call_for(libc::SYS_socket, [libc::AF_INET as u64, kind, 0], next);
        // `struct sockaddr_in`; port and address in network order.
        let address = [
            &(libc::AF_INET as u16).to_ne_bytes()[..],
            &RUNTIME_API_PORT.to_be_bytes(),
            &SANDBOX_ADDRESS.octets(),
            &[0; 8],
        ];
        let address = self.put(&address.concat());
        self.call(libc::SYS_connect, [next, address, 16]);
        let on = self.put(&1_i32.to_ne_bytes());
        self.call(libc::SYS_setsockopt, [next, libc::IPPROTO_TCP as u64, libc::TCP_NODELAY as u64, on, 4]);
        let asked = self.put(ASKED);
        self.call_for(libc::SYS_sendto, [next, asked, ASKED.len() as u64, 0, 0, 0], ASKED.len() as u64);
        self.call(libc::SYS_dup3, [next, API as u64, libc::O_CLOEXEC as u64]);
    }

    /// Everything that needs a privilege is done.
    fn give_up(&mut self, capabilities: u64, filter: &seccomp::Filter) {
        for capability in 0..capabilities {
            self.call(libc::SYS_prctl, [libc::PR_CAPBSET_DROP as u64, capability, 0, 0, 0]);
        }
        let function = [u64::from(FUNCTION_ID); 3];
        self.call(libc::SYS_setresgid, function).call(libc::SYS_setresuid, function);
        // Taken away by the change of user; `/proc/self` belongs to a process's user only so.
        self.call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0]);
        let instructions = self.put(&filter.bytes());
        let program = self.words(&[filter.instructions(), instructions]);
        self.call(libc::SYS_seccomp, [SECCOMP_SET_MODE_FILTER, 0, program]);
    }
}
