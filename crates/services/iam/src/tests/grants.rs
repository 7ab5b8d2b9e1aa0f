//! What users, groups and roles share: inline policies and attached ones.

use super::*;

#[tokio::test]
async fn inline_policies_of_each_kind_are_put_read_listed_and_deleted() {
    let server = Server::start().await;
    for (kind, name) in server.one_of_each().await {
        let word = kind.to_lowercase();
        let it = (name, "it");
        let policy = [it, ("PolicyName", "p")];
        let missing = format!("The {word} policy with name p cannot be found.");
        let action = format!("Get{kind}Policy");
        let get = || server.call(&action, &policy);
        get().await.refused(404, "NoSuchEntity", &missing);
        for document in [POLICY, &POLICY.replace("s3:*", "sqs:*")] {
            server.run(&format!("Put{kind}Policy"), &[it, policy[1], ("PolicyDocument", document)]).await;
        }
        let got = get().await.ok();
        assert_eq!((got.one(name), got.one("PolicyName")), ("it", "p"));
        assert!(got.one("PolicyDocument").contains("sqs%3A%2A"), "{}", got.xml);
        for more in ["a", "z"] {
            server.run(&format!("Put{kind}Policy"), &[it, ("PolicyName", more), ("PolicyDocument", POLICY)]).await;
        }
        let first = server.run(&format!("List{}", plural(kind)), &[it, ("MaxItems", "2")]).await;
        assert_eq!((first.all("member"), first.one("IsTruncated")), (vec!["a", "p"], "true"));
        let rest = server.run(&format!("List{}", plural(kind)), &[it, ("Marker", first.one("Marker"))]).await;
        assert_eq!((rest.all("member"), rest.one("IsTruncated")), (vec!["z"], "false"));
        server.run(&format!("Delete{kind}Policy"), &policy).await;
        let again = server.call(&format!("Delete{kind}Policy"), &policy).await;
        again.refused(404, "NoSuchEntity", &missing);
        let put = [it, policy[1], ("PolicyDocument", "{")];
        server.call(&format!("Put{kind}Policy"), &put).await.refused(
            400,
            "MalformedPolicyDocument",
            "Syntax errors in policy.",
        );
    }
}

#[tokio::test]
async fn inline_policies_of_each_kind_share_a_quota() {
    let server = Server::start().await;
    // "IAM and AWS STS quotas": white space is not counted.
    let sizes = [("User", 2_048), ("Group", 5_120), ("Role", 10_240)];
    for (kind, name) in server.one_of_each().await {
        let max = sizes.iter().find(|(of, _)| *of == kind).map(|(_, max)| *max).expect("a size");
        let document = |chars: usize| {
            let empty = r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::"}]}"#;
            empty.replace(":::", &format!(":::{}", "b".repeat(chars - empty.len()))).replace(',', ",\n    ")
        };
        let put = |policy: &'static str, chars: usize| {
            let (server, text) = (&server, document(chars));
            async move {
                let put = [(name, "it"), ("PolicyName", policy), ("PolicyDocument", text.as_str())];
                server.call(&format!("Put{kind}Policy"), &put).await
            }
        };
        put("one", 1_000).await.ok();
        put("two", max - 1_000).await.ok();
        put("two", max - 999).await.refused(
            409,
            "LimitExceeded",
            &format!("Maximum policy size of {max} bytes exceeded for {} it", kind.to_lowercase()),
        );
    }
}

#[tokio::test]
async fn managed_policies_of_each_kind_are_attached_listed_and_detached() {
    let server = Server::start().await;
    let own = server.create_policy("own").await;
    let kinds = server.one_of_each().await;
    for (kind, name) in kinds {
        let it = (name, "it");
        for arn in [LOGGING, &own, &own] {
            server.run(&format!("Attach{kind}Policy"), &[it, ("PolicyArn", arn)]).await;
        }
        let list = format!("ListAttached{}", plural(kind));
        let listed = server.run(&list, &[it]).await;
        assert_eq!(listed.all("PolicyName"), ["own", "AWSLambdaBasicExecutionRole"]);
        assert_eq!(listed.all("PolicyArn"), [&own, LOGGING]);
        assert_eq!(server.run(&list, &[it, ("PathPrefix", "/service-role/")]).await.all("PolicyArn"), [LOGGING]);
        let first = server.run(&list, &[it, ("MaxItems", "1")]).await;
        let rest = server.run(&list, &[it, ("Marker", first.one("Marker"))]).await;
        assert_eq!((first.all("PolicyName"), rest.all("PolicyArn")), (vec!["own"], vec![LOGGING]));
        server.run(&format!("Detach{kind}Policy"), &[it, ("PolicyArn", LOGGING)]).await;
        server.call(&format!("Detach{kind}Policy"), &[it, ("PolicyArn", LOGGING)]).await.refused(
            404,
            "NoSuchEntity",
            &format!("Policy {LOGGING} was not found."),
        );
        for (arn, status, code, text) in [
            (
                "arn:aws:iam::000000000000:policy/p/own",
                404,
                "NoSuchEntity",
                "Policy ARN does not exist or is not attachable.",
            ),
            (
                "arn:aws:iam::111122223333:policy/own",
                404,
                "NoSuchEntity",
                "Policy ARN does not exist or is not attachable.",
            ),
            ("arn:aws:iam::000000000000:role/own", 400, "InvalidInput", "ARN ARN is not valid."),
            ("arn:aws:s3:::bucket/policy/own", 400, "InvalidInput", "ARN ARN is not valid."),
        ] {
            let text = text.replacen(" ARN", &format!(" {arn}"), 1);
            server.call(&format!("Attach{kind}Policy"), &[it, ("PolicyArn", arn)]).await.refused(status, code, &text);
        }
    }
    assert_eq!(server.run("GetPolicy", &[("PolicyArn", &own)]).await.one("AttachmentCount"), "3");
    assert_eq!(server.run("GetPolicy", &[("PolicyArn", LOGGING)]).await.one("AttachmentCount"), "0");
}

#[tokio::test]
async fn ten_managed_policies_are_the_most() {
    let server = Server::start().await;
    let mut arns = Vec::new();
    for number in 0..11 {
        arns.push(server.create_policy(&format!("p{number}")).await);
    }
    for (kind, name) in server.one_of_each().await {
        for arn in &arns[..10] {
            server.run(&format!("Attach{kind}Policy"), &[(name, "it"), ("PolicyArn", arn)]).await;
        }
        server.call(&format!("Attach{kind}Policy"), &[(name, "it"), ("PolicyArn", &arns[10])]).await.refused(
            409,
            "LimitExceeded",
            &format!("Cannot exceed quota for PoliciesPer{kind}: 10"),
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_is_refused_by_its_kind() {
    let server = Server::start().await;
    for (kind, name) in [("User", "UserName"), ("Group", "GroupName"), ("Role", "RoleName")] {
        let text = format!("The {} with name x cannot be found.", kind.to_lowercase());
        let (x, policy, arn, document) =
            ((name, "x"), ("PolicyName", "p"), ("PolicyArn", LOGGING), ("PolicyDocument", POLICY));
        for (action, parameters) in [
            (format!("Put{kind}Policy"), vec![x, policy, document]),
            (format!("Get{kind}Policy"), vec![x, policy]),
            (format!("Delete{kind}Policy"), vec![x, policy]),
            (format!("List{}", plural(kind)), vec![x]),
            (format!("Attach{kind}Policy"), vec![x, arn]),
            (format!("Detach{kind}Policy"), vec![x, arn]),
            (format!("ListAttached{}", plural(kind)), vec![x]),
            (format!("Delete{kind}"), vec![x]),
            (format!("Get{kind}"), vec![x]),
        ] {
            server.call(&action, &parameters).await.refused(404, "NoSuchEntity", &text);
        }
    }
}

#[tokio::test]
async fn a_group_and_a_role_with_policies_stay() {
    let server = Server::start().await;
    for (kind, name) in server.one_of_each().await {
        let it = (name, "it");
        server.run(&format!("Attach{kind}Policy"), &[it, ("PolicyArn", LOGGING)]).await;
        server.run(&format!("Put{kind}Policy"), &[it, ("PolicyName", "p"), ("PolicyDocument", POLICY)]).await;
        let delete = format!("Delete{kind}");
        server.call(&delete, &[it]).await.refused(
            409,
            "DeleteConflict",
            "Cannot delete entity, must detach all policies first.",
        );
        server.run(&format!("Detach{kind}Policy"), &[it, ("PolicyArn", LOGGING)]).await;
        server.call(&delete, &[it]).await.refused(
            409,
            "DeleteConflict",
            "Cannot delete entity, must delete policies first.",
        );
        server.run(&format!("Delete{kind}Policy"), &[it, ("PolicyName", "p")]).await;
        server.run(&delete, &[it]).await;
    }
}

#[tokio::test]
async fn inline_policies_are_compiled_as_they_are_written() {
    let server = Server::start().await;
    let before = server.iam.directory.revision();
    for (kind, name) in server.one_of_each().await {
        let put = [(name, "it"), ("PolicyName", "p"), ("PolicyDocument", POLICY)];
        server.run(&format!("Put{kind}Policy"), &put).await;
    }
    let directory = &server.iam.directory;
    let user = directory.user(&scope(), "it").expect("a user").inline.clone();
    let group = directory.group(&scope(), "it").expect("a group").inline.clone();
    let role = directory.role(&scope(), "it").expect("a role").inline.clone();
    for inline in [user, group, role] {
        assert_eq!(
            inline.iter().map(|(name, policy)| (&**name, &**policy.text())).collect::<Vec<_>>(),
            [("p", POLICY)]
        );
    }
    assert_eq!(directory.revision(), before + 6);
    // What changes nothing is no revision.
    let put = [("UserName", "it"), ("PolicyName", "p"), ("PolicyDocument", POLICY)];
    server.run("PutUserPolicy", &put).await;
    assert_eq!(directory.revision(), before + 6);
}

fn plural(kind: &str) -> String {
    format!("{kind}Policies")
}
