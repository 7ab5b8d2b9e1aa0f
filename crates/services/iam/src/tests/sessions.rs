//! Keys as the rest of the server asks for them: of users, of function environments, from STS.

use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_ports::{
    AccessKey, AccessKeys as _, CredentialError, CredentialIssuer as _, Grant, KeyLookup, Roles as _,
    TemporaryCredentials as _,
};
use hearth_types::{
    AccountId, Arn, AuthMode, Caller, Origin, Partition, RequestContext, RequestId, Scope, SeededRandom, Session,
};

use super::{NOW_MS, Server, TRUST};
use crate::authority::Authority;
use crate::keys::Keyring;

const ROLE: &str = "arn:aws:iam::000000000000:role/p/r";

fn context() -> RequestContext {
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some("us-east-1".into()) };
    RequestContext::service(&scope, "test", RequestId::from("r"))
}

fn function() -> Arn {
    Arn::function(Partition::Aws, &"us-east-1".into(), AccountId::DEFAULT, "my-function")
}

/// The keys of a server in that mode.
fn keyring(server: &Server, mode: AuthMode) -> Keyring {
    let directory = server.iam.directory.clone();
    let authority = Authority::new(directory.clone(), mode, Arc::new(super::NoAudit), server.clock.clone());
    Keyring::new(directory, Arc::new(authority), server.clock.clone(), Arc::new(SeededRandom::new(3)))
}

#[track_caller]
fn known(found: KeyLookup) -> AccessKey {
    match found {
        KeyLookup::Known(key) => *key,
        KeyLookup::Void => panic!("void"),
        KeyLookup::Unknown => panic!("unknown"),
    }
}

fn is_void(found: &KeyLookup) -> bool {
    matches!(found, KeyLookup::Void)
}

async fn with_role() -> Server {
    let server = Server::start().await;
    let role = [("RoleName", "r"), ("Path", "/p/"), ("AssumeRolePolicyDocument", TRUST)];
    server.call("CreateRole", &role).await.ok();
    server
}

#[tokio::test]
async fn a_function_s_session_is_its_role_s_and_of_function_origin() {
    let server = with_role().await;
    let keyring = keyring(&server, AuthMode::Enforce);
    let issued = keyring.issue_function_session(&context(), ROLE, &function(), 60_000).expect("issued");
    let credentials = issued.credentials;
    let key = known(keyring.find(&credentials.access_key_id, Some(&credentials.session_token)));
    assert_eq!((key.origin, key.expires_at_ms), (Origin::Function, Some(NOW_MS + 60_000)));
    let Caller::RoleSession { session_arn, session, .. } = key.caller else { panic!("a role's session") };
    assert_eq!(&*session_arn, "arn:aws:sts::000000000000:assumed-role/r/my-function");
    assert_eq!(session.function_arn.as_deref(), Some(function().to_string().as_str()));
    for token in [None, Some(""), Some("HEARTHx")] {
        assert!(is_void(&keyring.find(&credentials.access_key_id, token)), "{token:?}");
    }
    keyring.revoke(&context(), &credentials.access_key_id);
    assert!(is_void(&keyring.find(&credentials.access_key_id, Some(&credentials.session_token))));
}

#[tokio::test]
async fn a_role_must_exist_and_trust_lambda_unless_the_mode_is_open() {
    let server = with_role().await;
    let foreign = "arn:aws:iam::111122223333:role/r";
    let missing = "arn:aws:iam::000000000000:role/missing";
    let without_path = "arn:aws:iam::000000000000:role/r";
    for (mode, role, expected) in [
        (AuthMode::Open, missing, Ok(())),
        (AuthMode::Open, foreign, Ok(())),
        (AuthMode::Open, "arn:aws:iam::000000000000:user/u", Err(CredentialError::NotAssumable)),
        (AuthMode::Soft, ROLE, Ok(())),
        (AuthMode::Soft, missing, Err(CredentialError::NotAssumable)),
        (AuthMode::Enforce, ROLE, Ok(())),
        (AuthMode::Enforce, missing, Err(CredentialError::NotAssumable)),
        (AuthMode::Enforce, without_path, Err(CredentialError::NotAssumable)),
        (AuthMode::Enforce, foreign, Err(CredentialError::OtherAccount)),
    ] {
        let keyring = keyring(&server, mode);
        assert_eq!(keyring.check_function_role(&context(), role, &function()), expected, "{mode} {role}");
        let issued = keyring.issue_function_session(&context(), role, &function(), 1).map(|_| ());
        assert_eq!(issued, expected, "{mode} {role}");
    }
}

#[tokio::test]
async fn an_environment_s_keys_expire_and_are_still_known_for_a_while() {
    let server = with_role().await;
    let keyring = keyring(&server, AuthMode::Open);
    let issued = keyring.issue_function_session(&context(), ROLE, &function(), 1_000).expect("issued").credentials;
    server.clock.advance(60_000);
    keyring.issue_function_session(&context(), ROLE, &function(), 1_000).expect("issued");
    let key = known(keyring.find(&issued.access_key_id, Some(&issued.session_token)));
    assert_eq!(key.expires_at_ms, Some(NOW_MS + 1_000), "saying that it has expired is the verifier's part");
}

#[tokio::test]
async fn a_session_from_sts_lives_in_its_token_through_a_restart_and_dies_with_its_role() {
    let server = with_role().await;
    let arn: Arn = ROLE.parse().expect("an ARN");
    let ring = keyring(&server, AuthMode::Enforce);
    let role = ring.find_role(&context(), &arn).expect("there");
    assert!(ring.find_role(&context(), &"arn:aws:iam::000000000000:role/r".parse().expect("an ARN")).is_none());
    let session = Session { issued_at_ms: NOW_MS, tags: vec![("a".into(), "b".into())], ..Session::default() };
    let grant = Grant::Role { role, session_name: "s1".to_owned(), session: session.clone() };
    let issued = ring.issue(&context(), grant, Origin::Function, 900).expect("issued").credentials;

    drop(ring);
    let server = server.restart().await;
    let ring = keyring(&server, AuthMode::Enforce);
    let key = known(ring.find(&issued.access_key_id, Some(&issued.session_token)));
    assert_eq!((key.origin, key.expires_at_ms), (Origin::Function, Some(NOW_MS + 900_000)));
    assert_eq!(*key.secret_access_key, *issued.secret_access_key);
    assert_eq!(key.caller.session().map(|session| (**session).clone()), Some(session));
    // A token is nothing with another key's id, and an id nothing without its token.
    assert!(is_void(&ring.find("ASIAAAAAAAAAAAAAAAAA", Some(&issued.session_token))));
    assert!(is_void(&ring.find(&issued.access_key_id, None)));

    server.call("DeleteRole", &[("RoleName", "r")]).await.ok();
    assert!(is_void(&ring.find(&issued.access_key_id, Some(&issued.session_token))));
    let role = [("RoleName", "r"), ("Path", "/p/"), ("AssumeRolePolicyDocument", TRUST)];
    server.call("CreateRole", &role).await.ok();
    assert!(is_void(&ring.find(&issued.access_key_id, Some(&issued.session_token))), "another life of the name");
}

#[tokio::test]
async fn a_user_s_key_stands_for_the_user_while_it_is_active() {
    let server = Server::start().await;
    server.call("CreateUser", &[("UserName", "ann")]).await.ok();
    let made = server.call("CreateAccessKey", &[("UserName", "ann")]).await.ok();
    let id = made.one("AccessKeyId").to_owned();
    let ring = keyring(&server, AuthMode::Open);
    let key = known(ring.find(&id, None));
    assert_eq!(*key.secret_access_key, *made.one("SecretAccessKey"));
    assert!(matches!(&key.caller, Caller::User { name, .. } if **name == *"ann"));
    assert!(is_void(&ring.find(&id, Some("a token"))));
    let status = |status| [("UserName", "ann"), ("AccessKeyId", id.as_str()), ("Status", status)];
    server.call("UpdateAccessKey", &status("Inactive")).await.ok();
    assert!(is_void(&ring.find(&id, None)));
    server.call("UpdateAccessKey", &status("Active")).await.ok();
    known(ring.find(&id, None));
    server.call("DeleteAccessKey", &[("UserName", "ann"), ("AccessKeyId", id.as_str())]).await.ok();
    assert!(is_void(&ring.find(&id, None)), "deleted is not the same as unknown");
    assert!(matches!(ring.find("AKIAIOSFODNN7EXAMPLE", None), KeyLookup::Unknown));
    assert!(matches!(ring.find("test", None), KeyLookup::Unknown));
}

#[tokio::test]
async fn a_root_key_is_made_once_and_survives() {
    let server = Server::start().await;
    let directory = server.iam.directory.clone();
    assert!(!directory.has_root_key(AccountId::DEFAULT));
    let random = SeededRandom::new(1);
    let made = directory.make_root_key(AccountId::DEFAULT, &*server.clock, &random).await.expect("made");
    assert!(made.access_key_id.starts_with("AKIA") && made.access_key_id.len() == 20);
    assert_eq!(made.secret_access_key.len(), 40);
    drop(directory);
    let server = server.restart().await;
    assert!(server.iam.directory.has_root_key(AccountId::DEFAULT));
    let key = known(keyring(&server, AuthMode::Enforce).find(&made.access_key_id, None));
    assert_eq!(key.caller, Caller::Root { account: AccountId::DEFAULT });
    server.iam.directory.make_root_key(AccountId::DEFAULT, &*server.clock, &random).await.expect("a second");
    assert!(server.iam.directory.make_root_key(AccountId::DEFAULT, &*server.clock, &random).await.is_err());
}

#[test]
fn the_trust_of_these_tests_is_one() {
    assert!(Policy::parse(TRUST, PolicyKind::Trust).is_ok());
}
