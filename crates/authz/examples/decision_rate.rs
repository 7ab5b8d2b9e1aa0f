//! Decisions per second on one core, for a caller with ten policies of five statements each.
//!
//! `cargo run --release -p hearth-authz --example decision_rate`

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;

use hearth_authz::{Attached, ConditionKeys, Policies, Policy, PolicyKind, Request, ResourcePolicy, Values, evaluate};
use hearth_types::{AccountId, Caller};
use rustix::time::{ClockId, clock_gettime};

const POLICIES: usize = 10;
const WANTED_PER_SECOND: f64 = 200_000.0;
/// Many short windows, of which the fastest counts: others use the machine, too.
const WINDOWS: usize = 20;
const BATCH: u32 = 10_000;

struct Keys;

impl ConditionKeys for Keys {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "aws:sourceip" => Some(Values::One(Cow::Borrowed("203.0.113.7"))),
            "aws:username" => Some(Values::One(Cow::Borrowed("ann"))),
            "aws:principaltag/team" => Some(Values::One(Cow::Borrowed("red"))),
            "aws:requestedregion" => Some(Values::One(Cow::Borrowed("us-east-1"))),
            "aws:currenttime" => Some(Values::One(Cow::Borrowed("2026-01-12T15:37:12Z"))),
            _ => None,
        }
    }
}

/// What people write: wildcards in actions and resources, variables, conditions, a deny.
fn usual(number: usize) -> String {
    format!(
        r#"
        {{"Sid":"a","Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"arn:aws:s3:::bucket-{number}/${{aws:username}}/*"}},
        {{"Sid":"b","Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:queue-{number}-*"}},
        {{"Sid":"c","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"NotIpAddress":{{"aws:SourceIp":"203.0.113.0/24"}}}}}},
        {{"Sid":"d","Effect":"Allow","Action":"lambda:Invoke*","Resource":"arn:aws:lambda:*:*:function:team-{number}-*-v?","Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"red"}}}}}},
        {{"Sid":"e","Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}}"#
    )
}

/// Every statement is read to its last condition, which does not hold: variables, wildcards, dates, lists.
fn worst(number: usize) -> String {
    let statement = |at: usize| {
        format!(
            r#"{{"Effect":"Deny","Action":["s3:*","lambda:*Function"],"Resource":"arn:aws:lambda:*:*:function:*{number}*o*e*{at}*${{aws:username}}*else",
            "Condition":{{"ArnLike":{{"aws:SourceArn":"arn:aws:sqs:*:*:*"}}}}}},
            {{"Effect":"Deny","Action":["s3:*","lambda:*Function"],"Resource":"*","Condition":{{
            "DateGreaterThan":{{"aws:CurrentTime":"2026-01-01T00:00:00Z"}},"StringLike":{{"aws:PrincipalTag/team":["b*","*r*d*"]}},
            "StringNotEqualsIgnoreCase":{{"aws:username":["ANN","bob"]}}}}}}"#
        )
    };
    let last = r#"{"Effect":"Allow","NotAction":["s3:*","iam:*","lambda:Get*"],"NotResource":["arn:aws:lambda:*:*:function:*-else"]}"#;
    [statement(1), statement(2), last.to_owned()].join(",")
}

fn policy(number: usize, statements: &str) -> Attached {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    match Policy::parse(&text, PolicyKind::Identity) {
        Ok(policy) => Attached { name: format!("policy-{number}").into(), policy: Arc::new(policy) },
        Err(error) => panic!("{error}: {text}"),
    }
}

fn main() {
    let caller = Caller::User {
        account: AccountId::DEFAULT,
        name: "ann".into(),
        arn: "arn:aws:iam::000000000000:user/ann".into(),
        user_id: "AIDA".into(),
        session: None,
    };
    let usual: Vec<Attached> = (0..POLICIES).map(|number| policy(number, &usual(number))).collect();
    let worst: Vec<Attached> = (0..POLICIES).map(|number| policy(number, &worst(number))).collect();
    println!("decisions on one core, {POLICIES} policies of 5 statements (wanted: {WANTED_PER_SECOND}/s)");
    for (what, identity, function, allowed) in [
        ("allowed by the first policy", &usual, "team-0-job-v1", true),
        ("allowed by the last policy", &usual, "team-9-job-v1", true),
        ("allowed by nothing", &usual, "someone-else", false),
        ("worst: every condition is read", &worst, "someone-else", false),
    ] {
        let resource = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let request = Request {
            caller: &caller,
            action: "lambda:InvokeFunction",
            resource: &resource,
            owner: AccountId::DEFAULT,
            keys: &Keys,
        };
        let policies = Policies { identity, resource: ResourcePolicy::None, ..Policies::default() };
        assert_eq!(evaluate(&request, &policies).allowed, allowed, "{what}");
        let fastest = (0..WINDOWS).map(|_| ns_per_decision(&request, &policies)).fold(f64::INFINITY, f64::min);
        println!("  {what:<31} {:>10.0}/s  {fastest:>6.0} ns", 1e9 / fastest);
    }
}

fn ns_per_decision(request: &Request<'_>, policies: &Policies<'_>) -> f64 {
    let started_ns = cpu_ns();
    for _ in 0..BATCH {
        black_box(evaluate(black_box(request), black_box(policies)));
    }
    (cpu_ns() - started_ns) / f64::from(BATCH)
}

/// What this thread has had of a processor: others' share does not count.
fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
