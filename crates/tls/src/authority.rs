//! The authority: a key and a self-signed certificate, made once and kept in the data directory.
//!
//! ```text
//! DATA/tls/authority.key    its private key, for the owner's eyes only
//! DATA/tls/ca.pem           its certificate, for clients to trust
//! ```
//!
//! The key is the authority: its certificate can be made from it again, and clients that trust the old one trust what it
//! signs. So the key is made first, in one step; a start that was cut short is finished by the next.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_types::{Random, random};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

const KEY_FILE: &str = "authority.key";
const CERTIFICATE_FILE: &str = "ca.pem";
const DAY_S: i64 = 24 * 60 * 60;
/// How long clients may trust the authority.
const AUTHORITY_DAYS: i64 = 3_650;
/// How long a certificate is valid. Clients refuse more than 398 days (CA/Browser Forum, Baseline Requirements).
const LEAF_DAYS: i64 = 30;
/// Clocks of clients may be behind ours.
const BACKDATED_DAYS: i64 = 1;

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("{path} is no private key of a Hearth authority: {detail}; without the file a new one is made")]
    Key { path: PathBuf, detail: String },
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
}

/// A key that signs, and the certificate that shows who does.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    path: PathBuf,
}

/// A certificate for some names, its key, and when another is due.
pub(crate) struct Leaf {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) renewed_at_ms: i64,
}

impl Authority {
    /// The authority in that directory; what is missing is made.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn open(directory: &Path, now_ms: i64, random: &dyn Random) -> Result<Self, AuthorityError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| AuthorityError::Io { path, error }
        };
        make_directory(directory).map_err(io(directory))?;
        let key_path = directory.join(KEY_FILE);
        if !key_path.exists() {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(certificate_error)?;
            create(&key_path, key.serialize_pem().as_bytes(), 0o600, random).map_err(io(&key_path))?;
        }
        let key_text = fs::read_to_string(&key_path).map_err(io(&key_path))?;
        let key = KeyPair::from_pem(&key_text)
            .map_err(|error| AuthorityError::Key { path: key_path, detail: error.to_string() })?;

        let params = authority_params(&key, now_ms)?;
        let path = directory.join(CERTIFICATE_FILE);
        if !path.exists() {
            let made = params.self_signed(&key).map_err(certificate_error)?;
            create(&path, made.pem().as_bytes(), 0o644, random).map_err(io(&path))?;
        }
        let pem = fs::read_to_string(&path).map_err(io(&path))?;
        let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes())
            .map_err(|error| AuthorityError::Certificate(format!("{}: {error}", path.display())))?;
        Ok(Self { issuer: Issuer::new(params, key), certificate, pem, path })
    }

    /// The certificate clients must trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The file it is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the certificate, as browsers show it: `AB:CD:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// A certificate for these names.
    ///
    /// # Errors
    /// One of them is none.
    pub(crate) fn issue(&self, names: &[SanType], now_ms: i64, random: &dyn Random) -> Result<Leaf, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(certificate_error)?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Hearth");
        params.serial_number = Some(serial(random));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now_ms, LEAF_DAYS)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(certificate_error)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = aws_lc_rs::sign::any_ecdsa_type(&private).map_err(certificate_error)?;
        // With the authority's own, so that a client can show whom it would have to trust.
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        Ok(Leaf {
            key: Arc::new(CertifiedKey::new(chain, signer)),
            renewed_at_ms: now_ms + LEAF_DAYS / 2 * DAY_S * 1_000,
        })
    }
}

/// The same for the same key, but for its dates: who signs is told by name and key.
fn authority_params(key: &KeyPair, now_ms: i64) -> Result<CertificateParams, AuthorityError> {
    let digest = Sha256::digest(key.public_key_raw());
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // Several servers' authorities are told apart in a client's store.
    params.distinguished_name.push(DnType::CommonName, format!("Hearth local authority {}", hex::encode(&digest[..4])));
    // From the key, too: two certificates of one issuer under one serial would be a forgery to some clients.
    params.serial_number = Some(SerialNumber::from_slice(&positive(&digest[4..20])));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = validity(now_ms, AUTHORITY_DAYS)?;
    Ok(params)
}

pub(crate) fn validity(now_ms: i64, days: i64) -> Result<(OffsetDateTime, OffsetDateTime), AuthorityError> {
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(certificate_error);
    let now_s = now_ms / 1_000;
    Ok((at(now_s - BACKDATED_DAYS * DAY_S)?, at(now_s + days * DAY_S)?))
}

fn serial(random: &dyn Random) -> SerialNumber {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    SerialNumber::from_slice(&positive(&bytes))
}

/// Serial numbers are positive, and nobody wants them to start with zeros. Source: RFC 5280, section 4.1.2.2.
pub(crate) fn positive(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    bytes
}

pub(crate) fn certificate_error(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Certificate(error.to_string())
}

pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(directory).or_else(there_already)
}

fn there_already(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

/// Makes a file that is whole and durable as soon as it has its name. Who comes second leaves it as it is.
pub(crate) fn create(path: &Path, content: &[u8], mode: u32, random: &dyn Random) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let draft = path.with_extension(format!("{}.new", random::hex(random, 8)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        // Whatever the umask takes away, clients must be able to read what is theirs.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::hard_link(&draft, path).or_else(there_already)
    })();
    let removed = fs::remove_file(&draft);
    written?;
    removed?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use hearth_types::OsRandom;

    use super::*;

    const NOW_MS: i64 = 1_768_232_232_000;

    #[test]
    fn it_is_made_once_and_its_key_is_private() {
        let data = tempfile::tempdir().expect("a directory");
        let directory = data.path().join("tls");
        let first = Authority::open(&directory, NOW_MS, &OsRandom).expect("made");
        let again = Authority::open(&directory, NOW_MS + 1_000_000, &OsRandom).expect("opened");
        assert_eq!((first.pem(), first.fingerprint()), (again.pem(), again.fingerprint()));
        let mode = |name: &str| fs::metadata(directory.join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(KEY_FILE), mode(CERTIFICATE_FILE)), (0o600, 0o644));
        assert_eq!(fs::read_dir(&directory).expect("listed").count(), 2, "no drafts are left");
        assert!(!first.pem().contains("PRIVATE"));
    }

    #[test]
    fn a_start_that_was_cut_short_is_finished_by_the_next() {
        let data = tempfile::tempdir().expect("a directory");
        Authority::open(data.path(), NOW_MS, &OsRandom).expect("made");
        let key = fs::read(data.path().join(KEY_FILE)).expect("a key");
        // As if it had ended between the two files, or in the middle of one.
        fs::remove_file(data.path().join(CERTIFICATE_FILE)).expect("there");
        fs::write(data.path().join("authority.0011.new"), "-----BEG").expect("written");
        let again = Authority::open(data.path(), NOW_MS, &OsRandom).expect("made whole");
        assert!(again.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(fs::read(data.path().join(KEY_FILE)).expect("a key"), key);
    }

    #[test]
    fn a_damaged_key_is_told_of_and_not_replaced() {
        let data = tempfile::tempdir().expect("a directory");
        fs::write(data.path().join(KEY_FILE), "nonsense").expect("written");
        let error = Authority::open(data.path(), NOW_MS, &OsRandom).err().expect("refused");
        assert!(matches!(error, AuthorityError::Key { .. }), "{error}");
        assert_eq!(fs::read(data.path().join(KEY_FILE)).expect("there"), b"nonsense");
    }
}
