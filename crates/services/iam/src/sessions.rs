//! Temporary credentials that live as long as this process: sessions of function environments.
//!
//! They are kept in memory only, because the environments they are issued to do not outlive the server either.

use std::collections::HashMap;

use hearth_ports::AccessKey;
use parking_lot::RwLock;

/// Sessions alive at once: one per environment, and a node's memory ends long before this many environments.
pub(crate) const SESSIONS_MAX: usize = 65_536;
/// An expired key is remembered this long, so that its user hears "expired" and not "unknown".
const EXPIRED_KEPT_MS: i64 = 15 * 60 * 1000;
/// Issuing a session sweeps the table when the last sweep is this old.
const SWEEP_EVERY_MS: i64 = 60 * 1000;

/// There are [`SESSIONS_MAX`] sessions that have not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{SESSIONS_MAX} sessions are alive: end some environments first")]
pub(crate) struct TooManySessions;

/// Access key id → key.
#[derive(Default)]
pub(crate) struct Sessions(RwLock<Table>);

#[derive(Default)]
struct Table {
    by_id: HashMap<String, AccessKey>,
    swept_at_ms: i64,
}

impl Table {
    fn sweep(&mut self, now_ms: i64, kept_ms: i64) {
        self.by_id.retain(|_, key| key.expires_at_ms.is_none_or(|at| at.saturating_add(kept_ms) > now_ms));
        self.swept_at_ms = now_ms;
    }
}

impl Sessions {
    /// Finds a session, expired ones included: saying "expired" is the verifier's part.
    #[must_use]
    pub(crate) fn find(&self, access_key_id: &str) -> Option<AccessKey> {
        self.0.read().by_id.get(access_key_id).cloned()
    }

    /// # Errors
    /// [`TooManySessions`].
    pub(crate) fn insert(&self, access_key_id: &str, key: AccessKey, now_ms: i64) -> Result<(), TooManySessions> {
        let mut table = self.0.write();
        if now_ms - table.swept_at_ms >= SWEEP_EVERY_MS {
            table.sweep(now_ms, EXPIRED_KEPT_MS);
        }
        if table.by_id.len() >= SESSIONS_MAX {
            table.sweep(now_ms, 0);
        }
        if table.by_id.len() >= SESSIONS_MAX {
            return Err(TooManySessions);
        }
        table.by_id.insert(access_key_id.to_owned(), key);
        Ok(())
    }

    pub(crate) fn remove(&self, access_key_id: &str) {
        self.0.write().by_id.remove(access_key_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::{AccountId, Caller};

    fn key(expires_at_ms: i64) -> AccessKey {
        AccessKey {
            secret_access_key: "s".into(),
            session_token: Some("t".into()),
            account: AccountId::DEFAULT,
            caller: Caller::Root { account: AccountId::DEFAULT },
            origin: hearth_types::Origin::Function,
            expires_at_ms: Some(expires_at_ms),
        }
    }

    #[test]
    fn an_expired_session_is_known_for_a_while_and_then_swept() {
        let sessions = Sessions::default();
        sessions.insert("old", key(1_000), 0).expect("room");
        sessions.insert("new", key(i64::MAX), 61_000).expect("room");
        assert!(sessions.find("old").is_some());
        sessions.insert("newer", key(i64::MAX), 1_000 + EXPIRED_KEPT_MS).expect("room");
        assert!(sessions.find("old").is_none());
        assert!(sessions.find("new").is_some());
    }

    #[test]
    fn the_table_is_bounded_and_makes_room_by_expired_ones() {
        let sessions = Sessions::default();
        for number in 0..SESSIONS_MAX {
            sessions.insert(&number.to_string(), key(if number == 0 { 10 } else { i64::MAX }), 0).expect("room");
        }
        assert_eq!(sessions.insert("one more", key(i64::MAX), 5), Err(TooManySessions));
        assert_eq!(sessions.insert("one more", key(i64::MAX), 10), Ok(()));
        assert_eq!(sessions.insert("two more", key(i64::MAX), 10), Err(TooManySessions));
        sessions.remove("one more");
        assert_eq!(sessions.insert("two more", key(i64::MAX), 10), Ok(()));
    }
}
