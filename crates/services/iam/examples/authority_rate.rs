//! What authorisation costs a request, on one core: finding the key, deciding for a caller with ten policies of five
//! statements, and handing the decision to the audit log.
//!
//! `cargo run --release -p hearth-iam --example authority_rate`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_audit::Audit;
use hearth_iam::{Authority, Directory, Iam, Keyring};
use hearth_ports::{Access, AccessKeys as _, Authorizer as _, Grant, KeyLookup, Roles as _, TemporaryCredentials as _};
use hearth_store::{Codec, SqliteStore};
use hearth_types::{
    AccountId, Arn, AuthMode, Clock, Origin, OsRandom, Partition, Proof, Random, RequestContext, RequestId,
    SandboxAuth, Scope, Session, SystemClock,
};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http_body_util::{BodyExt as _, Full};

const POLICIES: usize = 10;
const STATEMENTS: usize = 5;
const KEEP_BYTES: u64 = 64 << 20;
const MEASURED: Duration = Duration::from_secs(1);

fn policy(number: usize) -> String {
    let statement = |at: usize| {
        let action = if (number, at) == (POLICIES - 1, STATEMENTS - 1) { "lambda:InvokeFunction" } else { "sqs:Send*" };
        format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"arn:aws:*:*:*:*"}}"#)
    };
    let statements: Vec<String> = (0..STATEMENTS).map(statement).collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

async fn call(front: &Front, action: &str, parameters: &[(&str, &str)]) -> Result<String, Box<dyn Error>> {
    let mut body = format!("Action={action}&Version=2010-05-08");
    for (name, value) in parameters {
        let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        body.push_str(&format!("&{name}={value}"));
    }
    let request = http::Request::post("http://localhost/")
        .header("host", "localhost")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))?;
    let connection = Connection { peer: ([127, 0, 0, 1], 1).into(), secure: false, listener: Listener::Outside };
    let answer = front.handle(&connection, request).await;
    let text = String::from_utf8(answer.into_body().collect().await.map_err(|_| "no body")?.to_bytes().to_vec())?;
    if text.contains("<Error>") { Err(text.into()) } else { Ok(text) }
}

fn measure(what: &str, mut work: impl FnMut()) {
    let (started, mut times) = (Instant::now(), 0_u32);
    while started.elapsed() < MEASURED {
        (0..100).for_each(|_| work());
        times += 100;
    }
    println!("  {what:<58} {:>7.2} µs", started.elapsed().as_secs_f64() * 1e6 / f64::from(times));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let store = Arc::new(SqliteStore::open(&data.path().join("store"))?);
    let codec = Arc::new(Codec::open(&data.path().join("keys"))?);
    let directory = Arc::new(Directory::load(store, codec, &*random).await?);
    let audit = Audit::open(&data.path().join("audit"), KEEP_BYTES)?;
    let authority = Arc::new(Authority::new(directory.clone(), AuthMode::Enforce, audit.clone(), clock.clone()));
    let keyring = Arc::new(Keyring::new(directory.clone(), authority.clone(), clock.clone(), random.clone()));
    let open = Authority::new(directory.clone(), AuthMode::Open, audit, clock.clone());
    let iam = Iam::new(directory, clock.clone(), random.clone(), Arc::new(open));
    let front = Front::new(FrontConfig {
        services: vec![hearth_iam::service(iam)],
        keys: keyring.clone(),
        clock,
        random,
        auth: AuthMode::Open,
        sandbox_auth: SandboxAuth::Role,
    })?;

    let trust = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
    call(&front, "CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", trust)]).await?;
    call(&front, "CreateUser", &[("UserName", "ann")]).await?;
    // Ten short policies are too much for a user's 2,048 characters of inline ones: managed ones, as people have them.
    for number in 0..POLICIES {
        let name = format!("p{number}");
        call(&front, "CreatePolicy", &[("PolicyName", &name), ("PolicyDocument", &policy(number))]).await?;
        let arn = format!("arn:aws:iam::000000000000:policy/{name}");
        call(&front, "AttachUserPolicy", &[("UserName", "ann"), ("PolicyArn", &arn)]).await?;
        call(&front, "AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", &arn)]).await?;
    }
    let made = call(&front, "CreateAccessKey", &[("UserName", "ann")]).await?;
    let id = made.split("<AccessKeyId>").nth(1).and_then(|rest| rest.split('<').next()).ok_or("no key")?.to_owned();

    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some("us-east-1".into()) };
    let context = RequestContext::service(&scope, "bench", RequestId::from("r"));
    let role = keyring.find_role(&context, &"arn:aws:iam::000000000000:role/r".parse()?).ok_or("no role")?;
    let grant = Grant::Role { role, session_name: "s1".to_owned(), session: Session::default() };
    let session = keyring.issue(&context, grant, Origin::Outside, 3_600)?;
    let resource: Arn = "arn:aws:lambda:us-east-1:000000000000:function:f".parse()?;
    println!("authorisation of one request on one core, {POLICIES} policies of {STATEMENTS} statements (wanted: 5 µs)");
    let temporary = &session.credentials;
    for (what, id, token) in [
        ("a user's key", id.as_str(), None),
        ("a session's key", temporary.access_key_id.as_str(), Some(temporary.session_token.as_str())),
    ] {
        measure(&format!("find {what}"), || {
            std::hint::black_box(keyring.find(id, token));
        });
        let KeyLookup::Known(key) = keyring.find(id, token) else { return Err("unknown".into()) };
        let ctx = RequestContext { caller: key.caller, proof: Proof::Key(id.into()), ..context.clone() };
        let access = Access::new("lambda:InvokeFunction", &resource);
        authority.authorize(&ctx, &access)?;
        measure(&format!("decide and record for {what}"), || {
            let _ = std::hint::black_box(authority.authorize(&ctx, &access));
        });
    }
    Ok(())
}
