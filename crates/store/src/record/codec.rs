//! Records to bytes and back.
//!
//! Secrets are envelope-encrypted: AES-256-GCM with a data key that is fresh for every encoding and stands in the
//! record, wrapped by the master key that the record names. The record's kind, and its key when given, are
//! authenticated: a secret copied into another record does not open.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use hearth_types::{OsRandom, Random};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::secret::{SecretScope, aes_key};
use super::{KeyRing, KeyRingError, Record, RecordError};
use crate::key::Key;

/// Encodes and decodes records; holds the key ring.
pub struct Codec {
    ring: Arc<KeyRing>,
    random: Arc<dyn Random>,
}

#[derive(Serialize)]
struct Written<'a> {
    kind: &'a str,
    version: u32,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<SecretsHeader>,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    version: u32,
    #[serde(borrow)]
    data: &'a RawValue,
    secrets: Option<SecretsHeader>,
}

#[derive(Serialize, Deserialize)]
struct SecretsHeader {
    /// Id of the master key.
    key: String,
    /// The data key, encrypted.
    wrapped: String,
    /// Whether the record's own key is authenticated too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    bound: bool,
}

impl Codec {
    #[must_use]
    pub fn new(ring: KeyRing, random: Arc<dyn Random>) -> Self {
        Self { ring: Arc::new(ring), random }
    }

    /// A codec with the keys of that file, which is made when it does not exist.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn open(key_file: &Path) -> Result<Self, KeyRingError> {
        Ok(Self::new(KeyRing::open_or_create(key_file, &OsRandom)?, Arc::new(OsRandom)))
    }

    /// # Errors
    /// [`RecordError::Json`] or [`RecordError::Secrets`].
    pub fn encode<R: Record>(&self, record: &R) -> Result<Bytes, RecordError> {
        self.encode_record(None, record)
    }

    /// As [`Codec::encode`], and the secrets open only under this key.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn encode_at<R: Record>(&self, key: &Key, record: &R) -> Result<Bytes, RecordError> {
        self.encode_record(Some(key), record)
    }

    /// Reads a record of this or an older version.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn decode<R: Record>(&self, bytes: &[u8]) -> Result<R, RecordError> {
        self.decode_record(None, bytes)
    }

    /// Reads what [`Codec::encode_at`] wrote for this key, or [`Codec::encode`].
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn decode_at<R: Record>(&self, key: &Key, bytes: &[u8]) -> Result<R, RecordError> {
        self.decode_record(Some(key), bytes)
    }

    fn encode_record<R: Record>(&self, key: Option<&Key>, record: &R) -> Result<Bytes, RecordError> {
        let json = json_error::<R>;
        let aad = authenticated::<R>(key);
        // Filled when the first secret is met: most records have none.
        let wrapped: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
        let scope = SecretScope::new(aad.clone(), {
            let (wrapped, ring, random) = (wrapped.clone(), self.ring.clone(), self.random.clone());
            move || {
                let mut data_key = [0; 32];
                random.fill(&mut data_key);
                wrapped.replace(Some(ring.wrap(&data_key, &aad, &*random)?));
                aes_key(&data_key)
            }
        });
        let data = scope.run(|| serde_json::value::to_raw_value(record)).map_err(json)?;
        let secrets = wrapped.take().map(|wrapped| SecretsHeader {
            key: self.ring.current().to_owned(),
            wrapped: STANDARD_NO_PAD.encode(wrapped),
            bound: key.is_some(),
        });
        let written = Written { kind: R::KIND, version: R::VERSION, data: &data, secrets };
        serde_json::to_vec(&written).map(Bytes::from).map_err(json)
    }

    fn decode_record<R: Record>(&self, key: Option<&Key>, bytes: &[u8]) -> Result<R, RecordError> {
        let json = json_error::<R>;
        let read: Read<'_> = serde_json::from_slice(bytes).map_err(json)?;
        if read.kind != R::KIND {
            return Err(RecordError::WrongKind { expected: R::KIND, found: read.kind.into_owned() });
        }
        if read.version > R::VERSION {
            return Err(RecordError::Newer { kind: R::KIND, found: read.version, known: R::VERSION });
        }
        let scope = match &read.secrets {
            Some(header) => self.opening_scope::<R>(key, header)?,
            None => SecretScope::new(Vec::new(), || None),
        };
        if read.version == R::VERSION {
            return scope.run(|| serde_json::from_str(read.data.get())).map_err(json);
        }
        let mut value = serde_json::from_str(read.data.get()).map_err(json)?;
        for version in read.version..R::VERSION {
            value = R::migrate(version, value)?;
        }
        scope.run(|| serde_json::from_value(value)).map_err(json)
    }

    fn opening_scope<R: Record>(&self, key: Option<&Key>, header: &SecretsHeader) -> Result<SecretScope, RecordError> {
        let error = |detail| RecordError::Secrets { kind: R::KIND, detail };
        if !self.ring.knows(&header.key) {
            return Err(RecordError::UnknownKey { kind: R::KIND, key: header.key.clone() });
        }
        if header.bound && key.is_none() {
            return Err(error("they are bound to the record's key, which was not given"));
        }
        let aad = authenticated::<R>(key.filter(|_| header.bound));
        let wrapped = STANDARD_NO_PAD.decode(&header.wrapped).map_err(|_| error("the data key is no base64"))?;
        let data_key =
            self.ring.unwrap(&header.key, &wrapped, &aad).ok_or_else(|| error("the data key does not open"))?;
        Ok(SecretScope::new(aad, move || aes_key(&data_key)))
    }
}

fn authenticated<R: Record>(key: Option<&Key>) -> Vec<u8> {
    let mut aad = R::KIND.as_bytes().to_vec();
    if let Some(key) = key {
        aad.push(0);
        aad.extend(key.as_bytes());
    }
    aad
}

fn json_error<R: Record>(error: serde_json::Error) -> RecordError {
    RecordError::Json { kind: R::KIND, detail: error.to_string() }
}
