//! A bare hyper server that echoes, and load on it.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::report::{self, Measurement};
use crate::{BenchError, LoadArgs, load};

/// Its title.
pub(crate) const FLOOR: &str = "bare hyper echo";

/// An echo server in a process of its own, which ends with this.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    pub(crate) fn start(one_core: bool) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(BenchError::io("this program"))?;
        let mut command = Command::new(program);
        command.arg("echo-server").stdout(Stdio::piped());
        if one_core {
            command.arg("--one-core");
        }
        let process = command.spawn().map_err(BenchError::io("echo server"))?;
        let mut server = Self { process, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut port = String::new();
        if let Some(stdout) = server.process.stdout.take() {
            BufReader::new(stdout).read_line(&mut port).map_err(BenchError::io("echo server"))?;
        }
        let port = port.trim().parse().map_err(|_| BenchError::Other("the echo server did not start".to_owned()))?;
        server.address.set_port(port);
        Ok(server)
    }
}

pub(crate) async fn print(args: &LoadArgs) -> Result<(), BenchError> {
    report::print("floor", measure(args).await?);
    Ok(())
}

pub(crate) async fn measure(args: &LoadArgs) -> Result<Vec<Measurement>, BenchError> {
    let server = Server::start(args.run.one_core)?;
    let body = args.run.payload();
    let request =
        format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    load::run(FLOOR, args, server.address, || request.clone()).await
}

/// Serves until killed. On one core one thread, else two.
pub(crate) fn serve(one_core: bool) -> Result<(), BenchError> {
    let runtime = if one_core {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
    };
    runtime.map_err(BenchError::io("tokio"))?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::io("listen"))?;
        let port = listener.local_addr().map_err(BenchError::io("listen"))?.port();
        println!("{port}");
        std::io::stdout().flush().map_err(BenchError::io("stdout"))?;
        loop {
            let (stream, _) = listener.accept().await.map_err(BenchError::io("accept"))?;
            stream.set_nodelay(true).map_err(BenchError::io("TCP_NODELAY"))?;
            tokio::spawn(async move {
                let service = hyper::service::service_fn(echo);
                // A client that leaves is no error of the server.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(Response::new(Full::new(body)))
}
