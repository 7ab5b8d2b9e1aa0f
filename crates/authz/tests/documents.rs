//! Documents nobody would write: reading and weighing them ends, in time and without harm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_authz::{Attached, ConditionKeys, Policies, Policy, PolicyKind, Request, ResourcePolicy, Values, evaluate};
use hearth_types::{Caller, Session};
use proptest::prelude::*;
use serde_json::{Value, json};

const KINDS: [PolicyKind; 3] = [PolicyKind::Trust, PolicyKind::Identity, PolicyKind::Resource];
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111111111111:function:f";

/// Has every key, and now and then a list.
struct AnyKey;

impl ConditionKeys for AnyKey {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key.len() % 4 {
            0 => None,
            1 => Some(Values::Many(vec!["a".into(), "2026-01-12T00:00:00Z".into()])),
            2 => Some(Values::One("203.0.113.7".into())),
            _ => Some(Values::One(FUNCTION.into())),
        }
    }
}

fn callers() -> [Caller; 6] {
    let account = "111111111111".parse().expect("digits");
    [
        Caller::Anonymous,
        Caller::Root { account },
        Caller::User {
            account,
            name: "u".into(),
            arn: "arn:aws:iam::111111111111:user/u".into(),
            user_id: "AIDA".into(),
            session: None,
        },
        Caller::RoleSession {
            account,
            role_arn: "arn:aws:iam::111111111111:role/r".into(),
            session_arn: "arn:aws:sts::111111111111:assumed-role/r/s".into(),
            assumed_role_id: "AROA:s".into(),
            session: Arc::new(Session::default()),
        },
        Caller::Federated { provider_arn: "arn:aws:iam::111111111111:oidc-provider/idp".into() },
        Caller::Service { principal: "s3.amazonaws.com", source_arn: None, source_account: None },
    ]
}

/// The document in every place, asked about by every caller.
fn weigh_everywhere(text: &str) {
    for kind in KINDS {
        let Ok(policy) = Policy::parse(text, kind) else { continue };
        assert_eq!(&**policy.text(), text);
        let _ = policy.context_keys();
        let attached = [Attached { name: "p".into(), policy: Arc::new(policy) }];
        for caller in &callers() {
            let owner = "111111111111".parse().expect("digits");
            let request = Request { caller, action: "lambda:InvokeFunction", resource: FUNCTION, owner, keys: &AnyKey };
            for resource in [ResourcePolicy::Of(&attached[0].policy), ResourcePolicy::Trust(&attached[0].policy)] {
                let policies =
                    Policies { identity: &attached, boundary: Some(&attached[0]), session: &attached, resource };
                let decision = evaluate(&request, &policies);
                let _ = (decision.message("ARN", "a:b", FUNCTION), decision.reason.to_string());
            }
        }
    }
}

/// Text that means something to some part of a policy.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a:*?${}', /.\\-é]{0,12}",
        2 => proptest::sample::select(&[
            "*", "lambda:*", "sts:AssumeRole", "arn:aws:lambda:*:*:function:${aws:x}", "${aws:username", "2012-10-17",
            "2008-10-17", "Allow", "Deny", "111111111111", "arn:aws:iam::111111111111:root", "s3.amazonaws.com",
            "true", "1e400", "-0", "2026-13-45T99:00:00Z", "::ffff:1.2.3.4/129", "10.0.0.0/8", "arn:a:b:c:${d:e}:f",
        ][..]).prop_map(str::to_owned),
    ]
}

fn json_of(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(text(), inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

const OPERATORS: [&str; 8] = ["String", "Numeric", "Date", "Bool", "Binary", "Ip", "Arn", "Null"];
const COMPARISONS: [&str; 8] =
    ["Equals", "NotEquals", "Like", "NotLike", "LessThan", "Address", "EqualsIgnoreCase", ""];

/// Right in outline, wrong in places.
fn document() -> impl Strategy<Value = String> {
    let operator =
        (0..3_usize, 0..8_usize, 0..8_usize, any::<bool>()).prop_map(|(set, operator, comparison, optional)| {
            let set = ["", "ForAnyValue:", "ForAllValues:"][set];
            let suffix = if optional { "IfExists" } else { "" };
            format!("{set}{}{}{suffix}", OPERATORS[operator], COMPARISONS[comparison])
        });
    let values = proptest::collection::vec(text(), 0..3);
    let statement = (
        proptest::sample::select(&["Allow", "Deny"][..]),
        proptest::sample::select(&["Action", "NotAction"][..]),
        prop_oneof![
            Just("lambda:*".to_owned()),
            Just("*".to_owned()),
            "lambda:[IFa-z*?]{1,20}",
            Just("sts:*".to_owned())
        ],
        proptest::sample::select(&["Resource", "NotResource", ""][..]),
        prop_oneof![Just("*".to_owned()), text().prop_map(|text| format!("arn:aws:lambda:*:*:{text}"))],
        proptest::sample::select(&["Principal", "NotPrincipal", ""][..]),
        prop_oneof![Just(json!("*")), text().prop_map(|text| json!({"AWS": text})), json_of(2)],
        (operator, text(), prop_oneof![values.prop_map(Value::from), json_of(1)], any::<bool>()),
    );
    let statement = statement.prop_map(|(effect, act, action, res, resource, who, principal, condition)| {
        let mut statement = json!({"Effect": effect, act: action});
        if !res.is_empty() {
            statement[res] = resource.into();
        }
        if !who.is_empty() {
            statement[who] = principal;
        }
        let (operator, key, values, is_there) = condition;
        if is_there {
            statement["Condition"] = json!({operator: {key: values}});
        }
        statement
    });
    let version = proptest::sample::select(&["2012-10-17", "2008-10-17"][..]);
    (version, proptest::collection::vec(statement, 0..3))
        .prop_map(|(version, statements)| json!({"Version": version, "Statement": statements}).to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_document_breaks_the_evaluator(text in document()) {
        weigh_everywhere(&text);
    }

    #[test]
    fn no_json_breaks_the_reader(value in json_of(6)) {
        weigh_everywhere(&value.to_string());
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,200}") {
        weigh_everywhere(&text);
    }
}

#[test]
fn deep_nesting_is_refused_and_does_no_harm() {
    for (open, close) in [("[", "]"), ("{\"Statement\":", "}"), ("{\"a\":[", "]}")] {
        let text = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        for kind in KINDS {
            assert!(Policy::parse(&text, kind).is_err(), "{open} {kind:?}");
        }
    }
    let inner = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(r#"{{"Statement":{{"Effect":"Allow","Principal":{inner},"Action":"*","Resource":"*"}}}}"#);
    assert!(Policy::parse(&text, PolicyKind::Resource).is_err());
}

/// The largest document IAM takes, full of stars.
#[test]
fn a_hostile_document_is_weighed_in_time() {
    for resource in ["*a".repeat(3_000), format!("*:{}", "*a".repeat(3_000)), "${aws:xyz}*".repeat(500)] {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": format!("arn:aws:s3:::{resource}b")});
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let policy = Policy::parse(&text, PolicyKind::Identity).expect("valid");
        let identity = [Attached { name: "p".into(), policy: Arc::new(policy) }];
        let target = format!("arn:aws:s3:::{}", "a".repeat(1_000));
        let owner = "111111111111".parse().expect("digits");
        let [_, _, caller, ..] = callers();
        let request = Request { caller: &caller, action: "s3:GetObject", resource: &target, owner, keys: &AnyKey };
        let started = Instant::now();
        assert!(!evaluate(&request, &Policies { identity: &identity, ..Policies::default() }).allowed);
        // Backtracking without bounds would take longer than anyone lives.
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{} of {:?}",
            started.elapsed().as_millis(),
            resource.len()
        );
    }
}
