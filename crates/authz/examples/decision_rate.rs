//! Decisions per second on one core, for a caller with ten policies of five statements each.
//!
//! `cargo run --release -p hearth-authz --example decision_rate`

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_authz::{Attached, ConditionKeys, Policies, Policy, PolicyKind, Request, ResourcePolicy, Values, evaluate};
use hearth_types::{AccountId, Caller};

const POLICIES: usize = 10;
const WANTED_PER_SECOND: f64 = 200_000.0;
const MEASURED: Duration = Duration::from_secs(2);

struct Keys;

impl ConditionKeys for Keys {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "aws:sourceip" => Some(Values::One(Cow::Borrowed("203.0.113.7"))),
            "aws:username" => Some(Values::One(Cow::Borrowed("ann"))),
            "aws:principaltag/team" => Some(Values::One(Cow::Borrowed("red"))),
            "aws:requestedregion" => Some(Values::One(Cow::Borrowed("us-east-1"))),
            _ => None,
        }
    }
}

/// What people write: wildcards in actions and resources, variables, conditions, a deny.
fn policy(number: usize) -> Attached {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Sid":"a","Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"arn:aws:s3:::bucket-{number}/${{aws:username}}/*"}},
        {{"Sid":"b","Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:queue-{number}-*"}},
        {{"Sid":"c","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"NotIpAddress":{{"aws:SourceIp":"203.0.113.0/24"}}}}}},
        {{"Sid":"d","Effect":"Allow","Action":"lambda:Invoke*","Resource":"arn:aws:lambda:*:*:function:team-{number}-*","Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"red"}}}}}},
        {{"Sid":"e","Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}}]}}"#
    );
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
    let identity: Vec<Attached> = (0..POLICIES).map(policy).collect();
    let policies = Policies { identity: &identity, resource: ResourcePolicy::None, ..Policies::default() };
    println!("decisions on one core, {POLICIES} policies of 5 statements (wanted: {WANTED_PER_SECOND}/s)");
    for (what, function, allowed) in [
        ("allowed by the last policy", "team-9-job", true),
        ("allowed by nothing", "someone-else", false),
        ("allowed by the first policy", "team-0-job", true),
    ] {
        let resource = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let request = Request {
            caller: &caller,
            action: "lambda:InvokeFunction",
            resource: &resource,
            owner: AccountId::DEFAULT,
            keys: &Keys,
        };
        assert_eq!(evaluate(&request, &policies).allowed, allowed);
        let started = Instant::now();
        let mut decisions = 0_u32;
        while started.elapsed() < MEASURED {
            for _ in 0..100 {
                black_box(evaluate(black_box(&request), black_box(&policies)));
            }
            decisions += 100;
        }
        let seconds = started.elapsed().as_secs_f64();
        let per_second = f64::from(decisions) / seconds;
        println!("  {what:<28} {per_second:>10.0}/s  {:>6.0} ns", 1e9 / per_second);
    }
}
