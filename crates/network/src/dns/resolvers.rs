//! The host's name servers: which they are, and asking them.

use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hearth_types::{OsRandom, Random};
use parking_lot::Mutex;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::message::Query;
use super::{read_message, write_message};
use crate::limits::{DNS_QUERIES_TOTAL_MAX, DNS_SERVERS_MAX, DNS_TRIES, DNS_TRY_TIMEOUT, RESOLV_CONF_BYTES_MAX};

const DNS_PORT: u16 = 53;
/// Bytes of an answer: as long as a message can be.
const ANSWER_BYTES_MAX: usize = 65_535;

/// How a query came, and so how it is passed on: an answer that was cut for a datagram makes the asker ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Udp,
    Tcp,
}

/// One for all sandboxes.
pub(crate) struct Resolvers {
    path: PathBuf,
    in_flight: Semaphore,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    stamp: Option<Stamp>,
    servers: Vec<SocketAddr>,
}

/// Changes when the file does.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Resolvers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, in_flight: Semaphore::new(DNS_QUERIES_TOTAL_MAX), known: Mutex::default() }
    }

    /// `None` when nobody answers.
    pub(crate) async fn ask(&self, query: &Query<'_>, carrier: Carrier) -> Option<Vec<u8>> {
        let _turn = self.in_flight.acquire().await.ok()?;
        let servers = self.servers();
        for _ in 0..DNS_TRIES {
            for server in &servers {
                let asked = match carrier {
                    Carrier::Udp => timeout(DNS_TRY_TIMEOUT, ask_udp(*server, query)).await,
                    Carrier::Tcp => timeout(DNS_TRY_TIMEOUT, ask_tcp(*server, query)).await,
                };
                if let Ok(Ok(answer)) = asked {
                    return Some(answer);
                }
            }
        }
        None
    }

    /// As the file says now.
    fn servers(&self) -> Vec<SocketAddr> {
        let stamp = fs::metadata(&self.path).ok().map(|file| Stamp {
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        });
        let mut known = self.known.lock();
        if known.servers.is_empty() || known.stamp != stamp {
            known.servers = read(&self.path).map_or_else(|_| parse(""), |text| parse(&text));
            known.stamp = stamp;
        }
        known.servers.clone()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(RESOLV_CONF_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Source: resolv.conf(5): without a `nameserver` line it is the one on this machine.
fn parse(text: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
            address.parse::<IpAddr>().ok()
        })
        .take(DNS_SERVERS_MAX)
        .map(|address| SocketAddr::new(address, DNS_PORT))
        .collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS_PORT));
    }
    servers
}

fn number() -> u16 {
    let mut bytes = [0; 2];
    OsRandom.fill(&mut bytes);
    u16::from_le_bytes(bytes)
}

/// From a port and under a number nobody can guess.
async fn ask_udp(server: SocketAddr, query: &Query<'_>) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let id = number();
    socket.send(&query.renumbered(id)).await?;
    loop {
        socket.readable().await?;
        // Taken at its real size, and only when it is there: many queries wait at once.
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        match socket.try_recv(&mut answer) {
            Ok(length) => {
                answer.truncate(length);
                answer.shrink_to_fit();
                if let Some(answer) = query.accept(id, answer) {
                    return Ok(answer);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn ask_tcp(server: SocketAddr, query: &Query<'_>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let id = number();
    write_message(&mut stream, &query.renumbered(id)).await?;
    let answer = read_message(&mut stream, ANSWER_BYTES_MAX).await?;
    query.accept(id, answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "another answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        parse(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn name_servers_are_read_as_resolv_conf_5_says() {
        assert_eq!(addresses("# nothing\n"), ["127.0.0.1:53"]);
        assert_eq!(
            addresses(
                "search a.b\n nameserver\t10.0.0.2 \n#nameserver 1.1.1.1\nnameserver ::1\nnameserver x\noptions edns0"
            ),
            ["10.0.0.2:53", "[::1]:53"]
        );
        let four = "nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4\n";
        assert_eq!(addresses(four).len(), 3);
    }

    #[test]
    fn the_file_is_read_again_when_it_changes() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("resolv.conf");
        let resolvers = Resolvers::new(path.clone());
        assert_eq!(resolvers.servers(), parse(""));
        fs::write(&path, "nameserver 192.0.2.1\n").expect("written");
        assert_eq!(resolvers.servers(), parse("nameserver 192.0.2.1"));
        let new = directory.path().join("new");
        fs::write(&new, "nameserver 192.0.2.2\n").expect("written");
        fs::rename(new, &path).expect("renamed");
        assert_eq!(resolvers.servers(), parse("nameserver 192.0.2.2"));
    }
}
