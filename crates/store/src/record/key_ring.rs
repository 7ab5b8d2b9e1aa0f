//! The master keys: a small file that is not part of the data, so that who has only the data has no secret.
//!
//! One line per key, `id` and 64 hexadecimal digits; the last line's key encrypts, all of them decrypt. Rotation adds
//! a line; a record moves to the new key when it is written next.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use hearth_types::{Random, random};

use super::secret::aes_key;
use crate::disk;

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;

/// The master keys in memory. `Debug` shows their ids.
pub struct KeyRing {
    current: String,
    keys: HashMap<String, LessSafeKey>,
}

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error("the key file {path} can be read by others (mode {mode:03o}): run chmod 600 {path}")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("line {line} of the key file {path} is not an id and 64 hexadecimal digits")]
    Malformed { path: PathBuf, line: usize },
    #[error("the key file {path} holds no key")]
    Empty { path: PathBuf },
    #[error("the key file {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl KeyRing {
    /// A ring that lives in memory only, for tests.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        let (id, bytes) = new_key(random);
        let keys = aes_key(&bytes).map(|key| (id.clone(), key)).into_iter().collect();
        Self { current: id, keys }
    }

    /// Reads the key file; makes one with a fresh key, mode 0600, when there is none.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn open_or_create(path: &Path, random: &dyn Random) -> Result<Self, KeyRingError> {
        let io = |source| KeyRingError::Io { path: path.to_owned(), source };
        if !path.try_exists().map_err(io)? {
            let (id, bytes) = new_key(random);
            write_durably(path, &format!("{id} {}\n", hex::encode(bytes))).map_err(io)?;
        }
        Self::open(path)
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn open(path: &Path) -> Result<Self, KeyRingError> {
        let io = |source| KeyRingError::Io { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyRingError::Exposed { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(io)?;
        let mut ring = Self { current: String::new(), keys: HashMap::new() };
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let malformed = || KeyRingError::Malformed { path: path.to_owned(), line: at + 1 };
            let (id, digits) = line.trim().split_once(' ').ok_or_else(malformed)?;
            let mut bytes = [0; KEY_BYTES];
            hex::decode_to_slice(digits, &mut bytes).map_err(|_| malformed())?;
            ring.keys.insert(id.to_owned(), aes_key(&bytes).ok_or_else(malformed)?);
            id.clone_into(&mut ring.current);
        }
        if ring.keys.is_empty() { Err(KeyRingError::Empty { path: path.to_owned() }) } else { Ok(ring) }
    }

    /// Adds a fresh key to the file; a ring opened from now on encrypts with it.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn rotate(path: &Path, random: &dyn Random) -> Result<Self, KeyRingError> {
        let io = |source| KeyRingError::Io { path: path.to_owned(), source };
        Self::open(path)?;
        let text = fs::read_to_string(path).map_err(io)?;
        let (id, bytes) = new_key(random);
        write_durably(path, &format!("{}\n{id} {}\n", text.trim_end(), hex::encode(bytes))).map_err(io)?;
        Self::open(path)
    }

    /// The names of the keys, which are no secret, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.keys.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn current(&self) -> &str {
        &self.current
    }

    /// Encrypts a data key: a random nonce, then ciphertext and tag. Random nonces are safe for 2^32 uses of one
    /// master key (NIST SP 800-38D, 8.3); rotate long before.
    pub(super) fn wrap(&self, data_key: &[u8; 32], aad: &[u8], random: &dyn Random) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut sealed = data_key.to_vec();
        let key = self.keys.get(&self.current)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    pub(super) fn unwrap(&self, id: &str, wrapped: &[u8], aad: &[u8]) -> Option<[u8; 32]> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.keys.get(id)?.open_in_place(nonce, Aad::from(aad), &mut plain).ok()?;
        <[u8; 32]>::try_from(&*opened).ok()
    }
}

fn new_key(source: &dyn Random) -> (String, [u8; KEY_BYTES]) {
    let mut bytes = [0; KEY_BYTES];
    source.fill(&mut bytes);
    (random::hex(source, ID_BYTES), bytes)
}

/// The file is never seen half written: what is lost with it is lost for ever.
fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    let directory = disk::parent(path);
    disk::create_private_dir(directory)?;
    let temporary = path.with_added_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    disk::sync_dir(directory)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("current", &self.current).field("keys", &self.keys.len()).finish()
    }
}
