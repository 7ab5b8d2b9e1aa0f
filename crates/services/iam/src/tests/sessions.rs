//! Credentials of functions.

use hearth_ports::{AccessKeys as _, CredentialError, CredentialIssuer as _};
use hearth_types::{AccountId, Caller, Partition, Region, RequestContext, Scope};

use super::*;

fn context() -> RequestContext {
    let scope =
        Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) };
    RequestContext::service(&scope, "lambda.amazonaws.com", "id".into())
}

#[tokio::test]
async fn a_function_session_is_that_of_its_role() {
    let server = Server::start().await;
    let parameters = [("RoleName", "r"), ("Path", "/p/"), ("AssumeRolePolicyDocument", TRUST)];
    let created = server.call("CreateRole", &parameters).await.ok();
    let (role_id, role_arn) = (created.one("RoleId"), created.one("Arn"));

    let issued = server.iam.issue_function_session(&context(), role_arn, "my-function", 60_000).expect("issued");
    assert!(issued.access_key_id.starts_with("ASIA") && issued.access_key_id.len() == 20);
    assert_eq!((issued.secret_access_key.len(), issued.expires_at_ms), (40, NOW_MS + 60_000));
    assert!(!format!("{issued:?}").contains(&issued.secret_access_key));

    let key = server.iam.find(&issued.access_key_id).expect("known");
    assert_eq!(&*key.secret_access_key, issued.secret_access_key);
    assert_eq!(key.session_token.as_deref(), Some(issued.session_token.as_str()));
    assert_eq!((key.account, key.expires_at_ms), (AccountId::DEFAULT, Some(NOW_MS + 60_000)));
    let Caller::RoleSession { role_arn: of, session_arn, assumed_role_id } = key.caller else {
        panic!("not a session of a role");
    };
    assert_eq!(&*of, role_arn);
    assert_eq!(&*session_arn, "arn:aws:sts::000000000000:assumed-role/r/my-function");
    assert_eq!(&*assumed_role_id, format!("{role_id}:my-function"));

    server.iam.revoke(&context(), &issued.access_key_id);
    assert!(server.iam.find(&issued.access_key_id).is_none());
}

#[tokio::test]
async fn a_one_character_function_gets_the_recorded_session_name() {
    let server = Server::start().await;
    let role = "arn:aws:iam::123456789012:role/none";
    let issued = server.iam.issue_function_session(&context(), role, "f", 1).expect("issued");
    let key = server.iam.find(&issued.access_key_id).expect("known");
    assert_eq!(key.caller.arn(Partition::Aws), "arn:aws:sts::123456789012:assumed-role/none/f@lambda_function");
    assert_eq!(key.account.as_str(), "123456789012");
}

#[tokio::test]
async fn what_is_no_role_arn_is_not_assumable() {
    let server = Server::start().await;
    for arn in
        ["", "r", "arn:aws:iam::123456789012:user/u", "arn:aws:iam::12:role/r", "arn:aws:iam::123456789012:role/"]
    {
        assert_eq!(
            server.iam.issue_function_session(&context(), arn, "f", 1),
            Err(CredentialError::NotAssumable),
            "{arn}"
        );
    }
}

#[tokio::test]
async fn an_expired_session_is_remembered_as_expired_and_then_forgotten() {
    let server = Server::start().await;
    let role = "arn:aws:iam::123456789012:role/r";
    let issued = server.iam.issue_function_session(&context(), role, "ff", 1_000).expect("issued");
    server.clock.advance(2_000);
    let key = server.iam.find(&issued.access_key_id).expect("still known");
    assert!(key.expires_at_ms.is_some_and(|at| at < NOW_MS + 2_000));
    server.clock.advance(24 * 60 * 60 * 1000);
    server.iam.issue_function_session(&context(), role, "ff", 1_000).expect("issued");
    assert!(server.iam.find(&issued.access_key_id).is_none());
}
