//! Signing messages that others verify by a certificate they fetch from here: a key, and a certificate made by it.
//!
//! ```text
//! DATA/tls/messages.key    an RSA key, for the owner's eyes only
//! DATA/tls/messages.pem    its certificate
//! ```
//!
//! Made when the first message is signed: it takes a moment, and few servers need it. The key comes first, in one step; a
//! certificate that is missing is made again. Nothing is signed by a key that is not on disk; one that finds no room there
//! is kept until there is some, since making one takes long.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use hearth_types::{Clock, Random};
use parking_lot::Mutex;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, SerialNumber};
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest as _, Sha256};

use crate::authority::{AuthorityError, certificate_error, create, make_directory, positive, validity};

const KEY_FILE: &str = "messages.key";
const CERTIFICATE_FILE: &str = "messages.pem";
/// How long the certificate is valid: nobody renews it.
const CERTIFICATE_DAYS: i64 = 3_650;

/// Signs messages.
pub struct MessageSigner {
    directory: PathBuf,
    /// What the certificate is made out to.
    name: &'static str,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    made: Mutex<Option<Arc<Made>>>,
    /// A key that could not be stored, as PKCS #8.
    homeless: Mutex<Option<Pkcs8V1Der<'static>>>,
}

struct Made {
    key: RsaKey,
    pem: String,
    id: String,
}

impl MessageSigner {
    /// Of a directory, where nothing is made yet.
    #[must_use]
    pub fn new(directory: &Path, name: &'static str, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            directory: directory.to_owned(),
            name,
            clock,
            random,
            made: Mutex::default(),
            homeless: Mutex::default(),
        }
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// [`AuthorityError`]: there is no key, and none can be made.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let made = self.made()?;
        let mut signature = vec![0; made.key.public_modulus_len()];
        let signed = made.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature);
        signed.map_err(|_| certificate_error("the message cannot be signed"))?;
        Ok(signature)
    }

    /// Tells this certificate from others: 32 hexadecimal digits.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn id(&self) -> Result<String, AuthorityError> {
        Ok(self.made()?.id.clone())
    }

    /// The id, if there is a key: none is made for it.
    #[must_use]
    pub fn known_id(&self) -> Option<String> {
        self.directory.join(KEY_FILE).exists().then(|| self.id().ok()).flatten()
    }

    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn pem(&self) -> Result<String, AuthorityError> {
        Ok(self.made()?.pem.clone())
    }

    fn made(&self) -> Result<Arc<Made>, AuthorityError> {
        let mut made = self.made.lock();
        if let Some(made) = &*made {
            return Ok(made.clone());
        }
        let fresh = Arc::new(self.open()?);
        *made = Some(fresh.clone());
        Ok(fresh)
    }

    fn open(&self) -> Result<Made, AuthorityError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| AuthorityError::Io { path, error }
        };
        make_directory(&self.directory).map_err(io(&self.directory))?;
        let key_path = self.directory.join(KEY_FILE);
        if !key_path.exists() {
            let mut homeless = self.homeless.lock();
            let der = match homeless.take() {
                Some(der) => der,
                None => generate()?,
            };
            let der = homeless.insert(der);
            create(&key_path, der.as_ref(), 0o600, &*self.random).map_err(io(&key_path))?;
            *homeless = None;
        }
        let der = fs::read(&key_path).map_err(io(&key_path))?;
        let unreadable = |detail: String| AuthorityError::Key { path: key_path.clone(), detail };
        let key = RsaKey::from_pkcs8(&der).map_err(|error| unreadable(error.to_string()))?;
        let path = self.directory.join(CERTIFICATE_FILE);
        if !path.exists() {
            let pair =
                KeyPair::try_from(&PrivatePkcs8KeyDer::from(der)).map_err(|error| unreadable(error.to_string()))?;
            let made = self.certificate(&pair)?;
            create(&path, made.as_bytes(), 0o644, &*self.random).map_err(io(&path))?;
        }
        let pem = fs::read_to_string(&path).map_err(io(&path))?;
        let id = hex::encode(&Sha256::digest(&pem)[..16]);
        Ok(Made { key, pem, id })
    }

    fn certificate(&self, key: &KeyPair) -> Result<String, AuthorityError> {
        let digest = Sha256::digest(key.public_key_raw());
        let mut params = CertificateParams::new(vec![self.name.to_owned()]).map_err(certificate_error)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.serial_number = Some(SerialNumber::from_slice(&positive(&digest[..16])));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        (params.not_before, params.not_after) = validity(self.clock.now_ms(), CERTIFICATE_DAYS)?;
        Ok(params.self_signed(key).map_err(certificate_error)?.pem())
    }
}

fn generate() -> Result<Pkcs8V1Der<'static>, AuthorityError> {
    let key = RsaKey::generate(KeySize::Rsa2048).map_err(|_| certificate_error("no RSA key can be made"))?;
    key.as_der().map_err(|_| certificate_error("the key has no form"))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use hearth_types::{ManualClock, OsRandom};

    use super::*;

    fn signer(directory: &Path) -> MessageSigner {
        let clock = Arc::new(ManualClock::at(1_768_232_232_000));
        MessageSigner::new(directory, "sns.amazonaws.com", clock, Arc::new(OsRandom))
    }

    #[test]
    fn what_is_signed_verifies_in_the_next_life_too_and_nothing_else_does() {
        let data = tempfile::tempdir().expect("a directory");
        let directory = data.path().join("tls");
        let first = signer(&directory);
        assert!(!directory.exists(), "nothing is made ahead of need");
        let signature = first.sign(b"text").expect("signed");
        let again = signer(&directory);
        assert_eq!(
            (first.id().expect("an id"), first.pem().expect("PEM")),
            (again.id().expect("an id"), again.pem().expect("PEM"))
        );
        let public = again.made().expect("made").key.public_key().as_ref().to_vec();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        assert!(key.verify(b"text", &signature).is_ok());
        assert!(key.verify(b"texT", &signature).is_err());
    }

    #[test]
    fn a_key_that_found_no_room_is_the_one_that_is_stored_later() {
        let data = tempfile::tempdir().expect("a directory");
        let signer = signer(data.path());
        let kept = generate().expect("a key");
        let bytes = kept.as_ref().to_vec();
        *signer.homeless.lock() = Some(kept);
        signer.sign(b"text").expect("signed");
        assert_eq!(fs::read(data.path().join(KEY_FILE)).expect("there"), bytes);
        assert!(signer.homeless.lock().is_none());
    }

    #[test]
    fn a_damaged_key_is_told_of_and_not_replaced() {
        let data = tempfile::tempdir().expect("a directory");
        fs::write(data.path().join(KEY_FILE), "nonsense").expect("written");
        assert!(matches!(signer(data.path()).sign(b"text"), Err(AuthorityError::Key { .. })));
        assert_eq!(fs::read(data.path().join(KEY_FILE)).expect("there"), b"nonsense");
    }
}
