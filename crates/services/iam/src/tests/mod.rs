//! The IAM API as a client meets it: HTTP requests through the protocol front, over a store on disk.
//!
//! Expected texts: the recordings of the real service where they exist, else the IAM API reference.

mod authorization;
mod policies;
mod roles;
mod sessions;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hearth_authz::AllowAll;
use hearth_ports::Authorizer;
use hearth_store::{Codec, SqliteStore};
use hearth_types::{ManualClock, SeededRandom};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};

use crate::Iam;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const TRUST_ENCODED: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const LOGGING: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
/// 2026-11-23T13:00:00Z
const NOW_MS: i64 = 1_795_438_800_000;

struct Server {
    iam: Arc<Iam>,
    front: Front,
    clock: Arc<ManualClock>,
    directory: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    xml: String,
}

impl Answer {
    /// The texts of all elements of that name.
    fn all(&self, name: &str) -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        self.xml.split(&open).skip(1).filter_map(|part| part.split_once(&close).map(|(text, _)| text)).collect()
    }

    fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [text] => text,
            other => panic!("{} elements {name} in {}", other.len(), self.xml),
        }
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.xml);
        self
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str, message: &str) {
        assert_eq!(
            (self.status.as_u16(), self.one("Code"), self.one("Type")),
            (status, code, "Sender"),
            "{}",
            self.xml
        );
        let text = self.one("Message").replace("&quot;", "\"").replace("&apos;", "'");
        assert_eq!(text, message);
    }
}

impl Server {
    async fn start() -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), Arc::new(AllowAll)).await
    }

    async fn over(directory: tempfile::TempDir, authorizer: Arc<dyn Authorizer>) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let random = Arc::new(SeededRandom::new(7));
        let open = |path: &Path| {
            let store = SqliteStore::open(&path.join("store")).expect("a store");
            (Arc::new(store), Arc::new(Codec::open(&path.join("keys")).expect("keys")))
        };
        let (store, codec) = open(directory.path());
        let iam = Iam::load(store, codec, clock.clone(), random.clone(), authorizer).await.expect("loaded");
        let config = FrontConfig {
            services: vec![crate::service(iam.clone())],
            keys: iam.clone(),
            clock: clock.clone(),
            random,
        };
        Self { iam, front: Front::new(config).expect("one service"), clock, directory }
    }

    async fn restart(self) -> Self {
        let Self { iam, front, directory, .. } = self;
        drop((iam, front));
        Self::over(directory, Arc::new(AllowAll)).await
    }

    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.call_as("test", action, parameters).await
    }

    /// As an account: a 12-digit access key id selects it in open mode.
    async fn call_as(&self, key: &str, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut body = format!("Action={action}&Version=2010-05-08");
        for (name, value) in parameters {
            let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            body.push_str(&format!("&{name}={value}"));
        }
        let request = Request::post("http://localhost:4566/")
            .header("host", "localhost:4566")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("x-amz-date", "20261123T130000Z")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={key}/20261123/us-east-1/iam/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={}",
                    "0".repeat(64)
                ),
            )
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
        let connection = Connection { peer, secure: false, listener: Listener::Outside };
        let response = self.front.handle(&connection, request).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        Answer { status, xml: String::from_utf8(bytes.to_vec()).expect("UTF-8") }
    }

    async fn create(&self, name: &str) -> Answer {
        self.call("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]).await.ok()
    }
}
