//! The STS API as a client meets it: HTTP requests through the protocol front.

use std::sync::Arc;

use bytes::Bytes;
use hearth_authz::AllowAll;
use hearth_ports::{AccessKey, AccessKeys, Authorizer, Denied};
use hearth_types::{AccountId, Arn, Caller, ManualClock, RequestContext, SeededRandom};
use hearth_wire::{Connection, Front, FrontConfig, Listener};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};

use crate::Sts;

/// Knows nobody.
struct NoKeys;

impl AccessKeys for NoKeys {
    fn find(&self, _: &str) -> Option<AccessKey> {
        None
    }
}

async fn ask(authorizer: Arc<dyn Authorizer>, key: &str) -> (StatusCode, String) {
    let config = FrontConfig {
        services: vec![crate::service(Arc::new(Sts::new(authorizer)))],
        keys: Arc::new(NoKeys),
        clock: Arc::new(ManualClock::at(1_795_438_800_000)),
        random: Arc::new(SeededRandom::new(7)),
    };
    let request = Request::post("http://localhost:4566/")
        .header("host", "localhost:4566")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("x-amz-date", "20261123T130000Z")
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/20261123/us-east-1/sts/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={}",
                "0".repeat(64)
            ),
        )
        .body(Full::new(Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15")))
        .expect("a request");
    let connection = Connection { peer: ([127, 0, 0, 1], 1).into(), secure: false, listener: Listener::Outside };
    let response = Front::new(config).expect("one service").handle(&connection, request).await;
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn result(user_id: &str, account: &str, arn: &str) -> String {
    format!(
        "<GetCallerIdentityResult><UserId>{user_id}</UserId><Account>{account}</Account><Arn>{arn}</Arn>\
         </GetCallerIdentityResult>"
    )
}

#[tokio::test]
async fn unknown_credentials_are_the_root_of_their_account() {
    for (key, account) in [("test", "000000000000"), ("111122223333", "111122223333")] {
        let (status, xml) = ask(Arc::new(AllowAll), key).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            xml.starts_with("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"),
            "{xml}"
        );
        assert!(xml.contains(&result(account, account, &format!("arn:aws:iam::{account}:root"))), "{xml}");
    }
}

#[tokio::test]
async fn a_role_session_is_shown_as_one() {
    let caller = Caller::RoleSession {
        role_arn: "arn:aws:iam::000000000000:role/p/r".into(),
        session_arn: "arn:aws:sts::000000000000:assumed-role/r/f".into(),
        assumed_role_id: "AROAABCDEFGHIJKLMNOPQ:f".into(),
    };
    let scope = hearth_types::Scope {
        partition: hearth_types::Partition::Aws,
        account: AccountId::DEFAULT,
        region: Some(hearth_types::Region::from("us-east-1")),
    };
    let ctx = RequestContext { caller, ..RequestContext::service(&scope, "test", "id".into()) };
    let sts = Arc::new(Sts::new(Arc::new(AllowAll)));
    let input = serde_json::from_str("{}").expect("no members");
    let output = crate::op::get_caller_identity::run(sts, ctx, input).await.expect("allowed");
    assert_eq!(
        serde_json::to_value(&output).expect("plain"),
        serde_json::json!({
            "UserId": "AROAABCDEFGHIJKLMNOPQ:f",
            "Account": "000000000000",
            "Arn": "arn:aws:sts::000000000000:assumed-role/r/f",
        })
    );
}

struct DenyAll;

impl Authorizer for DenyAll {
    fn authorize(
        &self,
        _: &RequestContext,
        action: &str,
        resource: &Arn,
        _: &[hearth_ports::Condition],
    ) -> Result<(), Denied> {
        Err(Denied { message: format!("{action} on {resource}") })
    }
}

#[tokio::test]
async fn the_operation_asks_first_and_obeys() {
    let (status, xml) = ask(Arc::new(DenyAll), "test").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(xml.contains("<Code>AccessDenied</Code>"), "{xml}");
    assert!(xml.contains("<Message>sts:GetCallerIdentity on arn:aws:iam::000000000000:root</Message>"), "{xml}");
}
