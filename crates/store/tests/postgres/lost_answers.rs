//! A connection that ends between a commit and its answer: the commit is done, and nobody was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_store::{Epoch, PostgresOptions, PostgresStore, Precondition, Store, StoreError, Tenancy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use crate::database::{self, Database};
use crate::suite::{delete, key, put, shard};

/// Passes everything on, until it is told to swallow an answer and hang up.
struct Wire {
    /// Answers to be swallowed, each with its connection.
    swallow: Arc<AtomicUsize>,
}

impl Wire {
    /// To a fresh database, and its address by way of here.
    async fn to(database: &Database) -> (Self, String) {
        let (socket, direct) = (database.socket(), database.fresh());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("has one").port();
        let swallow: Arc<AtomicUsize> = Arc::default();
        tokio::spawn({
            let swallow = swallow.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = UnixStream::connect(&socket).await.expect("connects");
                    tokio::spawn(pass(client, server, swallow.clone()));
                }
            }
        });
        let (user, name) = (direct.split('@').next(), direct.rsplit('/').next());
        let url = format!("{}@127.0.0.1:{port}/{}", user.expect("has one"), name.expect("has one"));
        (Self { swallow }, url)
    }
}

async fn pass(client: tokio::net::TcpStream, server: UnixStream, swallow: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
        let take = |left: usize| left.checked_sub(1);
        if swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            break;
        }
        if to_client.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    questions.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_answered_as_it_was_done() {
    let Some(database) = database::shared() else { return };
    let (wire, url) = Wire::to(database).await;
    let options =
        PostgresOptions { tenancy: Tenancy::Exclusive { name: "one".to_owned() }, ..PostgresOptions::default() };
    let store = PostgresStore::open(&url, options).await.expect("opens");
    let (shard, a) = (shard(), key("a"));
    for round in 0..5 {
        let before = store.commit(&shard, Epoch(0), vec![], vec![delete(&a)]).await.expect("commits");
        wire.swallow.store(1, Ordering::SeqCst);
        let when = vec![Precondition::Absent(a.clone())];
        // Done again it would be refused: it is there.
        let done = store.commit(&shard, Epoch(0), when.clone(), vec![put(&a, "1")]).await.expect("commits");
        assert_eq!(wire.swallow.load(Ordering::SeqCst), 0, "round {round}: an answer was lost");
        assert!(done > before);
        assert_eq!(store.get(&a).await.expect("reads").expect("exists").version.0, done.0);
        // A refusal whose answer was lost changed nothing, and is decided again.
        wire.swallow.store(1, Ordering::SeqCst);
        let refused = store.commit(&shard, Epoch(0), when, vec![put(&a, "2")]).await;
        assert_eq!(refused, Err(StoreError::PreconditionFailed));
        assert_eq!(wire.swallow.load(Ordering::SeqCst), 0, "round {round}: an answer was lost");
        assert_eq!(store.get(&a).await.expect("reads").expect("exists").version.0, done.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_of_its_own_the_outcome_is_not_known_and_said_so() {
    let Some(database) = database::shared() else { return };
    let (wire, url) = Wire::to(database).await;
    let store = PostgresStore::open(&url, crate::opening::shared()).await.expect("opens");
    // Answers come in order: of what opening asked for in passing none is left to be swallowed instead.
    store.commit(&shard(), Epoch(0), vec![], vec![delete(&key("a"))]).await.expect("commits");
    wire.swallow.store(1, Ordering::SeqCst);
    let unknown = store.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "1")]).await;
    assert!(matches!(&unknown, Err(StoreError::Internal(detail)) if detail.contains("not known")), "{unknown:?}");
    assert_eq!(store.get(&key("a")).await.expect("reads").expect("exists").value, "1");
    store.commit(&shard(), Epoch(0), vec![], vec![put(&key("a"), "2")]).await.expect("commits again");
}
