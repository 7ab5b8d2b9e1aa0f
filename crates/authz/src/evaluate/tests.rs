//! Every combination of policies, against the rules of the guide restated independently.
//!
//! Source: IAM user guide, "Policy evaluation for requests within a single account" and "Cross-account policy
//! evaluation logic".

use std::sync::Arc;

use hearth_types::Session;
use proptest::prelude::*;

use super::*;
use crate::PolicyKind;

const OWNER: &str = "111111111111";
const OTHER: &str = "222222222222";
const ACTION: &str = "lambda:InvokeFunction";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111111111111:function:f";

struct NoKeys;

impl ConditionKeys for NoKeys {
    fn values(&self, _: &str) -> Option<Values<'_>> {
        None
    }
}

fn identity(statements: &str) -> Attached {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Attached { name: "p".into(), policy: Arc::new(Policy::parse(&text, PolicyKind::Identity).expect(&text)) }
}

const ALLOW: &str = r#"{"Effect":"Allow","Action":"lambda:*","Resource":"*"}"#;
const DENY: &str = r#"{"Effect":"Deny","Action":"lambda:Invoke*","Resource":"*"}"#;
const UNRELATED: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;

/// Says nothing of the action, allows it, or denies what another statement allows.
const WORDS: [&str; 3] = ["nothing", "allow", "deny"];

fn said(word: &str) -> Attached {
    match word {
        "allow" => identity(ALLOW),
        "deny" => identity(&format!("{ALLOW},{DENY}")),
        _ => identity(UNRELATED),
    }
}

fn callers(account: &str) -> [(&'static str, Caller); 3] {
    let id = account.parse().expect("digits");
    [
        ("root", Caller::Root { account: id }),
        (
            "user",
            Caller::User {
                account: id,
                name: "u".into(),
                arn: format!("arn:aws:iam::{account}:user/u").into(),
                user_id: "AIDA".into(),
                session: None,
            },
        ),
        (
            "session",
            Caller::RoleSession {
                account: id,
                role_arn: format!("arn:aws:iam::{account}:role/r").into(),
                session_arn: format!("arn:aws:sts::{account}:assumed-role/r/s").into(),
                assumed_role_id: "AROA:s".into(),
                session: Arc::new(Session::default()),
            },
        ),
    ]
}

/// How a resource policy names the callers of an account, or denies them.
const NAMED: [&str; 7] = ["nobody", "account", "role", "anyone", "itself", "deny", "deny beside itself"];

fn resource(named: &str, account: &str, action: &str) -> Policy {
    let principal = |text: &str| match named {
        "account" => format!(r#"{{"AWS":"{account}"}}"#),
        "role" => format!(r#"{{"AWS":"arn:aws:iam::{account}:role/r"}}"#),
        "anyone" => r#""*""#.to_owned(),
        "nobody" => r#"{"Service":"s3.amazonaws.com"}"#.to_owned(),
        _ => text.to_owned(),
    };
    let itself = format!(
        r#"{{"AWS":["arn:aws:iam::{account}:user/u","arn:aws:sts::{account}:assumed-role/r/s","arn:aws:iam::{account}:root"]}}"#
    );
    let allow =
        format!(r#"{{"Effect":"Allow","Principal":{},"Action":"{action}","Resource":"*"}}"#, principal(&itself));
    let deny = format!(r#"{{"Effect":"Deny","Principal":"*","Action":"{action}","Resource":"*"}}"#);
    let statements = match named {
        "deny" => deny,
        "deny beside itself" => format!("{allow},{deny}"),
        _ => allow,
    };
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Policy::parse(&text, PolicyKind::Resource).expect(&text)
}

/// The guide's answer. `None` as a limit: there is no such policy.
fn expected(
    kind: &str,
    same_account: bool,
    identity: &str,
    boundary: Option<&str>,
    session: Option<&str>,
    named: &str,
    is_trust: bool,
) -> bool {
    if kind == "root" && is_trust || named.starts_with("deny") {
        return false;
    }
    let (identity, boundary, session) =
        if kind == "root" { ("allow", None, None) } else { (identity, boundary, session) };
    if identity == "deny" || boundary == Some("deny") || session == Some("deny") {
        return false;
    }
    let limits = boundary != Some("nothing") && session != Some("nothing");
    let own = identity == "allow" && limits;
    let covers = match named {
        "account" | "anyone" | "itself" => true,
        "role" => kind == "session",
        _ => false,
    };
    if !same_account {
        return own && covers;
    }
    let direct = covers
        && match (named, kind) {
            // The test's "itself" names the account too, which is what root is.
            ("itself", _) | ("account", "root") | ("anyone", "user") => true,
            ("anyone" | "role", _) => limits,
            _ => false,
        };
    direct || (own && (!is_trust || covers))
}

#[test]
fn policies_together_decide_as_the_guide_says() {
    let limits = [None, Some("nothing"), Some("allow"), Some("deny")];
    let mut tried = 0;
    for account in [OWNER, OTHER] {
        for (kind, caller) in callers(account) {
            for (word, boundary, session) in itertools(&WORDS, &limits) {
                for named in NAMED {
                    for is_trust in [false, true] {
                        let action = if is_trust { "sts:AssumeRole" } else { ACTION };
                        let of_action = |word: &str| {
                            let policy = said(word);
                            let text =
                                policy.policy.text().replace("lambda:Invoke*", action).replace("lambda:*", action);
                            Attached {
                                name: policy.name,
                                policy: Arc::new(Policy::parse(&text, PolicyKind::Identity).expect("valid")),
                            }
                        };
                        let resource = resource(named, account, action);
                        let boundary_policy = boundary.map(of_action);
                        let session_policy: Vec<Attached> = session.map(of_action).into_iter().collect();
                        let policies = Policies {
                            identity: &[of_action(word)],
                            boundary: boundary_policy.as_ref(),
                            session: &session_policy,
                            resource: if is_trust {
                                ResourcePolicy::Trust(&resource)
                            } else {
                                ResourcePolicy::Of(&resource)
                            },
                        };
                        let request = Request {
                            caller: &caller,
                            action,
                            resource: FUNCTION,
                            owner: OWNER.parse().expect("digits"),
                            keys: &NoKeys,
                        };
                        let want = expected(kind, account == OWNER, word, boundary, session, named, is_trust);
                        let got = evaluate(&request, &policies);
                        let case =
                            format!("{kind} of {account}: {word} {boundary:?} {session:?} {named} trust={is_trust}");
                        assert_eq!(got.allowed, want, "{case}: {:?}", got.reason);
                        tried += 1;
                    }
                }
            }
        }
    }
    assert_eq!(tried, 2 * 3 * 3 * 4 * 4 * 7 * 2);
}

fn itertools<'a>(
    words: &'a [&'a str],
    limits: &'a [Option<&'a str>],
) -> impl Iterator<Item = (&'a str, Option<&'a str>, Option<&'a str>)> {
    words.iter().flat_map(move |word| {
        limits.iter().flat_map(move |boundary| limits.iter().map(move |session| (*word, *boundary, *session)))
    })
}

#[test]
fn a_service_and_a_stranger_have_the_resource_s_word_alone() {
    let service = Caller::Service { principal: "s3.amazonaws.com", source_arn: None, source_account: None };
    let provider = Caller::Federated { provider_arn: "arn:aws:iam::111111111111:oidc-provider/idp".into() };
    for (caller, named, allowed) in [
        (&service, "nobody", true),
        (&service, "account", false),
        (&service, "anyone", true),
        (&service, "deny", false),
        (&Caller::Anonymous, "anyone", true),
        (&Caller::Anonymous, "itself", false),
        (&provider, "account", false),
    ] {
        let resource = resource(named, OWNER, ACTION);
        let everything = [identity(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)];
        let policies =
            Policies { identity: &everything, resource: ResourcePolicy::Of(&resource), ..Policies::default() };
        let request = Request {
            caller,
            action: ACTION,
            resource: FUNCTION,
            owner: OWNER.parse().expect("digits"),
            keys: &NoKeys,
        };
        assert_eq!(evaluate(&request, &policies).allowed, allowed, "{caller:?} {named}");
        let without = Policies { resource: ResourcePolicy::None, ..policies };
        assert!(!evaluate(&request, &without).allowed);
    }
}

#[test]
fn a_denial_names_what_is_missing_or_denies() {
    let [_, (_, user), (_, session)] = callers(OWNER);
    let message = |caller: &Caller, policies: &Policies<'_>, action: &str| {
        let owner = OWNER.parse().expect("digits");
        let request = Request { caller, action, resource: FUNCTION, owner, keys: &NoKeys };
        evaluate(&request, policies).message("ARN", action, FUNCTION)
    };
    let (allow, deny, nothing) = (said("allow"), said("deny"), said("nothing"));
    let prefix = format!("User: ARN is not authorized to perform: {ACTION} on resource: {FUNCTION}");
    // Source: "Troubleshoot access denied error messages".
    let cases = [
        (Policies::default(), " because no identity-based policy allows the lambda:InvokeFunction action"),
        (
            Policies { identity: std::slice::from_ref(&deny), ..Policies::default() },
            " with an explicit deny in an identity-based policy",
        ),
        (
            Policies { identity: std::slice::from_ref(&allow), boundary: Some(&nothing), ..Policies::default() },
            " because no permissions boundary allows the lambda:InvokeFunction action",
        ),
        (
            Policies { identity: std::slice::from_ref(&allow), boundary: Some(&deny), ..Policies::default() },
            " with an explicit deny in a permissions boundary",
        ),
        (
            Policies {
                identity: std::slice::from_ref(&allow),
                session: std::slice::from_ref(&nothing),
                ..Policies::default()
            },
            " because no session policy allows the lambda:InvokeFunction action",
        ),
    ];
    for (policies, expected) in cases {
        assert_eq!(message(&user, &policies, ACTION), format!("{prefix}{expected}"));
    }
    let denies = resource("deny", OWNER, ACTION);
    let policies = Policies { resource: ResourcePolicy::Of(&denies), ..Policies::default() };
    assert!(message(&session, &policies, ACTION).ends_with(" with an explicit deny in a resource-based policy"));
    let trust = resource("nobody", OWNER, "sts:AssumeRole");
    let policies = Policies { resource: ResourcePolicy::Trust(&trust), ..Policies::default() };
    let text = message(&user, &policies, "sts:AssumeRole");
    assert!(text.ends_with(" because no role trust policy allows the sts:AssumeRole action"), "{text}");
}

#[test]
fn elements_and_their_negations_cover_what_they_say() {
    let [_, (_, user), _] = callers(OWNER);
    for (statement, action, resource, allowed) in [
        (r#""Action":"LAMBDA:invokefunction","Resource":"*""#, ACTION, FUNCTION, true),
        (r#""Action":["s3:*","lambda:Get?unction"],"Resource":"*""#, "lambda:GetFunction", FUNCTION, true),
        (r#""NotAction":"lambda:*","Resource":"*""#, ACTION, FUNCTION, false),
        (r#""NotAction":["s3:*","iam:*"],"Resource":"*""#, ACTION, FUNCTION, true),
        (r#""Action":"*","NotResource":"arn:aws:lambda:*:*:function:f""#, ACTION, FUNCTION, false),
        (r#""Action":"*","NotResource":"arn:aws:lambda:*:*:function:g""#, ACTION, FUNCTION, true),
        (r#""Action":"*","Resource":"arn:aws:lambda:us-east-1:111111111111:function:F""#, ACTION, FUNCTION, false),
        (r#""Action":"*","Resource":"arn:aws:lambda:*:111111111111:function:*""#, ACTION, FUNCTION, true),
    ] {
        let policy = identity(&format!(r#"{{"Effect":"Allow",{statement}}}"#));
        let owner = OWNER.parse().expect("digits");
        let request = Request { caller: &user, action, resource, owner, keys: &NoKeys };
        let policies = Policies { identity: std::slice::from_ref(&policy), ..Policies::default() };
        assert_eq!(evaluate(&request, &policies).allowed, allowed, "{statement}");
    }
}

/// Statements that may or may not apply.
fn statements() -> impl Strategy<Value = Vec<String>> {
    let statement = (
        prop_oneof!["Allow", "Deny"],
        prop_oneof!["\"lambda:\\*\"", "\"lambda:InvokeFunction\"", "\"s3:\\*\"", "\"\\*\""],
        prop_oneof!["Action", "NotAction"],
        prop_oneof!["\"\\*\"", "\"arn:aws:lambda:\\*:\\*:function:f\"", "\"arn:aws:s3:::b\""],
        prop_oneof!["Resource", "NotResource"],
    );
    let text =
        |(effect, action, action_element, resource, resource_element): (String, String, String, String, String)| {
            format!(r#"{{"Effect":"{effect}","{action_element}":{action},"{resource_element}":{resource}}}"#)
        };
    proptest::collection::vec(statement.prop_map(text), 1..6)
}

fn allowed(statements: &[String]) -> bool {
    let [_, (_, user), _] = callers(OWNER);
    let policy = identity(&statements.join(","));
    let owner = OWNER.parse().expect("digits");
    let request = Request { caller: &user, action: ACTION, resource: FUNCTION, owner, keys: &NoKeys };
    evaluate(&request, &Policies { identity: std::slice::from_ref(&policy), ..Policies::default() }).allowed
}

proptest! {
    #[test]
    fn a_deny_added_never_allows(statements in statements(), more in statements(), at: prop::sample::Index) {
        let mut with_denies = statements.clone();
        for statement in more {
            with_denies.insert(at.index(with_denies.len()), statement.replace("Allow", "Deny"));
        }
        prop_assert!(!allowed(&with_denies) || allowed(&statements));
        with_denies.push(DENY.to_owned());
        prop_assert!(!allowed(&with_denies));
    }

    #[test]
    fn an_allow_added_never_denies(statements in statements(), more in statements(), at: prop::sample::Index) {
        let mut with_allows = statements.clone();
        for statement in more {
            with_allows.insert(at.index(with_allows.len()), statement.replace("Deny", "Allow"));
        }
        prop_assert!(!allowed(&statements) || allowed(&with_allows));
    }

    #[test]
    fn the_order_of_statements_does_not_matter(statements in statements()) {
        let mut reversed = statements.clone();
        reversed.reverse();
        prop_assert_eq!(allowed(&statements), allowed(&reversed));
    }
}
