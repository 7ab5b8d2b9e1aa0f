//! What hearth-network costs: throughput of one connection, time of a connect, time of an exchange; each beside the same
//! without it. `cargo test -p hearth-network --release --test measure -- --ignored --nocapture`

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use support::services::{self, digest};
use support::{Namespace, OUTSIDE, World, is_root};

const BYTES: usize = 500_000_000;
const CONNECTIONS: usize = 1_000;
const EXCHANGES: usize = 2_000;

fn connect(from: &Namespace, to: SocketAddrV4) -> TcpStream {
    from.run(move || TcpStream::connect(to).expect("connected"))
}

fn upload(from: &Namespace, to: SocketAddrV4) -> Duration {
    let mut stream = connect(from, to);
    let chunk = vec![7; 1_000_000];
    let started = Instant::now();
    for _ in 0..BYTES / chunk.len() {
        stream.write_all(&chunk).expect("written");
    }
    stream.shutdown(Shutdown::Write).expect("shut down");
    stream.read_to_end(&mut Vec::new()).expect("digest");
    started.elapsed()
}

fn download(from: &Namespace, to: SocketAddrV4) -> Duration {
    let mut stream = connect(from, to);
    let mut buffer = vec![0; 1_000_000];
    let (started, mut received) = (Instant::now(), 0);
    loop {
        match stream.read(&mut buffer).expect("read") {
            0 => break,
            count => received += count,
        }
    }
    assert_eq!(received, BYTES);
    started.elapsed()
}

/// Median and 99th percentile.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn connects(from: &Namespace, to: SocketAddrV4) -> (Duration, Duration) {
    from.run(move || {
        let timed = (0..CONNECTIONS).map(|_| {
            let started = Instant::now();
            let stream = TcpStream::connect(to).expect("connected");
            let elapsed = started.elapsed();
            drop(stream);
            elapsed
        });
        percentiles(timed.collect())
    })
}

fn exchanges(from: &Namespace, to: SocketAddrV4) -> (Duration, Duration) {
    let mut stream = connect(from, to);
    stream.set_nodelay(true).expect("option");
    let timed = (0..EXCHANGES).map(|_| {
        let started = Instant::now();
        support::echoes(&mut stream, b"ping");
        started.elapsed()
    });
    percentiles(timed.collect())
}

#[test]
#[ignore = "a measurement"]
fn what_it_costs() {
    if !is_root() {
        return;
    }
    let world = World::internet();
    let sandbox = world.sandbox(1);
    let (up, _) = services::tcp(&world.outside, OUTSIDE, |mut stream| {
        let mut buffer = vec![0; 1_000_000];
        while stream.read(&mut buffer)? > 0 {}
        stream.shutdown(Shutdown::Write)
    });
    let (checked, _) = services::tcp(&world.outside, OUTSIDE, digest);
    let (down, _) = services::tcp(&world.outside, OUTSIDE, |mut stream| {
        let chunk = vec![7; 1_000_000];
        (0..BYTES / chunk.len()).try_for_each(|_| stream.write_all(&chunk))
    });
    let echo = services::tcp_echo(&world.outside, OUTSIDE);
    let rate = |time: Duration| BYTES as f64 / 1e6 / time.as_secs_f64();
    for (name, from) in [("direct (veth)", &world.host), ("hearth-network", &sandbox.inside)] {
        println!("{name}:");
        println!("  up {:.0} MB/s, with digest {:.0} MB/s", rate(upload(from, up)), rate(upload(from, checked)));
        println!("  down {:.0} MB/s", rate(download(from, down)));
        let ((p50, p99), (e50, e99)) = (connects(from, echo), exchanges(from, echo));
        println!("  connect p50 {p50:?} p99 {p99:?}; exchange p50 {e50:?} p99 {e99:?}");
    }
    println!("hearth-network's memory: {} KiB, at most {} KiB", world.status("VmRSS"), world.status("VmHWM"));
}

/// A sandbox's device is made on the path of a cold start, and unmade when the environment ends: by whoever closes the
/// last descriptor.
#[test]
#[ignore = "a measurement"]
fn what_a_device_costs() {
    if !is_root() {
        return;
    }
    for persists in [false, true] {
        let (mut made, mut ended) = (Vec::new(), Vec::new());
        for namespace in (0..50).map(|_| Namespace::new()).collect::<Vec<_>>() {
            let (making, ending) = namespace.run(move || {
                let started = Instant::now();
                let device = tun_rs::DeviceBuilder::new().name("eth0").build_sync().expect("TUN device");
                if persists {
                    device.persist().expect("persistent");
                }
                let making = started.elapsed();
                let started = Instant::now();
                drop(device);
                (making, started.elapsed())
            });
            made.push(making);
            ended.push(ending);
        }
        let (making, ending) = (percentiles(made), percentiles(ended));
        println!("TUN device, persistent {persists}: making {making:?}, ending {ending:?} (p50, p99)");
    }
}
