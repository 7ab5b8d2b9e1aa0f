//! SimulatePrincipalPolicy and SimulateCustomPolicy, member by member.

use super::*;

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"yes","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}]}"#;
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}"#;
const OWN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}/*"}]}"#;
const ANN: &str = "arn:aws:iam::000000000000:user/ann";

async fn server() -> Server {
    let server = Server::start().await;
    server.call("CreateUser", &[("UserName", "ann")]).await.ok();
    let put = [("UserName", "ann"), ("PolicyName", "p"), ("PolicyDocument", ALLOW)];
    server.call("PutUserPolicy", &put).await.ok();
    server
}

/// The same request as both operations take it.
fn both<'a>(more: &[(&'a str, &'a str)]) -> [(&'static str, Vec<(&'a str, &'a str)>); 2] {
    let asked = [("ActionNames.member.1", "s3:GetObject"), ("ResourceArns.member.1", "arn:aws:s3:::b/k")];
    [
        ("SimulatePrincipalPolicy", [&[("PolicySourceArn", ANN)], &asked[..], more].concat()),
        ("SimulateCustomPolicy", [&[("PolicyInputList.member.1", ALLOW)], &asked[..], more].concat()),
    ]
}

async fn decisions(server: &Server, more: &[(&str, &str)]) -> [String; 2] {
    let [principal, custom] = both(more);
    let mut got = Vec::new();
    for (action, parameters) in [principal, custom] {
        let answer = server.call(action, &parameters).await.ok();
        got.push(answer.all("EvalDecision").join(" "));
    }
    got.try_into().expect("two")
}

#[tokio::test]
async fn a_boundary_a_resource_policy_and_its_owner_take_part() {
    let server = server().await;
    assert_eq!(decisions(&server, &[]).await, ["allowed", "allowed"]);
    let boundary = [("PermissionsBoundaryPolicyInputList.member.1", NOTHING)];
    assert_eq!(decisions(&server, &boundary).await, ["implicitDeny", "implicitDeny"]);
    let deny = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    let resource = [("ResourcePolicy", deny), ("CallerArn", ANN)];
    assert_eq!(decisions(&server, &resource).await, ["explicitDeny", "explicitDeny"]);
    // A resource of another account must let the caller in itself.
    let foreign = [("ResourceOwner", "111122223333"), ("CallerArn", ANN)];
    assert_eq!(decisions(&server, &foreign).await, ["implicitDeny", "implicitDeny"]);
    let lets_in = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/ann"},"Action":"s3:*","Resource":"*"}}"#;
    let both_sides = [foreign[0], foreign[1], ("ResourcePolicy", lets_in)];
    assert_eq!(decisions(&server, &both_sides).await, ["allowed", "allowed"]);
}

#[tokio::test]
async fn the_caller_and_the_context_fill_variables_and_conditions() {
    let server = Server::start().await;
    let ask = |caller: &'static str| {
        let server = &server;
        async move {
            let parameters = [
                ("PolicyInputList.member.1", OWN),
                ("ActionNames.member.1", "s3:GetObject"),
                ("ResourceArns.member.1", "arn:aws:s3:::bob/k"),
                ("CallerArn", caller),
            ];
            server.call("SimulateCustomPolicy", &parameters).await.ok().one("EvalDecision").to_owned()
        }
    };
    assert_eq!(ask("arn:aws:iam::000000000000:user/bob").await, "allowed");
    assert_eq!(ask(ANN).await, "implicitDeny");
    let no_user = [
        ("PolicyInputList.member.1", OWN),
        ("ActionNames.member.1", "s3:GetObject"),
        ("CallerArn", "arn:aws:iam::000000000000:role/r"),
    ];
    let refused = server.call("SimulateCustomPolicy", &no_user).await;
    refused.refused(
        400,
        "InvalidInput",
        "Invalid caller: arn:aws:iam::000000000000:role/r is not the ARN of an IAM user.",
    );
}

#[tokio::test]
async fn results_come_in_pages_with_the_statement_that_decided() {
    let server = server().await;
    let more = [("ActionNames.member.2", "sqs:SendMessage"), ("MaxItems", "1")];
    for (action, parameters) in both(&more) {
        let first = server.call(action, &parameters).await.ok();
        assert_eq!((first.one("EvalActionName"), first.one("IsTruncated")), ("s3:GetObject", "true"), "{action}");
        assert_eq!(first.all("StartPosition").len(), 2, "of the result and of its one resource");
        let rest = [&parameters[..], &[("Marker", first.one("Marker"))]].concat();
        let rest = server.call(action, &rest).await.ok();
        assert_eq!((rest.one("EvalActionName"), rest.one("IsTruncated")), ("sqs:SendMessage", "false"), "{action}");
        assert_eq!(rest.one("EvalDecision"), "implicitDeny");
    }
}

#[tokio::test]
async fn what_is_not_simulated_is_refused() {
    let server = server().await;
    for (member, name, actions) in [
        ("ResourceHandlingOption", "ResourceHandlingOption", &["SimulatePrincipalPolicy", "SimulateCustomPolicy"][..]),
        (
            "OrderedOrganizationPolicyInputList.member.1.OrganizationPolicies.member.1.PolicyInputList.member.1",
            "OrderedOrganizationPolicyInputList",
            &["SimulateCustomPolicy"],
        ),
        ("PolicyExclusionList.member.1", "PolicyExclusionList", &["SimulatePrincipalPolicy"]),
    ] {
        let value = if member == "PolicyExclusionList.member.1" { "IDENTITY_POLICY" } else { ALLOW };
        let value = if member == "ResourceHandlingOption" { "EC2-VPC-EBS" } else { value };
        for (action, parameters) in both(&[(member, value)]).iter().filter(|(action, _)| actions.contains(action)) {
            let answer = server.call(action, parameters).await;
            assert_eq!(answer.status.as_u16(), 400, "{action} {member}: {}", answer.xml);
            assert!(answer.xml.contains(name), "{}", answer.xml);
        }
    }
}
