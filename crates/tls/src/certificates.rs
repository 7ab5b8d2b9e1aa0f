//! Certificates by name, made when a client first asks for one and kept in memory.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hearth_types::{Clock, Random};
use parking_lot::Mutex;
use rcgen::SanType;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;

use crate::authority::{Authority, AuthorityError, Leaf};
use crate::names::Names;

/// Certificates kept at the same time; the oldest goes first. One serves all function URLs of a region.
const KEPT_MAX: usize = 256;
/// TLS sessions that may be taken up again.
const SESSIONS_MAX: usize = 1_024;
/// In the order of preference. Source: RFC 7301.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What the server shows to clients that speak TLS.
pub struct Certificates {
    authority: Authority,
    names: Names,
    kept: Mutex<Kept>,
    base: ServerConfig,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

#[derive(Default)]
struct Kept {
    by_subject: HashMap<String, Leaf>,
    /// Oldest first.
    subjects: VecDeque<String>,
}

impl Certificates {
    /// # Errors
    /// No TLS configuration can be made.
    pub fn new(
        authority: Authority,
        names: Names,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, AuthorityError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| AuthorityError::Certificate(error.to_string()))?;
        let mut base = builder.with_no_client_auth().with_cert_resolver(Arc::new(Nobody));
        base.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        base.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
        Ok(Arc::new(Self { authority, names, kept: Mutex::default(), base, clock, random }))
    }

    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The configuration for a connection to that address of ours, by which clients call us that name none.
    #[must_use]
    pub fn for_connection(self: &Arc<Self>, local: IpAddr) -> Arc<ServerConfig> {
        let mut config = self.base.clone();
        config.cert_resolver = Arc::new(Resolver { certificates: self.clone(), local });
        Arc::new(config)
    }

    fn by_name(&self, name: Option<&str>, local: IpAddr) -> Option<Arc<CertifiedKey>> {
        let (subject, san) = match name {
            Some(name) => {
                let subject = self.names.subject(name)?;
                let san = SanType::DnsName(subject.as_str().try_into().ok()?);
                (subject, san)
            }
            None => (local.to_string(), SanType::IpAddress(local)),
        };
        let now_ms = self.clock.now_ms();
        let mut kept = self.kept.lock();
        if let Some(leaf) = kept.by_subject.get(&subject).filter(|leaf| now_ms < leaf.renewed_at_ms) {
            return Some(Arc::clone(&leaf.key));
        }
        // A fraction of a millisecond, once per name: who asks for the same meanwhile would wait for it anyway.
        let made = self.authority.issue(&[san], now_ms, &*self.random);
        let leaf = made.inspect_err(|error| tracing::error!(%error, subject, "no certificate")).ok()?;
        let key = Arc::clone(&leaf.key);
        if kept.by_subject.insert(subject.clone(), leaf).is_none() {
            kept.subjects.push_back(subject);
        }
        if kept.subjects.len() > KEPT_MAX
            && let Some(oldest) = kept.subjects.pop_front()
        {
            kept.by_subject.remove(&oldest);
        }
        Some(key)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("names", &self.names).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Resolver {
    certificates: Arc<Certificates>,
    local: IpAddr,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certificates.by_name(hello.server_name(), self.local)
    }
}

/// Stands in a configuration that is not yet of a connection.
#[derive(Debug)]
struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::{ManualClock, OsRandom};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};

    use super::*;

    const NOW_MS: i64 = 1_768_232_232_000;
    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn certificates() -> (tempfile::TempDir, Arc<ManualClock>, Arc<Certificates>) {
        let data = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let authority = Authority::open(data.path(), NOW_MS, &OsRandom).expect("an authority");
        let made = Certificates::new(authority, Names::new(&[], None), clock.clone(), Arc::new(OsRandom));
        (data, clock, made.expect("certificates"))
    }

    /// As a client that trusts the authority sees it.
    fn is_trusted(certificates: &Certificates, key: &CertifiedKey, name: &str, now_ms: i64) -> bool {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(certificates.authority().pem().as_bytes()).expect("a certificate");
        roots.add(root).expect("a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a verifier");
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(now_ms as u64));
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        verifier.verify_server_cert(&key.cert[0], &key.cert[1..], &name, &[], now).is_ok()
    }

    #[test]
    fn who_trusts_the_authority_trusts_the_server_under_its_names_only() {
        let (_data, _, certificates) = certificates();
        for (asked, called) in [
            (Some("localhost"), "localhost"),
            (Some("abc.lambda-url.us-east-1.on.aws"), "abc.lambda-url.us-east-1.on.aws"),
            (Some("abc.lambda-url.us-east-1.localhost"), "def.lambda-url.us-east-1.localhost"),
            (None, "127.0.0.1"),
        ] {
            let key = certificates.by_name(asked, LOCAL).expect(called);
            assert!(is_trusted(&certificates, &key, called, NOW_MS), "{called}");
            assert!(!is_trusted(&certificates, &key, "example.com", NOW_MS), "{called}");
        }
        assert!(certificates.by_name(Some("example.com"), LOCAL).is_none());
        let key = certificates.by_name(None, "::1".parse().expect("an address")).expect("a certificate");
        assert!(
            is_trusted(&certificates, &key, "::1", NOW_MS) && !is_trusted(&certificates, &key, "127.0.0.1", NOW_MS)
        );
    }

    #[test]
    fn a_certificate_is_made_once_and_renewed_before_it_ends() {
        let (_data, clock, certificates) = certificates();
        let ask = || certificates.by_name(Some("localhost"), LOCAL).expect("a certificate");
        let first = ask();
        assert!(Arc::ptr_eq(&first, &ask()));
        clock.advance(16 * 24 * 60 * 60 * 1_000);
        let second = ask();
        assert!(!Arc::ptr_eq(&first, &second));
        let now_ms = clock.now_ms();
        assert!(is_trusted(&certificates, &first, "localhost", now_ms), "the old one was still valid");
        assert!(is_trusted(&certificates, &second, "localhost", now_ms));
        assert!(!is_trusted(&certificates, &first, "localhost", NOW_MS + 31 * 24 * 60 * 60 * 1_000));
    }

    #[test]
    fn no_client_fills_the_memory_with_names() {
        let (_data, _, certificates) = certificates();
        for number in 0..KEPT_MAX + 10 {
            certificates.by_name(Some(&format!("n{number}.localhost")), LOCAL).expect("a certificate");
        }
        let kept = certificates.kept.lock();
        assert_eq!((kept.by_subject.len(), kept.subjects.len()), (KEPT_MAX, KEPT_MAX));
    }
}
