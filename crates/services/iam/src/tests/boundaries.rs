//! Permissions boundaries of users and roles.

use super::*;

const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

fn create<'a>(kind: &str, name: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    let trust = (kind == "Role").then_some(("AssumeRolePolicyDocument", TRUST));
    [Some(name), trust].into_iter().flatten().collect()
}

#[tokio::test]
async fn a_boundary_is_set_at_creation_and_shown() {
    let server = Server::start().await;
    let own = server.create_policy("own").await;
    for (kind, name) in [("User", "UserName"), ("Role", "RoleName")] {
        for (entity, boundary) in [("a", ADMIN), ("b", &*own)] {
            let mut parameters = create(kind, (name, entity));
            parameters.push(("PermissionsBoundary", boundary));
            let created = server.run(&format!("Create{kind}"), &parameters).await;
            let got = server.run(&format!("Get{kind}"), &[(name, entity)]).await;
            for answer in [created, got] {
                assert_eq!(answer.one("PermissionsBoundaryArn"), boundary);
                assert_eq!(answer.one("PermissionsBoundaryType"), "Policy");
            }
        }
        let listed = server.run(&format!("List{kind}s"), &[]).await;
        assert!(listed.all("PermissionsBoundaryArn").is_empty());
    }
    let policy = server.run("GetPolicy", &[("PolicyArn", ADMIN)]).await;
    assert_eq!((policy.one("AttachmentCount"), policy.one("PermissionsBoundaryUsageCount")), ("0", "2"));
}

#[tokio::test]
async fn a_boundary_is_put_replaced_and_removed() {
    let server = Server::start().await;
    let own = server.create_policy("own").await;
    for (kind, name) in [("User", "UserName"), ("Role", "RoleName")] {
        let it = (name, "it");
        server.run(&format!("Create{kind}"), &create(kind, it)).await;
        for boundary in [ADMIN, &own] {
            let put = [it, ("PermissionsBoundary", boundary)];
            server.run(&format!("Put{kind}PermissionsBoundary"), &put).await;
            assert_eq!(server.run(&format!("Get{kind}"), &[it]).await.one("PermissionsBoundaryArn"), boundary);
        }
        for _ in 0..2 {
            server.run(&format!("Delete{kind}PermissionsBoundary"), &[it]).await;
        }
        assert!(server.run(&format!("Get{kind}"), &[it]).await.all("PermissionsBoundary").is_empty());
        let text = format!("The {} with name x cannot be found.", kind.to_lowercase());
        let x = [(name, "x"), ("PermissionsBoundary", ADMIN)];
        server.call(&format!("Put{kind}PermissionsBoundary"), &x).await.refused(404, "NoSuchEntity", &text);
        server.call(&format!("Delete{kind}PermissionsBoundary"), &x[..1]).await.refused(404, "NoSuchEntity", &text);
    }
}

#[tokio::test]
async fn a_boundary_must_be_a_managed_policy_there_is() {
    let server = Server::start().await;
    server.one_of_each().await;
    for (kind, name) in [("User", "UserName"), ("Role", "RoleName")] {
        for (boundary, status, code, text) in [
            (
                "arn:aws:iam::000000000000:policy/none",
                404,
                "NoSuchEntity",
                "Scope ARN: arn:aws:iam::000000000000:policy/none does not exist or is not attachable.",
            ),
            ("this-is-no-arn-at-all", 400, "ValidationError", "Invalid ARN:  Could not be parsed!"),
            (
                "arn:aws:iam::000000000000:user/it",
                400,
                "InvalidInput",
                "ARN arn:aws:iam::000000000000:user/it is not valid.",
            ),
        ] {
            let mut parameters = create(kind, (name, "new"));
            parameters.push(("PermissionsBoundary", boundary));
            server.call(&format!("Create{kind}"), &parameters).await.refused(status, code, text);
            let put = [(name, "it"), ("PermissionsBoundary", boundary)];
            server.call(&format!("Put{kind}PermissionsBoundary"), &put).await.refused(status, code, text);
        }
        assert_eq!(server.run(&format!("List{kind}s"), &[]).await.all(name), ["it"]);
    }
}
