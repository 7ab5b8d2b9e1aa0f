//! Managed policies: the account's own, with their versions, and AWS's.

use super::*;

const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

#[tokio::test]
async fn a_policy_is_shown_as_it_was_created() {
    let server = Server::start().await;
    let parameters = [
        ("PolicyName", "p"),
        ("Path", "/a/"),
        ("PolicyDocument", POLICY),
        ("Description", "what it is"),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
    ];
    let created = server.run("CreatePolicy", &parameters).await;
    let arn = "arn:aws:iam::000000000000:policy/a/p";
    assert_eq!((created.one("Arn"), created.one("Path"), created.one("PolicyName")), (arn, "/a/", "p"));
    assert_eq!((created.one("DefaultVersionId"), created.one("AttachmentCount")), ("v1", "0"));
    assert_eq!((created.one("PermissionsBoundaryUsageCount"), created.one("IsAttachable")), ("0", "true"));
    assert_eq!(created.one("UpdateDate"), "2026-11-23T13:00:00Z");
    let id = created.one("PolicyId");
    assert!(id.starts_with("ANPA") && id.len() == 21);
    let got = server.run("GetPolicy", &[("PolicyArn", arn)]).await;
    for name in ["PolicyId", "Arn", "Description", "Key", "Value", "CreateDate", "DefaultVersionId"] {
        assert_eq!(got.one(name), created.one(name), "{name}");
    }
    // The path is part of who it is, the name alone must be unique.
    let other = "arn:aws:iam::000000000000:policy/p";
    server.call("GetPolicy", &[("PolicyArn", other)]).await.refused(
        404,
        "NoSuchEntity",
        &format!("Policy {other} was not found."),
    );
    server.call("CreatePolicy", &[("PolicyName", "P"), ("PolicyDocument", POLICY)]).await.refused(
        409,
        "EntityAlreadyExists",
        "A policy called P already exists. Duplicate names are not allowed.",
    );
}

#[tokio::test]
async fn versions_are_added_chosen_and_deleted() {
    let server = Server::start().await;
    let arn = server.create_policy("p").await;
    let it = ("PolicyArn", &*arn);
    server.clock.advance(60_000);
    let other = POLICY.replace("s3:*", "sqs:*");
    let made = server.run("CreatePolicyVersion", &[it, ("PolicyDocument", &other)]).await;
    assert_eq!((made.one("VersionId"), made.one("IsDefaultVersion")), ("v2", "false"));
    assert!(made.all("Document").is_empty());
    let policy = server.run("GetPolicy", &[it]).await;
    assert_eq!((policy.one("DefaultVersionId"), policy.one("UpdateDate")), ("v1", "2026-11-23T13:01:00Z"));
    let version = server.run("GetPolicyVersion", &[it, ("VersionId", "v2")]).await;
    assert!(version.one("Document").contains("sqs%3A%2A"), "{}", version.xml);

    let in_force = || server.iam.directory.policy(&scope(), "policy/p").expect("a policy").compiled.text().to_string();
    assert_eq!(in_force(), POLICY);
    server.run("SetDefaultPolicyVersion", &[it, ("VersionId", "v2")]).await;
    assert_eq!(in_force(), other);
    server.call("DeletePolicyVersion", &[it, ("VersionId", "v2")]).await.refused(
        409,
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
    );
    server.run("DeletePolicyVersion", &[it, ("VersionId", "v1")]).await;
    for action in ["GetPolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"] {
        server.call(action, &[it, ("VersionId", "v1")]).await.refused(
            404,
            "NoSuchEntity",
            &format!("Policy {arn} version v1 does not exist or is not attachable."),
        );
    }
    // A number never comes twice.
    let made = server.run("CreatePolicyVersion", &[it, ("PolicyDocument", POLICY), ("SetAsDefault", "true")]).await;
    assert_eq!((made.one("VersionId"), made.one("IsDefaultVersion")), ("v3", "true"));
    let server = server.restart().await;
    let listed = server.run("ListPolicyVersions", &[it]).await;
    assert_eq!(listed.all("VersionId"), ["v3", "v2"]);
    assert_eq!(listed.all("IsDefaultVersion"), ["true", "false"]);
    let first = server.run("ListPolicyVersions", &[it, ("MaxItems", "1")]).await;
    let rest = server.run("ListPolicyVersions", &[it, ("Marker", first.one("Marker"))]).await;
    assert_eq!((first.all("VersionId"), rest.all("VersionId")), (vec!["v3"], vec!["v2"]));
}

#[tokio::test]
async fn five_versions_are_the_most() {
    let server = Server::start().await;
    let arn = server.create_policy("p").await;
    let version = [("PolicyArn", &*arn), ("PolicyDocument", POLICY)];
    for _ in 0..4 {
        server.run("CreatePolicyVersion", &version).await;
    }
    server.call("CreatePolicyVersion", &version).await.refused(
        409,
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing \
         version.",
    );
}

#[tokio::test]
async fn a_managed_policy_must_be_one_and_not_too_long() {
    let server = Server::start().await;
    let arn = server.create_policy("p").await;
    let empty = r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::"}]}"#;
    let of = |chars: usize| empty.replace(":::", &format!(":::{}", "b".repeat(chars - empty.len())));
    server.run("CreatePolicy", &[("PolicyName", "fits"), ("PolicyDocument", &of(6_144))]).await;
    for (document, status, code, text) in [
        ("{".to_owned(), 400, "MalformedPolicyDocument", "Syntax errors in policy."),
        (of(6_145), 409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"),
    ] {
        let create = [("PolicyName", "q"), ("PolicyDocument", &*document)];
        server.call("CreatePolicy", &create).await.refused(status, code, text);
        let version = [("PolicyArn", &*arn), ("PolicyDocument", &*document)];
        server.call("CreatePolicyVersion", &version).await.refused(status, code, text);
    }
}

#[tokio::test]
async fn a_policy_in_use_is_not_deleted() {
    let server = Server::start().await;
    let arn = server.create_policy("p").await;
    let it = ("PolicyArn", &*arn);
    server.run("CreateUser", &[("UserName", "u")]).await;
    let in_use = "Cannot delete a policy attached to entities.";
    server.run("AttachUserPolicy", &[("UserName", "u"), it]).await;
    server.call("DeletePolicy", &[it]).await.refused(409, "DeleteConflict", in_use);
    server.run("DetachUserPolicy", &[("UserName", "u"), it]).await;
    server.run("PutUserPermissionsBoundary", &[("UserName", "u"), ("PermissionsBoundary", &arn)]).await;
    server.call("DeletePolicy", &[it]).await.refused(409, "DeleteConflict", in_use);
    server.run("DeleteUserPermissionsBoundary", &[("UserName", "u")]).await;
    server.run("CreatePolicyVersion", &[it, ("PolicyDocument", POLICY)]).await;
    server.call("DeletePolicy", &[it]).await.refused(
        409,
        "DeleteConflict",
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
         The default version is deleted with the policy.",
    );
    server.run("DeletePolicyVersion", &[it, ("VersionId", "v2")]).await;
    server.run("DeletePolicy", &[it]).await;
    let gone = format!("Policy {arn} was not found.");
    for action in ["GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListEntitiesForPolicy", "ListPolicyTags"] {
        server.call(action, &[it]).await.refused(404, "NoSuchEntity", &gone);
    }
    server.create_policy("p").await;
}

#[tokio::test]
async fn policies_are_listed_by_scope_path_and_use() {
    let server = Server::start().await;
    for (name, path) in [("b", "/x/"), ("a", "/"), ("c", "/x/y/")] {
        server.run("CreatePolicy", &[("PolicyName", name), ("Path", path), ("PolicyDocument", POLICY)]).await;
    }
    let b = "arn:aws:iam::000000000000:policy/x/b";
    server.run("CreateUser", &[("UserName", "u"), ("PermissionsBoundary", ADMIN)]).await;
    server.run("AttachUserPolicy", &[("UserName", "u"), ("PolicyArn", b)]).await;
    server.run("AttachUserPolicy", &[("UserName", "u"), ("PolicyArn", LOGGING)]).await;
    let list = |parameters: &'static [(&'static str, &'static str)]| {
        let server = &server;
        async move {
            let answer = server.run("ListPolicies", parameters).await;
            answer.all("PolicyName").into_iter().map(str::to_owned).collect::<Vec<_>>()
        }
    };
    assert_eq!(list(&[("Scope", "Local")]).await, ["a", "b", "c"]);
    assert_eq!(list(&[("Scope", "Local"), ("PathPrefix", "/x/")]).await, ["b", "c"]);
    assert_eq!(list(&[("OnlyAttached", "true")]).await, ["b", "AWSLambdaBasicExecutionRole"]);
    assert_eq!(list(&[("OnlyAttached", "true"), ("Scope", "AWS")]).await, ["AWSLambdaBasicExecutionRole"]);
    assert_eq!(list(&[("PolicyUsageFilter", "PermissionsBoundary")]).await, ["AdministratorAccess"]);
    assert_eq!(list(&[("PolicyUsageFilter", "PermissionsPolicy"), ("Scope", "Local")]).await, ["b"]);
    let all = list(&[("Scope", "All"), ("MaxItems", "1000")]).await;
    assert!(all.len() > 40 && all.contains(&"AWSLambda_FullAccess".to_owned()) && all.contains(&"a".to_owned()));

    let mut paged = Vec::new();
    let mut marker = None;
    loop {
        let more = marker.as_deref().map(|marker| ("Marker", marker));
        let parameters = [Some(("MaxItems", "7")), more].into_iter().flatten().collect::<Vec<_>>();
        let page = server.run("ListPolicies", &parameters).await;
        paged.extend(page.all("PolicyName").into_iter().map(str::to_owned));
        match page.one("IsTruncated") {
            "true" => marker = Some(page.one("Marker").to_owned()),
            _ => break,
        }
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn who_uses_a_policy_is_listed_by_kind_and_use() {
    let server = Server::start().await;
    let arn = server.create_policy("p").await;
    let it = ("PolicyArn", &*arn);
    for (kind, name) in server.one_of_each().await {
        server.run(&format!("Attach{kind}Policy"), &[(name, "it"), it]).await;
    }
    server.run("CreateUser", &[("UserName", "bound"), ("PermissionsBoundary", &arn)]).await;
    let list = "ListEntitiesForPolicy";
    let all = server.run(list, &[it]).await;
    assert_eq!(
        (all.all("UserName"), all.all("GroupName"), all.all("RoleName")),
        (vec!["bound", "it"], vec!["it"], vec!["it"])
    );
    assert!(all.all("UserId").iter().all(|id| id.starts_with("AIDA")) && all.one("RoleId").starts_with("AROA"));
    let roles = server.run(list, &[it, ("EntityFilter", "Role")]).await;
    assert_eq!((roles.all("RoleName"), roles.all("UserName").len()), (vec!["it"], 0));
    let bounds = server.run(list, &[it, ("PolicyUsageFilter", "PermissionsBoundary")]).await;
    assert_eq!((bounds.all("UserName"), bounds.all("RoleName").len()), (vec!["bound"], 0));
    let grants = server.run(list, &[it, ("PolicyUsageFilter", "PermissionsPolicy")]).await;
    assert_eq!(grants.all("UserName"), ["it"]);
    assert!(server.run(list, &[it, ("PathPrefix", "/x/")]).await.all("UserName").is_empty());
    let first = server.run(list, &[it, ("MaxItems", "2")]).await;
    assert_eq!(
        (first.all("GroupName"), first.all("RoleName"), first.all("UserName").len()),
        (vec!["it"], vec!["it"], 0)
    );
    let rest = server.run(list, &[it, ("Marker", first.one("Marker"))]).await;
    assert_eq!((rest.all("UserName"), rest.one("IsTruncated")), (vec!["bound", "it"], "false"));
    let policy = server.run("GetPolicy", &[it]).await;
    assert_eq!((policy.one("AttachmentCount"), policy.one("PermissionsBoundaryUsageCount")), ("3", "1"));
}

#[tokio::test]
async fn a_policy_of_aws_is_read_and_never_changed() {
    let server = Server::start().await;
    let got = server.run("GetPolicy", &[("PolicyArn", LOGGING)]).await;
    assert_eq!((got.one("Arn"), got.one("Path")), (LOGGING, "/service-role/"));
    assert_eq!((got.one("DefaultVersionId"), got.one("IsAttachable")), ("v1", "true"));
    let version = server.run("GetPolicyVersion", &[("PolicyArn", LOGGING), ("VersionId", "v1")]).await;
    assert!(version.one("Document").contains("logs%3APutLogEvents"), "{}", version.xml);
    assert_eq!(server.run("ListPolicyVersions", &[("PolicyArn", LOGGING)]).await.all("VersionId"), ["v1"]);
    assert!(server.run("ListPolicyTags", &[("PolicyArn", LOGGING)]).await.all("Key").is_empty());
    for (action, more) in [
        ("DeletePolicy", vec![]),
        ("CreatePolicyVersion", vec![("PolicyDocument", POLICY)]),
        ("DeletePolicyVersion", vec![("VersionId", "v1")]),
        ("SetDefaultPolicyVersion", vec![("VersionId", "v1")]),
        ("TagPolicy", vec![("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")]),
        ("UntagPolicy", vec![("TagKeys.member.1", "k")]),
    ] {
        let parameters = [vec![("PolicyArn", LOGGING)], more].concat();
        let text = format!(
            "User: arn:aws:iam::000000000000:root is not authorized to perform: iam:{action} on resource: policy {LOGGING}"
        );
        server.call(action, &parameters).await.refused(403, "AccessDenied", &text);
    }
    let unknown = "arn:aws:iam::aws:policy/NoSuchPolicy";
    server.call("GetPolicy", &[("PolicyArn", unknown)]).await.refused(
        404,
        "NoSuchEntity",
        &format!("Policy {unknown} was not found."),
    );
    server.call("GetPolicy", &[("PolicyArn", "this-is-no-arn-at-all")]).await.refused(
        400,
        "ValidationError",
        "Invalid ARN:  Could not be parsed!",
    );
}
