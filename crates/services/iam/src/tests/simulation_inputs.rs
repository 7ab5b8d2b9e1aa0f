//! What a simulation is given, and what each of it changes in what the simulation says.
//!
//! Expected decisions: IAM user guide, "Policy evaluation logic"; members: IAM API reference.

use super::*;

const ANN: &str = "arn:aws:iam::000000000000:user/ann";
const READ_B: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#;
const QUEUES: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}"#;
const TAGGED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/a":"1"}}}]}"#;
const FOR_BOB: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/bob"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#;

type Members<'a> = Vec<(&'a str, &'a str)>;

const POLICY_1: &str = "PolicyInputList.member.1";
const READS_B: [(&str, &str); 2] =
    [("ActionNames.member.1", "s3:GetObject"), ("ResourceArns.member.1", "arn:aws:s3:::b/k")];

/// With ann, who has no policy, as the source of SimulatePrincipalPolicy.
async fn start() -> Server {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "ann")]).await;
    server
}

fn both<'a>(members: &[(&'a str, &'a str)]) -> [(&'static str, Members<'a>); 2] {
    let of_ann = [&[("PolicySourceArn", ANN)], members].concat();
    [("SimulateCustomPolicy", members.to_vec()), ("SimulatePrincipalPolicy", of_ann)]
}

/// What both say about the same members.
async fn decides(server: &Server, members: &[(&str, &str)], expected: &[&str]) {
    for (action, members) in both(members) {
        let answer = server.run(action, &members).await;
        assert_eq!(answer.all("EvalDecision"), expected, "{action} {members:?}");
    }
}

fn of_source(arn: &str) -> Members<'_> {
    [&[("PolicySourceArn", arn)], &READS_B[..]].concat()
}

#[tokio::test]
async fn each_action_is_tried_on_each_resource() {
    let server = start().await;
    let members = [
        (POLICY_1, QUEUES),
        ("ActionNames.member.1", "s3:PutObject"),
        ("ActionNames.member.2", "s3:GetObject"),
        ("ResourceArns.member.1", "arn:aws:s3:::b/k"),
        ("ResourceArns.member.2", "arn:aws:s3:::c/k"),
    ];
    decides(&server, &members, &["implicitDeny"; 4]).await;
    let members = [&members[..], &[("PolicyInputList.member.2", READ_B)]].concat();
    decides(&server, &members, &["implicitDeny", "implicitDeny", "allowed", "implicitDeny"]).await;
}

#[tokio::test]
async fn conditions_see_the_context_given_and_missing_keys_are_named() {
    let server = start().await;
    let members = [&[(POLICY_1, TAGGED)], &READS_B[..]].concat();
    for (action, members) in both(&members) {
        let answer = server.run(action, &members).await;
        assert_eq!(answer.one("EvalDecision"), "implicitDeny", "{action}");
        assert!(answer.xml.contains("<MissingContextValues><member>aws:RequestTag/a</member>"), "{}", answer.xml);
    }
    for (value, decision) in [("1", "allowed"), ("2", "implicitDeny")] {
        let entry = [
            ("ContextEntries.member.1.ContextKeyName", "aws:RequestTag/a"),
            ("ContextEntries.member.1.ContextKeyValues.member.1", value),
            ("ContextEntries.member.1.ContextKeyType", "string"),
        ];
        decides(&server, &[&members[..], &entry].concat(), &[decision]).await;
    }
}

#[tokio::test]
async fn a_resource_policy_decides_by_caller_and_owner() {
    let server = start().await;
    let home = "arn:aws:iam::000000000000:root";
    let away = "arn:aws:iam::111122223333:root";
    let bob = "arn:aws:iam::000000000000:user/bob";
    for (caller, owner, policy, decision) in [
        (bob, home, Some(FOR_BOB), "allowed"),
        (bob, home, None, "implicitDeny"),
        ("arn:aws:iam::000000000000:user/eve", home, Some(FOR_BOB), "implicitDeny"),
        // Across accounts both sides must allow it.
        (bob, away, Some(FOR_BOB), "implicitDeny"),
    ] {
        let given = [(POLICY_1, QUEUES), ("CallerArn", caller), ("ResourceOwner", owner)];
        let policy = policy.map(|text| ("ResourcePolicy", text));
        let members: Vec<_> = given.into_iter().chain(READS_B).chain(policy).collect();
        decides(&server, &members, &[decision]).await;
    }
}

// Source: SimulatePrincipalPolicy, `CallerArn`: required with a resource policy unless the policies are a user's.
#[tokio::test]
async fn a_resource_policy_needs_a_caller() {
    let server = start().await;
    let members = [&[(POLICY_1, QUEUES), ("ResourcePolicy", FOR_BOB)], &READS_B[..]].concat();
    let [(custom, of_nobody), (principal, of_ann)] = both(&members);
    let text = "CallerArn is required when ResourcePolicy is given.";
    server.call(custom, &of_nobody).await.refused(400, "InvalidInput", text);
    assert_eq!(server.run(principal, &of_ann).await.all("EvalDecision"), ["implicitDeny"]);
    server.run("CreateGroup", &[("GroupName", "g")]).await;
    let of_group = [&[("PolicySourceArn", "arn:aws:iam::000000000000:group/g")], &members[..]].concat();
    server.call(principal, &of_group).await.refused(400, "InvalidInput", text);
}

#[tokio::test]
async fn a_principal_is_simulated_with_all_its_policies() {
    let server = start().await;
    let simulate = "SimulatePrincipalPolicy";
    assert_eq!(server.run(simulate, &of_source(ANN)).await.one("EvalDecision"), "implicitDeny");
    for (kind, name) in server.one_of_each().await {
        let put = [(name, "it"), ("PolicyName", "p"), ("PolicyDocument", READ_B)];
        server.run(&format!("Put{kind}Policy"), &put).await;
        let word = kind.to_lowercase();
        let answer = server.run(simulate, &of_source(&format!("arn:aws:iam::000000000000:{word}/it"))).await;
        assert_eq!(answer.one("EvalDecision"), "allowed");
        assert!(answer.all("SourcePolicyType").iter().all(|kind| *kind == word), "{}", answer.xml);
    }
    server.run("AddUserToGroup", &[("GroupName", "it"), ("UserName", "ann")]).await;
    assert_eq!(server.run(simulate, &of_source(ANN)).await.one("EvalDecision"), "allowed");
    server.call(simulate, &of_source("arn:aws:iam::000000000000:user/none")).await.refused(
        404,
        "NoSuchEntity",
        "The user with name none cannot be found.",
    );
}

#[tokio::test]
async fn members_that_are_not_simulated_are_named_in_the_refusal() {
    let server = start().await;
    let organization = "OrderedOrganizationPolicyInputList.member.1.ServiceControlPolicyInputList.member.1";
    for (action, member, value) in [
        ("SimulateCustomPolicy", "ResourceHandlingOption", "EC2-VPC-InstanceStore"),
        ("SimulatePrincipalPolicy", "ResourceHandlingOption", "EC2-VPC-InstanceStore"),
        ("SimulateCustomPolicy", organization, QUEUES),
        ("SimulatePrincipalPolicy", "PolicyExclusionList.member.1.PolicyType", "scp"),
    ] {
        let given = [&[(POLICY_1, READ_B)], &READS_B[..], &[(member, value)]].concat();
        let [(_, of_nobody), (_, of_ann)] = both(&given);
        let members = if action == "SimulateCustomPolicy" { of_nobody } else { of_ann };
        let name = member.split('.').next().unwrap_or(member);
        let text = format!("Hearth does not simulate {name}: leave it away.");
        server.call(action, &members).await.refused(400, "InvalidInput", &text);
    }
}
