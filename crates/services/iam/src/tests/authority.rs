//! How strict each mode is with whom, what services may, and what stands in the audit log.

use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_ports::{Access, AuditLog, AuditRecord, Authorizer as _, ResourcePolicy, Verdict};
use hearth_types::{
    AccountId, Arn, AuthMode, Caller, Origin, Partition, Proof, RequestContext, RequestId, Scope, Session,
};
use parking_lot::Mutex;

use super::Server;
use crate::authority::Authority;

const OTHER: &str = "111122223333";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const BUCKET: &str = "arn:aws:s3:::b";

#[derive(Default)]
struct Log(Mutex<Vec<AuditRecord>>);

impl AuditLog for Log {
    fn record(&self, record: AuditRecord) {
        self.0.lock().push(record);
    }
}

fn authority(server: &Server, mode: AuthMode) -> (Arc<Log>, Authority) {
    let log = Arc::<Log>::default();
    (log.clone(), Authority::new(server.iam.directory.clone(), mode, log, server.clock.clone()))
}

/// A request about a resource of the default account.
fn context(caller: Caller, proof: Proof, origin: Origin) -> RequestContext {
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some("us-east-1".into()) };
    RequestContext { caller, proof, origin, ..RequestContext::service(&scope, "test", RequestId::from("r")) }
}

fn root(account: &str) -> Caller {
    Caller::Root { account: account.parse().expect("digits") }
}

/// Someone without any policy.
fn user(account: &str) -> Caller {
    Caller::User {
        account: account.parse().expect("digits"),
        name: "nobody".into(),
        arn: format!("arn:aws:iam::{account}:user/nobody").into(),
        user_id: "AIDA".into(),
        session: None,
    }
}

fn key() -> Proof {
    Proof::Key("AKIAAAAAAAAAAAAAAAAA".into())
}

#[tokio::test]
async fn each_mode_is_as_strict_as_the_table_says() {
    use AuthMode::{Enforce, Open, Soft};
    use Verdict::{Allowed, Denied, NotEvaluated, WouldDeny};
    let server = Server::start().await;
    let unknown = || Proof::UnknownKey("test".into());
    let home = AccountId::DEFAULT.to_string();
    let cases = [
        // Who nobody here knows is root in open and soft mode; the front lets none in in enforce mode.
        (root(&home), unknown(), Origin::Outside, [NotEvaluated, WouldDeny, Denied]),
        (root(&home), Proof::Unsigned, Origin::Outside, [NotEvaluated, WouldDeny, Denied]),
        (root(&home), key(), Origin::Outside, [NotEvaluated, Allowed, Allowed]),
        (user(&home), key(), Origin::Outside, [NotEvaluated, WouldDeny, Denied]),
        // Function code is held to its policies in every mode.
        (user(&home), key(), Origin::Function, [Denied, Denied, Denied]),
        // So is everyone where another account is concerned.
        (root(OTHER), key(), Origin::Outside, [Denied, Denied, Denied]),
        (root(OTHER), unknown(), Origin::Outside, [Denied, Denied, Denied]),
    ];
    for (caller, proof, origin, expected) in cases {
        for (mode, verdict) in [Open, Soft, Enforce].into_iter().zip(expected) {
            let (log, authority) = authority(&server, mode);
            let ctx = context(caller.clone(), proof.clone(), origin);
            let resource: Arn = FUNCTION.parse().expect("an ARN");
            let result = authority.authorize(&ctx, &Access::new("lambda:GetFunction", &resource));
            assert_eq!(result.is_err(), verdict == Denied, "{mode} {ctx:?}");
            let records = log.0.lock();
            assert_eq!(records.len(), 1, "one decision, one line");
            assert_eq!(records[0].verdict, verdict, "{mode} {caller:?} {proof:?} {origin:?}");
        }
    }
}

/// Source: Lambda developer guide, "Granting function access to AWS services": only the resource policy counts, and
/// the source restricts it.
#[tokio::test]
async fn a_service_that_triggers_a_function_needs_its_policy_and_nothing_else_helps() {
    let server = Server::start().await;
    let (_, authority) = authority(&server, AuthMode::Enforce);
    let policy = |condition: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"s3","Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"lambda:InvokeFunction","Resource":"{FUNCTION}"{condition}}}]}}"#
        );
        Policy::parse(&text, PolicyKind::Resource).expect("a policy")
    };
    let open = policy("");
    let restricted = policy(
        r#","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"},"StringEquals":{"AWS:SourceAccount":"000000000000"}}"#,
    );
    let service = |principal: &'static str, source: &str, account: &str| Caller::Service {
        principal,
        source_arn: Some(source.into()),
        source_account: Some(account.parse().expect("digits")),
    };
    let home = AccountId::DEFAULT.to_string();
    for (caller, policy, allowed) in [
        (service("s3.amazonaws.com", BUCKET, &home), None, false),
        (service("s3.amazonaws.com", BUCKET, &home), Some(&open), true),
        (service("s3.amazonaws.com", BUCKET, OTHER), Some(&open), true),
        (service("sns.amazonaws.com", BUCKET, &home), Some(&open), false),
        (service("s3.amazonaws.com", BUCKET, &home), Some(&restricted), true),
        (service("s3.amazonaws.com", "arn:aws:s3:::c", &home), Some(&restricted), false),
        (service("s3.amazonaws.com", BUCKET, OTHER), Some(&restricted), false),
    ] {
        let ctx = context(caller, Proof::Internal, Origin::Outside);
        let resource: Arn = FUNCTION.parse().expect("an ARN");
        let access = Access::new("lambda:InvokeFunction", &resource)
            .with_policy(policy.map_or(ResourcePolicy::None, ResourcePolicy::Of));
        assert_eq!(authority.authorize(&ctx, &access).is_ok(), allowed, "{:?}", ctx.caller);
    }
}

#[tokio::test]
async fn a_change_of_policy_counts_from_the_next_request_on() {
    let server = Server::start().await;
    let (log, authority) = authority(&server, AuthMode::Enforce);
    server.call("CreateUser", &[("UserName", "ann")]).await.ok();
    let id = server.call("GetUser", &[("UserName", "ann")]).await.ok().one("UserId").to_owned();
    let caller = Caller::User {
        account: AccountId::DEFAULT,
        name: "ann".into(),
        arn: "arn:aws:iam::000000000000:user/ann".into(),
        user_id: id.as_str().into(),
        session: None,
    };
    let ctx = context(caller, key(), Origin::Outside);
    let resource: Arn = BUCKET.parse().expect("an ARN");
    let may = || authority.authorize(&ctx, &Access::new("s3:GetObject", &resource)).is_ok();
    assert!(!may());
    let before = authority.revision();
    let put = [("UserName", "ann"), ("PolicyName", "p"), ("PolicyDocument", super::POLICY)];
    server.call("PutUserPolicy", &put).await.ok();
    assert!(authority.revision() > before);
    assert!(may());
    server.call("DeleteUserPolicy", &put[..2]).await.ok();
    assert!(!may());
    let because: Vec<String> = log.0.lock().iter().map(|record| record.because.clone()).collect();
    assert_eq!(because[1], "identity-based policy p, statement 0");
    assert_eq!(because[0], "no identity-based policy allows it");
}

#[tokio::test]
async fn a_session_whose_role_is_gone_may_do_nothing() {
    let server = Server::start().await;
    let (_, authority) = authority(&server, AuthMode::Enforce);
    let trust = [("RoleName", "r"), ("AssumeRolePolicyDocument", super::TRUST)];
    let id = server.call("CreateRole", &trust).await.ok().one("RoleId").to_owned();
    let put = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", super::POLICY)];
    server.call("PutRolePolicy", &put).await.ok();
    let session = |id: &str| Caller::RoleSession {
        account: AccountId::DEFAULT,
        role_arn: "arn:aws:iam::000000000000:role/r".into(),
        session_arn: "arn:aws:sts::000000000000:assumed-role/r/s".into(),
        assumed_role_id: format!("{id}:s").into(),
        session: Arc::new(Session::default()),
    };
    let resource: Arn = BUCKET.parse().expect("an ARN");
    let may = |id: &str| {
        let ctx = context(session(id), key(), Origin::Outside);
        authority.authorize(&ctx, &Access::new("s3:GetObject", &resource)).is_ok()
    };
    assert!(may(&id));
    assert!(!may("AROAANOTHERLIFE"));
    server.call("DeleteRolePolicy", &put[..2]).await.ok();
    server.call("DeleteRole", &[("RoleName", "r")]).await.ok();
    assert!(!may(&id));
}
