//! Trust policies, inline policies and attached ones.

use super::*;

#[tokio::test]
async fn a_malformed_trust_policy_is_refused_and_nothing_is_made() {
    let server = Server::start().await;
    let create = |document: &'static str| {
        let server = &server;
        async move { server.call("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", document)]).await }
    };
    create("not json").await.refused(400, "MalformedPolicyDocument", "This policy contains invalid Json");
    create(r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:Get*"}]}"#).await.refused(
        400,
        "MalformedPolicyDocument",
        "AssumeRole policy may only specify STS AssumeRole actions.",
    );
    assert!(server.call("ListRoles", &[]).await.ok().all("RoleName").is_empty());
}

#[tokio::test]
async fn an_oversized_trust_policy_is_over_the_quota() {
    let server = Server::start().await;
    let many = vec![r#""arn:aws:iam::123456789012:root""#; 80].join(",");
    let document =
        format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":[{many}]}},"Action":"sts:AssumeRole"}}]}}"#);
    server.call("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &document)]).await.refused(
        409,
        "LimitExceeded",
        "Cannot exceed quota for ACLSizePerRole: 2048",
    );
}

#[tokio::test]
async fn an_inline_policy_is_put_read_listed_and_deleted() {
    let server = Server::start().await;
    server.create("r").await;
    let policy = [("RoleName", "r"), ("PolicyName", "p")];
    let put = |document| {
        let server = &server;
        async move {
            let parameters = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", document)];
            server.call("PutRolePolicy", &parameters).await
        }
    };
    server.call("GetRolePolicy", &policy).await.refused(
        404,
        "NoSuchEntity",
        "The role policy with name p cannot be found.",
    );
    put(POLICY).await.ok();
    let got = server.call("GetRolePolicy", &policy).await.ok();
    assert_eq!((got.one("RoleName"), got.one("PolicyName")), ("r", "p"));
    assert_eq!(
        got.one("PolicyDocument"),
        "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D"
    );
    put(&POLICY.replace("s3:*", "sqs:*")).await.ok();
    let names = server.call("ListRolePolicies", &[("RoleName", "r")]).await.ok();
    assert_eq!((names.all("member"), names.one("IsTruncated")), (vec!["p"], "false"));
    server.call("DeleteRolePolicy", &policy).await.ok();
    server.call("DeleteRolePolicy", &policy).await.refused(
        404,
        "NoSuchEntity",
        "The role policy with name p cannot be found.",
    );
    assert!(server.call("ListRolePolicies", &[("RoleName", "r")]).await.ok().all("member").is_empty());
}

#[tokio::test]
async fn listing_inline_policies_pages_through_everything_once() {
    let server = Server::start().await;
    server.create("r").await;
    for name in ["c", "a", "b"] {
        let put = [("RoleName", "r"), ("PolicyName", name), ("PolicyDocument", POLICY)];
        server.call("PutRolePolicy", &put).await.ok();
    }
    let first = server.call("ListRolePolicies", &[("RoleName", "r"), ("MaxItems", "2")]).await.ok();
    assert_eq!((first.all("member"), first.one("IsTruncated")), (vec!["a", "b"], "true"));
    let marker = first.one("Marker");
    let second = server.call("ListRolePolicies", &[("RoleName", "r"), ("Marker", marker)]).await.ok();
    assert_eq!((second.all("member"), second.one("IsTruncated")), (vec!["c"], "false"));
    assert!(second.all("Marker").is_empty());
}

#[tokio::test]
async fn an_inline_policy_must_be_one() {
    let server = Server::start().await;
    server.create("r").await;
    let put = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", "{")];
    server.call("PutRolePolicy", &put).await.refused(400, "MalformedPolicyDocument", "Syntax errors in policy.");
    let put = [("RoleName", "nobody"), ("PolicyName", "p"), ("PolicyDocument", POLICY)];
    server.call("PutRolePolicy", &put).await.refused(404, "NoSuchEntity", "The role with name nobody cannot be found.");
}

#[tokio::test]
async fn inline_policies_share_a_quota() {
    let server = Server::start().await;
    server.create("r").await;
    let resources = vec![r#""arn:aws:s3:::a-bucket-with-a-name/*""#; 150].join(",\n    ");
    let document = format!(r#"{{"Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":[{resources}]}}]}}"#);
    let put = |name| [("RoleName", "r"), ("PolicyName", name), ("PolicyDocument", document.as_str())];
    server.call("PutRolePolicy", &put("one")).await.ok();
    server.call("PutRolePolicy", &put("two")).await.refused(
        409,
        "LimitExceeded",
        "Maximum policy size of 10240 bytes exceeded for role r",
    );
}

#[tokio::test]
async fn a_managed_policy_is_attached_listed_and_detached() {
    let server = Server::start().await;
    server.create("r").await;
    let policy = [("RoleName", "r"), ("PolicyArn", LOGGING)];
    for _ in 0..2 {
        server.call("AttachRolePolicy", &policy).await.ok();
    }
    let listed = server.call("ListAttachedRolePolicies", &[("RoleName", "r")]).await.ok();
    assert_eq!((listed.one("PolicyName"), listed.one("PolicyArn")), ("AWSLambdaBasicExecutionRole", LOGGING));
    server.call("DetachRolePolicy", &policy).await.ok();
    server.call("DetachRolePolicy", &policy).await.refused(
        404,
        "NoSuchEntity",
        &format!("Policy {LOGGING} was not found."),
    );
    assert!(server.call("ListAttachedRolePolicies", &[("RoleName", "r")]).await.ok().all("PolicyArn").is_empty());
}

#[tokio::test]
async fn an_unknown_managed_policy_is_not_attachable() {
    let server = Server::start().await;
    server.create("r").await;
    for arn in [
        "arn:aws:iam::000000000000:policy/mine",
        "arn:aws:iam::aws:policy/NoSuchPolicy",
        "arn:aws-cn:iam::aws:policy/AdministratorAccess",
    ] {
        server.call("AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", arn)]).await.refused(
            404,
            "NoSuchEntity",
            &format!("Policy {arn} does not exist or is not attachable."),
        );
    }
    server.call("AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", "this-is-no-arn-at-all")]).await.refused(
        400,
        "ValidationError",
        "Invalid ARN:  Could not be parsed!",
    );
}

#[tokio::test]
async fn listing_attached_policies_filters_by_path_and_pages() {
    let server = Server::start().await;
    server.create("r").await;
    let attach = |arn: &'static str| {
        let server = &server;
        async move { server.call("AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", arn)]).await }
    };
    for arn in [LOGGING, "arn:aws:iam::aws:policy/AmazonS3FullAccess", "arn:aws:iam::aws:policy/AmazonSQSFullAccess"] {
        attach(arn).await.ok();
    }
    let list = "ListAttachedRolePolicies";
    let by_path = server.call(list, &[("RoleName", "r"), ("PathPrefix", "/service-role/")]).await.ok();
    assert_eq!(by_path.all("PolicyArn"), [LOGGING]);
    let first = server.call(list, &[("RoleName", "r"), ("MaxItems", "2")]).await.ok();
    assert_eq!(first.all("PolicyName"), ["AmazonS3FullAccess", "AmazonSQSFullAccess"]);
    let rest = server.call(list, &[("RoleName", "r"), ("Marker", first.one("Marker"))]).await.ok();
    assert_eq!(rest.all("PolicyName"), ["AWSLambdaBasicExecutionRole"]);
}
