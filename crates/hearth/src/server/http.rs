//! Connections: from the outside, and from inside execution environments. Each request goes to Hearth's own
//! routes (`/_hearth/…`) or to the AWS front.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hearth_lambda::Lambda;
use hearth_ports::LogReader;
use hearth_sandbox::EnvironmentId;
use hearth_types::limits;
use hearth_wire::{Body, Connection, Front, Listener};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{admin, browser};

/// Connections from the outside at the same time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 10_000;
/// Connections from one execution environment at the same time.
const INSIDE_CONNECTIONS_MAX: usize = 256;
/// A client must have sent its request head within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What a request can reach.
pub(crate) struct App {
    pub(crate) front: Front,
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) logs: Arc<dyn LogReader>,
    /// Host names this server answers by, beside `localhost`.
    pub(crate) allowed_hosts: Vec<String>,
}

impl App {
    async fn handle(&self, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
        if connection.listener == Listener::Outside {
            if let Err(refused) = browser::check(request.uri(), request.headers(), &self.allowed_hosts) {
                return admin::text(StatusCode::FORBIDDEN, &format!("{refused}\n"));
            }
            if admin::is_own_route(request.uri().path()) {
                return admin::handle(self, &request).await;
            }
        }
        self.front.handle(connection, request).await
    }
}

/// Serves until `stop`, then lets requests in flight finish for at most `drain_max`.
pub(crate) async fn serve_outside(listener: TcpListener, app: Arc<App>, stop: CancellationToken, drain_max: Duration) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let connection = Arc::new(Connection { peer, secure: false, listener: Listener::Outside });
        let app = app.clone();
        let served = builder().serve_connection(TokioIo::new(stream), respond(app, connection)).into_owned();
        let served = graceful.watch(served);
        tokio::spawn(async move {
            // A broken connection is the client's business.
            let _ = served.await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(drain_max, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still in flight after {drain_max:?} are cut off");
    }
}

/// Serves Hearth's endpoint inside an execution environment's network namespace, until the environment ends and
/// aborts it.
pub(crate) async fn serve_inside(environment: EnvironmentId, listener: std::net::TcpListener, app: Arc<App>) {
    let listener = match listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, ?environment, "no endpoint inside the execution environment");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(INSIDE_CONNECTIONS_MAX));
    loop {
        let Some((stream, peer, place)) = accept(&listener, &places).await else { continue };
        let connection = Arc::new(Connection { peer, secure: false, listener: Listener::Sandbox });
        let app = app.clone();
        tokio::spawn(async move {
            let _ = builder().serve_connection(TokioIo::new(stream), respond(app, connection)).await;
            drop(place);
        });
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, Place)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are written whole: waiting to fill a packet only adds latency.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_RETRY).await;
            None
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(limits::REQUEST_HEAD_BYTES_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits::REQUEST_HEAD_BYTES_MAX as u32);
    builder
}

fn respond(
    app: Arc<App>,
    connection: Arc<Connection>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
> + Clone {
    service_fn(move |request| {
        let (app, connection) = (app.clone(), connection.clone());
        async move { Ok(app.handle(&connection, request).await) }
    })
}
