//! The STS API as a client meets it: signed HTTP requests through the protocol front, over fakes of the ports.

mod assume_role;
mod caller_identity;
mod session_token;
mod web_identity;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use hearth_authz::{Policy, PolicyKind};
use hearth_ports::{
    Access, AccessKey, AccessKeys, Authorizer, Credentials, Denied, Grant, KeyLookup, ResourcePolicy, RoleFacts, Roles,
    TemporaryCredentials, TemporaryKey,
};
use hearth_types::{
    AccountId, Arn, AuthMode, Caller, ManualClock, Origin, RequestContext, SandboxAuth, SeededRandom, Session,
};
use hearth_wire::sigv4::{Credential, SigningKey};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http::Request;
use http_body_util::{BodyExt as _, Full};

use crate::{Issuers, Sts, StsParts};

/// 2026-11-23T13:00:00Z
const NOW_MS: i64 = 1_795_438_800_000;
const NOW_S: i64 = NOW_MS / 1_000;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ACCOUNT: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::444455556666:role/p/worker";
const USER: &str = "arn:aws:iam::111122223333:user/ann";
const READ: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;

fn account() -> AccountId {
    ACCOUNT.parse().expect("an account")
}

/// One question to the authorizer: action, resource, account, caller, conditions, trust policy.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    action: String,
    resource: String,
    account: String,
    caller: String,
    conditions: Vec<String>,
    trust: Option<Arc<str>>,
}

/// Everything STS is not.
#[derive(Default)]
struct World {
    questions: Mutex<Vec<Question>>,
    grants: Mutex<Vec<(Grant, Origin, u32)>>,
    denied: HashSet<&'static str>,
    /// A text that is no ordinary denial.
    denial: Option<&'static str>,
    /// What is known of the calling role session.
    session: Session,
}

impl World {
    fn denying(action: &'static str) -> Self {
        Self { denied: HashSet::from([action]), ..Self::default() }
    }

    fn question(&self) -> Question {
        self.questions.lock().expect("unpoisoned").first().cloned().expect("a question")
    }

    fn actions(&self) -> Vec<String> {
        self.questions.lock().expect("unpoisoned").iter().map(|question| question.action.clone()).collect()
    }

    /// The session that was granted, and how long it lasts.
    fn granted(&self) -> (Session, u32) {
        let grants = self.grants.lock().expect("unpoisoned");
        let (Grant::Role { session, .. } | Grant::Same { session, .. }, _, duration_s) =
            grants.last().expect("a grant");
        (session.clone(), *duration_s)
    }

    fn has_granted(&self) -> bool {
        !self.grants.lock().expect("unpoisoned").is_empty()
    }
}

impl Authorizer for World {
    fn authorize(&self, ctx: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        self.questions.lock().expect("unpoisoned").push(Question {
            action: access.action.to_owned(),
            resource: access.resource.to_string(),
            account: ctx.account.to_string(),
            caller: ctx.caller.arn(ctx.partition),
            conditions: access.conditions.iter().map(|one| format!("{}={}", one.key, one.values.join("|"))).collect(),
            trust: match access.policy {
                ResourcePolicy::Trust(policy) => Some(policy.text().clone()),
                _ => None,
            },
        });
        let ordinary = format!("User: x is not authorized to perform: {} because of a secret", access.action);
        match self.denied.contains(access.action) {
            true => Err(Denied { message: self.denial.map_or(ordinary, str::to_owned) }),
            false => Ok(()),
        }
    }

    fn revision(&self) -> u64 {
        0
    }
}

const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#;

impl Roles for World {
    fn find_role(&self, ctx: &RequestContext, arn: &Arn) -> Option<RoleFacts> {
        assert_eq!(ctx.account.as_str(), arn.account, "roles are looked for in their own account");
        (arn.to_string() == ROLE).then(|| RoleFacts {
            arn: arn.clone(),
            name: "worker".into(),
            id: "AROAWORKER".into(),
            trust: Arc::new(Policy::parse(TRUST, PolicyKind::Trust).expect("a trust policy")),
            max_session_duration_s: 7_200,
            tags: vec![("team".to_owned(), "red".to_owned())],
        })
    }

    fn managed_policy(&self, ctx: &RequestContext, arn: &str) -> Option<Arc<str>> {
        assert_eq!(ctx.account.as_str(), "444455556666", "managed policies are of the role's account");
        match arn {
            "arn:aws:iam::aws:policy/ReadOnlyAccess" => Some("read only".into()),
            "arn:aws:iam::444455556666:policy/huge" => Some("x".repeat(40_000).into()),
            _ => None,
        }
    }
}

impl TemporaryCredentials for World {
    fn issue(&self, _: &RequestContext, grant: Grant, origin: Origin, duration_s: u32) -> Result<TemporaryKey, String> {
        let caller = match &grant {
            Grant::Same { caller, .. } => caller.clone(),
            Grant::Role { role, session_name, session } => Caller::RoleSession {
                account: role.arn.account.parse().expect("an account"),
                role_arn: role.arn.to_string().into(),
                session_arn: format!("arn:aws:sts::{}:assumed-role/{}/{session_name}", role.arn.account, role.name)
                    .into(),
                assumed_role_id: format!("{}:{session_name}", role.id).into(),
                session: Arc::new(session.clone()),
            },
        };
        self.grants.lock().expect("unpoisoned").push((grant, origin, duration_s));
        let credentials = Credentials {
            access_key_id: "ASIANEW".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: "token".to_owned(),
            expires_at_ms: NOW_MS + i64::from(duration_s) * 1_000 + 999,
        };
        Ok(TemporaryKey { credentials, caller })
    }
}

/// `AKIAUSER`, `ASIAUSER` (the same, temporary), `AKIAROOT`, `ASIAROOT`, and `ASIAROLE`, `ASIAFUNCTION`: a role's session.
struct Keys(Arc<World>);

impl AccessKeys for Keys {
    fn find(&self, id: &str, _: Option<&str>) -> KeyLookup {
        let user = |session| Caller::User {
            account: account(),
            name: "ann".into(),
            arn: USER.into(),
            user_id: "AIDAANN".into(),
            session,
        };
        let caller = match id {
            "AKIAUSER" => user(None),
            "ASIAUSER" => user(Some(Arc::default())),
            "AKIAROOT" | "ASIAROOT" => Caller::Root { account: account() },
            "ASIAROLE" | "ASIAFUNCTION" => Caller::RoleSession {
                account: account(),
                role_arn: "arn:aws:iam::111122223333:role/first".into(),
                session_arn: "arn:aws:sts::111122223333:assumed-role/first/s".into(),
                assumed_role_id: "AROAFIRST:s".into(),
                session: Arc::new(self.0.session.clone()),
            },
            _ => return KeyLookup::Unknown,
        };
        KeyLookup::Known(Box::new(AccessKey {
            secret_access_key: SECRET.into(),
            session_token: None,
            account: account(),
            caller,
            origin: if id == "ASIAFUNCTION" { Origin::Function } else { Origin::Outside },
            expires_at_ms: None,
        }))
    }
}

/// Sends an operation's form, signed with the key; without one it is not signed.
async fn call(world: &Arc<World>, issuers: Issuers, key: Option<&str>, form: &[(&str, &str)]) -> (u16, String) {
    let sts = Sts::new(StsParts {
        authorizer: world.clone(),
        roles: world.clone(),
        credentials: world.clone(),
        issuers,
        clock: Arc::new(ManualClock::at(NOW_MS)),
    });
    let front = Front::new(FrontConfig {
        services: vec![crate::service(Arc::new(sts))],
        keys: Arc::new(Keys(world.clone())),
        auth: AuthMode::Enforce,
        sandbox_auth: SandboxAuth::Role,
        clock: Arc::new(ManualClock::at(NOW_MS)),
        random: Arc::new(SeededRandom::new(7)),
    });
    let mut body = form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(form).append_pair("Version", "2011-06-15").finish();
    let mut request = Request::post("http://localhost:4566/")
        .header("host", "localhost:4566")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    if let Some(key) = key {
        request = request.header("x-amz-date", "20261123T130000Z").header("authorization", signature(key, &body));
    }
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let connection = Connection { peer: ([127, 0, 0, 1], 1).into(), secure: false, listener: Listener::Outside };
    let response = front.expect("one service").handle(&connection, request).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

/// The `Authorization` header of such a request. Source: IAM user guide, "Create a signed AWS API request".
fn signature(key: &str, body: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sha256 = |text: &str| hex(digest(&SHA256, text.as_bytes()).as_ref());
    let credential = Credential {
        access_key_id: key.to_owned(),
        date: "20261123".to_owned(),
        region: "us-east-1".to_owned(),
        service: "sts".to_owned(),
    };
    let request =
        format!("POST\n/\n\nhost:localhost:4566\nx-amz-date:20261123T130000Z\n\nhost;x-amz-date\n{}", sha256(body));
    let scope = "20261123/us-east-1/sts/aws4_request";
    let to_sign = ["AWS4-HMAC-SHA256\n20261123T130000Z\n", scope, "\n", &sha256(&request)].concat();
    let signature = hex(&SigningKey::derive(SECRET, &credential).sign(&[&to_sign]));
    format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}")
}

/// The text of an element, its first.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// Status, code and text of a refusal.
fn refusal((status, xml): &(u16, String)) -> (u16, String, String) {
    let text = |name| element(xml, name).unwrap_or_default().replace("&apos;", "'").replace("&quot;", "\"");
    (*status, text("Code"), text("Message"))
}

fn refused(status: u16, code: &str, text: &str) -> (u16, String, String) {
    (status, code.to_owned(), text.to_owned())
}
