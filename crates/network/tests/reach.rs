//! What can be reached and what cannot, seen from inside; and the name server.

mod support;

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hearth_network::Outgoing;
use hearth_network::address::{DNS_SOCKET, HOST_ADDRESS, SERVICES_ADDRESS};
use support::services::{self, addresses, framed, name_server, query, read_framed};
use support::{HOST, OUTSIDE, PRIVATE, Sandbox, World, echoes, eventually, is_root};

const TYPE_A: u8 = 1;
const TYPE_AAAA: u8 = 28;
const DNS_QUERIES_PER_SECOND: f64 = 1_024.0;

/// Both protocols fail, and soon.
fn assert_closed(sandbox: &Sandbox, to: SocketAddrV4) {
    let started = Instant::now();
    let error = sandbox.connect(to).expect_err("closed");
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{to}: {error}");
    let socket = sandbox.socket();
    socket.connect(to).expect("connected");
    // The error of a datagram comes with the next call.
    let error = socket.send(b"hello?").and_then(|_| socket.recv(&mut [0; 1])).expect_err("closed");
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{to}: {error}");
    assert!(started.elapsed() < Duration::from_secs(1), "{to}: {:?}", started.elapsed());
}

#[test]
fn what_is_closed_fails_at_once_and_nobody_hears_of_it() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    // They listen: it is not their absence that is tested.
    let (on_host, heard_host) = services::tcp(&world.host, Ipv4Addr::UNSPECIFIED, services::echo);
    let (private, heard_private) = services::tcp(&world.outside, PRIVATE, services::echo);
    world.host.ip("addr add 185.15.58.224/32 dev lo");
    let on_host = |address| SocketAddrV4::new(address, on_host.port());
    for closed in [
        on_host(HOST),
        on_host(Ipv4Addr::new(185, 15, 58, 224)),
        on_host(HOST_ADDRESS),
        private,
        SocketAddrV4::new(Ipv4Addr::new(169, 254, 169, 254), 80),
        SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 1), 80),
        SocketAddrV4::new(Ipv4Addr::new(100, 64, 0, 1), 80),
        SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 80),
    ] {
        assert_closed(&sandbox, closed);
    }
    assert_eq!((heard_host.load(Ordering::SeqCst), heard_private.load(Ordering::SeqCst)), (0, 0));
    // The same address is open as soon as it is no longer the host's: it had been closed for that reason only.
    world.host.ip("addr del 185.15.58.224/32 dev lo");
    world.outside.ip("addr add 185.15.58.224/32 dev lo");
    world.host.ip(&format!("route add 185.15.58.224/32 via {OUTSIDE}"));
    let echo = services::tcp_echo(&world.outside, Ipv4Addr::new(185, 15, 58, 224));
    std::thread::sleep(hearth_network::limits::OWN_ADDRESSES_FRESH);
    echoes(&mut sandbox.connect(echo).expect("open"), b"hello");
}

#[test]
fn sandboxes_do_not_reach_each_other() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let (one, other) = (world.sandbox(1), world.sandbox(2));
    let (echo, heard) = services::tcp(&other.inside, Ipv4Addr::UNSPECIFIED, services::echo);
    let address = hearth_network::address::DEVICE_ADDRESS;
    // It is the sandbox's own address, too: its own kernel answers.
    let own = SocketAddrV4::new(address, echo.port());
    assert_eq!(one.connect(own).expect_err("closed").kind(), ErrorKind::ConnectionRefused);
    assert_closed(&one, SocketAddrV4::new(Ipv4Addr::new(169, 254, 100, 7), echo.port()));
    assert_eq!(heard.load(Ordering::SeqCst), 0);
}

#[test]
fn there_is_no_ipv6() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let error = sandbox.inside.run(|| TcpStream::connect("[2606:4700:4700::1111]:443")).expect_err("no IPv6");
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[test]
fn an_entry_opens_its_port_and_nothing_else() {
    if !is_root() {
        return;
    }
    // The ports are only known when they listen, so the entry is made for a world of its own.
    let first = World::internet();
    let (open, _) = services::tcp(&first.outside, PRIVATE, services::echo);
    drop(first);
    let world = World::new(Outgoing::Internet, &[&open.to_string()]);
    let sandbox = world.sandbox(1);
    let listener = world.outside.run(move || std::net::TcpListener::bind(open).expect("the port is free"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = services::echo(stream);
        }
    });
    let (closed, _) = services::tcp(&world.outside, PRIVATE, services::echo);
    echoes(&mut sandbox.connect(open).expect("open"), b"hello");
    assert_closed(&sandbox, closed);
}

#[test]
fn host_hearth_internal_is_this_machine_s_loopback() {
    if !is_root() {
        return;
    }
    const OPEN: u16 = 5_432;
    let world = World::new(Outgoing::Internet, &["host.hearth.internal:5432"]);
    let sandbox = world.sandbox(1);
    let listener = world.host.run(|| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, OPEN)).expect("listener"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = services::echo(stream);
        }
    });
    let udp = world.host.run(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, OPEN)).expect("socket"));
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            let _ = udp.send_to(&buffer[..length], from);
        }
    });
    let (code, found) = ask(&sandbox, &query("host.hearth.internal", TYPE_A));
    assert_eq!((code, found), (0, vec![HOST_ADDRESS]));
    echoes(&mut sandbox.connect(SocketAddrV4::new(HOST_ADDRESS, OPEN)).expect("open"), b"select 1");
    let socket = sandbox.socket();
    socket.send_to(b"hello", (HOST_ADDRESS, OPEN)).expect("sent");
    let mut buffer = [0; 10];
    let (length, from) = socket.recv_from(&mut buffer).expect("received");
    assert_eq!((&buffer[..length], from), (&b"hello"[..], SocketAddrV4::new(HOST_ADDRESS, OPEN).into()));
    let (closed, heard) = services::tcp(&world.host, Ipv4Addr::LOCALHOST, services::echo);
    assert_closed(&sandbox, SocketAddrV4::new(HOST_ADDRESS, closed.port()));
    assert_eq!(heard.load(Ordering::SeqCst), 0);
}

#[test]
fn a_name_of_an_entry_is_answered_from_the_host_and_open() {
    if !is_root() {
        return;
    }
    const OPEN: u16 = 5_432;
    let hosts = format!("127.0.0.1 localhost\n{PRIVATE} db.internal\n");
    let world = World::with_hosts(Outgoing::None, &["DB.internal:5432", "localhost:80", "gone.internal:80"], &hosts);
    let sandbox = world.sandbox(1);
    let asked = name_server(&world.outside, OUTSIDE, OUTSIDE);
    let listener = world.outside.run(|| std::net::TcpListener::bind((PRIVATE, OPEN)).expect("listener"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = services::echo(stream);
        }
    });
    assert_eq!(ask(&sandbox, &query("db.internal", TYPE_A)), (0, vec![PRIVATE]));
    assert_eq!(ask(&sandbox, &query("db.internal", TYPE_AAAA)), (0, vec![]));
    echoes(&mut sandbox.connect(SocketAddrV4::new(PRIVATE, OPEN)).expect("open"), b"select 1");
    assert_closed(&sandbox, SocketAddrV4::new(PRIVATE, OPEN + 1));
    // 2: the host could not say.
    assert_eq!(ask(&sandbox, &query("gone.internal", TYPE_A)), (2, vec![]));
    // A name of something that is never open is answered all the same, and leads to the sandbox's own loopback.
    assert_eq!(ask(&sandbox, &query("localhost", TYPE_A)), (0, vec![Ipv4Addr::LOCALHOST]));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn outgoing_none_reaches_nothing_and_asks_nobody() {
    if !is_root() {
        return;
    }
    let world = World::new(Outgoing::None, &[]);
    let sandbox = world.sandbox(1);
    let asked = name_server(&world.outside, OUTSIDE, OUTSIDE);
    assert_closed(&sandbox, services::tcp_echo(&world.outside, OUTSIDE));
    // 5: refused.
    assert_eq!(ask(&sandbox, &query("example.com", TYPE_A)), (5, vec![]));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(ask(&sandbox, &query("sandbox.localdomain", TYPE_A)), (0, vec![SERVICES_ADDRESS]));
}

fn ask(sandbox: &Sandbox, query: &[u8]) -> (u8, Vec<Ipv4Addr>) {
    let answer = ask_raw(sandbox, query);
    addresses(query, &answer)
}

fn ask_raw(sandbox: &Sandbox, query: &[u8]) -> Vec<u8> {
    let socket = sandbox.socket();
    socket.send_to(query, DNS_SOCKET).expect("sent");
    let mut buffer = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).expect("an answer");
    assert_eq!(from, DNS_SOCKET.into());
    buffer.truncate(length);
    buffer
}

#[test]
fn names_are_resolved_by_the_host_s_name_server() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let asked = name_server(&world.outside, OUTSIDE, Ipv4Addr::new(151, 101, 1, 1));
    let question = query("Example.COM", TYPE_A);
    let answer = ask_raw(&sandbox, &question);
    assert_eq!(answer[12..question.len()], question[12..], "the question as it was asked");
    assert_eq!(addresses(&question, &answer), (0, vec![Ipv4Addr::new(151, 101, 1, 1)]));

    // What is cut for a datagram is asked for over TCP, on one connection.
    let long = query("long.example.com", TYPE_A);
    assert_eq!(ask_raw(&sandbox, &long)[2] & 2, 2);
    let mut stream = sandbox.connect(DNS_SOCKET).expect("connected");
    for question in [&long, &question] {
        stream.write_all(&framed(question)).expect("written");
        let answer = read_framed(&mut stream).expect("an answer");
        assert_eq!(addresses(question, &answer), (0, vec![Ipv4Addr::new(151, 101, 1, 1)]));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);

    // What means something inside only is not asked for outside.
    for (name, kind, expected) in [
        ("sandbox.localdomain", TYPE_A, (0, vec![SERVICES_ADDRESS])),
        ("HOST.hearth.internal", TYPE_A, (0, vec![HOST_ADDRESS])),
        ("host.hearth.internal", TYPE_AAAA, (0, vec![])),
        ("other.hearth.internal", TYPE_A, (3, vec![])),
    ] {
        assert_eq!(ask(&sandbox, &query(name, kind)), expected, "{name}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);

    // An answer opens nothing.
    let rebound = World::internet();
    let sandbox = rebound.sandbox(1);
    name_server(&rebound.outside, OUTSIDE, PRIVATE);
    assert_eq!(ask(&sandbox, &query("rebind.example.com", TYPE_A)), (0, vec![PRIVATE]));
    assert_closed(&sandbox, services::tcp_echo(&rebound.outside, PRIVATE));
}

/// Amazon VPC user guide: 1,024 packets per second to the name server, for each network interface.
#[test]
fn a_sandbox_asks_a_thousand_names_a_second_and_no_more() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let socket = sandbox.socket();
    socket.set_read_timeout(Some(Duration::from_millis(1))).expect("timeout");
    let question = query("host.hearth.internal", TYPE_A);
    let (started, mut answers) = (Instant::now(), 0.0);
    while started.elapsed() < Duration::from_secs(1) {
        for _ in 0..20 {
            socket.send_to(&question, DNS_SOCKET).expect("sent");
        }
        while socket.recv(&mut [0; 512]).is_ok() {
            answers += 1.0;
        }
    }
    // And a tenth of a second's worth that may be asked at once.
    let most = DNS_QUERIES_PER_SECOND * (started.elapsed().as_secs_f64() + 0.1);
    assert!((DNS_QUERIES_PER_SECOND * 0.5..=most + 20.0).contains(&answers), "{answers} answers, at most {most}");
}

#[test]
fn the_host_s_list_of_name_servers_may_change() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    world.outside.ip("addr add 93.184.216.35/24 dev wire0");
    name_server(&world.outside, OUTSIDE, Ipv4Addr::new(1, 0, 0, 1));
    name_server(&world.outside, Ipv4Addr::new(93, 184, 216, 35), Ipv4Addr::new(1, 0, 0, 2));
    // One on the host's loopback, as systemd-resolved has it.
    name_server(&world.host, Ipv4Addr::new(127, 0, 0, 53), Ipv4Addr::new(1, 0, 0, 3));
    let question = query("example.com", TYPE_A);
    assert_eq!(ask(&sandbox, &question).1, [Ipv4Addr::new(1, 0, 0, 1)]);
    for (server, says) in [("93.184.216.35", [1, 0, 0, 2]), ("127.0.0.53", [1, 0, 0, 3])] {
        fs::write(&world.resolv_conf, format!("nameserver {server}\n")).expect("written");
        assert_eq!(ask(&sandbox, &question).1, [Ipv4Addr::from(says)]);
    }
    // The first is silent, the second is asked.
    fs::write(&world.resolv_conf, format!("nameserver 127.0.0.54\nnameserver {OUTSIDE}\n")).expect("written");
    assert_eq!(ask(&sandbox, &question).1, [Ipv4Addr::new(1, 0, 0, 1)]);
    // Nobody answers: 2, server failure, at once where the port is closed.
    fs::write(&world.resolv_conf, "nameserver 127.0.0.54\n").expect("written");
    assert_eq!(ask(&sandbox, &question), (2, vec![]));
}

/// Forwarding is off in the host's namespace, so nothing is ever forwarded; where a firewall program is there, its
/// policy says so, too.
#[test]
fn nothing_is_forwarded_by_the_host() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let forwards = world.host.run(|| {
        fs::write("/proc/sys/net/ipv4/ip_forward", "0").expect("written");
        fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("read")
    });
    assert_eq!(forwards.trim(), "0");
    let firewalls: [&[&[&str]]; 2] = [
        &[&["iptables", "-P", "FORWARD", "DROP"]],
        &[
            &["nft", "add table ip filter"],
            &["nft", "add chain ip filter forward { type filter hook forward priority 0; policy drop; }"],
        ],
    ];
    let is_set = firewalls.iter().any(|commands| {
        let commands: Vec<Vec<String>> =
            commands.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect();
        world.host.run(move || {
            commands
                .iter()
                .all(|words| Command::new(&words[0]).args(&words[1..]).status().is_ok_and(|status| status.success()))
        })
    });
    if !is_set {
        eprintln!("skipped: FORWARD policy DROP, for neither iptables nor nft is here; forwarding is off altogether");
    }
    let sandbox = world.sandbox(1);
    echoes(&mut sandbox.connect(services::tcp_echo(&world.outside, OUTSIDE)).expect("connected"), b"hello");
    let (links_before, links) = ("wire0", world.host.ip_output("-brief link").1);
    let names: Vec<_> = links.lines().filter_map(|line| line.split([' ', '@']).next()).collect();
    assert_eq!(names, ["lo", links_before], "the host has no device for it");
    eventually("the connection is forgotten", || world.descriptors() < 40);
}
