//! GetCallerIdentity.

use super::*;

#[tokio::test]
async fn everyone_is_told_who_they_are() {
    for (key, user_id, arn) in [
        ("AKIAUSER", "AIDAANN", USER),
        ("ASIAUSER", "AIDAANN", USER),
        ("AKIAROOT", ACCOUNT, "arn:aws:iam::111122223333:root"),
        ("ASIAROLE", "AROAFIRST:s", "arn:aws:sts::111122223333:assumed-role/first/s"),
    ] {
        let world = Arc::new(World::default());
        let (status, xml) = call(&world, Issuers::default(), Some(key), &[("Action", "GetCallerIdentity")]).await;
        assert_eq!(status, 200, "{xml}");
        let expected = format!(
            "<GetCallerIdentityResult><UserId>{user_id}</UserId><Account>{ACCOUNT}</Account><Arn>{arn}</Arn>\
             </GetCallerIdentityResult>"
        );
        assert!(xml.contains(&expected), "{xml}");
        assert_eq!(world.actions(), ["sts:GetCallerIdentity"]);
    }
}

// Source: STS API reference, GetCallerIdentity: an explicit deny does not hold.
#[tokio::test]
async fn it_is_told_even_to_whom_it_is_denied() {
    let world = Arc::new(World::denying("sts:GetCallerIdentity"));
    let answer = call(&world, Issuers::default(), Some("AKIAUSER"), &[("Action", "GetCallerIdentity")]).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
}

#[tokio::test]
async fn operations_that_are_not_there_say_so() {
    for action in ["GetFederationToken", "AssumeRoot", "DecodeAuthorizationMessage", "GetAccessKeyInfo"] {
        let answer = call(&Arc::default(), Issuers::default(), Some("AKIAUSER"), &[("Action", action)]).await;
        assert_eq!(refusal(&answer).1, "NotImplementedException", "{action}");
    }
}
