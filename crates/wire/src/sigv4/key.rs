//! Signing keys: derived from a secret once per date, region and service, and kept.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Credential;
use crate::limits::{CACHED_KEYS_MAX, CACHED_SCOPES_MAX};

/// A key that signs for one date, region and service.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Source: IAM user guide, "Derive a signing key".
    #[must_use]
    pub fn derive(secret: &str, credential: &Credential) -> Self {
        let mut start = Vec::with_capacity(4 + secret.len());
        start.extend_from_slice(b"AWS4");
        start.extend_from_slice(secret.as_bytes());
        let date = hmac(&start, &[&credential.date]);
        let region = hmac(&date, &[&credential.region]);
        let service = hmac(&region, &[&credential.service]);
        Self(hmac(&service, &["aws4_request"]))
    }

    /// Signs the text that the parts are together.
    #[must_use]
    pub fn sign(&self, parts: &[&str]) -> [u8; 32] {
        hmac(&self.0, parts)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn hmac(key: &[u8], parts: &[&str]) -> [u8; 32] {
    // A key longer than a block is replaced by its hash. Source: RFC 2104.
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// Derived keys by access key id. Bounded: when it is full it starts anew, which costs four hashes a key.
#[derive(Debug, Default)]
pub struct KeyCache(RwLock<HashMap<String, Entry>>);

struct Entry {
    secret: Arc<str>,
    scopes: Vec<(Credential, SigningKey)>,
}

impl Entry {
    fn is_of(&self, secret: &str) -> bool {
        self.secret.as_bytes().ct_eq(secret.as_bytes()).into()
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("scopes", &self.scopes.len()).finish_non_exhaustive()
    }
}

impl KeyCache {
    /// The signing key of this secret for this scope.
    #[must_use]
    pub fn get(&self, secret: &Arc<str>, credential: &Credential) -> SigningKey {
        let cache = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = cache.get(&credential.access_key_id).filter(|entry| entry.is_of(secret));
        if let Some((_, key)) = known.and_then(|entry| entry.scopes.iter().find(|(scope, _)| scope == credential)) {
            return key.clone();
        }
        drop(cache);
        let key = SigningKey::derive(secret, credential);
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_KEYS_MAX {
            cache.clear();
        }
        let entry = cache
            .entry(credential.access_key_id.clone())
            .or_insert_with(|| Entry { secret: secret.clone(), scopes: Vec::new() });
        if !entry.is_of(secret) || entry.scopes.len() >= CACHED_SCOPES_MAX {
            *entry = Entry { secret: secret.clone(), scopes: Vec::new() };
        }
        entry.scopes.push((credential.clone(), key.clone()));
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> Credential {
        Credential {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            date: "20120215".to_owned(),
            region: "us-east-1".to_owned(),
            service: "iam".to_owned(),
        }
    }

    // Source: AWS General Reference, "Examples of how to derive a signing key for Signature Version 4".
    #[test]
    fn the_documented_example_key_is_derived() {
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", &credential());
        assert_eq!(hex::encode(key.0), "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    }

    #[test]
    fn a_new_secret_of_an_old_id_gets_a_new_key() {
        let cache = KeyCache::default();
        let first = cache.get(&"one".into(), &credential());
        assert_eq!(cache.get(&"one".into(), &credential()).0, first.0);
        assert_ne!(cache.get(&"two".into(), &credential()).0, first.0);
    }
}
