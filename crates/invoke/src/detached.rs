//! A future that outlives its caller. While the caller waits it runs in the caller's task, without another wake-up;
//! when the caller goes away, it goes on in a task of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

pub(crate) struct Detached<F: Future<Output: Send> + Send + 'static> {
    future: Option<Pin<Box<F>>>,
}

impl<F: Future<Output: Send> + Send + 'static> Detached<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Some(Box::pin(future)) }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Detached<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let output = std::task::ready!(future.as_mut().poll(cx));
        self.future = None;
        Poll::Ready(output)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Detached<F> {
    fn drop(&mut self) {
        // Without a runtime the process is about to end.
        if let (Some(future), Ok(runtime)) = (self.future.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_output_comes_back() {
        assert_eq!(Detached::new(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn dropped_before_the_end_it_goes_on() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let future = Detached::new(async move {
            let _ = gone.await;
            done.send("done").expect("somebody listens");
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), future).await.is_err());
        go.send(()).expect("it is alive");
        assert_eq!(is_done.await, Ok("done"));
    }

    #[tokio::test]
    async fn never_polled_it_runs_too() {
        let (done, is_done) = oneshot::channel();
        drop(Detached::new(async move {
            let _ = done.send(());
        }));
        assert_eq!(is_done.await, Ok(()));
    }
}
