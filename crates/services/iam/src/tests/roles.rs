//! Roles: made, shown, listed, tagged, deleted, kept.

use super::*;

#[tokio::test]
async fn a_role_is_shown_as_it_was_created() {
    let server = Server::start().await;
    let created = server
        .call(
            "CreateRole",
            &[
                ("RoleName", "r"),
                ("Path", "/a/b/"),
                ("AssumeRolePolicyDocument", TRUST),
                ("Description", "a < b & c"),
                ("MaxSessionDuration", "7200"),
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "x / y"),
            ],
        )
        .await
        .ok();
    assert_eq!(created.one("Arn"), "arn:aws:iam::000000000000:role/a/b/r");
    assert_eq!((created.one("Path"), created.one("RoleName")), ("/a/b/", "r"));
    assert_eq!(created.one("CreateDate"), "2026-11-23T13:00:00Z");
    assert_eq!(created.one("AssumeRolePolicyDocument"), TRUST_ENCODED);
    assert_eq!((created.one("Key"), created.one("Value")), ("team", "x / y"));
    assert!(created.all("MaxSessionDuration").is_empty());
    let id = created.one("RoleId");
    assert!(id.starts_with("AROA") && id.len() == 21);

    let got = server.call("GetRole", &[("RoleName", "r")]).await.ok();
    for name in ["Arn", "RoleId", "Path", "CreateDate", "AssumeRolePolicyDocument", "Key", "Value"] {
        assert_eq!(got.one(name), created.one(name), "{name}");
    }
    assert_eq!((got.one("Description"), got.one("MaxSessionDuration")), ("a &lt; b &amp; c", "7200"));
}

#[tokio::test]
async fn the_answer_is_the_query_protocol_s_xml() {
    let server = Server::start().await;
    let id = server.create("r").await.one("RoleId").to_owned();
    let got = server.call("GetRole", &[("RoleName", "r")]).await.ok();
    let request_id = got.one("RequestId").to_owned();
    assert_eq!(
        got.xml,
        format!(
            "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role>\
             <Path>/</Path><RoleName>r</RoleName><RoleId>{id}</RoleId><Arn>arn:aws:iam::000000000000:role/r</Arn>\
             <CreateDate>2026-11-23T13:00:00Z</CreateDate>\
             <AssumeRolePolicyDocument>{TRUST_ENCODED}</AssumeRolePolicyDocument>\
             <MaxSessionDuration>3600</MaxSessionDuration><RoleLastUsed></RoleLastUsed></Role></GetRoleResult>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetRoleResponse>"
        )
    );
}

#[tokio::test]
async fn role_names_are_unique_regardless_of_case() {
    let server = Server::start().await;
    server.create("Role").await;
    let again = server.call("CreateRole", &[("RoleName", "rOLE"), ("AssumeRolePolicyDocument", TRUST)]).await;
    again.refused(409, "EntityAlreadyExists", "Role with name rOLE already exists.");
    server.call("GetRole", &[("RoleName", "other")]).await.refused(
        404,
        "NoSuchEntity",
        "The role with name other cannot be found.",
    );
}

#[tokio::test]
async fn two_creations_at_once_make_one_role() {
    let server = Server::start().await;
    let create = || server.call("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST)]);
    let (one, other) = tokio::join!(create(), create());
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn names_and_paths_out_of_pattern_are_refused_by_the_model() {
    let server = Server::start().await;
    for (name, path) in [("a b", "/"), ("a/b", "/"), ("r", "a"), ("r", "/a")] {
        let answer =
            server.call("CreateRole", &[("RoleName", name), ("Path", path), ("AssumeRolePolicyDocument", TRUST)]).await;
        assert_eq!((answer.status.as_u16(), answer.one("Code")), (400, "ValidationError"), "{name} {path}");
    }
}

#[tokio::test]
async fn a_session_duration_out_of_range_is_refused() {
    let server = Server::start().await;
    for seconds in ["3599", "43201"] {
        let answer = server
            .call(
                "CreateRole",
                &[("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST), ("MaxSessionDuration", seconds)],
            )
            .await;
        assert_eq!((answer.status.as_u16(), answer.one("Code")), (400, "ValidationError"), "{seconds}");
    }
}

#[tokio::test]
async fn duplicate_tag_keys_are_refused_as_recorded() {
    let server = Server::start().await;
    let tags = [
        ("RoleName", "r"),
        ("AssumeRolePolicyDocument", TRUST),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "1"),
        ("Tags.member.2.Key", "A"),
        ("Tags.member.2.Value", "2"),
    ];
    server.call("CreateRole", &tags).await.refused(
        400,
        "InvalidInput",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    );
}

#[tokio::test]
async fn a_role_with_policies_is_not_deleted() {
    let server = Server::start().await;
    server.create("r").await;
    let role = [("RoleName", "r")];
    server.call("AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", LOGGING)]).await.ok();
    let put = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", POLICY)];
    server.call("PutRolePolicy", &put).await.ok();
    let delete = || server.call("DeleteRole", &role);
    delete().await.refused(409, "DeleteConflict", "Cannot delete entity, must detach all policies first.");
    server.call("DetachRolePolicy", &[("RoleName", "r"), ("PolicyArn", LOGGING)]).await.ok();
    delete().await.refused(409, "DeleteConflict", "Cannot delete entity, must delete policies first.");
    server.call("DeleteRolePolicy", &[("RoleName", "r"), ("PolicyName", "p")]).await.ok();
    delete().await.ok();
    delete().await.refused(404, "NoSuchEntity", "The role with name r cannot be found.");
    // The name is free again, for another role.
    server.create("r").await;
}

#[tokio::test]
async fn listing_roles_filters_by_path_and_pages() {
    let server = Server::start().await;
    for (name, path) in [("b", "/x/"), ("A", "/"), ("c", "/x/y/"), ("d", "/xy/")] {
        let parameters = [("RoleName", name), ("Path", path), ("AssumeRolePolicyDocument", TRUST)];
        server.call("CreateRole", &parameters).await.ok();
    }
    let all = server.call("ListRoles", &[]).await.ok();
    assert_eq!((all.all("RoleName"), all.one("IsTruncated")), (vec!["A", "b", "c", "d"], "false"));
    assert_eq!(all.all("MaxSessionDuration"), ["3600"; 4]);
    let by_path = server.call("ListRoles", &[("PathPrefix", "/x/")]).await.ok();
    assert_eq!(by_path.all("RoleName"), ["b", "c"]);
    let first = server.call("ListRoles", &[("MaxItems", "3")]).await.ok();
    assert_eq!((first.all("RoleName"), first.one("IsTruncated")), (vec!["A", "b", "c"], "true"));
    let rest = server.call("ListRoles", &[("Marker", first.one("Marker")), ("MaxItems", "3")]).await.ok();
    assert_eq!(rest.all("RoleName"), ["d"]);
}

#[tokio::test]
async fn tags_are_added_replaced_listed_and_removed() {
    let server = Server::start().await;
    server.create("r").await;
    let tag = |key: &'static str, value: &'static str| {
        let server = &server;
        async move {
            let parameters = [("RoleName", "r"), ("Tags.member.1.Key", key), ("Tags.member.1.Value", value)];
            server.call("TagRole", &parameters).await
        }
    };
    for (key, value) in [("b", "1"), ("a", "2"), ("B", "3")] {
        tag(key, value).await.ok();
    }
    let listed = server.call("ListRoleTags", &[("RoleName", "r")]).await.ok();
    assert_eq!((listed.all("Key"), listed.all("Value")), (vec!["B", "a"], vec!["3", "2"]));
    let first = server.call("ListRoleTags", &[("RoleName", "r"), ("MaxItems", "1")]).await.ok();
    let rest = server.call("ListRoleTags", &[("RoleName", "r"), ("Marker", first.one("Marker"))]).await.ok();
    assert_eq!((first.all("Key"), rest.all("Key")), (vec!["B"], vec!["a"]));
    server.call("UntagRole", &[("RoleName", "r"), ("TagKeys.member.1", "b")]).await.ok();
    assert_eq!(server.call("ListRoleTags", &[("RoleName", "r")]).await.ok().all("Key"), ["a"]);
    let reserved = tag("aws:x", "1").await;
    assert_eq!((reserved.status.as_u16(), reserved.one("Code")), (400, "InvalidInput"));
}

#[tokio::test]
async fn description_and_duration_of_a_role_are_changed() {
    let server = Server::start().await;
    server.create("r").await;
    server.run("UpdateRole", &[("RoleName", "r"), ("Description", "one"), ("MaxSessionDuration", "7200")]).await;
    let role = server.run("GetRole", &[("RoleName", "r")]).await;
    assert_eq!((role.one("Description"), role.one("MaxSessionDuration")), ("one", "7200"));
    // "If you do not specify a value for this setting, the default value of one hour is applied."
    server.run("UpdateRole", &[("RoleName", "r")]).await;
    let role = server.run("GetRole", &[("RoleName", "r")]).await;
    assert_eq!((role.one("Description"), role.one("MaxSessionDuration")), ("one", "3600"));
    let answer = server.run("UpdateRoleDescription", &[("RoleName", "r"), ("Description", "two")]).await;
    assert_eq!((answer.one("RoleName"), answer.one("Description")), ("r", "two"));
    for action in ["UpdateRole", "UpdateRoleDescription"] {
        server.call(action, &[("RoleName", "x"), ("Description", "d")]).await.refused(
            404,
            "NoSuchEntity",
            "The role with name x cannot be found.",
        );
    }
}

#[tokio::test]
async fn a_trust_policy_is_replaced_as_a_whole() {
    let server = Server::start().await;
    server.create("r").await;
    let other = TRUST.replace("lambda", "events");
    server.run("UpdateAssumeRolePolicy", &[("RoleName", "r"), ("PolicyDocument", &other)]).await;
    let role = server.run("GetRole", &[("RoleName", "r")]).await;
    assert_eq!(role.one("AssumeRolePolicyDocument"), TRUST_ENCODED.replace("lambda", "events"));
    let compiled = server.iam.directory.role(&scope(), "r").expect("a role").trust.clone();
    assert_eq!(&**compiled.text(), other);
    server.call("UpdateAssumeRolePolicy", &[("RoleName", "r"), ("PolicyDocument", "not json")]).await.refused(
        400,
        "MalformedPolicyDocument",
        "This policy contains invalid Json",
    );
    server.call("UpdateAssumeRolePolicy", &[("RoleName", "x"), ("PolicyDocument", TRUST)]).await.refused(
        404,
        "NoSuchEntity",
        "The role with name x cannot be found.",
    );
}

#[tokio::test]
async fn accounts_are_separate_worlds() {
    let server = Server::start().await;
    server.create("r").await;
    let other = server.call_as("111122223333", "GetRole", &[("RoleName", "r")]).await;
    other.refused(404, "NoSuchEntity", "The role with name r cannot be found.");
    let parameters = [("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST)];
    let made = server.call_as("111122223333", "CreateRole", &parameters).await.ok();
    assert_eq!(made.one("Arn"), "arn:aws:iam::111122223333:role/r");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let server = Server::start().await;
    let id = server.create("Kept").await.one("RoleId").to_owned();
    server.create("gone").await;
    server.call("DeleteRole", &[("RoleName", "gone")]).await.ok();
    let put = [("RoleName", "Kept"), ("PolicyName", "p"), ("PolicyDocument", POLICY)];
    server.call("PutRolePolicy", &put).await.ok();
    server.call("AttachRolePolicy", &[("RoleName", "Kept"), ("PolicyArn", LOGGING)]).await.ok();
    let parameters = [("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST)];
    server.call_as("111122223333", "CreateRole", &parameters).await.ok();

    let server = server.restart().await;
    assert_eq!(server.call("ListRoles", &[]).await.ok().all("RoleName"), ["Kept"]);
    assert_eq!(server.call("GetRole", &[("RoleName", "Kept")]).await.ok().one("RoleId"), id);
    let attached = server.call("ListAttachedRolePolicies", &[("RoleName", "Kept")]).await.ok();
    assert_eq!(attached.all("PolicyArn"), [LOGGING]);
    // Its version is known, too: it can still be changed.
    server.call("DeleteRolePolicy", &[("RoleName", "Kept"), ("PolicyName", "p")]).await.ok();
    assert_eq!(server.call_as("111122223333", "ListRoles", &[]).await.ok().all("RoleName"), ["r"]);
}
