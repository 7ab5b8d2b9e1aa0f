//! What a function's connections do through hearth-network: everything that a direct connection would.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddrV4};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use support::services::{self, digest, sha256};
use support::{NOBODY, OUTSIDE, PATIENCE, World, echoes, is_root, noise};

const TEN_MEGABYTES: usize = 10_000_000;

#[test]
fn tcp_and_udp_reach_the_internet() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let mut stream = sandbox.connect(services::tcp_echo(&world.outside, OUTSIDE)).expect("connected");
    echoes(&mut stream, b"hello");
    let udp = services::udp_echo(&world.outside, OUTSIDE);
    let socket = sandbox.socket();
    // The largest is what UDP can carry: it is not split inside.
    for length in [0, 1, 1_500, 9_000, 65_507] {
        let sent = noise(length);
        socket.send_to(&sent, udp).expect("sent");
        let mut buffer = vec![0; 65_536];
        let (count, from) = socket.recv_from(&mut buffer).expect("received");
        assert_eq!((&buffer[..count], from), (&sent[..], udp.into()), "{length} bytes");
    }
}

#[test]
fn ten_megabytes_arrive_intact_in_both_directions() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let bytes = noise(TEN_MEGABYTES);
    let expected = sha256(&bytes);

    // Up. The end of the sandbox's stream is seen while the other direction is still open.
    let (up, _) = services::tcp(&world.outside, OUTSIDE, digest);
    let mut stream = sandbox.connect(up).expect("connected");
    stream.write_all(&bytes).expect("written");
    stream.shutdown(Shutdown::Write).expect("shut down");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("read");
    assert_eq!(received, expected);

    // Down.
    let (down, _) = services::tcp(&world.outside, OUTSIDE, move |mut stream| stream.write_all(&bytes));
    let mut received = Vec::new();
    sandbox.connect(down).expect("connected").read_to_end(&mut received).expect("read");
    assert_eq!((received.len(), sha256(&received)), (TEN_MEGABYTES, expected));
}

#[test]
fn both_directions_flow_at_once() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let mut stream = sandbox.connect(services::tcp_echo(&world.outside, OUTSIDE)).expect("connected");
    let bytes = noise(TEN_MEGABYTES);
    let expected = sha256(&bytes);
    let mut writer = stream.try_clone().expect("cloned");
    let writing = thread::spawn(move || {
        writer.write_all(&bytes)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("read");
    writing.join().expect("no panic").expect("written");
    assert_eq!((received.len(), sha256(&received)), (TEN_MEGABYTES, expected));
}

#[test]
fn the_sandbox_may_go_on_sending_after_the_outside_has_ended() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let (sender, digests) = mpsc::channel();
    let (address, _) = services::tcp(&world.outside, OUTSIDE, move |mut stream| {
        stream.shutdown(Shutdown::Write)?;
        // Slower than it comes, so that the end is reached with full buffers.
        thread::sleep(Duration::from_millis(300));
        let mut received = Vec::new();
        stream.read_to_end(&mut received)?;
        sender.send(sha256(&received)).map_err(std::io::Error::other)
    });
    let mut stream = sandbox.connect(address).expect("connected");
    assert_eq!(stream.read(&mut [0; 1]).expect("read"), 0);
    let bytes = noise(1_000_000);
    stream.write_all(&bytes).expect("written");
    drop(stream);
    assert_eq!(digests.recv_timeout(PATIENCE).expect("a digest"), sha256(&bytes));
}

#[test]
fn two_hundred_connections_work_at_once() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let echo = services::tcp_echo(&world.outside, OUTSIDE);
    let mut streams: Vec<_> = (0..200).map(|_| sandbox.connect(echo).expect("connected")).collect();
    for round in 0..3 {
        for (at, stream) in streams.iter_mut().enumerate() {
            stream.write_all(format!("{round} {at:03}").as_bytes()).expect("written");
        }
        for (at, stream) in streams.iter_mut().enumerate() {
            let mut heard = [0; 5];
            stream.read_exact(&mut heard).expect("read");
            assert_eq!(heard, format!("{round} {at:03}").as_bytes());
        }
    }
}

#[test]
fn a_port_nobody_listens_on_refuses_at_once() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let closed = SocketAddrV4::new(OUTSIDE, 9);
    let started = Instant::now();
    assert_eq!(sandbox.connect(closed).expect_err("refused").kind(), ErrorKind::ConnectionRefused);
    let socket = sandbox.socket();
    socket.connect(closed).expect("connected");
    socket.send(b"anybody?").expect("sent");
    assert_eq!(socket.recv(&mut [0; 8]).expect_err("refused").kind(), ErrorKind::ConnectionRefused);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn a_host_that_is_not_there_is_reported_as_such() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let error = world.sandbox(1).connect(SocketAddrV4::new(NOBODY, 80)).expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::HostUnreachable);
}

#[test]
fn a_reset_is_handed_on_in_both_directions() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let (sender, errors) = mpsc::channel();
    let (address, _) = services::tcp(&world.outside, OUTSIDE, move |mut stream| {
        let mut order = [0; 1];
        stream.read_exact(&mut order)?;
        if order == *b"r" {
            set_socket_linger(&stream, Some(Duration::ZERO))?;
        } else {
            let error = stream.read(&mut order).expect_err("a reset");
            sender.send(error.kind()).map_err(std::io::Error::other)?;
        }
        Ok(())
    });
    let mut stream = sandbox.connect(address).expect("connected");
    stream.write_all(b"r").expect("written");
    assert_eq!(stream.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);

    let mut stream = sandbox.connect(address).expect("connected");
    stream.write_all(b"w").expect("written");
    thread::sleep(Duration::from_millis(100));
    set_socket_linger(&stream, Some(Duration::ZERO)).expect("option");
    drop(stream);
    assert_eq!(errors.recv_timeout(PATIENCE).expect("an error"), ErrorKind::ConnectionReset);
}
