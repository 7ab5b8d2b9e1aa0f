//! Connections that only read. They see the last durable commit and never wait for a writer.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::engine::{self, Access, Failure, Step};
use crate::health::Health;
use crate::limits::READERS;
use crate::store::StoreError;

pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    health: Arc<Health>,
}

impl Readers {
    pub(super) fn open(path: &Path, health: Arc<Health>) -> rusqlite::Result<Self> {
        let idle = (0..READERS).map(|_| engine::connect(path, Access::Read)).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(READERS)), health })
    }

    /// Runs a read on a blocking thread.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Step<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.health.check()?;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        // The permit goes along: a caller that stops waiting does not free a connection that still works.
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = readers.idle.lock().pop().ok_or(StoreError::Closed)?;
            let result = read(&connection);
            readers.idle.lock().push(connection);
            if let Err(Failure::Damaged(detail)) = &result {
                tracing::error!(detail, "a read met damage");
            }
            result.map_err(StoreError::from)
        });
        task.await.map_err(|error| StoreError::Internal(error.to_string()))?
    }

    /// Refuses reads that come from now on.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().clear();
    }
}
