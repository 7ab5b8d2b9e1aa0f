//! The IAM API as a client meets it: HTTP requests through the protocol front, over a store on disk.
//!
//! Expected texts: the recordings of the real service where they exist, else the IAM API reference.

mod access_keys;
mod authority;
mod authorization;
mod boundaries;
mod customer_policies;
mod durability;
mod grants;
mod groups;
mod instance_profiles;
mod lists;
mod policies;
mod roles;
mod sessions;
mod simulation;
mod simulation_inputs;
mod users;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::{Access, AccessKeys, AuditLog, AuditRecord, Authorizer, Denied, KeyLookup};
use hearth_store::{Codec, SqliteStore};
use hearth_types::{AccountId, AuthMode, Caller, ManualClock, RequestContext, SandboxAuth, Scope, SeededRandom};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};

use crate::directory::Directory;
use crate::{Iam, IamError};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const TRUST_ENCODED: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const LOGGING: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
/// 2026-11-23T13:00:00Z
const NOW_MS: i64 = 1_795_438_800_000;

/// Allows everything.
struct AllowAll;

impl Authorizer for AllowAll {
    fn authorize(&self, _: &RequestContext, _: &Access<'_>) -> Result<(), Denied> {
        Ok(())
    }

    fn revision(&self) -> u64 {
        0
    }
}

/// Keeps nothing.
struct NoAudit;

impl AuditLog for NoAudit {
    fn record(&self, _: AuditRecord) {}
}

/// Knows no key: who calls is the root of an account.
struct NoKeys;

impl AccessKeys for NoKeys {
    fn find(&self, _: &str, _: Option<&str>) -> KeyLookup {
        KeyLookup::Unknown
    }
}

struct Server {
    iam: Arc<Iam>,
    front: Front,
    clock: Arc<ManualClock>,
    store: Arc<SqliteStore>,
    codec: Arc<Codec>,
    /// Where the store is.
    path: tempfile::TempDir,
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

    async fn over(path: tempfile::TempDir, authorizer: Arc<dyn Authorizer>) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let random = Arc::new(SeededRandom::new(7));
        let (store, codec) = open(path.path());
        let directory = Arc::new(Directory::load(store.clone(), codec.clone(), &*random).await.expect("loaded"));
        let iam = Iam::new(directory, clock.clone(), random.clone(), authorizer);
        let config = FrontConfig {
            services: vec![crate::service(iam.clone())],
            keys: Arc::new(NoKeys),
            clock: clock.clone(),
            random,
            auth: AuthMode::Open,
            sandbox_auth: SandboxAuth::Role,
        };
        Self { iam, front: Front::new(config).expect("one service"), clock, store, codec, path }
    }

    async fn restart(self) -> Self {
        let Self { iam, front, store, path, .. } = self;
        drop((iam, front, store));
        Self::over(path, Arc::new(AllowAll)).await
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
        self.run("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]).await
    }

    /// A call that must succeed.
    async fn run(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.call(action, parameters).await.ok()
    }

    /// One of each kind that can have policies: `(kind, parameter of its name)`, all named `it`.
    async fn one_of_each(&self) -> [(&'static str, &'static str); 3] {
        self.run("CreateUser", &[("UserName", "it")]).await;
        self.run("CreateGroup", &[("GroupName", "it")]).await;
        self.create("it").await;
        [("User", "UserName"), ("Group", "GroupName"), ("Role", "RoleName")]
    }

    async fn create_policy(&self, name: &str) -> String {
        let created = self.run("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", POLICY)]).await;
        created.one("Arn").to_owned()
    }
}

fn open(path: &Path) -> (Arc<SqliteStore>, Arc<Codec>) {
    let store = SqliteStore::open(&path.join("store")).expect("a store");
    (Arc::new(store), Arc::new(Codec::open(&path.join("keys")).expect("keys")))
}

fn scope() -> Scope {
    Scope { partition: hearth_types::Partition::Aws, account: AccountId::DEFAULT, region: None }
}

/// A request of somebody else than the root of the account.
fn context(caller: Caller) -> RequestContext {
    RequestContext { caller, ..RequestContext::service(&scope(), "lambda.amazonaws.com", "id".into()) }
}

fn input<I: serde::de::DeserializeOwned>(members: serde_json::Value) -> I {
    serde_json::from_value(members).expect("an input")
}

fn message<T>(outcome: Result<T, IamError>) -> (&'static str, String) {
    match outcome {
        Ok(_) => panic!("not refused"),
        Err(error) => (error.aws_code(), error.to_string()),
    }
}
