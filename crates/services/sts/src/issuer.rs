//! Identity providers whose tokens are believed, and their keys.
//!
//! A key signs with the algorithms of its own kind only: what a token says of its algorithm chooses among those, never
//! another kind, and never none. Source: RFC 7517, RFC 7518; STS API reference, AssumeRoleWithWebIdentity: RS256, RS384,
//! RS512, ES256, ES384 and ES512.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Largest file of keys, bytes.
const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys of one provider.
const KEYS_MAX: usize = 100;
/// Shortest RSA key, bytes: 2,048 bits.
const RSA_BYTES_MIN: usize = 256;

/// A provider that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    #[error("an issuer is an https URL without query and fragment")]
    NotHttps,
    #[error("it is there twice")]
    Twice,
    #[error("an audience is needed: whom its tokens are for")]
    NoAudience,
    #[error("its keys are no JSON Web Key Set of at most {KEYS_MAX} keys and {KEY_SET_BYTES_MAX} bytes: {0}")]
    NotAKeySet(String),
    #[error("key {0} is malformed, or too short")]
    Key(usize),
    #[error("none of its keys can sign with RS256, RS384, RS512, ES256, ES384 or ES512")]
    NoKey,
}

/// The providers of a server.
#[derive(Debug, Default)]
pub struct Issuers(Vec<Issuer>);

#[derive(Debug)]
pub(crate) struct Issuer {
    url: String,
    pub(crate) audiences: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Deserialize)]
struct RawKeySet {
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    #[serde(default)]
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Issuers {
    /// Adds a provider: its URL as tokens name it, whom its tokens may be for, and its JSON Web Key Set. Keys of other
    /// kinds, and such that encrypt, are passed over.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn add(&mut self, url: &str, audiences: Vec<String>, key_set: &str) -> Result<(), IssuerError> {
        let host_and_path = url.strip_prefix("https://").ok_or(IssuerError::NotHttps)?;
        if host_and_path.is_empty() || host_and_path.contains(['?', '#', ' ']) {
            return Err(IssuerError::NotHttps);
        }
        if self.find(url).is_some() {
            return Err(IssuerError::Twice);
        }
        if audiences.is_empty() {
            return Err(IssuerError::NoAudience);
        }
        if key_set.len() > KEY_SET_BYTES_MAX {
            return Err(IssuerError::NotAKeySet("it is too large".to_owned()));
        }
        let raw: RawKeySet =
            serde_json::from_str(key_set).map_err(|error| IssuerError::NotAKeySet(error.to_string()))?;
        if raw.keys.len() > KEYS_MAX {
            return Err(IssuerError::NotAKeySet("it has too many keys".to_owned()));
        }
        let mut keys = Vec::new();
        for (index, raw) in raw.keys.into_iter().enumerate() {
            keys.extend(Key::read(raw).map_err(|Malformed| IssuerError::Key(index))?);
        }
        if keys.is_empty() {
            return Err(IssuerError::NoKey);
        }
        self.0.push(Issuer { url: url.to_owned(), audiences, keys });
        Ok(())
    }

    pub(crate) fn find(&self, url: &str) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.url == url)
    }
}

impl Issuer {
    /// `HOST/PATH`: the provider's name in ARNs and condition keys.
    pub(crate) fn name(&self) -> &str {
        self.url.strip_prefix("https://").unwrap_or(&self.url)
    }

    /// Whether a key of that id, of any when the token names none, could have signed with that algorithm.
    pub(crate) fn has_key(&self, id: Option<&str>, algorithm: &str) -> bool {
        self.candidates(id, algorithm).next().is_some()
    }

    /// Whether one of these keys signed the message.
    pub(crate) fn verify(&self, id: Option<&str>, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        self.candidates(id, algorithm).any(|key| key.public.verify(algorithm, message, signature))
    }

    fn candidates<'k>(&'k self, id: Option<&'k str>, algorithm: &'k str) -> impl Iterator<Item = &'k Key> {
        self.keys.iter().filter(move |key| {
            id.is_none_or(|id| key.id.as_deref() == Some(id))
                && key.algorithm.as_deref().is_none_or(|only| only == algorithm)
                && key.public.signs_with(algorithm)
        })
    }
}

/// A key that says it is of a kind known here, and is not.
struct Malformed;

impl Key {
    fn read(raw: RawKey) -> Result<Option<Self>, Malformed> {
        if raw.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Ok(None);
        }
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text.ok_or(Malformed)?).map_err(|_| Malformed);
        let public = match (raw.kty.as_str(), raw.crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = (bytes(raw.n)?, bytes(raw.e)?);
                let modulus: Vec<u8> = modulus.into_iter().skip_while(|byte| *byte == 0).collect();
                if modulus.len() < RSA_BYTES_MIN {
                    return Err(Malformed);
                }
                Public::Rsa { modulus, exponent }
            }
            ("EC", Some(name)) => {
                let Some(curve) = Curve::named(name) else { return Ok(None) };
                let (x, y) = (bytes(raw.x)?, bytes(raw.y)?);
                if x.len() != curve.coordinate_bytes() || y.len() != curve.coordinate_bytes() {
                    return Err(Malformed);
                }
                Public::Ec { curve, point: [&[4], &x[..], &y[..]].concat() }
            }
            _ => return Ok(None),
        };
        let key = Self { id: raw.kid, algorithm: raw.alg, public };
        let is_usable = key.algorithm.as_deref().is_none_or(|only| key.public.signs_with(only));
        Ok(is_usable.then_some(key))
    }
}

impl Curve {
    fn named(name: &str) -> Option<Self> {
        match name {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            "P-521" => Some(Self::P521),
            _ => None,
        }
    }

    const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ES256",
            Self::P384 => "ES384",
            Self::P521 => "ES512",
        }
    }
}

impl Public {
    fn signs_with(&self, algorithm: &str) -> bool {
        match self {
            Self::Rsa { .. } => matches!(algorithm, "RS256" | "RS384" | "RS512"),
            Self::Ec { curve, .. } => curve.algorithm() == algorithm,
        }
    }

    fn verify(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { modulus, exponent } => {
                let parameters = match algorithm {
                    "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &RSA_PKCS1_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature).is_ok()
            }
            Self::Ec { curve, point } => {
                let parameters = match curve {
                    Curve::P256 => &ECDSA_P256_SHA256_FIXED,
                    Curve::P384 => &ECDSA_P384_SHA384_FIXED,
                    Curve::P521 => &ECDSA_P521_SHA512_FIXED,
                };
                curve.algorithm() == algorithm
                    && UnparsedPublicKey::new(parameters, point).verify(message, signature).is_ok()
            }
        }
    }
}
