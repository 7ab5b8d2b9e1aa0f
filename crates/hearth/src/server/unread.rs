//! Bodies that nobody has read to their end when the answer is there: a request that is refused by its head. Many clients
//! send head and body apart; were the rest left, the connection would be cut under their next request, which nothing had
//! told them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::{Request, Response, Version};
use parking_lot::Mutex;

/// So much is read and thrown away, for so long; what is more is left, and the client told that the connection ends.
const BYTES_MAX: usize = 1 << 20;
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A body that comes back when it is dropped before its end.
pub(super) struct Lent<B: Body = Incoming> {
    body: Option<B>,
    back: Returned<B>,
}

type Returned<B> = Arc<Mutex<Option<B>>>;

/// Where it comes back to.
pub(super) struct Lender<B = Incoming> {
    back: Returned<B>,
    /// A connection serves one request after another, and reading does not ask for what the client holds back.
    may_read: bool,
    is_serial: bool,
}

pub(super) fn lend<B: Body>(request: Request<B>) -> (Request<Lent<B>>, Lender<B>) {
    let back = Returned::default();
    let is_serial = request.version() < Version::HTTP_2;
    let may_read = is_serial && !request.headers().contains_key(EXPECT);
    let lent = request.map(|body| Lent { body: Some(body), back: Arc::clone(&back) });
    (lent, Lender { back, may_read, is_serial })
}

impl<B: Body + Unpin> Lender<B> {
    /// Reads what is left; of what cannot be read the answer tells.
    pub(super) async fn settle<A>(self, mut answer: Response<A>) -> Response<A> {
        let Some(left) = self.back.lock().take() else { return answer };
        if self.is_serial && !(self.may_read && is_read(left).await) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

async fn is_read<B: Body + Unpin>(mut body: B) -> bool {
    let read = async {
        let mut left = BYTES_MAX;
        loop {
            match body.frame().await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, bytes::Buf::remaining);
                    match left.checked_sub(bytes) {
                        Some(rest) => left = rest,
                        None => return false,
                    }
                }
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, read).await.unwrap_or(false)
}

impl<B: Body<Data = Bytes> + Unpin> Body for Lent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body> Drop for Lent<B> {
    fn drop(&mut self) {
        *self.back.lock() = self.body.take().filter(|body| !body.is_end_stream());
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;

    use super::*;

    /// Says neither anything nor that this was all.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    async fn answered<B: Body<Data = Bytes> + Unpin>(request: Request<B>, reads: bool) -> bool {
        let (lent, lender) = lend(request);
        if reads {
            assert!(lent.into_body().collect().await.is_ok());
        } else {
            drop(lent);
        }
        let answer = lender.settle(Response::new(())).await;
        answer.headers().get(CONNECTION).is_none_or(|value| value != "close")
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_goes_on_unless_more_is_left_than_is_read() {
        let body = |bytes: usize| Request::new(Full::new(Bytes::from(vec![0; bytes])));
        assert!(answered(body(BYTES_MAX), false).await);
        assert!(!answered(body(BYTES_MAX + 1), false).await);
        assert!(answered(body(BYTES_MAX + 1), true).await);
        assert!(answered(body(0), false).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_more_is_not_waited_for_for_ever() {
        assert!(!answered(Request::new(Silent), false).await);
    }

    #[tokio::test]
    async fn who_waits_to_be_told_to_send_the_body_is_not_told() {
        let request = Request::builder().header(EXPECT, "100-continue").body(Full::new(Bytes::from("body")));
        assert!(!answered(request.expect("a request"), false).await);
    }
}
