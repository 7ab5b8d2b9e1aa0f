//! Session tokens that carry their session: sealed, so that only this server can make or read them.
//!
//! Nothing is stored per session, so sessions survive a restart and their number has no limit. A token is
//! `HEARTH` and base64 of: format byte, nonce, AES-256-GCM of the session as JSON. The key is made once per data
//! directory and kept in the store, encrypted like every secret there.
//!
//! The same key marks the ids of access keys made here: a key that was deleted is told from one nobody ever had.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_store::{Codec, Epoch, Key, Mutation, Precondition, Record, Secret, Shard, Store, StoreError};
use hearth_types::{AccountId, Caller, Origin, Partition, Random, Scope};
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::session_caller::SealedCaller;

/// What every session token starts with, those of functions too.
pub(crate) const TOKEN_PREFIX: &str = "HEARTH";
/// Longer ones are no tokens. Session policies and tags are bounded far below; STS packs them into 8 KiB or so.
const TOKEN_CHARS_MAX: usize = 64 * 1024;
const FORMAT: u8 = 1;
const KEY_BYTES: usize = 32;
/// Characters of an access key id behind its four letters.
const ID_CHARS: usize = 16;
/// How many of them mark it as ours: 20 bits, so one in a million foreign ids looks like a deleted one of ours.
const MARK_CHARS: usize = 4;
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The sealing key as it is stored, once per server.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TokenKeyRecord {
    /// Base64.
    pub(crate) key: Secret<String>,
}

impl Record for TokenKeyRecord {
    const KIND: &'static str = "iam.token-key";
    const VERSION: u32 = 1;
}

impl TokenKeyRecord {
    pub(crate) fn generate(random: &dyn Random) -> Self {
        let mut key = [0; KEY_BYTES];
        random.fill(&mut key);
        Self { key: Secret(STANDARD.encode(key)) }
    }
}

/// A session as its token holds it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) account: AccountId,
    pub(crate) caller: SealedCaller,
    pub(crate) origin: Origin,
    pub(crate) expires_at_ms: i64,
}

impl Sealed {
    pub(crate) fn caller(&self) -> Caller {
        self.caller.clone().into_caller(self.account)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the key that seals session tokens: {0}")]
pub struct TokenKeyError(&'static str);

pub(crate) struct Tokens {
    seal: LessSafeKey,
    mark: hmac::Key,
}

impl Tokens {
    /// With the key of the store, which is made when there is none.
    ///
    /// # Errors
    /// The store's, or the stored key is none.
    pub(crate) async fn load(store: &dyn Store, codec: &Codec, random: &dyn Random) -> Result<Self, IamError> {
        let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None };
        let key = Key::new(&scope, TokenKeyRecord::KIND);
        if store.get(&key).await?.is_none() {
            let record = codec.encode_at(&key, &TokenKeyRecord::generate(random))?;
            let absent = vec![Precondition::Absent(key.clone())];
            let made = store
                .commit(&Shard::new(&scope, "iam"), Epoch::default(), absent, vec![Mutation::Put(key.clone(), record)])
                .await;
            // Another node was first: its key is everyone's.
            if !matches!(made, Ok(_) | Err(StoreError::PreconditionFailed)) {
                made?;
            }
        }
        let entry = store.get(&key).await?.ok_or(TokenKeyError("it is gone"))?;
        Ok(Self::new(&codec.decode_at(&entry.key, &entry.value)?)?)
    }

    /// # Errors
    /// The stored key is none.
    fn new(record: &TokenKeyRecord) -> Result<Self, TokenKeyError> {
        let key = STANDARD.decode(&record.key.0).map_err(|_| TokenKeyError("it is not base64"))?;
        let seal = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| TokenKeyError("it has not 32 bytes"))?;
        // A key of its own for each use.
        let derive = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let mark = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&derive, b"access key ids").as_ref());
        Ok(Self { seal: LessSafeKey::new(seal), mark })
    }

    /// # Errors
    /// The session cannot be written, which no session does.
    pub(crate) fn seal(&self, session: &Sealed, random: &dyn Random) -> Result<String, String> {
        let mut sealed = serde_json::to_vec(session).map_err(|error| error.to_string())?;
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(), &mut sealed)
            .map_err(|_| "sealing failed".to_owned())?;
        let bytes = [&[FORMAT][..], &nonce, &sealed].concat();
        Ok(format!("{TOKEN_PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// The session of a token that was made here.
    pub(crate) fn open(&self, token: &str) -> Option<Sealed> {
        let text = token.strip_prefix(TOKEN_PREFIX).filter(|text| text.len() <= TOKEN_CHARS_MAX)?;
        let bytes = STANDARD.decode(text).ok()?;
        let (format, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *format != FORMAT {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.seal.open_in_place(nonce, aad(), &mut sealed).ok()?;
        serde_json::from_slice(plain).ok()
    }

    /// `prefix` (`AKIA`, `ASIA`) and 16 characters, the last four of which tell that it was made here.
    pub(crate) fn access_key_id(&self, prefix: &str, random: &dyn Random) -> String {
        let mut raw = [0; ID_CHARS - MARK_CHARS];
        random.fill(&mut raw);
        let body: String =
            raw.iter().map(|byte| char::from(ID_ALPHABET[usize::from(*byte) % ID_ALPHABET.len()])).collect();
        let id = format!("{prefix}{body}");
        let mark = self.mark(&id);
        id + &mark
    }

    /// Whether the id was made here, whatever has become of the key.
    pub(crate) fn is_ours(&self, access_key_id: &str) -> bool {
        let Some(at) = access_key_id.len().checked_sub(MARK_CHARS).filter(|at| access_key_id.is_char_boundary(*at))
        else {
            return false;
        };
        let (id, mark) = access_key_id.split_at(at);
        id.len() == 4 + ID_CHARS - MARK_CHARS && self.mark(id) == mark
    }

    fn mark(&self, id: &str) -> String {
        let tag = hmac::sign(&self.mark, id.as_bytes());
        tag.as_ref()[..MARK_CHARS]
            .iter()
            .map(|byte| char::from(ID_ALPHABET[usize::from(*byte) % ID_ALPHABET.len()]))
            .collect()
    }
}

fn aad() -> Aad<&'static [u8]> {
    Aad::from(b"hearth session token".as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::{SeededRandom, Session};

    fn tokens(seed: u64) -> Tokens {
        Tokens::new(&TokenKeyRecord::generate(&SeededRandom::new(seed))).expect("a key")
    }

    fn session() -> Sealed {
        Sealed {
            access_key_id: "ASIA".to_owned(),
            secret_access_key: "s".to_owned(),
            account: AccountId::DEFAULT,
            caller: SealedCaller::Root { session: Session { issued_at_ms: 5, ..Session::default() } },
            origin: Origin::Function,
            expires_at_ms: 7,
        }
    }

    #[test]
    fn a_token_brings_its_session_back() {
        let token = tokens(1).seal(&session(), &SeededRandom::new(2)).expect("sealed");
        let opened = tokens(1).open(&token).expect("ours");
        assert_eq!(
            (opened.secret_access_key.as_str(), opened.expires_at_ms, opened.origin),
            ("s", 7, Origin::Function)
        );
    }

    #[test]
    fn a_token_that_was_touched_or_comes_from_elsewhere_is_none() {
        let token = tokens(1).seal(&session(), &SeededRandom::new(2)).expect("sealed");
        assert!(tokens(3).open(&token).is_none());
        for at in TOKEN_PREFIX.len()..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(tokens(1).open(std::str::from_utf8(&bytes).expect("ASCII")).is_none(), "{at}");
        }
        for text in ["", "HEARTH", "HEARTHAA==", "FwoGZXIvYXdzE", &"HEARTHA".repeat(20_000)] {
            assert!(tokens(1).open(text).is_none());
        }
    }

    #[test]
    fn ids_made_here_are_known_for_ours() {
        let (ours, random) = (tokens(1), SeededRandom::new(9));
        for _ in 0..100 {
            let id = ours.access_key_id("AKIA", &random);
            let is_upper = id.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
            assert!(id.len() == 20 && id.starts_with("AKIA") && is_upper, "{id}");
            assert!(ours.is_ours(&id) && !tokens(2).is_ours(&id), "{id}");
        }
        for id in ["", "test", "AKIAIOSFODNN7EXAMPLE", "123456789012", "ÄÄÄÄÄÄÄÄÄÄ"] {
            assert!(!ours.is_ours(id), "{id}");
        }
    }
}
