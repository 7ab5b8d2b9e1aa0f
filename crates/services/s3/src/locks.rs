//! A lock for each upload that a request is about: its parts come side by side, and it has one end.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::RwLock;

use crate::limits::UPLOAD_LOCKS_KEPT;

/// By upload id. Those that nobody holds go when there are too many.
#[derive(Default)]
pub(crate) struct UploadLocks(Mutex<HashMap<String, Arc<RwLock<()>>>>);

impl UploadLocks {
    /// Who adds a part reads it, who ends the upload writes it.
    pub(crate) fn of(&self, upload: &str) -> Arc<RwLock<()>> {
        let mut locks = self.0.lock();
        if locks.len() >= UPLOAD_LOCKS_KEPT {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        locks.entry(upload.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_has_one_lock_while_somebody_holds_it_and_the_others_go() {
        let locks = UploadLocks::default();
        let held = locks.of("held");
        let guard = held.try_read().expect("nobody ends it");
        for number in 0..3 * UPLOAD_LOCKS_KEPT {
            drop(locks.of(&number.to_string()));
        }
        assert!(locks.0.lock().len() <= UPLOAD_LOCKS_KEPT);
        let again = locks.of("held");
        assert!(again.try_read().is_ok() && again.try_write().is_err());
        drop(guard);
        assert!(again.try_write().is_ok());
    }
}
