//! Users: made, shown, renamed, tagged, deleted; and who "the caller's own" is.

use serde_json::json;

use super::*;
use crate::op;

fn user(name: &str) -> Caller {
    let arn = format!("arn:aws:iam::000000000000:user/{name}");
    let account = AccountId::DEFAULT;
    Caller::User { account, name: name.into(), arn: arn.into(), user_id: "AIDA".into(), session: None }
}

fn role_session() -> Caller {
    Caller::RoleSession {
        account: AccountId::DEFAULT,
        role_arn: "arn:aws:iam::000000000000:role/r".into(),
        session_arn: "arn:aws:sts::000000000000:assumed-role/r/s".into(),
        assumed_role_id: "AROA:s".into(),
        session: Arc::default(),
    }
}

#[tokio::test]
async fn a_user_is_shown_as_it_was_created() {
    let server = Server::start().await;
    let parameters =
        [("UserName", "u"), ("Path", "/a/b/"), ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "x")];
    let created = server.run("CreateUser", &parameters).await;
    assert_eq!(created.one("Arn"), "arn:aws:iam::000000000000:user/a/b/u");
    assert_eq!((created.one("Path"), created.one("UserName")), ("/a/b/", "u"));
    assert_eq!(created.one("CreateDate"), "2026-11-23T13:00:00Z");
    assert_eq!((created.one("Key"), created.one("Value")), ("team", "x"));
    let id = created.one("UserId");
    assert!(id.starts_with("AIDA") && id.len() == 21);
    let got = server.run("GetUser", &[("UserName", "u")]).await;
    for name in ["Arn", "UserId", "Path", "UserName", "CreateDate", "Key", "Value"] {
        assert_eq!(got.one(name), created.one(name), "{name}");
    }
}

#[tokio::test]
async fn user_names_are_unique_regardless_of_case() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "Bob")]).await;
    server.call("CreateUser", &[("UserName", "bOB")]).await.refused(
        409,
        "EntityAlreadyExists",
        "User with name bOB already exists.",
    );
    server.call("GetUser", &[("UserName", "non-existent-user")]).await.refused(
        404,
        "NoSuchEntity",
        "The user with name non-existent-user cannot be found.",
    );
}

#[tokio::test]
async fn listing_users_filters_by_path_and_pages() {
    let server = Server::start().await;
    for (name, path) in [("b", "/x/"), ("A", "/"), ("c", "/x/y/")] {
        server.run("CreateUser", &[("UserName", name), ("Path", path)]).await;
    }
    let all = server.run("ListUsers", &[]).await;
    assert_eq!((all.all("UserName"), all.one("IsTruncated")), (vec!["A", "b", "c"], "false"));
    assert_eq!(server.run("ListUsers", &[("PathPrefix", "/x/")]).await.all("UserName"), ["b", "c"]);
    let first = server.run("ListUsers", &[("MaxItems", "2")]).await;
    assert_eq!((first.all("UserName"), first.one("IsTruncated")), (vec!["A", "b"], "true"));
    assert_eq!(server.run("ListUsers", &[("Marker", first.one("Marker"))]).await.all("UserName"), ["c"]);
}

#[tokio::test]
async fn a_renamed_user_keeps_id_keys_groups_and_policies() {
    let server = Server::start().await;
    let id = server.run("CreateUser", &[("UserName", "old")]).await.one("UserId").to_owned();
    let key = server.run("CreateAccessKey", &[("UserName", "old")]).await.one("AccessKeyId").to_owned();
    server.run("CreateGroup", &[("GroupName", "g")]).await;
    server.run("AddUserToGroup", &[("GroupName", "g"), ("UserName", "old")]).await;
    server.run("AttachUserPolicy", &[("UserName", "old"), ("PolicyArn", LOGGING)]).await;

    server.run("UpdateUser", &[("UserName", "old"), ("NewUserName", "new"), ("NewPath", "/p/")]).await;
    let renamed = server.run("GetUser", &[("UserName", "new")]).await;
    assert_eq!((renamed.one("UserId"), renamed.one("Arn")), (&*id, "arn:aws:iam::000000000000:user/p/new"));
    server.call("GetUser", &[("UserName", "old")]).await.refused(
        404,
        "NoSuchEntity",
        "The user with name old cannot be found.",
    );
    let keys = server.run("ListAccessKeys", &[("UserName", "new")]).await;
    assert_eq!((keys.one("AccessKeyId"), keys.one("UserName")), (&*key, "new"));
    assert_eq!(server.run("GetGroup", &[("GroupName", "g")]).await.all("UserName"), ["new"]);
    assert_eq!(server.run("ListAttachedUserPolicies", &[("UserName", "new")]).await.all("PolicyArn"), [LOGGING]);

    // Another case is no other name.
    server.run("UpdateUser", &[("UserName", "new"), ("NewUserName", "NEW")]).await;
    assert_eq!(server.run("GetUser", &[("UserName", "NEW")]).await.one("UserId"), id);
    server.run("CreateUser", &[("UserName", "taken")]).await;
    server.call("UpdateUser", &[("UserName", "NEW"), ("NewUserName", "Taken")]).await.refused(
        409,
        "EntityAlreadyExists",
        "User with name Taken already exists.",
    );
    let server = server.restart().await;
    assert_eq!(server.run("ListAccessKeys", &[("UserName", "NEW")]).await.all("AccessKeyId"), [&*key]);
    assert_eq!(server.run("ListUsers", &[]).await.all("UserName"), ["NEW", "taken"]);
}

#[tokio::test]
async fn a_user_goes_only_when_nothing_hangs_on_it() {
    let server = Server::start().await;
    let user = [("UserName", "u")];
    server.run("CreateUser", &user).await;
    server.run("CreateGroup", &[("GroupName", "g")]).await;
    server.run("AddUserToGroup", &[("GroupName", "g"), ("UserName", "u")]).await;
    let key = server.run("CreateAccessKey", &user).await.one("AccessKeyId").to_owned();
    server.run("PutUserPolicy", &[("UserName", "u"), ("PolicyName", "p"), ("PolicyDocument", POLICY)]).await;
    server.run("AttachUserPolicy", &[("UserName", "u"), ("PolicyArn", LOGGING)]).await;
    for (must, action, more) in [
        ("detach all policies", "DetachUserPolicy", ("PolicyArn", LOGGING)),
        ("delete policies", "DeleteUserPolicy", ("PolicyName", "p")),
        ("delete access keys", "DeleteAccessKey", ("AccessKeyId", &*key)),
        ("remove users from group", "RemoveUserFromGroup", ("GroupName", "g")),
    ] {
        server.call("DeleteUser", &user).await.refused(
            409,
            "DeleteConflict",
            &format!("Cannot delete entity, must {must} first."),
        );
        server.run(action, &[("UserName", "u"), more]).await;
    }
    server.run("DeleteUser", &user).await;
    server.call("DeleteUser", &user).await.refused(404, "NoSuchEntity", "The user with name u cannot be found.");
}

#[tokio::test]
async fn tags_of_users_policies_and_instance_profiles_come_and_go() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "it")]).await;
    server.run("CreateInstanceProfile", &[("InstanceProfileName", "it")]).await;
    let arn = server.create_policy("it").await;
    for (kind, name, value) in
        [("User", "UserName", "it"), ("InstanceProfile", "InstanceProfileName", "it"), ("Policy", "PolicyArn", &*arn)]
    {
        let of_it = (name, value);
        let tags = [of_it, ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "1")];
        server.run(&format!("Tag{kind}"), &tags).await;
        let tags = [of_it, ("Tags.member.1.Key", "K"), ("Tags.member.1.Value", "2")];
        server.run(&format!("Tag{kind}"), &tags).await;
        let listed = server.run(&format!("List{kind}Tags"), &[of_it]).await;
        assert_eq!((listed.one("Key"), listed.one("Value"), listed.one("IsTruncated")), ("K", "2", "false"));
        let shown = server.run(&format!("Get{kind}"), &[of_it]).await;
        assert_eq!(shown.one("Key"), "K");
        server.run(&format!("Untag{kind}"), &[of_it, ("TagKeys.member.1", "k")]).await;
        assert!(server.run(&format!("List{kind}Tags"), &[of_it]).await.all("Key").is_empty());
    }
}

#[tokio::test]
async fn an_entity_has_fifty_tags_at_most() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    for number in 0..50 {
        let tags = [("UserName", "u"), ("Tags.member.1.Key", &*number.to_string()), ("Tags.member.1.Value", "v")];
        server.run("TagUser", &tags).await;
    }
    let tags = [("UserName", "u"), ("Tags.member.1.Key", "more"), ("Tags.member.1.Value", "v")];
    server.call("TagUser", &tags).await.refused(409, "LimitExceeded", "Cannot exceed quota for TagsPerUser: 50");
}

#[tokio::test]
async fn without_a_name_it_is_the_caller() {
    let server = Server::start().await;
    let root = server.run("GetUser", &[]).await;
    assert_eq!((root.one("Arn"), root.one("UserId")), ("arn:aws:iam::000000000000:root", "000000000000"));
    assert!(root.all("UserName").is_empty());

    server.run("CreateUser", &[("UserName", "u")]).await;
    let run = |caller| op::get_user::run(server.iam.clone(), context(caller), input(json!({})));
    let shown = serde_json::to_value(run(user("u")).await.expect("shown")).expect("JSON");
    assert_eq!(shown["User"]["UserName"], "u");
    assert_eq!(
        message(run(role_session()).await),
        ("ValidationError", "Must specify userName when calling with non-User credentials".to_owned())
    );
}

#[tokio::test]
async fn without_a_name_keys_are_the_caller_s_own() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    let iam = || server.iam.clone();
    let made = op::create_access_key::run(iam(), context(user("u")), input(json!({}))).await.expect("made");
    let made = serde_json::to_value(made).expect("JSON");
    assert_eq!(made["AccessKey"]["UserName"], "u");
    let of_root = server.run("CreateAccessKey", &[]).await;
    assert!(of_root.all("UserName").is_empty());
    assert_eq!(server.run("ListAccessKeys", &[]).await.all("AccessKeyId"), [of_root.one("AccessKeyId")]);

    // "If a temporary access key is used, then UserName is required."
    let Caller::User { account, name, arn, user_id, .. } = user("u") else { unreachable!() };
    let temporary = Caller::User { account, name, arn, user_id, session: Some(Arc::default()) };
    for caller in [temporary, role_session()] {
        let refused = op::create_access_key::run(iam(), context(caller), input(json!({}))).await;
        assert_eq!(
            message(refused),
            ("ValidationError", "Must specify userName when calling with non-User credentials".to_owned())
        );
    }
}

#[tokio::test]
async fn what_no_user_can_have_here_is_truthfully_absent() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    for (action, list) in [
        ("ListMFADevices", "MFADevices"),
        ("ListSSHPublicKeys", "SSHPublicKeys"),
        ("ListSigningCertificates", "Certificates"),
        ("ListServiceSpecificCredentials", "ServiceSpecificCredentials"),
    ] {
        let answer = server.run(action, &[("UserName", "u")]).await;
        assert_eq!((answer.one("IsTruncated"), answer.one(list)), ("false", ""), "{action}");
        server.call(action, &[("UserName", "x")]).await.refused(
            404,
            "NoSuchEntity",
            "The user with name x cannot be found.",
        );
    }
    assert_eq!(server.run("ListVirtualMFADevices", &[("AssignmentStatus", "Any")]).await.one("VirtualMFADevices"), "");
    for action in ["GetLoginProfile", "DeleteLoginProfile"] {
        let answer = server.call(action, &[("UserName", "u")]).await;
        answer.refused(404, "NoSuchEntity", "Login Profile for User u cannot be found.");
    }
    // Recorded.
    let parameters = [("UserName", "u"), ("ServiceName", "nonexistentservice.amazonaws.com")];
    server.call("ListServiceSpecificCredentials", &parameters).await.refused(
        404,
        "NoSuchEntity",
        "No such service nonexistentservice.amazonaws.com is supported for Service Specific Credentials",
    );
}
