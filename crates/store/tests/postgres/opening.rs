//! Who may open which database, and what is found in it again.

use std::sync::Arc;
use std::time::Duration;

use hearth_store::{Epoch, PostgresError, PostgresOptions, PostgresStore, Revision, Store, StoreError, Tenancy};
use hearth_types::Millis;
use parking_lot::Mutex;

use crate::database::{self, Database};
use crate::suite::{self, key, put, shard};

pub(crate) fn shared() -> PostgresOptions {
    PostgresOptions { tenancy: Tenancy::Shared, ..PostgresOptions::default() }
}

fn exclusive(name: &str) -> PostgresOptions {
    PostgresOptions { tenancy: Tenancy::Exclusive { name: name.to_owned() }, ..PostgresOptions::default() }
}

async fn refusal(url: &str) -> PostgresError {
    PostgresStore::open(url, exclusive("test")).await.err().expect("is refused")
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let store = PostgresStore::open(&url, exclusive("one")).await.expect("opens");
    let written = store.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "1")]).await.expect("commits");
    let epoch = store.lease(&shard(), "one", Millis(1_000_000)).await.expect("leases");
    drop(store);
    // Waits until the connection of the first is gone.
    let store = PostgresStore::open(&url, exclusive("two")).await.expect("opens again");
    let entry = store.get(&key("a")).await.expect("reads").expect("exists");
    assert_eq!((&entry.value[..], entry.version.0), (&b"1"[..], written.0));
    let fenced = store.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "2")]).await;
    assert_eq!(fenced, Err(StoreError::Fenced));
    store.commit(&shard(), epoch, vec![], vec![put(&key("a"), "2")]).await.expect("commits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_an_empty_database_at_once() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let mut opening = tokio::task::JoinSet::new();
    for number in 0..8 {
        let url = url.clone();
        opening.spawn(async move {
            let store = PostgresStore::open(&url, shared()).await.expect("opens");
            let key = key(&number.to_string());
            store.commit(&shard(), Epoch(0), vec![], vec![put(&key, "v")]).await.expect("commits");
        });
    }
    opening.join_all().await;
}

#[tokio::test]
async fn a_second_server_is_refused_while_the_first_lives() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let first = PostgresStore::open(&url, exclusive("one")).await.expect("opens");
    let refused = refusal(&url).await;
    assert!(matches!(refused, PostgresError::Owned { .. }), "{refused}");
    assert!(refused.to_string().contains("stop it first"), "{refused}");
    first.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "1")]).await.expect("the first still commits");
}

#[tokio::test]
async fn a_server_that_was_replaced_while_its_connection_was_gone_commits_nothing_and_ends() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let name = url.rsplit('/').next().expect("has a name");
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let on_fatal = Arc::new({
        let said = said.clone();
        move |text: &str| said.lock().push(text.to_owned())
    });
    let first = PostgresStore::open(&url, PostgresOptions { on_fatal, ..exclusive("one") }).await.expect("opens");
    let (first, watched) = (Arc::new(first), shard());
    let watching = tokio::spawn({
        let first = first.clone();
        async move { first.watch(&watched, Revision(7)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    // What another server does that gets in.
    database.sql(name, "UPDATE hearth.owner SET epoch = epoch + 1, name = 'two', batch = NULL");
    let late = first.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "1")]).await;
    assert_eq!(late, Err(StoreError::Fenced));
    assert_eq!(database.sql(name, "SELECT count(*) FROM hearth.entry"), "0");
    assert_eq!(first.get(&key("a")).await, Err(StoreError::Fenced), "what it reads may be old");
    assert_eq!(watching.await.expect("runs"), Err(StoreError::Closed));
    assert!(said.lock().concat().contains("has taken over"), "{:?}", said.lock());
}

#[tokio::test]
async fn a_replaced_server_ends_also_when_nobody_asks_it_for_anything() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let name = url.rsplit('/').next().expect("has a name");
    let (told, hears) = tokio::sync::oneshot::channel();
    let told = Mutex::new(Some(told));
    let on_fatal = Arc::new(move |_: &str| {
        let _ = told.lock().take().map(|told| told.send(()));
    });
    let _first = PostgresStore::open(&url, PostgresOptions { on_fatal, ..exclusive("one") }).await.expect("opens");
    database.sql(name, "UPDATE hearth.owner SET epoch = epoch + 1, name = 'two', batch = NULL");
    database.sql(name, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
    tokio::time::timeout(Duration::from_secs(20), hears).await.expect("ends in time").expect("is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_hears_of_what_another_server_commits() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let one = PostgresStore::open(&url, shared()).await.expect("opens");
    let two = PostgresStore::open(&url, shared()).await.expect("opens");
    let first = one.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "1")]).await.expect("commits");
    assert_eq!(two.watch(&shard(), Revision(0)).await, Ok(first), "what has happened already counts");
    let waiting = tokio::spawn(async move { two.watch(&shard(), first).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    let second = one.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "2")]).await.expect("commits");
    let heard = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("in time").expect("runs");
    assert_eq!(heard, Ok(second));
}

#[tokio::test]
async fn a_damaged_row_is_an_error_and_never_data() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let name = url.rsplit('/').next().expect("has a name");
    let store = PostgresStore::open(&url, exclusive("one")).await.expect("opens");
    let table = hearth_store::Key::new(&suite::scope(), "test.thing");
    for (damage, repair) in [
        ("value = set_byte(value, 3, 7)", "value = 'value'"),
        ("version = version + 1", "version = version - 1"),
        ("shard = shard + 1", "shard = shard - 1"),
        ("seal = seal # 1", "seal = seal # 1"),
    ] {
        let then = vec![put(&key("a"), "value"), put(&key("b"), "value")];
        store.commit(&shard(), Epoch(0), vec![], then).await.expect("commits");
        let bytes = "key = (SELECT key FROM hearth.entry ORDER BY key LIMIT 1)";
        database.sql(name, &format!("UPDATE hearth.entry SET {damage} WHERE {bytes}"));
        assert!(matches!(store.get(&key("a")).await, Err(StoreError::Damaged(_))), "{damage}");
        assert!(matches!(store.scan(&table, None, 10).await, Err(StoreError::Damaged(_))), "{damage}");
        assert!(store.get(&key("b")).await.is_ok_and(|entry| entry.is_some()), "{damage}");
        database.sql(name, &format!("UPDATE hearth.entry SET {repair} WHERE {bytes}"));
        assert!(store.get(&key("a")).await.is_ok_and(|entry| entry.is_some()), "{repair}");
    }
}

#[tokio::test]
async fn settings_that_lose_acknowledged_data_are_refused_with_what_to_do() {
    let Some(database) = Database::start() else { return };
    database.down();
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        database.up(&[&format!("{setting}=off")]);
        let refused = refusal(&database.url("postgres")).await;
        assert!(matches!(refused, PostgresError::Unsafe { .. }), "{refused}");
        assert!(refused.to_string().contains(&format!("ALTER SYSTEM SET {setting} = on")), "{refused}");
        database.down();
    }
    database.up(&[]);
    PostgresStore::open(&database.url("postgres"), exclusive("one")).await.expect("opens once it is mended");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_refused_with_what_to_do() {
    let Some(database) = database::shared() else { return };
    let refused = refusal(&database.url("nosuch")).await.to_string();
    assert!(refused.contains("\"nosuch\" does not exist") && refused.contains("createdb"), "{refused}");
    let refused = refusal("postgres://somebody:s3cret@127.0.0.1:1/db").await.to_string();
    assert!(
        refused.contains("somebody@127.0.0.1:1/db") && refused.contains("Is PostgreSQL running there"),
        "{refused}"
    );
    assert!(!refused.contains("s3cret"), "{refused}");
    let url = database.fresh();
    drop(PostgresStore::open(&url, shared()).await.expect("opens"));
    database.sql(url.rsplit('/').next().expect("has a name"), "UPDATE hearth.layout SET version = 99");
    let refused = refusal(&url).await;
    assert!(matches!(refused, PostgresError::Newer { layout: 99, .. }), "{refused}");
}
