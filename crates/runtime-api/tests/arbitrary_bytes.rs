//! Whatever a function sends: no panic, no hang, and the next connection is served.

mod support;

use proptest::prelude::*;
use support::{MAX_RESPONSE_BYTES, NEXT, PATIENCE, Server, post, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// Pieces of real requests and noise, in any order.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        NEXT.as_bytes(),
        b"POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\n",
        b"POST /2018-06-01/runtime/invocation/id/error HTTP/1.1\r\n",
        b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\n",
        b"GET /2018-06-01/ping HTTP/1.0\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Lambda-Runtime-Function-Response-Mode: streaming\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ffffffffff\r\n",
    ];
    prop_oneof![3 => proptest::sample::select(known).prop_map(<[u8]>::to_vec), 1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

async fn feed(server: &Server, pieces: &[Vec<u8>]) {
    let answer = server.invoke("id", "1");
    let mut client = server.connect().await;
    for piece in pieces {
        if client.stream.write_all(piece).await.is_err() {
            break;
        }
    }
    let _ = client.stream.shutdown().await;
    let mut rest = Vec::new();
    // An error is a reset connection, which is an end too.
    let _ = tokio::time::timeout(PATIENCE, client.stream.read_to_end(&mut rest)).await.expect("the server hangs");
    answer.abort();
    let _ = answer.await;
    // A runtime process that behaved like this has ended; the next one is served.
    server.api.reset();
    let answer = server.invoke("after", "2");
    let mut client = server.connect().await;
    assert_eq!(client.call(NEXT).await.text(), "2");
    assert_eq!(client.call(post("invocation/after/response", "3")).await.status, 202);
    answer.await.expect("invoke");
    server.api.reset();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_neither_panic_nor_hang(pieces in proptest::collection::vec(piece(), 0..12)) {
        let runtime = Runtime::new().expect("runtime");
        runtime.block_on(async {
            let server = serve(MAX_RESPONSE_BYTES).await;
            feed(&server, &pieces).await;
            server.api.close();
            server.task.await.expect("serve");
        });
    }
}
