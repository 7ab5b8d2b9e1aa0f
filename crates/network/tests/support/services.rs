//! Who answers in the namespaces: echoes, digests, a name server.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

use super::Namespace;

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Serves each TCP connection in a thread. Returns the port and how many connections there were.
pub(crate) fn tcp(
    namespace: &Namespace,
    address: Ipv4Addr,
    serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> (SocketAddrV4, Arc<AtomicUsize>) {
    let listener = namespace.run(move || TcpListener::bind((address, 0)).expect("listener"));
    let port = listener.local_addr().expect("address").port();
    let (accepted, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
    let count = Arc::clone(&accepted);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    (SocketAddrV4::new(address, port), accepted)
}

pub(crate) fn tcp_echo(namespace: &Namespace, address: Ipv4Addr) -> SocketAddrV4 {
    tcp(namespace, address, echo).0
}

pub(crate) fn echo(stream: TcpStream) -> io::Result<()> {
    io::copy(&mut &stream, &mut &stream)?;
    stream.shutdown(Shutdown::Write)
}

/// Reads everything, answers with its digest.
pub(crate) fn digest(mut stream: TcpStream) -> io::Result<()> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return stream.write_all(&hasher.finalize());
        }
        hasher.update(&buffer[..count]);
    }
}

pub(crate) fn udp_echo(namespace: &Namespace, address: Ipv4Addr) -> SocketAddrV4 {
    let socket = namespace.run(move || UdpSocket::bind((address, 0)).expect("socket"));
    let port = socket.local_addr().expect("address").port();
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    SocketAddrV4::new(address, port)
}

/// A name server that says the same address for every name, and how often it was asked. Over UDP it says that it has
/// more to say when the name starts with "long".
pub(crate) fn name_server(namespace: &Namespace, at: Ipv4Addr, says: Ipv4Addr) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let socket = namespace.run(move || UdpSocket::bind((at, 53)).expect("socket"));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        let mut buffer = vec![0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::SeqCst);
            let mut answer = answer(&buffer[..length], says);
            if buffer[13..length].starts_with(b"long") {
                answer[2] |= 2;
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    let listener = namespace.run(move || TcpListener::bind((at, 53)).expect("listener"));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while let Ok(query) = read_framed(&mut stream) {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(&framed(&answer(&query, says)));
            }
        }
    });
    asked
}

fn answer(query: &[u8], says: Ipv4Addr) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[6..8].copy_from_slice(&[0, 1]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    answer.extend(says.octets());
    answer
}

/// A DNS query for addresses.
pub(crate) fn query(name: &str, kind: u8) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("short"));
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, kind, 0, 1]);
    bytes
}

/// Response code and addresses of an answer that has but its question and those.
pub(crate) fn addresses(query: &[u8], answer: &[u8]) -> (u8, Vec<Ipv4Addr>) {
    assert_eq!(answer[..2], query[..2], "the asker's number");
    assert!(answer[2] & 0x80 != 0, "a response");
    let records = answer[query.len()..].chunks_exact(16);
    let addresses = records.map(|record| {
        let octets: [u8; 4] = record[12..].try_into().expect("four bytes");
        Ipv4Addr::from(octets)
    });
    (answer[3] & 0x0f, addresses.collect())
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).expect("short").to_be_bytes(), message].concat()
}

pub(crate) fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}
