//! The directory over its store: what older servers wrote, what is damaged, and changes of several records.

use hearth_store::{Epoch, Key, Mutation, Shard, Store as _};

use super::*;
use crate::directory::Entity as _;
use crate::entity::User;

async fn write(path: &Path, table: &str, name: &str, record: &str) {
    let (store, _) = open(path);
    let key = Key::new(&scope(), table).part(name);
    let put = Mutation::Put(key, Bytes::copy_from_slice(record.as_bytes()));
    store.commit(&Shard::new(&scope(), "iam"), Epoch::default(), vec![], vec![put]).await.expect("written");
}

/// As version 1 of the record was written.
fn old_role(inline: &str) -> String {
    serde_json::json!({
        "kind": "iam.role",
        "version": 1,
        "data": {
            "name": "Old", "path": "/", "id": "AROAOLD", "created_at_ms": 1, "trust_policy": TRUST, "description": null,
            "max_session_duration_s": 3600, "tags": [], "inline_policies": { "p": inline },
            "attached_policies": [LOGGING],
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_role_that_an_older_server_wrote_is_read_and_changed() {
    let path = tempfile::tempdir().expect("a directory");
    write(path.path(), "iam.role", "old", &old_role(POLICY)).await;
    let server = Server::over(path, Arc::new(AllowAll)).await;
    assert_eq!(server.run("ListAttachedRolePolicies", &[("RoleName", "Old")]).await.all("PolicyArn"), [LOGGING]);
    let boundary = [("RoleName", "Old"), ("PermissionsBoundary", LOGGING)];
    server.run("PutRolePermissionsBoundary", &boundary).await;
    let server = server.restart().await;
    let role = server.run("GetRole", &[("RoleName", "Old")]).await;
    assert_eq!((role.one("RoleId"), role.one("PermissionsBoundaryArn")), ("AROAOLD", LOGGING));
    assert_eq!(server.run("ListRolePolicies", &[("RoleName", "Old")]).await.all("member"), ["p"]);
}

#[tokio::test]
async fn a_stored_document_that_is_none_any_more_denies_and_stays_readable() {
    let path = tempfile::tempdir().expect("a directory");
    write(path.path(), "iam.role", "old", &old_role("{")).await;
    let server = Server::over(path, Arc::new(AllowAll)).await;
    let role = server.iam.directory.role(&scope(), "Old").expect("a role");
    let policy = role.inline.get("p").expect("a policy");
    assert!(policy.text().contains("Deny"), "{}", policy.text());
    let got = server.run("GetRolePolicy", &[("RoleName", "Old"), ("PolicyName", "p")]).await;
    assert_eq!(got.one("PolicyDocument"), "%7B");
    server.run("DeleteRolePolicy", &[("RoleName", "Old"), ("PolicyName", "p")]).await;
}

#[tokio::test]
async fn another_node_s_change_is_seen_before_one_is_made() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    // The same store, as another node has it: a commit the directory does not know of.
    let (store, codec) = (&server.store, &server.codec);
    let key = Key::new(&scope(), "iam.user").part("u");
    let entry = store.get(&key).await.expect("read").expect("there");
    let mut record: crate::entity::UserRecord = codec.decode_at(&key, &entry.value).expect("a record");
    record.path = "/elsewhere/".to_owned();
    let put = Mutation::Put(key.clone(), codec.encode_at(&key, &record).expect("encoded"));
    store.commit(&Shard::new(&scope(), "iam"), Epoch::default(), vec![], vec![put]).await.expect("written");

    server.run("TagUser", &[("UserName", "u"), ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")]).await;
    let user = server.run("GetUser", &[("UserName", "u")]).await;
    assert_eq!((user.one("Path"), user.one("Key")), ("/elsewhere/", "k"));
}

#[tokio::test]
async fn a_change_of_several_records_is_all_or_none() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    let before = server.iam.directory.revision();
    let refused = server
        .iam
        .directory
        .change(scope(), |changes| {
            let user = changes.account().get::<User>("u")?.clone();
            changes.delete::<User>(user.record());
            changes.create::<User>(user.record().clone())
        })
        .await;
    assert_eq!(message(refused).0, "EntityAlreadyExists");
    assert_eq!(server.iam.directory.revision(), before);
    server.run("GetUser", &[("UserName", "u")]).await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let server = Server::start().await;
    let policy = server.create_policy("p").await;
    for (kind, name) in server.one_of_each().await {
        server.run(&format!("Attach{kind}Policy"), &[(name, "it"), ("PolicyArn", &policy)]).await;
    }
    server.run("AddUserToGroup", &[("GroupName", "it"), ("UserName", "it")]).await;
    server.run("CreateInstanceProfile", &[("InstanceProfileName", "ip")]).await;
    let key = server.run("CreateAccessKey", &[("UserName", "it")]).await.one("AccessKeyId").to_owned();
    let server = server.restart().await;
    assert_eq!(server.run("GetPolicy", &[("PolicyArn", &policy)]).await.one("AttachmentCount"), "3");
    assert_eq!(server.run("GetGroup", &[("GroupName", "it")]).await.all("UserName"), ["it"]);
    assert_eq!(server.run("ListAccessKeys", &[("UserName", "it")]).await.all("AccessKeyId"), [&*key]);
    server.run("GetInstanceProfile", &[("InstanceProfileName", "ip")]).await;
}
