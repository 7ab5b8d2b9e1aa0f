//! The process: its privileges, what it does under a flood, and what is left when something ends.

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hearth_network::address::DNS_SOCKET;
use hearth_network::limits::{FLOWS_MAX, UDP_EVICTION_IDLE};
use hearth_network::protocol::Boot;
use hearth_network::{NetworkClient, NetworkConfig, NetworkError, Policy};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::services::{self, name_server, query};
use support::{IDENTITY, OUTSIDE, PATIENCE, PRIVATE, World, echoes, eventually, is_root};

/// Its device, both sockets of its name server, its life.
const SANDBOX_DESCRIPTORS: usize = 4;

#[test]
fn the_process_has_no_privileges() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let status = fs::read_to_string(format!("/proc/{}/status", world.pid())).expect("status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let identity = vec![IDENTITY.to_string(); 4];
    assert_eq!(field("Uid:"), identity);
    assert_eq!(field("Gid:"), identity);
    assert_eq!(field("Groups:"), Vec::<String>::new());
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), ["1"]);
    let environment = fs::read(format!("/proc/{}/environ", world.pid())).expect("environ");
    assert_eq!(environment, b"");
}

#[test]
fn it_refuses_to_stay_root() {
    if !is_root() {
        return;
    }
    let boot = Boot { policy: Policy::default(), identity: 0, resolv_conf: "/etc/resolv.conf".into() };
    let config = NetworkConfig { program: Some(env!("CARGO_BIN_EXE_hearth-network").into()), boot };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let error = runtime.block_on(NetworkClient::start(config)).err().expect("refused");
    assert!(matches!(&error, NetworkError::Boot(text) if text.contains("root")), "{error}");
}

#[test]
fn one_sandbox_s_flood_is_bounded_and_leaves_the_others_alone() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let (flooder, victim) = (world.sandbox(1), world.sandbox(2));
    let echo = services::tcp_echo(&world.outside, OUTSIDE);
    let udp = services::udp_echo(&world.outside, OUTSIDE);
    name_server(&world.outside, OUTSIDE, OUTSIDE);
    let mut calm = victim.connect(echo).expect("connected");
    echoes(&mut calm, b"before");

    // As many connections as there may be, and no more.
    let mut held = Vec::new();
    let refused = loop {
        match flooder.connect(echo) {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
        assert!(held.len() <= FLOWS_MAX, "{} connections", held.len());
    };
    assert_eq!((held.len(), refused.kind()), (FLOWS_MAX, ErrorKind::ConnectionRefused));
    // Each full of bytes nobody reads.
    for stream in &mut held {
        stream.set_nonblocking(true).expect("non-blocking");
        while stream.write(&[0; 65_536]).is_ok() {}
    }

    // Half of them go, so that there is room for the flows of datagrams.
    held.truncate(FLOWS_MAX / 2);

    // Packets as fast as they come: datagrams to one, to many, to what is closed, to the name server.
    let stop = Arc::new(AtomicBool::new(false));
    let closed = SocketAddrV4::new(PRIVATE, 1);
    let floods: Vec<_> = [udp, closed, DNS_SOCKET]
        .into_iter()
        .map(|to| {
            let (socket, stop) = (flooder.socket(), Arc::clone(&stop));
            thread::spawn(move || {
                let question = query("flood.example.com", 1);
                while !stop.load(Ordering::Relaxed) {
                    // The errors are what a flood gets.
                    let _ = socket.send_to(&question, to);
                }
            })
        })
        .collect();
    let scan = {
        let (socket, stop) = (flooder.socket(), Arc::clone(&stop));
        thread::spawn(move || {
            for port in (1..=u16::MAX).cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let _ = socket.send_to(&[0; 1_000], (OUTSIDE, port));
            }
        })
    };
    let mut direct = world.host.run(move || std::net::TcpStream::connect(echo).expect("connected"));
    let (mut times, mut direct_times) = (Vec::new(), Vec::new());
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let started = Instant::now();
        echoes(&mut calm, b"during");
        echoes(&mut victim.connect(echo).expect("a new connection"), b"during");
        times.push(started.elapsed());
        let started = Instant::now();
        echoes(&mut direct, b"during");
        let mut new = world.host.run(move || std::net::TcpStream::connect(echo).expect("connected"));
        echoes(&mut new, b"during");
        direct_times.push(started.elapsed());
    }
    let (memory_kib, descriptors) = (world.status("VmRSS"), world.descriptors());
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.join().expect("no panic");
    }
    scan.join().expect("no panic");
    for (name, times) in [("the other", &mut times), ("without hearth-network", &mut direct_times)] {
        times.sort();
        eprintln!("flood: {name}: median {:?}, slowest {:?}", times[times.len() / 2], times[times.len() - 1]);
    }
    let slowest = times[times.len() - 1];
    eprintln!("flood: {memory_kib} KiB, {descriptors} descriptors");
    // Four threads flood two processors: what is asked for is that the other is served at all, all the time.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    // Two buffers for each connection, and what the process has anyway.
    assert!(memory_kib < 256 * 1_024, "{memory_kib} KiB");
    assert!(descriptors < FLOWS_MAX + 200, "{descriptors}");

    // What has ended can be had again. Datagrams have no end: their flows stay for a while.
    drop(held);
    eventually("the flood's connections are forgotten", || world.descriptors() < FLOWS_MAX / 2 + 100);
    echoes(&mut flooder.connect(echo).expect("connected"), b"after");
}

#[test]
fn thousands_of_short_connections_leave_nothing() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let before = world.descriptors();
    let sandbox = Arc::new(world.sandbox(1));
    let echo = services::tcp_echo(&world.outside, OUTSIDE);
    // What was sent to the process need not have arrived yet.
    eventually("the sandbox is attached", || world.descriptors() >= before + SANDBOX_DESCRIPTORS);
    let idle = world.descriptors();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let sandbox = Arc::clone(&sandbox);
            thread::spawn(move || {
                for round in 0..250 {
                    let mut stream = sandbox.connect(echo).expect("connected");
                    match (client + round) % 3 {
                        0 => echoes(&mut stream, b"hello"),
                        // Gone before an answer comes: with a reset, as there are unread bytes.
                        1 => stream.write_all(&[0; 10_000]).expect("written"),
                        _ => {}
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("no panic");
    }
    eventually("every connection is forgotten", || world.descriptors() <= idle);
    assert!(world.status("VmRSS") < 64 * 1_024, "{} KiB", world.status("VmRSS"));
}

#[test]
fn silent_datagram_flows_make_room() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let echo = services::tcp_echo(&world.outside, OUTSIDE);
    let udp = services::udp_echo(&world.outside, OUTSIDE);
    let sockets: Vec<_> = (0..FLOWS_MAX).map(|_| sandbox.socket()).collect();
    for socket in &sockets {
        socket.send_to(b"hello", udp).expect("sent");
        assert_eq!(socket.recv(&mut [0; 5]).expect("received"), 5);
    }
    assert_eq!(sandbox.connect(echo).expect_err("full").kind(), ErrorKind::ConnectionRefused);
    thread::sleep(UDP_EVICTION_IDLE);
    // The first is in use again: it is not the one that goes.
    sockets[0].send_to(b"hello", udp).expect("sent");
    assert_eq!(sockets[0].recv(&mut [0; 5]).expect("received"), 5);
    let mut stream = sandbox.connect(echo).expect("there is room");
    echoes(&mut stream, b"hello");
    assert!(world.descriptors() <= FLOWS_MAX + 100);
}

#[test]
fn a_sandbox_that_is_detached_leaves_nothing() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let echo = services::tcp_echo(&world.outside, OUTSIDE);
    let idle = world.descriptors();
    for environment in 0..10 {
        let mut sandbox = world.sandbox(environment);
        let mut stream = sandbox.connect(echo).expect("connected");
        echoes(&mut stream, b"hello");
        let udp = services::udp_echo(&world.outside, OUTSIDE);
        let socket = sandbox.socket();
        socket.send_to(b"hello", udp).expect("sent");
        assert_eq!(socket.recv(&mut [0; 5]).expect("received"), 5);
        world.tie(&sandbox, "tie0");
        drop(sandbox.attachment.take());
        // What still holds the namespace, and the device in it, are these.
        drop((stream, socket, sandbox));
        eventually("the namespace is gone", || !world.is_tied("tie0"));
    }
    eventually("every descriptor is closed", || world.descriptors() <= idle);
}

#[test]
fn the_end_of_the_process_is_noticed_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let echo = services::tcp_echo(&world.outside, OUTSIDE);
    let before = world.host.ip_output("-brief addr");
    world.tie(&sandbox, "tie0");
    let mut stream = sandbox.connect(echo).expect("connected");
    echoes(&mut stream, b"hello");
    let pid = Pid::from_raw(i32::try_from(world.pid()).expect("pid"));
    kill(pid, Signal::SIGKILL).expect("killed");
    world.block_on(async {
        tokio::time::timeout(PATIENCE, world.client.lost()).await.expect("noticed");
    });
    drop((stream, sandbox));
    eventually("the namespace is gone", || !world.is_tied("tie0"));
    assert_eq!(world.host.ip_output("-brief addr"), before);
}

#[test]
fn the_end_of_the_server_ends_the_process() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let (address, _) = services::tcp(&world.outside, OUTSIDE, |mut stream| stream.read(&mut [0; 1]).map(|_| ()));
    let _stream = sandbox.connect(address).expect("connected");
    let pid = world.pid();
    world.block_on(world.client.shutdown());
    assert!(fs::metadata(format!("/proc/{pid}")).is_err(), "it has ended and was waited for");
    // That was asked for, so it is no loss.
    let lost = world.block_on(async { tokio::time::timeout(Duration::from_millis(100), world.client.lost()).await });
    assert!(lost.is_err());
}
