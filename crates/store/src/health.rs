//! What is wrong with an open store, if anything, and what happens then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::store::StoreError;

/// What to do when the disk fails under a commit: whether it is durable cannot be known any more, and after a
/// failed fsync the kernel may have dropped the pages, so trying again proves nothing. The default ends the process;
/// the next start reads what is really there.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

pub(super) fn end_process(reason: &str) {
    // The log may not be written any more when the disk is the problem.
    eprintln!("hearth: {reason}");
    tracing::error!("{reason}");
    std::process::abort();
}

/// Shared by all threads of a store.
pub(super) struct Health {
    is_bad: AtomicBool,
    reason: Mutex<Option<StoreError>>,
    on_fatal: OnFatal,
}

impl Health {
    pub(super) fn new(on_fatal: OnFatal) -> Self {
        Self { is_bad: AtomicBool::new(false), reason: Mutex::new(None), on_fatal }
    }

    /// # Errors
    /// What every operation answers since the store went bad.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.is_bad.load(Ordering::Acquire) { Err(self.reason()) } else { Ok(()) }
    }

    pub(super) fn reason(&self) -> StoreError {
        self.reason.lock().clone().unwrap_or(StoreError::Closed)
    }

    /// From now on nothing is read or written: what is here cannot be believed.
    pub(super) fn damaged(&self, detail: String) {
        tracing::error!(detail, "the store is damaged and answers nothing any more: restore it from a backup");
        self.set(StoreError::Damaged(detail));
    }

    /// The disk failed. Returns only where a test has replaced the end of the process.
    pub(super) fn fatal(&self, detail: &str) {
        self.set(StoreError::Closed);
        (self.on_fatal)(&format!(
            "the store cannot write to its disk and ends the process, so that nothing is acknowledged that may be \
             lost: {detail}"
        ));
    }

    /// Somebody else owns the store now. Returns only where a test has replaced the end of the process.
    pub(super) fn taken_over(&self, detail: &str) {
        self.set(StoreError::Fenced);
        (self.on_fatal)(&format!("this server ends, so that no two use one store: {detail}"));
    }

    pub(super) fn close(&self) {
        self.set(StoreError::Closed);
    }

    fn set(&self, reason: StoreError) {
        self.reason.lock().get_or_insert(reason);
        self.is_bad.store(true, Ordering::Release);
    }
}
