//! The embedded engine keeps the store's promises.

mod suite;

use std::sync::Arc;

use hearth_store::{SqliteStore, StoreOptions};
use hearth_types::ManualClock;

use self::suite::Fixture;

fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().expect("temporary directory");
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let options = StoreOptions { clock: clock.clone(), ..StoreOptions::default() };
    let store = SqliteStore::open_with(&dir.path().join("store"), options).expect("opens");
    Fixture { store: Arc::new(store), clock, _guard: Box::new(dir) }
}

store_suite!(sqlite);
