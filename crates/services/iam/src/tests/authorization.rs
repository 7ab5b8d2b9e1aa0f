//! Every operation asks before it does anything, for the right resource and with what policies may ask about it.

use hearth_ports::Condition;
use parking_lot::Mutex;

use super::*;

const BOUNDARY: &str = "arn:aws:iam::aws:policy/PowerUserAccess";

/// Remembers what was asked, and answers everything alike.
struct Recorder {
    allows: bool,
    asked: Mutex<Vec<(String, String, Vec<Condition>)>>,
}

impl Recorder {
    fn new(allows: bool) -> Arc<Self> {
        Arc::new(Self { allows, asked: Mutex::default() })
    }

    fn take(&self) -> Vec<(String, String, Vec<Condition>)> {
        std::mem::take(&mut *self.asked.lock())
    }
}

impl Authorizer for Recorder {
    fn authorize(&self, _: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        let asked = (access.action.to_owned(), access.resource.to_string(), access.conditions.to_vec());
        self.asked.lock().push(asked);
        if self.allows { Ok(()) } else { Err(Denied { message: "no".to_owned() }) }
    }

    fn revision(&self) -> u64 {
        0
    }
}

/// What each member of a request is in these tests.
const MEMBERS: &[(&str, &str)] = &[
    ("UserName", "it"),
    ("GroupName", "it"),
    ("RoleName", "it"),
    ("InstanceProfileName", "it"),
    ("PolicyName", "p"),
    ("PolicyDocument", POLICY),
    ("AssumeRolePolicyDocument", TRUST),
    ("PolicyArn", LOGGING),
    ("VersionId", "v1"),
    ("AccessKeyId", "AKIAAAAAAAAAAAAAAAAA"),
    ("Status", "Active"),
    ("PermissionsBoundary", BOUNDARY),
    ("Description", "d"),
];

/// Operation, the members it takes (of [`MEMBERS`]; `Tags`, `TagKeys` stand for one tag), and what it asks for.
const CASES: &[(&str, &str, &str)] = &[
    ("AddRoleToInstanceProfile", "InstanceProfileName RoleName", "instance-profile/it"),
    ("AddUserToGroup", "GroupName UserName", "group/it"),
    ("AttachGroupPolicy", "GroupName PolicyArn", "group/it"),
    ("AttachRolePolicy", "RoleName PolicyArn", "role/it"),
    ("AttachUserPolicy", "UserName PolicyArn", "user/it"),
    ("CreateAccessKey", "UserName", "user/it"),
    ("CreateGroup", "GroupName", "group/it"),
    ("CreateInstanceProfile", "InstanceProfileName Tags", "instance-profile/it"),
    ("CreatePolicy", "PolicyName PolicyDocument Tags", "policy/p"),
    ("CreatePolicyVersion", "PolicyArn PolicyDocument", LOGGING),
    ("CreateRole", "RoleName AssumeRolePolicyDocument PermissionsBoundary Tags", "role/it"),
    ("CreateUser", "UserName PermissionsBoundary Tags", "user/it"),
    ("DeleteAccessKey", "UserName AccessKeyId", "user/it"),
    ("DeleteGroup", "GroupName", "group/it"),
    ("DeleteGroupPolicy", "GroupName PolicyName", "group/it"),
    ("DeleteInstanceProfile", "InstanceProfileName", "instance-profile/it"),
    ("DeleteLoginProfile", "UserName", "user/it"),
    ("DeletePolicy", "PolicyArn", LOGGING),
    ("DeletePolicyVersion", "PolicyArn VersionId", LOGGING),
    ("DeleteRole", "RoleName", "role/it"),
    ("DeleteRolePermissionsBoundary", "RoleName", "role/it"),
    ("DeleteRolePolicy", "RoleName PolicyName", "role/it"),
    ("DeleteUser", "UserName", "user/it"),
    ("DeleteUserPermissionsBoundary", "UserName", "user/it"),
    ("DeleteUserPolicy", "UserName PolicyName", "user/it"),
    ("DetachGroupPolicy", "GroupName PolicyArn", "group/it"),
    ("DetachRolePolicy", "RoleName PolicyArn", "role/it"),
    ("DetachUserPolicy", "UserName PolicyArn", "user/it"),
    ("GetGroup", "GroupName", "group/it"),
    ("GetGroupPolicy", "GroupName PolicyName", "group/it"),
    ("GetInstanceProfile", "InstanceProfileName", "instance-profile/it"),
    ("GetLoginProfile", "UserName", "user/it"),
    ("GetPolicy", "PolicyArn", LOGGING),
    ("GetPolicyVersion", "PolicyArn VersionId", LOGGING),
    ("GetRole", "RoleName", "role/it"),
    ("GetRolePolicy", "RoleName PolicyName", "role/it"),
    ("GetUser", "UserName", "user/it"),
    ("GetUser", "", "root"),
    ("GetUserPolicy", "UserName PolicyName", "user/it"),
    ("ListAccessKeys", "UserName", "user/it"),
    ("ListAttachedGroupPolicies", "GroupName", "group/it"),
    ("ListAttachedRolePolicies", "RoleName", "role/it"),
    ("ListAttachedUserPolicies", "UserName", "user/it"),
    ("ListEntitiesForPolicy", "PolicyArn", LOGGING),
    ("ListGroupPolicies", "GroupName", "group/it"),
    ("ListGroups", "", "group/"),
    ("ListGroupsForUser", "UserName", "user/it"),
    ("ListInstanceProfileTags", "InstanceProfileName", "instance-profile/it"),
    ("ListInstanceProfiles", "", "instance-profile/"),
    ("ListInstanceProfilesForRole", "RoleName", "role/it"),
    ("ListMFADevices", "UserName", "user/it"),
    ("ListPolicies", "", "policy/"),
    ("ListPolicyTags", "PolicyArn", LOGGING),
    ("ListPolicyVersions", "PolicyArn", LOGGING),
    ("ListRolePolicies", "RoleName", "role/it"),
    ("ListRoleTags", "RoleName", "role/it"),
    ("ListRoles", "", "role/"),
    ("ListSSHPublicKeys", "UserName", "user/it"),
    ("ListServiceSpecificCredentials", "UserName", "user/it"),
    ("ListSigningCertificates", "UserName", "user/it"),
    ("ListUserPolicies", "UserName", "user/it"),
    ("ListUserTags", "UserName", "user/it"),
    ("ListUsers", "", "user/"),
    ("ListVirtualMFADevices", "", "mfa/"),
    ("PutGroupPolicy", "GroupName PolicyName PolicyDocument", "group/it"),
    ("PutRolePermissionsBoundary", "RoleName PermissionsBoundary", "role/it"),
    ("PutRolePolicy", "RoleName PolicyName PolicyDocument", "role/it"),
    ("PutUserPermissionsBoundary", "UserName PermissionsBoundary", "user/it"),
    ("PutUserPolicy", "UserName PolicyName PolicyDocument", "user/it"),
    ("RemoveRoleFromInstanceProfile", "InstanceProfileName RoleName", "instance-profile/it"),
    ("RemoveUserFromGroup", "GroupName UserName", "group/it"),
    ("SetDefaultPolicyVersion", "PolicyArn VersionId", LOGGING),
    ("TagInstanceProfile", "InstanceProfileName Tags", "instance-profile/it"),
    ("TagPolicy", "PolicyArn Tags", LOGGING),
    ("TagRole", "RoleName Tags", "role/it"),
    ("TagUser", "UserName Tags", "user/it"),
    ("UntagInstanceProfile", "InstanceProfileName TagKeys", "instance-profile/it"),
    ("UntagPolicy", "PolicyArn TagKeys", LOGGING),
    ("UntagRole", "RoleName TagKeys", "role/it"),
    ("UntagUser", "UserName TagKeys", "user/it"),
    ("UpdateAccessKey", "UserName AccessKeyId Status", "user/it"),
    ("UpdateAssumeRolePolicy", "RoleName PolicyDocument", "role/it"),
    ("UpdateGroup", "GroupName", "group/it"),
    ("UpdateRole", "RoleName", "role/it"),
    ("UpdateRoleDescription", "RoleName Description", "role/it"),
    ("UpdateUser", "UserName", "user/it"),
];

fn parameters(members: &str) -> Vec<(&'static str, &'static str)> {
    let of = |member: &str| match member {
        "Tags" => vec![("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")],
        "TagKeys" => vec![("TagKeys.member.1", "k")],
        name => MEMBERS.iter().filter(|(known, _)| *known == name).copied().collect(),
    };
    members.split(' ').flat_map(of).collect()
}

/// The conditions a request brings by itself: of what it wants to attach, to set, and to tag.
fn requested(action: &str, members: &str) -> Vec<Condition> {
    let has = |name: &str| members.split(' ').any(|member| member == name);
    let mut conditions = Vec::new();
    if action.starts_with("Attach") || action.starts_with("Detach") {
        conditions.push(Condition::one("iam:PolicyARN", LOGGING));
    }
    if has("PermissionsBoundary") {
        conditions.push(Condition::one("iam:PermissionsBoundary", BOUNDARY));
    }
    if has("Tags") {
        conditions.push(Condition::one("aws:RequestTag/k", "v"));
    }
    if has("Tags") || has("TagKeys") {
        conditions.push(Condition::many("aws:TagKeys", vec!["k".to_owned()]));
    }
    conditions
}

#[tokio::test]
async fn every_operation_asks_first_and_obeys() {
    let deny = Recorder::new(false);
    let server = Server::over(tempfile::tempdir().expect("a directory"), deny.clone()).await;
    for (action, members, resource) in CASES {
        server.call(action, &parameters(members)).await.refused(403, "AccessDenied", "no");
        let resource = if resource.starts_with("arn:") {
            (*resource).to_owned()
        } else {
            format!("arn:aws:iam::000000000000:{resource}")
        };
        assert_eq!(deny.take(), [(format!("iam:{action}"), resource, requested(action, members))]);
    }
}

#[test]
fn the_table_above_has_every_operation_but_the_simulations() {
    let registered: Vec<&str> = include_str!("../api.rs")
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".op(\"")?.split('"').next())
        .filter(|name| !name.starts_with("Simulate"))
        .collect();
    let mut listed: Vec<&str> = CASES.iter().map(|(action, _, _)| *action).collect();
    listed.dedup();
    assert_eq!(registered, listed);
}

#[tokio::test]
async fn what_exists_is_asked_about_by_its_path_tags_and_boundary() {
    let allow = Recorder::new(true);
    let server = Server::over(tempfile::tempdir().expect("a directory"), allow.clone()).await;
    for (kind, name) in [("User", "UserName"), ("Role", "RoleName")] {
        let parameters = [
            (name, "it"),
            ("Path", "/p/"),
            ("PermissionsBoundary", BOUNDARY),
            ("AssumeRolePolicyDocument", TRUST),
            ("Tags.member.1.Key", "Team"),
            ("Tags.member.1.Value", "x"),
        ];
        let of_kind = parameters.iter().filter(|(name, _)| kind == "Role" || !name.starts_with("Assume"));
        server.run(&format!("Create{kind}"), &of_kind.copied().collect::<Vec<_>>()).await;
        let arn = format!("arn:aws:iam::000000000000:{}/p/it", kind.to_lowercase());
        let tags = ["aws", "iam"].map(|service| Condition::one(format!("{service}:ResourceTag/Team"), "x"));
        let bounded = [&tags[..], &[Condition::one("iam:PermissionsBoundary", BOUNDARY)]].concat();
        let attached = [&bounded[..], &[Condition::one("iam:PolicyARN", LOGGING)]].concat();
        let policy = [(name, "it"), ("PolicyName", "p"), ("PolicyDocument", POLICY)];
        let attach = [(name, "it"), ("PolicyArn", LOGGING)];
        allow.take();
        for (action, parameters, conditions) in [
            (format!("Get{kind}"), &policy[..1], &tags[..]),
            (format!("Put{kind}Policy"), &policy, &bounded),
            (format!("Get{kind}Policy"), &policy[..2], &tags),
            (format!("Delete{kind}Policy"), &policy[..2], &bounded),
            (format!("Attach{kind}Policy"), &attach, &attached),
            (format!("Detach{kind}Policy"), &attach, &attached),
            (format!("Delete{kind}PermissionsBoundary"), &policy[..1], &bounded),
        ] {
            server.run(&action, parameters).await;
            assert_eq!(allow.take(), [(format!("iam:{action}"), arn.clone(), conditions.to_vec())]);
        }
    }
}

#[tokio::test]
async fn renaming_asks_for_the_old_and_for_the_new() {
    let allow = Recorder::new(true);
    let server = Server::over(tempfile::tempdir().expect("a directory"), allow.clone()).await;
    server.one_of_each().await;
    allow.take();
    for (kind, word) in [("User", "user"), ("Group", "group")] {
        let (name, new_name) = (format!("{kind}Name"), format!("New{kind}Name"));
        server.run(&format!("Update{kind}"), &[(&name, "it"), (&new_name, "new"), ("NewPath", "/p/")]).await;
        let asked: Vec<String> = allow.take().into_iter().map(|(_, resource, _)| resource).collect();
        assert_eq!(asked, ["it", "p/new"].map(|rest| format!("arn:aws:iam::000000000000:{word}/{rest}")));
    }
}

#[tokio::test]
async fn a_role_in_an_instance_profile_is_passed() {
    let allow = Recorder::new(true);
    let server = Server::over(tempfile::tempdir().expect("a directory"), allow.clone()).await;
    server.create("it").await;
    server.run("CreateInstanceProfile", &[("InstanceProfileName", "it")]).await;
    allow.take();
    server.run("AddRoleToInstanceProfile", &parameters("InstanceProfileName RoleName")).await;
    let passed = Condition::one("iam:PassedToService", "ec2.amazonaws.com");
    assert_eq!(
        allow.take()[1],
        ("iam:PassRole".to_owned(), "arn:aws:iam::000000000000:role/it".to_owned(), vec![passed])
    );
}

#[tokio::test]
async fn a_tagged_policy_is_asked_about_by_its_tags() {
    let allow = Recorder::new(true);
    let server = Server::over(tempfile::tempdir().expect("a directory"), allow.clone()).await;
    let arn = server.create_policy("p").await;
    let tag = [("PolicyArn", &*arn), ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
    server.run("TagPolicy", &tag).await;
    allow.take();
    server.run("GetPolicy", &[("PolicyArn", &arn)]).await;
    let tags = ["aws", "iam"].map(|service| Condition::one(format!("{service}:ResourceTag/k"), "v"));
    assert_eq!(allow.take(), [("iam:GetPolicy".to_owned(), arn, tags.to_vec())]);
}
