//! A front over small services, and a client that signs with AWS's own library.

#![allow(dead_code, reason = "every test file uses a part of this module")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use hearth_ports::{AccessKey, AccessKeys, KeyLookup};
use hearth_types::{
    AccountId, AuthMode, Caller, ManualClock, Origin, Proof, RequestContext, SandboxAuth, SeededRandom,
};
use hearth_wire::{
    Body, Connection, ErrorAnswer, Fault, Front, FrontConfig, Listener, Model, RawRequest, models, service,
};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use serde::{Deserialize, Serialize};

/// 2026-11-23T12:00:00Z
pub(crate) const NOW_MS: i64 = 1_795_435_200_000;
pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// Slow deletions that ran to their end.
pub(crate) static DELETED: AtomicU32 = AtomicU32::new(0);
pub(crate) const HOST: &str = "localhost:4566";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateFunction {
    function_name: String,
    code: Code,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Code {
    zip_file: Option<Bytes>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionConfiguration {
    function_name: String,
    code_size: usize,
    description: Option<String>,
    version: &'static str,
    role: String,
    tags_seen: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionName {
    function_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    user_id: String,
    account: String,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Federated {
    provider: String,
    audience: String,
}

/// A service of the JSON protocol.
const QUEUES: &str = r#"{
    "metadata": {"protocol": "json", "jsonVersion": "1.0", "targetPrefix": "AmazonSQS", "signingName": "sqs",
        "apiVersion": "2012-11-05"},
    "operations": {"ListQueues": {"http": {"method": "POST", "requestUri": "/"}}},
    "shapes": {}
}"#;

struct Keys;

impl AccessKeys for Keys {
    fn find(&self, access_key_id: &str, _: Option<&str>) -> KeyLookup {
        let account: AccountId = ACCOUNT.parse().expect("an account");
        let temporary = |expires_at_ms| AccessKey {
            secret_access_key: SECRET.into(),
            session_token: Some("token".into()),
            account,
            caller: Caller::Root { account },
            origin: Origin::Outside,
            expires_at_ms: Some(expires_at_ms),
        };
        KeyLookup::Known(Box::new(match access_key_id {
            "AKIDKNOWN" => AccessKey { session_token: None, expires_at_ms: None, ..temporary(0) },
            "ASIATEMP" => temporary(NOW_MS + 1),
            "ASIAOLD" => temporary(NOW_MS),
            "ASIAFUNCTION" => AccessKey { origin: Origin::Function, ..temporary(NOW_MS + 1) },
            "AKIDVOID" => return KeyLookup::Void,
            _ => return KeyLookup::Unknown,
        }))
    }
}

async fn create(_: Arc<()>, ctx: RequestContext, input: CreateFunction) -> Result<FunctionConfiguration, ErrorAnswer> {
    if input.function_name == "taken" {
        let answer =
            ErrorAnswer::new("ResourceConflictException", StatusCode::CONFLICT, "Function already exist: taken");
        return Err(answer.fault(Fault::Client));
    }
    Ok(FunctionConfiguration {
        function_name: input.function_name,
        code_size: input.code.zip_file.map_or(0, |zip| zip.len()),
        description: None,
        version: "$LATEST",
        role: ctx.caller.arn(ctx.partition),
        tags_seen: input.tags.get("unfit").map(|_| 1),
    })
}

async fn delete(_: Arc<()>, _: RequestContext, input: FunctionName) -> Result<(), ErrorAnswer> {
    match input.function_name.as_str() {
        "unknown" => {
            Err(ErrorAnswer::new("ResourceNotFoundException", StatusCode::NOT_FOUND, "Function not found: unknown")
                .fault(Fault::Client)
                .upper_message())
        }
        "panic" => panic!("a defect"),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            DELETED.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn invoke(_: Arc<()>, ctx: RequestContext, request: RawRequest) -> Result<Response<Body>, ErrorAnswer> {
    let mut response = Response::new(Body::from(request.body));
    let headers = response.headers_mut();
    headers.insert("x-name", HeaderValue::from_str(&request.labels["FunctionName"]).expect("text"));
    headers.insert("x-query", HeaderValue::from_str(&format!("{:?}", request.query)).expect("text"));
    headers.insert("x-account", HeaderValue::from_str(ctx.account.as_str()).expect("text"));
    headers.insert("x-region", HeaderValue::from_str(ctx.region.as_str()).expect("text"));
    headers.insert("x-host", HeaderValue::from_str(&ctx.host).expect("text"));
    headers.insert("x-seen", HeaderValue::from_str(&seen(&ctx)).expect("text"));
    Ok(response)
}

/// Who asks, as the context has it.
pub(crate) fn seen(ctx: &RequestContext) -> String {
    let proof = match &ctx.proof {
        Proof::Internal => "internal".to_owned(),
        Proof::Unsigned => "unsigned".to_owned(),
        Proof::UnknownKey(id) => format!("unknown {id}"),
        Proof::Key(id) => format!("key {id}"),
    };
    format!("{} {proof} {:?}", ctx.caller.arn(ctx.partition), ctx.origin)
}

async fn federated(_: Arc<()>, ctx: RequestContext, _: serde::de::IgnoredAny) -> Result<Federated, ErrorAnswer> {
    Ok(Federated { provider: seen(&ctx), audience: ctx.account.to_string() })
}

async fn nothing(_: Arc<()>, _: RequestContext, (): ()) -> Result<(), ErrorAnswer> {
    Ok(())
}

async fn identity(_: Arc<()>, ctx: RequestContext, (): ()) -> Result<Identity, ErrorAnswer> {
    let (account, arn) = (ctx.account.to_string(), ctx.caller.arn(ctx.partition));
    Ok(Identity { user_id: account.clone(), account, arn })
}

pub(crate) fn front() -> Front {
    front_in(AuthMode::Open, SandboxAuth::Role)
}

pub(crate) fn front_in(auth: AuthMode, sandbox_auth: SandboxAuth) -> Front {
    let state = Arc::new(());
    let lambda = service(models::lambda(), state.clone())
        .op("CreateFunction", 2_000_000, create)
        .op_with_status("DeleteFunction", 1_000, StatusCode::NO_CONTENT, delete)
        .raw("Invoke", 1_000, invoke)
        .called("Invoke", "InvokeFunction")
        .exempt("CreateFunction", "Runtime")
        .build();
    let sts = service(models::sts(), state.clone())
        .op("GetCallerIdentity", 1_000, identity)
        .op("AssumeRoleWithWebIdentity", 10_000, federated)
        .build();
    let iam = service(models::iam(), state.clone()).build();
    let queues = Arc::new(Model::parse(QUEUES).expect("a model"));
    let sqs = service(queues, state).op("ListQueues", 1_000, nothing).build();
    Front::new(FrontConfig {
        services: vec![lambda, sts, iam, sqs],
        keys: Arc::new(Keys),
        auth,
        sandbox_auth,
        clock: Arc::new(ManualClock::at(NOW_MS)),
        random: Arc::new(SeededRandom::new(1)),
    })
    .expect("a front")
}

pub(crate) fn connection(listener: Listener) -> Connection {
    Connection { peer: SocketAddr::from(([127, 0, 0, 1], 50_000)), secure: false, listener }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The error's code, from its header.
    pub(crate) fn code(&self) -> &str {
        self.headers.get("x-amzn-errortype").and_then(|code| code.to_str().ok()).unwrap_or_default()
    }
}

pub(crate) async fn send(front: &Front, listener: Listener, request: Request<Bytes>) -> Answer {
    let response = front.handle(&connection(listener), request.map(Full::new)).await;
    let (head, body) = response.into_parts();
    let body = String::from_utf8_lossy(body.bytes().expect("a whole body")).into_owned();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

/// How a request is signed.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) key: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) token: Option<&'static str>,
    pub(crate) service: &'static str,
    pub(crate) region: &'static str,
    pub(crate) at_ms: i64,
    pub(crate) presigned_seconds: Option<u64>,
    /// What stands for the body's hash.
    pub(crate) payload: Option<&'static str>,
}

impl Signing {
    pub(crate) fn known(service: &'static str) -> Self {
        let region = "eu-west-1";
        Self {
            key: "AKIDKNOWN",
            secret: SECRET,
            token: None,
            service,
            region,
            at_ms: NOW_MS,
            presigned_seconds: None,
            payload: None,
        }
    }

    pub(crate) fn sign(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        let token = self.token.map(str::to_owned);
        let identity = Credentials::new(self.key, self.secret, token, None, "test").into();
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        if let Some(seconds) = self.presigned_seconds {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(seconds));
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(self.at_ms).expect("a time")))
            .settings(settings)
            .build()
            .expect("parameters")
            .into();
        if let Some(payload) = self.payload {
            request.headers_mut().insert("x-amz-content-sha256", HeaderValue::from_static(payload));
        }
        let uri = format!("http://{HOST}{}", request.uri());
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
            .collect();
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            match self.payload {
                Some(payload) => SignableBody::Precomputed(payload.to_owned()),
                None => SignableBody::Bytes(request.body()),
            },
        )
        .expect("a request to sign");
        let (instructions, _) = sign(signable, &params).expect("a signature").into_parts();
        let (headers, params) = instructions.into_parts();
        for header in headers {
            request.headers_mut().insert(header.name(), header.value().parse().expect("a header"));
        }
        if !params.is_empty() {
            let mut query = form_urlencoded::Serializer::new(request.uri().query().unwrap_or_default().to_owned());
            query.extend_pairs(params);
            *request.uri_mut() = format!("{}?{}", request.uri().path(), query.finish()).parse().expect("a target");
        }
        request
    }
}

pub(crate) fn request(method: &str, target: &str, body: &str) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", HOST)
        .body(Bytes::from(body.to_owned()))
        .expect("a request")
}

pub(crate) fn form(body: &str) -> Request<Bytes> {
    let mut request = request("POST", "/", body);
    request
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
    request
}
