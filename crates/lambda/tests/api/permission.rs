//! AddPermission, RemovePermission and GetPolicy: the resource policies of functions and of their versions.

use serde_json::{Value, json};

use crate::world::{Answer, World, arn, keys, with};

/// A whole policy, bytes. Source: "Lambda quotas".
const POLICY_BYTES_MAX: usize = 20_480;

/// The smallest AddPermission request.
pub(crate) fn permission(sid: &str, principal: &str) -> Value {
    json!({"StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": principal})
}

fn path(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/policy")
}

async fn add(world: &World, name: &str, body: Value) -> Answer {
    world.call("POST", &path(name), body).await
}

/// `more` follows the statement's id: a query.
async fn remove(world: &World, name: &str, sid: &str, more: &str) -> Answer {
    world.call("DELETE", &format!("{}/{sid}{more}", path(name)), Value::Null).await
}

/// The policy's document and revision.
async fn policy(world: &World, name: &str) -> (Value, String) {
    let shown = world.get(&path(name)).await.ok(200);
    assert_eq!(keys(&shown), ["Policy", "RevisionId"]);
    let document = serde_json::from_str(shown["Policy"].as_str().expect("text")).expect("JSON");
    (document, shown["RevisionId"].as_str().expect("text").to_owned())
}

async fn sids(world: &World, name: &str) -> Vec<String> {
    let (document, _) = policy(world, name).await;
    let statements = document["Statement"].as_array().expect("a list");
    statements.iter().map(|statement| statement["Sid"].as_str().expect("text").to_owned()).collect()
}

/// Checks a refusal of the recorded form: its text stands under `key`.
#[track_caller]
fn refused(answer: &Answer, key: &str, status: u16, code: &str, text: &str) {
    assert_eq!(answer.refusal(), (status, code.to_owned(), Some("User".to_owned()), text.to_owned()));
    assert_eq!(keys(&answer.json()), if key == "Message" { ["Message", "Type"] } else { ["Type", "message"] });
}

#[track_caller]
fn not_found(answer: &Answer, text: &str) {
    refused(answer, "Message", 404, "ResourceNotFoundException", text);
}

const NO_POLICY: &str = "The resource you requested does not exist.";
const STALE: &str = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id";

#[tokio::test]
async fn a_permission_is_added_shown_and_removed() {
    let world = World::new().await;
    for name in ["f", "other"] {
        world.created(name).await;
    }
    let body = with(
        permission("s3", "s3.amazonaws.com"),
        json!({"SourceArn": "arn:aws:s3:::bucket", "SourceAccount": "111122223333"}),
    );
    let added = add(&world, "f", body).await.ok(201);
    assert_eq!(keys(&added), ["Statement"]);
    let statement = json!({
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn("f"),
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "111122223333"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    });
    assert_eq!(serde_json::from_str::<Value>(added["Statement"].as_str().expect("text")).expect("JSON"), statement);
    let (document, _) = policy(&world, "f").await;
    assert_eq!(document, json!({"Version": "2012-10-17", "Id": "default", "Statement": [statement]}));
    not_found(&world.get(&path("other")).await, NO_POLICY);

    add(&world, "f", permission("all", "*")).await.ok(201);
    assert_eq!(sids(&world, "f").await, ["s3", "all"]);
    let removed = remove(&world, "f", "s3", "").await;
    assert_eq!((removed.status.as_u16(), removed.body.len()), (204, 0));
    let world = world.restart().await;
    assert_eq!(sids(&world, "f").await, ["all"]);
    remove(&world, "f", "all", "").await.ok(204);
    not_found(&world.get(&path("f")).await, NO_POLICY);
}

#[tokio::test]
async fn principals_are_shown_as_recorded_and_others_refused() {
    let world = World::new().await;
    world.created("f").await;
    for (sid, principal, shown) in [
        ("service", "events.amazonaws.com", json!({"Service": "events.amazonaws.com"})),
        ("account", "111122223333", json!({"AWS": "arn:aws:iam::111122223333:root"})),
        ("role", "arn:aws:iam::111122223333:role/r", json!({"AWS": "arn:aws:iam::111122223333:role/r"})),
        ("user", "arn:aws:iam::111122223333:user/u", json!({"AWS": "arn:aws:iam::111122223333:user/u"})),
        ("all", "*", json!("*")),
    ] {
        add(&world, "f", permission(sid, principal)).await.ok(201);
        let (document, _) = policy(&world, "f").await;
        let statements = document["Statement"].as_array().expect("a list");
        assert_eq!(statements.last().expect("one")["Principal"], shown, "{principal}");
    }
    for principal in ["nobody", "arn:aws:s3:::bucket", "arn:aws:iam::1:role/r"] {
        refused(
            &add(&world, "f", permission("more", principal)).await,
            "message",
            400,
            "InvalidParameterValueException",
            "The provided principal was invalid. Please check the principal and try again.",
        );
    }
    assert_eq!(sids(&world, "f").await.len(), 5);
}

#[tokio::test]
async fn every_restriction_is_a_condition_of_its_own() {
    let world = World::new().await;
    world.created("f").await;
    for (member, value, condition) in [
        ("SourceArn", json!("arn:aws:s3:::b"), json!({"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}})),
        ("SourceAccount", json!("111122223333"), json!({"StringEquals": {"AWS:SourceAccount": "111122223333"}})),
        ("PrincipalOrgID", json!("o-1234567890"), json!({"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}})),
        ("EventSourceToken", json!("t-1"), json!({"StringEquals": {"lambda:EventSourceToken": "t-1"}})),
        ("FunctionUrlAuthType", json!("NONE"), json!({"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}})),
        ("InvokedViaFunctionUrl", json!(true), json!({"Bool": {"lambda:InvokedViaFunctionUrl": "true"}})),
    ] {
        let body = with(permission(member, "*"), json!({member: value}));
        let statement = add(&world, "f", body).await.ok(201)["Statement"].as_str().expect("text").to_owned();
        let statement: Value = serde_json::from_str(&statement).expect("JSON");
        assert_eq!(statement["Condition"], condition, "{member}");
    }
    let plain = add(&world, "f", permission("plain", "*")).await.ok(201)["Statement"].to_string();
    assert!(!plain.contains("Condition"), "{plain}");
}

#[tokio::test]
async fn the_action_given_is_the_one_allowed() {
    let world = World::new().await;
    world.created("f").await;
    for (sid, action) in [("a", "lambda:GetFunction"), ("b", "lambda:*"), ("c", "*")] {
        let body = with(permission(sid, "111122223333"), json!({"Action": action}));
        add(&world, "f", body).await.ok(201);
        let (document, _) = policy(&world, "f").await;
        assert_eq!(document["Statement"].as_array().expect("a list").last().expect("one")["Action"], action);
    }
    let answer = add(&world, "f", with(permission("d", "*"), json!({"Action": "s3:GetObject"}))).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amzn-errortype")), (400, Some("ValidationException")));
}

#[tokio::test]
async fn statement_ids_are_unique_and_of_their_pattern() {
    let world = World::new().await;
    world.created("f").await;
    add(&world, "f", permission("s3", "s3.amazonaws.com")).await.ok(201);
    refused(
        &add(&world, "f", permission("s3", "sns.amazonaws.com")).await,
        "message",
        409,
        "ResourceConflictException",
        "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement.",
    );
    let (status, code, _, text) = add(&world, "f", permission("example.com", "*")).await.refusal();
    assert_eq!((status, code.as_str()), (400, "ValidationException"));
    assert_eq!(
        text,
        "1 validation error detected: Value 'example.com' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"
    );
    assert_eq!(sids(&world, "f").await, ["s3"]);
}

#[tokio::test]
async fn what_is_not_there_is_refused_as_recorded() {
    let world = World::new().await;
    world.created("f").await;
    not_found(&add(&world, "none", permission("s", "*")).await, &format!("Function not found: {}", arn("none")));
    not_found(&remove(&world, "none", "s", "").await, &format!("No policy found for: {}", arn("none")));
    not_found(&remove(&world, "f", "s", "").await, "No policy is associated with the given resource.");
    for name in ["f", "none"] {
        not_found(&world.get(&path(name)).await, NO_POLICY);
    }
    add(&world, "f", permission("s", "*")).await.ok(201);
    not_found(
        &remove(&world, "f", "doesnotexist", "").await,
        "Statement doesnotexist is not found in resource policy.",
    );
    assert_eq!(sids(&world, "f").await, ["s"]);
}

#[tokio::test]
async fn latest_has_no_policy_of_its_own() {
    let world = World::new().await;
    world.created("f").await;
    let latest = format!("{}?Qualifier=$LATEST", path("f"));
    let text = "We currently do not support adding policies for $LATEST.";
    let answer = world.call("POST", &latest, permission("s", "*")).await;
    refused(&answer, "message", 400, "InvalidParameterValueException", text);
    not_found(&world.get(&path("f")).await, NO_POLICY);
}

#[tokio::test]
async fn each_version_has_a_policy_of_its_own() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", json!({})).await.ok(201);
    let of_version = |name: &str| format!("{}?Qualifier=1", path(name));
    let added = world.call("POST", &of_version("f"), permission("v", "*")).await.ok(201);
    assert!(added["Statement"].as_str().expect("text").contains(&arn("f:1")), "{added}");
    not_found(&world.get(&path("f")).await, NO_POLICY);
    // The same id once more: it is another policy.
    add(&world, "f", permission("v", "*")).await.ok(201);
    let shown = world.get(&of_version("f")).await.ok(200);
    assert_eq!(world.get(&path("f:1")).await.ok(200), shown);
    assert!(shown["Policy"].as_str().expect("text").contains(&arn("f:1")), "{shown}");
    assert_ne!(policy(&world, "f").await.1, shown["RevisionId"].as_str().expect("text"));

    remove(&world, "f", "v", "?Qualifier=1").await.ok(204);
    not_found(&world.get(&of_version("f")).await, NO_POLICY);
    assert_eq!(sids(&world, "f").await, ["v"]);
    for missing in ["2", "alias"] {
        let answer = world.call("POST", &format!("{}?Qualifier={missing}", path("f")), permission("s", "*")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-amzn-errortype")),
            (404, Some("ResourceNotFoundException"))
        );
    }
    world.call("POST", &of_version("f"), permission("again", "*")).await.ok(201);
    world.call("DELETE", "/2015-03-31/functions/f?Qualifier=1", Value::Null).await.ok(204);
    not_found(&world.get(&of_version("f")).await, NO_POLICY);
}

#[tokio::test]
async fn a_stale_revision_of_the_policy_changes_nothing() {
    let world = World::new().await;
    world.created("f").await;
    add(&world, "f", permission("a", "*")).await.ok(201);
    let (_, first) = policy(&world, "f").await;
    let with_revision = |sid, revision: &str| with(permission(sid, "*"), json!({"RevisionId": revision}));
    add(&world, "f", with_revision("b", &first)).await.ok(201);
    let (_, second) = policy(&world, "f").await;
    assert_ne!(first, second);
    let precondition = "PreconditionFailedException";
    refused(&add(&world, "f", with_revision("c", &first)).await, "message", 412, precondition, STALE);
    let answer = remove(&world, "f", "a", &format!("?RevisionId={first}")).await;
    refused(&answer, "message", 412, precondition, STALE);
    assert_eq!(sids(&world, "f").await, ["a", "b"]);
    remove(&world, "f", "a", &format!("?RevisionId={second}")).await.ok(204);
    assert_eq!(sids(&world, "f").await, ["b"]);
}

#[tokio::test]
async fn a_policy_holds_twenty_kilobytes_and_no_more() {
    let world = World::new().await;
    world.created("f").await;
    let long = |number: usize, chars: usize| {
        let source = format!("arn:aws:s3:::{}", "b".repeat(chars));
        with(permission(&format!("s{number}"), "s3.amazonaws.com"), json!({"SourceArn": source}))
    };
    // A source has 10,000 characters at most.
    add(&world, "f", long(0, 1_000)).await.ok(201);
    add(&world, "f", long(1, 9_900)).await.ok(201);
    add(&world, "f", long(2, 1)).await.ok(201);
    let size = world.get(&path("f")).await.ok(200)["Policy"].as_str().expect("text").len();
    remove(&world, "f", "s2", "").await.ok(204);
    let fits = 1 + POLICY_BYTES_MAX - size;
    let (status, code, fault, text) = add(&world, "f", long(2, fits + 1)).await.refusal();
    assert_eq!((status, code.as_str(), fault.as_deref()), (400, "PolicyLengthExceededException", Some("User")));
    assert!(text.contains("20480"), "{text}");
    assert_eq!(sids(&world, "f").await, ["s0", "s1"]);
    add(&world, "f", long(2, fits)).await.ok(201);
    let shown = world.get(&path("f")).await.ok(200);
    assert_eq!(shown["Policy"].as_str().expect("text").len(), POLICY_BYTES_MAX);
}

#[tokio::test]
async fn a_new_function_of_the_same_name_has_no_policy() {
    let world = World::new().await;
    world.created("f").await;
    add(&world, "f", permission("s", "*")).await.ok(201);
    world.delete("f").await.ok(204);
    world.created("f").await;
    not_found(&world.get(&path("f")).await, NO_POLICY);
}

fn whole(name: &str) -> String {
    format!("/2026-07-09/resource-policy/{}", arn(name).replace(':', "%3A"))
}

async fn put_whole(world: &World, name: &str, policy: &Value, query: &str) -> Answer {
    let revision = query.strip_prefix("RevisionId=");
    world.call("PUT", &whole(name), json!({"Policy": policy.to_string(), "RevisionId": revision})).await
}

#[tokio::test]
async fn a_whole_policy_is_put_shown_and_deleted() {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", json!({})).await.ok(201);
    not_found(&world.get(&whole("f")).await, NO_POLICY);
    let deny = json!({
        "Sid": "never",
        "Effect": "Deny",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": ["lambda:InvokeFunction", "lambda:GetFunction"],
        "Resource": arn("f"),
    });
    let document = json!({"Version": "2012-10-17", "Id": "mine", "Statement": [deny]});
    let put = put_whole(&world, "f", &document, "").await.ok(200);
    assert_eq!(keys(&put), ["Policy", "RevisionId"]);
    assert_eq!(serde_json::from_str::<Value>(put["Policy"].as_str().expect("text")).expect("JSON"), document);
    let world = world.restart().await;
    assert_eq!(world.get(&whole("f")).await.ok(200), put);
    // It is the policy that the other operations know.
    assert_eq!(policy(&world, "f").await, (document.clone(), put["RevisionId"].as_str().expect("text").to_owned()));
    refused(
        &add(&world, "f", permission("never", "*")).await,
        "message",
        409,
        "ResourceConflictException",
        "The statement id (never) provided already exists. Please provide a new statement id, or remove the existing statement.",
    );
    add(&world, "f", permission("all", "*")).await.ok(201);
    assert_eq!(sids(&world, "f").await, ["never", "all"]);
    remove(&world, "f", "never", "").await.ok(204);
    assert_eq!(sids(&world, "f").await, ["all"]);

    const OLD: &str = "RevisionId=11111111-2222-3333-4444-555555555555";
    let stale = put_whole(&world, "f", &document, OLD).await;
    refused(&stale, "message", 412, "PreconditionFailedException", STALE);
    let stale = world.call("DELETE", &format!("{}?{OLD}", whole("f")), Value::Null).await;
    refused(&stale, "message", 412, "PreconditionFailedException", STALE);
    let current = world.get(&whole("f")).await.ok(200);
    let query = format!("RevisionId={}", current["RevisionId"].as_str().expect("text"));
    put_whole(&world, "f", &document, &query).await.ok(200);
    assert_eq!(sids(&world, "f").await, ["never"], "the document replaces everything");
    let deleted = world.call("DELETE", &whole("f"), Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    not_found(&world.get(&whole("f")).await, NO_POLICY);
    let again = world.call("DELETE", &whole("f"), Value::Null).await;
    not_found(&again, "No policy is associated with the given resource.");

    // Versions have their own.
    put_whole(&world, "f:1", &document, "").await.ok(200);
    not_found(&world.get(&whole("f")).await, NO_POLICY);
    world.get(&whole("f:1")).await.ok(200);
}

#[tokio::test]
async fn what_is_no_policy_or_has_none_is_refused() {
    let world = World::new().await;
    world.created("f").await;
    let allow = json!({"Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": arn("f")});
    for document in [
        json!({"Version": "2012-10-17"}),
        json!({"Version": "2012-10-17", "Statement": [with(allow.clone(), json!({"Effect": "Perhaps"}))]}),
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
        json!("no document"),
    ] {
        let (status, code, _, text) = put_whole(&world, "f", &document, "").await.refusal();
        assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"), "{document}: {text}");
    }
    let document = json!({"Version": "2012-10-17", "Statement": [allow]});
    let latest = put_whole(&world, "f:$LATEST", &document, "").await;
    assert_eq!(latest.refusal().3, "We currently do not support adding policies for $LATEST.");
    for missing in ["nobody", "f:9"] {
        not_found(&put_whole(&world, missing, &document, "").await, &format!("Function not found: {}", arn(missing)));
    }
    not_found(&world.get(&whole("nobody")).await, NO_POLICY);
    world.permissions.denied.lock().insert("*".to_owned());
    for method in ["GET", "PUT", "DELETE"] {
        let answer = world.call(method, &whole("f"), json!({"Policy": document.to_string()})).await;
        assert_eq!(answer.refusal().1, "AccessDeniedException", "{method}");
        assert!(answer.refusal().3.contains("ResourcePolicy on resource"), "{}", answer.refusal().3);
    }
    world.permissions.denied.lock().clear();
    not_found(&world.get(&whole("f")).await, NO_POLICY);
}
