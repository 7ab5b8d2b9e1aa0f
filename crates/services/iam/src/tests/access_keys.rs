//! Long-term access keys.

use super::*;
use crate::entity::KeyOwner;

#[tokio::test]
async fn a_key_is_made_listed_switched_off_and_deleted() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    let made = server.run("CreateAccessKey", &[("UserName", "u")]).await;
    let (id, secret) = (made.one("AccessKeyId").to_owned(), made.one("SecretAccessKey"));
    assert!(id.starts_with("AKIA") && id.len() == 20, "{id}");
    assert_eq!((secret.len(), made.one("Status"), made.one("UserName")), (40, "Active", "u"));

    let entry = server.iam.directory.access_key(&id).expect("known");
    assert_eq!((&*entry.secret.0, &entry.scope), (secret, &scope()));
    assert!(matches!(&entry.owner, KeyOwner::User { name, .. } if name == "u"));

    let listed = server.run("ListAccessKeys", &[("UserName", "u")]).await;
    assert_eq!((listed.one("AccessKeyId"), listed.one("Status")), (&*id, "Active"));
    assert!(listed.all("SecretAccessKey").is_empty());

    let key = [("UserName", "u"), ("AccessKeyId", &*id)];
    server.run("UpdateAccessKey", &[key[0], key[1], ("Status", "Inactive")]).await;
    assert_eq!(server.run("ListAccessKeys", &[key[0]]).await.one("Status"), "Inactive");
    assert!(!server.iam.directory.access_key(&id).expect("known").is_active);
    let expired = server.call("UpdateAccessKey", &[key[0], key[1], ("Status", "Expired")]).await;
    assert_eq!((expired.status.as_u16(), expired.one("Code")), (400, "InvalidInput"));

    server.run("DeleteAccessKey", &key).await;
    assert!(server.iam.directory.access_key(&id).is_none());
    server.call("DeleteAccessKey", &key).await.refused(
        404,
        "NoSuchEntity",
        &format!("The Access Key with id {id} cannot be found."),
    );
}

#[tokio::test]
async fn a_user_has_two_keys_at_most_and_so_has_the_root() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    for owner in [&[("UserName", "u")][..], &[]] {
        for _ in 0..2 {
            server.run("CreateAccessKey", owner).await;
        }
        server.call("CreateAccessKey", owner).await.refused(
            409,
            "LimitExceeded",
            "Cannot exceed quota for AccessKeysPerUser: 2",
        );
        let first = server.run("ListAccessKeys", &[owner, &[("MaxItems", "1")]].concat()).await;
        let rest = server.run("ListAccessKeys", &[owner, &[("Marker", first.one("Marker"))]].concat()).await;
        assert!(first.one("AccessKeyId") < rest.one("AccessKeyId"));
    }
}

#[tokio::test]
async fn a_key_is_its_owner_s_alone() {
    let server = Server::start().await;
    for name in ["u", "v"] {
        server.run("CreateUser", &[("UserName", name)]).await;
    }
    let id = server.run("CreateAccessKey", &[("UserName", "u")]).await.one("AccessKeyId").to_owned();
    let unknown = format!("The Access Key with id {id} cannot be found.");
    for owner in [&[("UserName", "v")][..], &[]] {
        let key = [owner, &[("AccessKeyId", &*id)]].concat();
        server.call("DeleteAccessKey", &key).await.refused(404, "NoSuchEntity", &unknown);
        let update = [&key[..], &[("Status", "Inactive")]].concat();
        server.call("UpdateAccessKey", &update).await.refused(404, "NoSuchEntity", &unknown);
    }
    for action in ["CreateAccessKey", "ListAccessKeys"] {
        server.call(action, &[("UserName", "x")]).await.refused(
            404,
            "NoSuchEntity",
            "The user with name x cannot be found.",
        );
    }
}

#[tokio::test]
async fn keys_survive_a_restart_and_their_secrets_are_not_in_the_store() {
    let server = Server::start().await;
    let made = server.run("CreateAccessKey", &[]).await;
    let (id, secret) = (made.one("AccessKeyId").to_owned(), made.one("SecretAccessKey").to_owned());
    let server = server.restart().await;
    assert_eq!(server.iam.directory.access_key(&id).expect("known").secret.0, secret);
    for entry in std::fs::read_dir(server.path.path().join("store")).expect("the store") {
        let file = entry.expect("an entry").path();
        let bytes = std::fs::read(&file).expect("a file");
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(&secret), "{}", file.display());
    }
}
