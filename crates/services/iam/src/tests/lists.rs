//! What all lists have in common: pages, and filters by path.

use serde_json::json;

use super::*;
use crate::op;

const OWN: &str = "arn:aws:iam::000000000000:policy/it";

/// Operation, whose list it is, the element that names an item, and the items of path `/x/` if paths select.
type List = (&'static str, &'static [(&'static str, &'static str)], &'static str, Option<&'static [&'static str]>);

const IN_X: Option<&[&str]> = Some(&["b"]);

const LISTS: &[List] = &[
    ("GetGroup", &[("GroupName", "it")], "UserName", None),
    ("ListAccessKeys", &[("UserName", "it")], "AccessKeyId", None),
    ("ListAttachedGroupPolicies", &[("GroupName", "it")], "PolicyName", IN_X),
    ("ListAttachedRolePolicies", &[("RoleName", "it")], "PolicyName", IN_X),
    ("ListAttachedUserPolicies", &[("UserName", "it")], "PolicyName", IN_X),
    ("ListEntitiesForPolicy", &[("PolicyArn", OWN), ("EntityFilter", "Group")], "GroupName", IN_X),
    ("ListGroupPolicies", &[("GroupName", "it")], "member", None),
    ("ListGroups", &[], "GroupName", IN_X),
    ("ListGroupsForUser", &[("UserName", "it")], "GroupName", None),
    ("ListInstanceProfileTags", &[("InstanceProfileName", "it")], "Key", None),
    ("ListInstanceProfiles", &[], "InstanceProfileName", IN_X),
    ("ListInstanceProfilesForRole", &[("RoleName", "it")], "InstanceProfileName", None),
    ("ListPolicies", &[("Scope", "Local")], "PolicyName", IN_X),
    ("ListPolicyTags", &[("PolicyArn", OWN)], "Key", None),
    ("ListPolicyVersions", &[("PolicyArn", OWN)], "VersionId", None),
    ("ListRolePolicies", &[("RoleName", "it")], "member", None),
    ("ListRoleTags", &[("RoleName", "it")], "Key", None),
    ("ListRoles", &[], "RoleName", IN_X),
    ("ListUserPolicies", &[("UserName", "it")], "member", None),
    ("ListUserTags", &[("UserName", "it")], "Key", None),
    ("ListUsers", &[], "UserName", IN_X),
];

/// Lists of what nobody can have here.
const EMPTY: &[&str] = &[
    "ListMFADevices",
    "ListSSHPublicKeys",
    "ListServiceSpecificCredentials",
    "ListSigningCertificates",
    "ListVirtualMFADevices",
];

/// Three of everything, `b` of each under `/x/`, all of it belonging to `it`, which has two keys.
async fn full() -> Server {
    let server = Server::start().await;
    let kinds = [("User", "UserName"), ("Group", "GroupName"), ("Role", "RoleName")];
    for (name, path) in [("it", "/"), ("b", "/x/"), ("C", "/y/")] {
        let at = ("Path", path);
        server.run("CreatePolicy", &[("PolicyName", name), at, ("PolicyDocument", POLICY)]).await;
        server.run("CreateUser", &[("UserName", name), at]).await;
        server.run("CreateGroup", &[("GroupName", name), at]).await;
        server.run("CreateRole", &[("RoleName", name), at, ("AssumeRolePolicyDocument", TRUST)]).await;
        server.run("CreateInstanceProfile", &[("InstanceProfileName", name), at]).await;
        server.run("AttachGroupPolicy", &[("GroupName", name), ("PolicyArn", OWN)]).await;
        let arn = format!("arn:aws:iam::000000000000:policy{path}{name}");
        for (kind, of) in kinds {
            server.run(&format!("Attach{kind}Policy"), &[(of, "it"), ("PolicyArn", &arn)]).await;
            let put = [(of, "it"), ("PolicyName", name), ("PolicyDocument", POLICY)];
            server.run(&format!("Put{kind}Policy"), &put).await;
        }
        server.run("AddUserToGroup", &[("GroupName", "it"), ("UserName", name)]).await;
        server.run("AddUserToGroup", &[("GroupName", name), ("UserName", "it")]).await;
        server.run("AddRoleToInstanceProfile", &[("InstanceProfileName", name), ("RoleName", "it")]).await;
        for (kind, of, whose) in [
            ("User", "UserName", "it"),
            ("Role", "RoleName", "it"),
            ("InstanceProfile", "InstanceProfileName", "it"),
            ("Policy", "PolicyArn", OWN),
        ] {
            let tag = [(of, whose), ("Tags.member.1.Key", name), ("Tags.member.1.Value", "v")];
            server.run(&format!("Tag{kind}"), &tag).await;
        }
    }
    for _ in 0..2 {
        server.run("CreateAccessKey", &[("UserName", "it")]).await;
        server.run("CreatePolicyVersion", &[("PolicyArn", OWN), ("PolicyDocument", POLICY)]).await;
    }
    server
}

#[tokio::test]
async fn every_list_comes_in_pages_of_the_size_asked_for() {
    let server = full().await;
    for (action, of, element, _) in LISTS {
        let whole = server.run(action, of).await;
        let whole: Vec<_> = whole.all(element).into_iter().map(str::to_owned).collect();
        let expected = if *action == "ListAccessKeys" { 2 } else { 3 };
        assert_eq!(whole.len(), expected, "{action}");
        let mut paged = Vec::new();
        let mut marker = None::<String>;
        for left in (0..whole.len()).rev() {
            let more = marker.as_deref().map(|marker| ("Marker", marker));
            let parameters: Vec<_> = of.iter().copied().chain([("MaxItems", "1")]).chain(more).collect();
            let page = server.run(action, &parameters).await;
            assert_eq!(page.one("IsTruncated"), if left > 0 { "true" } else { "false" }, "{action}");
            paged.push(page.one(element).to_owned());
            marker = page.all("Marker").first().map(|text| (*text).to_owned());
            assert_eq!(marker.is_some(), left > 0, "{action}");
        }
        assert_eq!(paged, whole, "{action}");
    }
}

#[tokio::test]
async fn a_path_prefix_selects_in_every_list_that_has_one() {
    let server = full().await;
    for (action, of, element, in_x) in LISTS {
        if let Some(in_x) = in_x {
            let parameters = [of, &[("PathPrefix", "/x/")][..]].concat();
            assert_eq!(server.run(action, &parameters).await.all(element), *in_x, "{action}");
        }
    }
}

#[tokio::test]
async fn a_list_of_nothing_has_pages_as_any_other() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "it")]).await;
    for action in EMPTY {
        let of: &[_] = if *action == "ListVirtualMFADevices" { &[] } else { &[("UserName", "it")] };
        let page = server.run(action, &[of, &[("MaxItems", "1"), ("Marker", "m")]].concat()).await;
        if *action != "ListVirtualMFADevices" {
            assert_eq!(page.one("IsTruncated"), "false", "{action}");
        }
        for wrong in [("MaxItems", "0"), ("MaxItems", "1001"), ("Marker", "")] {
            let answer = server.call(action, &[of, &[wrong]].concat()).await;
            assert_eq!((answer.status.as_u16(), answer.one("Code")), (400, "ValidationError"), "{action} {wrong:?}");
        }
    }
    let answer = server.call("ListVirtualMFADevices", &[("AssignmentStatus", "Lost")]).await;
    assert_eq!((answer.status.as_u16(), answer.one("Code")), (400, "ValidationError"));
}

#[tokio::test]
async fn credentials_of_all_users_need_no_user_to_be_named() {
    let server = Server::start().await;
    let session = || Caller::RoleSession {
        account: AccountId::DEFAULT,
        role_arn: "arn:aws:iam::000000000000:role/r".into(),
        session_arn: "arn:aws:sts::000000000000:assumed-role/r/s".into(),
        assumed_role_id: "AROA:s".into(),
        session: Arc::default(),
    };
    let list =
        |members| op::list_service_specific_credentials::run(server.iam.clone(), context(session()), input(members));
    assert!(list(json!({"AllUsers": true})).await.is_ok());
    assert_eq!(
        message(list(json!({"AllUsers": false})).await),
        ("ValidationError", "Must specify userName when calling with non-User credentials".to_owned())
    );
}

#[test]
fn the_tables_above_have_every_list() {
    let registered: Vec<&str> = include_str!("../api.rs")
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".op(\"")?.split('"').next())
        .filter(|name| name.starts_with("List") || *name == "GetGroup")
        .collect();
    let mut listed: Vec<&str> = LISTS.iter().map(|(action, ..)| *action).chain(EMPTY.iter().copied()).collect();
    listed.sort_unstable();
    assert_eq!(registered, listed);
}
