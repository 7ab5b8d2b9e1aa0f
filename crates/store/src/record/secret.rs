//! Fields that are stored encrypted.
//!
//! A [`Secret`] cannot see the codec that drives serde, so the codec opens a scope on its own thread while it
//! encodes or decodes one record. Outside such a scope a secret neither serialises nor deserialises: there is no way
//! to leak one into a log line or an API answer by accident.

use std::cell::RefCell;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that [`Codec`](crate::Codec) stores encrypted and `Debug` never shows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Secret<T>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        if SCOPE.with_borrow(Option::is_none) {
            return Err(S::Error::custom("a secret is written only inside a record"));
        }
        // The value may hold secrets of its own, so nothing is borrowed while it serialises.
        let plain = serde_json::to_vec(&self.0).map_err(|_| S::Error::custom("a secret is no JSON"))?;
        let sealed = SCOPE.with_borrow_mut(|scope| scope.as_mut().and_then(|scope| scope.seal(plain)));
        let sealed = sealed.ok_or_else(|| S::Error::custom("a secret cannot be encrypted"))?;
        serializer.serialize_str(&STANDARD_NO_PAD.encode(sealed))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if SCOPE.with_borrow(Option::is_none) {
            return Err(D::Error::custom("a secret is read only inside a record"));
        }
        let text = String::deserialize(deserializer)?;
        let sealed = STANDARD_NO_PAD.decode(text).map_err(|_| D::Error::custom("a secret is no base64"))?;
        let plain = SCOPE.with_borrow_mut(|scope| scope.as_mut().and_then(|scope| scope.open(&sealed)));
        let plain = plain.ok_or_else(|| D::Error::custom("a secret cannot be decrypted"))?;
        // The parser's own text could quote the secret.
        serde_json::from_slice(&plain).map(Self).map_err(|_| D::Error::custom("a secret has another type"))
    }
}

thread_local! {
    static SCOPE: RefCell<Option<SecretScope>> = const { RefCell::new(None) };
}

/// Seals and opens the secrets of one record with that record's data key.
pub(super) struct SecretScope {
    data_key: Box<dyn FnMut() -> Option<LessSafeKey>>,
    made: Option<LessSafeKey>,
    aad: Vec<u8>,
    sealed_count: u32,
}

impl SecretScope {
    /// `data_key` is asked at most once, when the first secret is met.
    pub(super) fn new(aad: Vec<u8>, data_key: impl FnMut() -> Option<LessSafeKey> + 'static) -> Self {
        Self { data_key: Box::new(data_key), made: None, aad, sealed_count: 0 }
    }

    /// Runs `body` with this scope on the current thread.
    pub(super) fn run<T>(self, body: impl FnOnce() -> T) -> T {
        struct Restore(Option<SecretScope>);
        impl Drop for Restore {
            fn drop(&mut self) {
                SCOPE.set(self.0.take());
            }
        }
        let _restore = Restore(SCOPE.replace(Some(self)));
        body()
    }

    fn key(&mut self) -> Option<&LessSafeKey> {
        if self.made.is_none() {
            self.made = (self.data_key)();
        }
        self.made.as_ref()
    }

    /// Number of the secret within the record, then its ciphertext and tag.
    fn seal(&mut self, mut plain: Vec<u8>) -> Option<Vec<u8>> {
        let number = self.sealed_count;
        self.sealed_count = number.checked_add(1)?;
        let aad = Aad::from(self.aad.clone());
        self.key()?.seal_in_place_append_tag(nonce(number), aad, &mut plain).ok()?;
        Some([&number.to_be_bytes()[..], &plain].concat())
    }

    fn open(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (number, sealed) = sealed.split_first_chunk()?;
        let mut plain = sealed.to_vec();
        let aad = Aad::from(self.aad.clone());
        let length = self.key()?.open_in_place(nonce(u32::from_be_bytes(*number)), aad, &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

/// A data key encrypts the secrets of one encoding only, so counting them is enough: no nonce comes twice.
fn nonce(number: u32) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

pub(super) fn aes_key(bytes: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new)
}
