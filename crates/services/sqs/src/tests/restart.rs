//! What a crash leaves: everything that was acknowledged, nothing that was deleted.

use hearth_store::Mutation;
use serde_json::json;

use super::{Server, bodies};
use crate::page::Page;

#[tokio::test]
async fn sent_messages_are_there_and_deleted_ones_are_not() {
    let (server, url) = Server::queue().await;
    server.send_batch(&url, &["a", "b", "c", "d"]).await;
    server.send(&url, "e").await;
    let received = server.receive(&url).await;
    for at in [1, 2, 4] {
        server.delete(&url, &received[at]).await;
    }
    let server = server.crash().await;
    server.pass(31);
    let received = server.receive(&url).await;
    assert_eq!(bodies(&received), ["a", "d"]);
    server.delete(&url, &received[0]).await;
    server.delete(&url, &received[1]).await;
    let server = server.crash().await;
    server.pass(31);
    assert_eq!(server.receive(&url).await.len(), 0);
}

#[tokio::test]
async fn an_orderly_end_forgets_no_receive() {
    let (server, url) = Server::queue().await;
    server.send(&url, "a").await;
    let handle = server.receive(&url).await[0]["ReceiptHandle"].clone();
    let server = server.restart().await;
    assert_eq!(server.counts(&url).await, ["0", "1", "0"]);
    // Who took it can still say what became of it.
    server
        .run("ChangeMessageVisibility", json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 99 }))
        .await;
    server.run("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": handle })).await;
    assert_eq!(server.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn delays_and_settings_go_on() {
    let server = Server::start().await;
    let url = server.create("q", json!({ "VisibilityTimeout": "7", "DelaySeconds": "10" })).await;
    server.send(&url, "late").await;
    let server = server.crash().await;
    assert_eq!(server.attribute(&url, "VisibilityTimeout").await, "7");
    assert_eq!(server.counts(&url).await, ["0", "0", "1"]);
    server.pass(10);
    assert_eq!(bodies(&server.receive(&url).await), ["late"]);
}

#[tokio::test]
async fn a_fifo_group_keeps_its_order() {
    let (server, url) = Server::fifo().await;
    for body in ["1", "2", "3"] {
        server.send_to(&url, "g", body).await;
    }
    let server = server.crash().await;
    server.send_to(&url, "g", "4").await;
    assert_eq!(bodies(&server.receive(&url).await), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn nothing_of_what_is_gone_stays_in_the_store() {
    let (server, url) = Server::queue().await;
    server.send_batch(&url, &["a", "b"]).await;
    for message in server.receive(&url).await {
        server.delete(&url, &message).await;
    }
    server.send_batch(&url, &["purged", "too"]).await;
    server.receive_as(&url, json!({ "MaxNumberOfMessages": 1 })).await;
    server.run("PurgeQueue", json!({ "QueueUrl": url })).await;
    let other = server.create("other", json!({})).await;
    server.send(&other, "gone with its queue").await;
    server.run("DeleteQueue", json!({ "QueueUrl": other })).await;
    // What the crash kept from being tidied up is tidied up by the next life.
    let server = server.crash().await;
    server.sqs.keep().await.expect("keeps");
    for table in crate::record::Table::ALL {
        let rows = server.sqs.store.scan(&table.all(&super::scope()), None, 10).await.expect("read");
        assert_eq!(rows, [], "{table:?}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_waiting_messages_are_there_soon_after_the_start() {
    const PAGES: u64 = 10_000;
    let (server, url) = Server::queue().await;
    server.send(&url, "first").await;
    let queue = server.sqs.find(&super::scope(), "q").expect("a queue");
    // As ten thousand batches would have written them, in fewer commits.
    let first = queue.live().next_page();
    let written = server.sqs.store.scan(&queue.page_key(first - 1), None, 1).await.expect("read").remove(0).value;
    let page = match Page::decode(&written).expect("a page") {
        Page::Messages(messages) => Page::Messages(vec![messages[0].clone(); 10]).encode().expect("bytes"),
        Page::Remembered(_) => panic!("a page of a standard queue"),
    };
    for pages in (first..first + PAGES).collect::<Vec<u64>>().chunks(1_000) {
        let put = |page_number: &u64| Mutation::Put(queue.page_key(*page_number), page.clone());
        server.sqs.commit(&queue.scope, pages.iter().map(put).collect()).await.expect("written");
    }
    drop(queue);
    let started = std::time::Instant::now();
    let server = server.crash().await;
    let elapsed = started.elapsed();
    assert_eq!(server.counts(&url).await, ["100001", "0", "0"]);
    assert!(elapsed < std::time::Duration::from_secs(20), "{elapsed:?}");
    assert_eq!(server.receive(&url).await.len(), 10);
}

#[tokio::test]
async fn what_is_behind_a_page_that_is_read_back_is_in_memory_too() {
    let (server, url) = Server::queue().await;
    let bodies_sent: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    for body in &bodies_sent {
        server.send(&url, body).await;
    }
    let queue = server.sqs.find(&super::scope(), "q").expect("a queue");
    let pages = queue.live().engine.list(None, 30);
    server.sqs.cache.forget(queue.id);
    let mut received = server.receive_as(&url, json!({ "MaxNumberOfMessages": 1 })).await;
    assert!(pages.iter().all(|key| server.sqs.cache.get(queue.id, key.page()).is_some()));
    for _ in 0..3 {
        received.extend(server.receive(&url).await);
    }
    assert_eq!(bodies(&received), bodies_sent);
}

/// Bodies larger than the cache come from the store.
#[tokio::test]
async fn pages_that_are_not_in_memory_are_read_back() {
    let (server, url) = Server::queue().await;
    server.send_batch(&url, &["a", "b"]).await;
    let queue = server.sqs.find(&super::scope(), "q").expect("a queue");
    server.sqs.cache.forget(queue.id);
    assert_eq!(bodies(&server.receive(&url).await), ["a", "b"]);
}
