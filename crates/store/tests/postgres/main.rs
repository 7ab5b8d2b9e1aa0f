//! The engine in PostgreSQL keeps the store's promises. Skipped, loudly, where PostgreSQL is not installed.

mod database;
mod faults;
mod lost_answers;
mod opening;
#[path = "../suite/mod.rs"]
mod suite;

use std::sync::Arc;

use hearth_store::{PostgresOptions, PostgresStore};
use hearth_types::ManualClock;

use self::suite::Fixture;

fn postgres() -> Option<Fixture> {
    let database = database::shared()?;
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let options = PostgresOptions { clock: clock.clone(), ..opening::shared() };
    let url = database.fresh();
    let open = PostgresStore::open(&url, options);
    let store = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(open)).expect("opens");
    Some(Fixture { store: Arc::new(store), clock, _guard: Box::new(()) })
}

store_suite!(postgres);
