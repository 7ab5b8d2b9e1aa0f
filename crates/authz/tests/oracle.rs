//! Random identity policies, decided here and by a published evaluator of another origin (`iam-rs`): both must agree.
//!
//! It does not cover boundaries, session policies and accounts, so one identity policy at a time is compared. What it
//! leaves out, or decides otherwise than the IAM user guide says, is kept out of the cases by these rules:
//!
//! | it | the guide | so the cases have |
//! |---|---|---|
//! | has no set prefix beside String, Arn and Bool, none with IfExists | each operator takes both | neither |
//! | compares `ArnEquals` as text | behaves as `ArnLike` ("ARN condition operators") | no wildcards with it |
//! | lets `*` of conditions on ARNs cross parts | each of the six parts on its own | as many colons in ARNs as in patterns |
//! | refuses a wildcard as the service of a resource, and lets `*` cross colons behind it | "Resource" | the same, named services |
//! | compares `BinaryEquals` regardless of case and padding | byte for byte | no Binary |
//! | expands variables in resources only, one without value as nothing, and reads wildcards in values | "Variables and tags" | variables in resources, with plain values that are there |
//! | takes a list without members for a key that is there | a null data set is no value | lists with members |
//! | lets any member of a list satisfy a negated operator without set prefix | lists want a set prefix | lists behind prefixes only |
//! | looks at the first value of `Null` only, and errs on values that are no number, date, boolean or network | | one value; well-formed values in policies, any in requests |

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_authz::{Attached, ConditionKeys, Policies, Policy, PolicyKind, Request, Values, evaluate};
use hearth_types::Caller;
use iam_rs::{Arn, Context, ContextValue, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const CASES: u32 = 6_000;
const USER: &str = "arn:aws:iam::111111111111:user/ann";

/// What a request says of a key.
#[derive(Clone, Debug)]
enum Said {
    Text(String),
    List(Vec<String>),
    Flag(bool),
}

type Keys = BTreeMap<&'static str, Said>;

struct Ours<'a>(&'a Keys);

impl ConditionKeys for Ours<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        Some(match self.0.get(key)? {
            Said::Text(text) => Values::One(text.into()),
            Said::List(texts) => Values::Many(texts.iter().map(Into::into).collect()),
            Said::Flag(flag) => Values::One(if *flag { "true" } else { "false" }.into()),
        })
    }
}

fn theirs(keys: &Keys) -> Context {
    let mut context = Context::new();
    for (key, said) in keys {
        let value = match said {
            Said::Text(text) => ContextValue::String(text.clone()),
            Said::List(texts) => ContextValue::StringList(texts.clone()),
            Said::Flag(flag) => ContextValue::Boolean(*flag),
        };
        context.insert((*key).to_owned(), value);
    }
    context
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(texts).prop_map(str::to_owned)
}

const TEXTS: &[&str] = &["red", "Red", "blue", "", "r*d", "r?d", "*", "redder", "b*"];
const NUMBERS: &[&str] = &["1", "1.0", "2", "-3", "0.5", "100"];
const DATES: &[&str] = &["2026-01-12T00:00:00Z", "1768176000", "2026-01-12T01:00:00+01:00", "2025-12-31T23:59:59Z"];
const NETWORKS: &[&str] = &["203.0.113.0/24", "203.0.113.7", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"];
const ADDRESSES: &[&str] = &["203.0.113.7", "203.0.113.8", "10.1.2.3", "2001:db8::1", "8.8.8.8", "nowhere"];
const ARNS: &[&str] = &["arn:aws:sns:us-east-1:1:t", "arn:aws:sns:eu-west-1:1:t", "arn:aws:sqs:us-east-1:2:q"];
const ARN_PATTERNS: &[&str] =
    &["arn:aws:sns:*:1:t", "arn:aws:s*:us-*-1:*:?", "arn:*:sqs:us-east-1:2:q", "arn:aws:sns:us-east-1:1:*"];

fn keys() -> impl Strategy<Value = Keys> {
    let maybe = |texts: &'static [&'static str]| proptest::option::of(one_of(texts));
    let number = maybe(&["1", "2", "-3", "0.5", "99", "many"]);
    let date = maybe(&["2026-01-12T00:00:00Z", "1768176000", "1768176001", "2025-01-01T00:00:00Z", "today"]);
    let list = proptest::option::of(vec(one_of(TEXTS), 1..4));
    let flag = proptest::option::of(any::<bool>());
    (maybe(TEXTS), list, number, date, flag, maybe(ADDRESSES), maybe(ARNS)).prop_map(
        |(text, list, number, date, flag, address, arn)| {
            let mut keys = Keys::from([("aws:username", Said::Text("ann".to_owned()))]);
            let texts =
                [("k:text", text), ("k:number", number), ("k:date", date), ("k:address", address), ("k:arn", arn)];
            keys.extend(texts.into_iter().filter_map(|(key, text)| Some((key, Said::Text(text?)))));
            keys.extend(list.map(|list| ("k:list", Said::List(list))));
            keys.extend(flag.map(|flag| ("k:flag", Said::Flag(flag))));
            keys
        },
    )
}

/// Operator, key and the values it is compared with.
fn condition() -> impl Strategy<Value = (String, &'static str, Value)> {
    let plain = |names: &'static [&'static str], key: &'static str, values: &'static [&'static str]| {
        (select(names), select(&["", "IfExists"][..]), vec(one_of(values), 1..3))
            .prop_map(move |(name, suffix, values)| (format!("{name}{suffix}"), key, json!(values)))
    };
    let of_set = |names: &'static [&'static str], key: &'static str, values: &'static [&'static str]| {
        (select(&["ForAnyValue:", "ForAllValues:"][..]), select(names), vec(one_of(values), 1..3))
            .prop_map(move |(prefix, name, values)| (format!("{prefix}{name}"), key, json!(values)))
    };
    const STRING: &[&str] = &[
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
    ];
    const NUMERIC: &[&str] = &[
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
    ];
    const DATE: &[&str] = &[
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
    ];
    const LIKE: &[&str] = &["ArnLike", "ArnNotLike"];
    const EQUALS: &[&str] = &["ArnEquals", "ArnNotEquals"];
    prop_oneof![
        3 => plain(STRING, "k:text", TEXTS),
        2 => of_set(STRING, "k:text", TEXTS),
        3 => of_set(STRING, "k:list", TEXTS),
        2 => plain(NUMERIC, "k:number", NUMBERS),
        2 => plain(DATE, "k:date", DATES),
        1 => plain(&["Bool"], "k:flag", &["true", "false"]),
        1 => plain(&["IpAddress", "NotIpAddress"], "k:address", NETWORKS),
        1 => plain(LIKE, "k:arn", ARN_PATTERNS),
        1 => of_set(LIKE, "k:arn", ARN_PATTERNS),
        1 => plain(EQUALS, "k:arn", ARNS),
        1 => (select(&["k:text", "k:list", "k:flag", "k:none"][..]), one_of(&["true", "false"]))
            .prop_map(|(key, value)| ("Null".to_owned(), key, json!(value))),
    ]
}

fn statement() -> impl Strategy<Value = Value> {
    let action = prop_oneof![
        Just("*".to_owned()),
        "(lambda|s3|S3):\\*",
        "(lambda|s3):(Get|get|Put|I|[?])[*]",
        "(lambda|s3):([A-Z?*]et|Put)(Obj|Fun[?*])[*]",
        Just("lambda:InvokeFunction".to_owned()),
    ];
    let resource = prop_oneof![
        2 => Just("*".to_owned()),
        3 => "arn:(aws|aw[?]|[*]):lambda:(us-east-1|us-[*]|[*]|us-[*]-1):(111111111111|[*]|1[?*]1):[fg*?]{1,3}",
        3 => "arn:aws:s3:[*]?:[*]?:b[*?/nxa]{0,4}",
        1 => one_of(&["arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/${AWS:UserName}", "arn:aws:s3:::*/${aws:username}/?"]),
    ];
    let action_element = select(&["Action", "Action", "NotAction"][..]);
    let resource_element = select(&["Resource", "Resource", "NotResource"][..]);
    let effect = select(&["Allow", "Allow", "Deny"][..]);
    let parts =
        (effect, action_element, vec(action, 1..3), resource_element, vec(resource, 1..3), vec(condition(), 0..3));
    parts.prop_map(|(effect, action_element, actions, resource_element, resources, conditions)| {
        let mut statement = json!({"Effect": effect, action_element: actions, resource_element: resources});
        for (operator, key, values) in conditions {
            statement["Condition"][operator][key] = values;
        }
        statement
    })
}

const RESOURCES: &[&str] = &[
    "arn:aws:lambda:us-east-1:111111111111:f",
    "arn:aws:lambda:eu-west-1:111111111111:fg",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/ann/x",
    "arn:aws:s3:::b/ann",
];
const ACTIONS: &[&str] =
    &["lambda:InvokeFunction", "lambda:GetFunction", "s3:GetObject", "S3:putobject", "s3:PutObjectAcl"];

#[test]
fn a_published_evaluator_decides_alike() {
    let user = Caller::User {
        account: "111111111111".parse().expect("digits"),
        name: "ann".into(),
        arn: USER.into(),
        user_id: "AIDA".into(),
        session: None,
    };
    let (allows, denies) = (Cell::new(0_u32), Cell::new(0_u32));
    let cases = (vec(statement(), 1..5), select(ACTIONS), select(RESOURCES), keys());
    let mut runner = TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() });
    let result = runner.run(&cases, |(statements, action, resource, keys)| {
        let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();

        let policy: IAMPolicy = serde_json::from_str(&text).expect(&text);
        let principal = Principal::Aws(PrincipalId::String(USER.to_owned()));
        let arn = Arn::parse(resource).expect(resource);
        let request = IAMRequest::new_with_context(principal, action, arn, theirs(&keys));
        let expected = evaluate_policy(&policy, &request).expect(&text) == Decision::Allow;

        let policy = Policy::parse(&text, PolicyKind::Identity).expect(&text);
        let identity = [Attached { name: "p".into(), policy: Arc::new(policy) }];
        let owner = "111111111111".parse().expect("digits");
        let request = Request { caller: &user, action, resource, owner, keys: &Ours(&keys) };
        let got = evaluate(&request, &Policies { identity: &identity, ..Policies::default() });

        prop_assert_eq!(got.allowed, expected, "{} {} {:?} {}", action, resource, keys, text);
        let count = if expected { &allows } else { &denies };
        count.set(count.get() + 1);
        Ok(())
    });
    if let Err(difference) = result {
        panic!("{difference}");
    }
    assert!(allows.get() > CASES / 10 && denies.get() > CASES / 10, "cases that tell nothing: {allows:?} {denies:?}");
}
