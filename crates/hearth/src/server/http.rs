//! Connections: from the outside, and from inside execution environments. Each request goes to Hearth's own
//! routes (`/_hearth/…`) or to the AWS front.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hearth_cloudwatch::CloudWatch;
use hearth_lambda::Lambda;
use hearth_lambda::url::Address;
use hearth_ports::{Authorizer, LogReader};
use hearth_sandbox::EnvironmentId;
use hearth_sns::Sns;
use hearth_sqs::Sqs;
use hearth_store::DataDir;
use hearth_tls::Certificates;
use hearth_types::{AuthMode, limits};
use hearth_wire::front::Tls;
use hearth_wire::{Body, Connection, Front, FrontConfig, Listener};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::data_plane::DataPlane;
use super::foundation::{Foundation, not_started};
use super::objects::ObjectsDoor;
use super::parts::instance_name;
use super::secure::{self, Opened};
use super::services::Services;
use super::unread::{self, Lent};
use super::{ServerError, admin, browser};
use crate::config::Config;

/// Connections from one execution environment at the same time.
const INSIDE_CONNECTIONS_MAX: usize = 256;
/// A client must have sent its request head within this time.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// An HTTP/2 client that is silent for so long is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Pause after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What a request can reach.
pub(crate) struct App {
    pub(crate) front: Front,
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) objects: ObjectsDoor,
    /// For connections from outside that speak TLS.
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) logs: Arc<dyn LogReader>,
    pub(crate) sqs: Arc<Sqs>,
    pub(crate) sns: Arc<Sns>,
    pub(crate) cloudwatch: Arc<CloudWatch>,
    /// Names this server's control groups.
    pub(crate) instance: String,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    /// Host names this server answers by, beside `localhost`; `None`: by any.
    pub(crate) allowed_hosts: Option<Vec<String>>,
    /// What the health page names.
    pub(crate) services: Vec<&'static str>,
}

impl App {
    pub(super) fn new(
        config: &Config,
        ground: &Foundation,
        plane: &DataPlane,
        services: &Services,
        data: &DataDir,
    ) -> Result<Self, ServerError> {
        let (names, mounted): (Vec<_>, Vec<_>) = services.mount(ground, plane).into_iter().unzip();
        let front = FrontConfig {
            services: mounted.into_iter().flatten().collect(),
            keys: ground.keyring.clone(),
            clock: ground.clock(),
            random: ground.random.clone(),
            auth: config.auth,
            sandbox_auth: config.sandbox_auth,
        };
        Ok(Self {
            front: Front::new(front).map_err(not_started)?,
            lambda: services.lambda.clone(),
            objects: ObjectsDoor::new(services.s3.clone()),
            certificates: secure::certificates(config, ground, data)?,
            logs: ground.logs.clone(),
            sqs: services.sqs.clone(),
            sns: services.sns.clone(),
            cloudwatch: ground.cloudwatch.clone(),
            instance: instance_name(data),
            authorizer: ground.authorizer.clone(),
            // Who must sign every request is nobody's browser.
            allowed_hosts: (config.auth != AuthMode::Enforce).then(|| config.allowed_hosts.clone()),
            services: names,
        })
    }

    async fn handle(&self, connection: &Connection, request: Request<Lent>) -> Response<Body> {
        // Ahead of what keeps web pages out: pages are what URLs are for, and each says by its CORS which ones.
        if let Some(address) = Address::of(request.uri(), request.headers()) {
            return hearth_lambda::url::serve(&self.lambda, &self.front, connection, &address, request).await;
        }
        // For functions, too: they verify what they are told.
        if hearth_sns::is_certificate(request.uri().path()) {
            return admin::certificate(self, request.uri().path());
        }
        let (is_of_objects, request) = match admin::is_own_route(request.uri().path()) {
            true => (false, request),
            false => self.objects.is_meant(&self.front, request),
        };
        if connection.listener == Listener::Outside {
            if let Some(hosts) = &self.allowed_hosts
                && let Err(refused) = browser::check(request.uri(), request.headers(), hosts)
                // Pages are let in by the bucket they ask for.
                && !(is_of_objects && refused == browser::Refused::Origin && self.objects.lets_in(&request))
            {
                return admin::text(StatusCode::FORBIDDEN, &format!("{refused}\n"));
            }
            if admin::is_own_route(request.uri().path()) {
                return admin::handle(self, connection, request).await;
            }
        }
        if is_of_objects {
            return self.objects.answer(&self.front, connection, request).await;
        }
        self.front.handle(connection, request).await
    }
}

/// Serves at most so many connections at a time until `stop`. Those with requests in flight are in the answer, to be
/// waited for.
pub(crate) async fn serve_outside(
    listener: TcpListener,
    connections_max: usize,
    app: Arc<App>,
    stop: CancellationToken,
) -> GracefulShutdown {
    let graceful = GracefulShutdown::new();
    let mut door = Door::new(listener, connections_max);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return graceful,
            accepted = door.accept() => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let (app, watcher, stop) = (app.clone(), graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            let opened = tokio::select! {
                opened = secure::open(stream, &app.certificates) => opened,
                () = stop.cancelled() => None,
            };
            match opened {
                Some(Opened::Plain(stream)) => converse(stream, peer, None, app, watcher, &stop).await,
                Some(Opened::Secure(stream, tls)) => converse(*stream, peer, Some(tls), app, watcher, &stop).await,
                None => {}
            }
            drop(place);
        });
    }
}

/// Serves one connection from outside.
async fn converse<Io>(
    io: Io,
    peer: SocketAddr,
    tls: Option<Tls>,
    app: Arc<App>,
    watcher: Watcher,
    stop: &CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    let connection = Arc::new(Connection { peer, secure: tls.is_some(), listener: Listener::Outside });
    let respond = respond(app, (connection, tls), begun.clone());
    let served = builder().serve_connection(TokioIo::new(io), respond).into_owned();
    attend(watcher.watch(served), &begun, stop.cancelled()).await;
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
    let mut door = Door::new(listener, INSIDE_CONNECTIONS_MAX);
    loop {
        let Some((stream, peer, place)) = door.accept().await else { continue };
        let begun = Arc::new(AtomicBool::new(false));
        let connection = Arc::new(Connection { peer, secure: false, listener: Listener::Sandbox });
        let respond = respond(app.clone(), (connection, None), begun.clone());
        tokio::spawn(async move {
            let builder = builder();
            let served = builder.serve_connection(TokioIo::new(stream), respond);
            attend(served, &begun, std::future::pending()).await;
            drop(place);
        });
    }
}

/// Serves a connection to its end. One that has brought no request by the time-out or by the `stop` is cut: hyper's own
/// time-out begins when it knows the protocol, and a silent client never tells.
async fn attend<E>(served: impl Future<Output = Result<(), E>>, begun: &AtomicBool, stop: impl Future<Output = ()>) {
    let mut served = pin!(served);
    tokio::select! {
        // A broken connection is the client's business.
        _ = served.as_mut() => return,
        () = tokio::time::sleep(HEAD_TIMEOUT) => {}
        () = stop => {}
    }
    if begun.load(Ordering::Relaxed) {
        let _ = served.await;
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// A listener with so many places.
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    /// The last accept failed: this is in the log already.
    is_stuck: bool,
}

impl Door {
    fn new(listener: TcpListener, places: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(places)), is_stuck: false }
    }

    async fn accept(&mut self) -> Option<(TcpStream, SocketAddr, Place)> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                self.is_stuck = false;
                // Answers are written whole: waiting to fill a packet only adds latency.
                let _ = stream.set_nodelay(true);
                Some((stream, peer, place))
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_stuck, true) {
                    tracing::warn!(%error, "connections cannot be accepted; trying again until they can");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
                None
            }
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
        .keep_alive_interval(PING_INTERVAL)
        .max_header_list_size(limits::REQUEST_HEAD_BYTES_MAX as u32);
    builder
}

fn respond(
    app: Arc<App>,
    (connection, tls): (Arc<Connection>, Option<Tls>),
    begun: Arc<AtomicBool>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
> + Clone {
    service_fn(move |mut request: Request<Incoming>| {
        if let Some(tls) = tls {
            request.extensions_mut().insert(tls);
        }
        begun.store(true, Ordering::Relaxed);
        let (app, connection) = (app.clone(), connection.clone());
        let (request, lender) = unread::lend(request);
        async move { Ok(lender.settle(app.handle(&connection, request).await).await) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Duration = Duration::from_secs(3_600);

    async fn connection() -> Result<(), Infallible> {
        tokio::time::sleep(ENDS).await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_brings_no_request_is_cut() {
        let started = tokio::time::Instant::now();
        attend(connection(), &AtomicBool::new(false), std::future::pending()).await;
        assert_eq!(started.elapsed(), HEAD_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_cuts_a_silent_connection_at_once_and_leaves_the_others() {
        let started = tokio::time::Instant::now();
        attend(connection(), &AtomicBool::new(false), std::future::ready(())).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        attend(connection(), &AtomicBool::new(true), std::future::ready(())).await;
        assert_eq!(started.elapsed(), ENDS);
    }
}
