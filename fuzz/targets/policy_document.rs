//! Any text as a policy of each kind. One that is a policy is weighed in every place, for every kind of caller.
//!
//! Neither may panic, and what says nothing of allowing must allow nobody but the account itself.
#![no_main]

use std::sync::Arc;

use hearth_authz::{Attached, ConditionKeys, Policies, Policy, PolicyKind, Request, ResourcePolicy, Values, evaluate};
use hearth_types::{AccountId, Caller, Session};
use libfuzzer_sys::fuzz_target;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

struct Keys;

impl ConditionKeys for Keys {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "aws:username" => Some(Values::One("ann".into())),
            "aws:currenttime" => Some(Values::One("2026-01-12T15:37:12Z".into())),
            "aws:sourceip" => Some(Values::One("203.0.113.7".into())),
            "aws:sourcearn" => Some(Values::One("arn:aws:sqs:us-east-1:000000000000:q".into())),
            "aws:securetransport" => Some(Values::One("true".into())),
            "aws:multifactorauthage" => Some(Values::One("3600".into())),
            "aws:tagkeys" => Some(Values::Many(vec!["team".into(), "unit".into()])),
            _ => None,
        }
    }
}

fn callers() -> [Caller; 6] {
    let account = AccountId::DEFAULT;
    [
        Caller::Root { account },
        Caller::User {
            account,
            name: "ann".into(),
            arn: "arn:aws:iam::000000000000:user/ann".into(),
            user_id: "AIDA".into(),
            session: None,
        },
        Caller::RoleSession {
            account,
            role_arn: "arn:aws:iam::000000000000:role/r".into(),
            session_arn: "arn:aws:sts::000000000000:assumed-role/r/s".into(),
            assumed_role_id: "AROA:s".into(),
            session: Arc::new(Session::default()),
        },
        Caller::Service { principal: "s3.amazonaws.com", source_arn: None, source_account: None },
        Caller::Federated { provider_arn: "arn:aws:iam::000000000000:oidc-provider/idp".into() },
        Caller::Anonymous,
    ]
}

fuzz_target!(|text: &str| {
    // An escape may spell the word, too.
    let may_allow = text.contains("Allow") || text.contains('\\');
    for kind in [PolicyKind::Trust, PolicyKind::Identity, PolicyKind::Resource] {
        let Ok(policy) = Policy::parse(text, kind) else { continue };
        let _ = policy.context_keys();
        let attached = Attached { name: "p".into(), policy: Arc::new(policy) };
        for caller in &callers() {
            for action in ["lambda:InvokeFunction", "sts:AssumeRole"] {
                let request = Request { caller, action, resource: FUNCTION, owner: AccountId::DEFAULT, keys: &Keys };
                let everywhere = Policies {
                    identity: std::slice::from_ref(&attached),
                    boundary: Some(&attached),
                    session: std::slice::from_ref(&attached),
                    resource: match kind {
                        PolicyKind::Trust => ResourcePolicy::Trust(&attached.policy),
                        PolicyKind::Identity => ResourcePolicy::None,
                        PolicyKind::Resource => ResourcePolicy::Of(&attached.policy),
                    },
                };
                let decision = evaluate(&request, &everywhere);
                let is_root = matches!(caller, Caller::Root { .. });
                assert!(may_allow || is_root || !decision.allowed, "allowed by {}", decision.reason);
                let _ = decision.message("ARN", action, FUNCTION);
            }
        }
    }
});
