//! The elements of a statement, each as the IAM user guide's page about it says.

use std::sync::Arc;

use hearth_authz::{
    Attached, ConditionKeys, Decision, Policies, Policy, PolicyKind, Reason, Request, ResourcePolicy, Source, Values,
    evaluate,
};
use hearth_types::{AccountId, Caller, Session};

struct Keys;

impl ConditionKeys for Keys {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "aws:username" => Some(Values::One("ann".into())),
            "aws:principaltag/team" => Some(Values::One("r*d".into())),
            "aws:tagkeys" => Some(Values::Many(vec!["a".into(), "b".into()])),
            "s3:prefix" => Some(Values::One("home/ann".into())),
            _ => None,
        }
    }
}

fn account(id: &str) -> AccountId {
    id.parse().expect("digits")
}

fn user() -> Caller {
    Caller::User {
        account: account("111111111111"),
        name: "ann".into(),
        arn: "arn:aws:iam::111111111111:user/ann".into(),
        user_id: "AIDA".into(),
        session: None,
    }
}

fn session() -> Caller {
    Caller::RoleSession {
        account: account("111111111111"),
        role_arn: "arn:aws:iam::111111111111:role/r".into(),
        session_arn: "arn:aws:sts::111111111111:assumed-role/r/s".into(),
        assumed_role_id: "AROA:s".into(),
        session: Arc::new(Session::default()),
    }
}

fn service() -> Caller {
    Caller::Service { principal: "s3.amazonaws.com", source_arn: None, source_account: None }
}

fn policy(version: &str, statements: &str, kind: PolicyKind) -> Policy {
    let text = format!(r#"{{"Version":"{version}","Statement":[{statements}]}}"#);
    Policy::parse(&text, kind).expect(&text)
}

/// Decides by one identity policy.
fn by_identity(version: &str, statements: &str, action: &str, resource: &str) -> Decision {
    let policy = Arc::new(policy(version, statements, PolicyKind::Identity));
    let identity = [Attached { name: "p".into(), policy }];
    let caller = user();
    let request = Request { caller: &caller, action, resource, owner: account("111111111111"), keys: &Keys };
    evaluate(&request, &Policies { identity: &identity, ..Policies::default() })
}

/// Decides by a resource's policy that speaks of `principal`; `effect` "Deny" stands beside an allow for everyone.
fn by_resource(effect: &str, principal: &str, caller: &Caller) -> bool {
    let rest = r#""Action":"lambda:InvokeFunction","Resource":"*""#;
    let mut statements = format!(r#"{{"Effect":"{effect}",{principal},{rest}}}"#);
    if effect == "Deny" {
        statements.push_str(&format!(r#",{{"Effect":"Allow","Principal":"*",{rest}}}"#));
    }
    let policy = policy("2012-10-17", &statements, PolicyKind::Resource);
    let (action, resource) = ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:111111111111:function:f");
    let request = Request { caller, action, resource, owner: account("111111111111"), keys: &Keys };
    evaluate(&request, &Policies { resource: ResourcePolicy::Of(&policy), ..Policies::default() }).allowed
}

// Source: "IAM policy elements: Variables and tags".
#[test]
fn variables_stand_for_values_of_the_request() {
    for (element, resource, allowed_2012, allowed_2008) in [
        (r#""Resource":"arn:aws:s3:::b/${aws:username}/*""#, "arn:aws:s3:::b/ann/x", true, false),
        (r#""Resource":"arn:aws:s3:::b/${AWS:USERNAME}/*""#, "arn:aws:s3:::b/ann/x", true, false),
        (r#""Resource":"arn:aws:s3:::b/${aws:username}/*""#, "arn:aws:s3:::b/bob/x", false, false),
        (r#""Resource":"arn:aws:s3:::b/${aws:username}""#, "arn:aws:s3:::b/${aws:username}", false, true),
        // Not there: no value is equal or alike.
        (r#""Resource":"arn:aws:s3:::b/${aws:none}""#, "arn:aws:s3:::b/", false, false),
        (r#""Resource":"arn:aws:s3:::b/${aws:none, 'all'}""#, "arn:aws:s3:::b/all", true, false),
        (r#""Resource":"arn:aws:s3:::b/${aws:username, 'all'}""#, "arn:aws:s3:::b/all", false, false),
        (r#""NotResource":"arn:aws:s3:::b/${aws:none}""#, "arn:aws:s3:::b/x", true, true),
        // Several values are none a variable can stand for.
        (r#""Resource":"arn:aws:s3:::b/${aws:tagkeys}""#, "arn:aws:s3:::b/a", false, false),
        // A wildcard in a value is a character.
        (r#""Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}""#, "arn:aws:s3:::b/r*d", true, false),
        (r#""Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}""#, "arn:aws:s3:::b/red", false, false),
        (r#""Resource":"arn:aws:s3:::b/${*}${?}${$}""#, "arn:aws:s3:::b/*?$", true, false),
        (r#""Resource":"arn:aws:s3:::b/${*}""#, "arn:aws:s3:::b/x", false, false),
        (
            r#""Resource":"*","Condition":{"StringEquals":{"s3:prefix":"home/${aws:username}"}}"#,
            "arn:aws:s3:::b",
            true,
            false,
        ),
        (
            r#""Resource":"*","Condition":{"StringNotEquals":{"s3:prefix":"home/${aws:none}"}}"#,
            "arn:aws:s3:::b",
            true,
            true,
        ),
    ] {
        let statement = format!(r#"{{"Effect":"Allow","Action":"s3:*",{element}}}"#);
        for (version, allowed) in [("2012-10-17", allowed_2012), ("2008-10-17", allowed_2008)] {
            let got = by_identity(version, &statement, "s3:GetObject", resource).allowed;
            assert_eq!(got, allowed, "{version} {element} {resource}");
        }
    }
}

// Source: "IAM JSON policy elements: Action": prefix and name are not case-sensitive; "NotAction", "NotResource".
#[test]
fn actions_and_resources_are_covered_or_left_out() {
    for (statement, action, allowed) in [
        (r#""Action":"S3:getobject","Resource":"*""#, "s3:GetObject", true),
        (r#""Action":"s3:GetObject?","Resource":"*""#, "s3:GetObject", false),
        (r#""NotAction":"S3:*","Resource":"*""#, "s3:GetObject", false),
        (r#""NotAction":["iam:*","S3:Put*"],"Resource":"*""#, "s3:GetObject", true),
        (r#""Action":"s3:*","NotResource":["arn:aws:s3:::other","arn:aws:s3:::b*"]"#, "s3:GetObject", false),
        (r#""Action":"s3:*","NotResource":["arn:aws:s3:::other"]"#, "s3:GetObject", true),
        (r#""NotAction":"iam:*","NotResource":"arn:aws:s3:::other""#, "s3:GetObject", true),
    ] {
        let statement = format!(r#"{{"Effect":"Allow",{statement}}}"#);
        let got = by_identity("2012-10-17", &statement, action, "arn:aws:s3:::b/x").allowed;
        assert_eq!(got, allowed, "{statement}");
    }
}

// Source: "Conditions with multiple context keys or values": operators and keys are ANDed, values ORed.
#[test]
fn conditions_hold_together_and_values_are_alternatives() {
    let is_ann = r#""aws:username":["bob","ann"]"#;
    for (condition, allowed) in [
        (format!(r#"{{"StringEquals":{{{is_ann},"s3:prefix":"home/ann"}}}}"#), true),
        (format!(r#"{{"StringEquals":{{{is_ann},"s3:prefix":"home/bob"}}}}"#), false),
        (format!(r#"{{"StringEquals":{{{is_ann}}},"StringLike":{{"s3:prefix":"home/*"}}}}"#), true),
        (format!(r#"{{"StringEquals":{{{is_ann}}},"StringLike":{{"s3:prefix":"work/*"}}}}"#), false),
        (format!(r#"{{"StringEquals":{{{is_ann}}},"Bool":{{"aws:SecureTransport":true}}}}"#), false),
        (format!(r#"{{"StringEquals":{{{is_ann}}},"BoolIfExists":{{"aws:SecureTransport":true}}}}"#), true),
        (r#"{"StringNotEquals":{"aws:username":["bob","ann"]}}"#.to_owned(), false),
        ("{}".to_owned(), true),
    ] {
        let statement = format!(r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{condition}}}"#);
        let got = by_identity("2012-10-17", &statement, "s3:ListBucket", "arn:aws:s3:::b").allowed;
        assert_eq!(got, allowed, "{condition}");
    }
}

// Source: "AWS JSON policy elements: Principal".
#[test]
fn a_principal_allows_whom_it_names() {
    for (principal, of_user, of_session, of_service) in [
        (r#""Principal":"*""#, true, true, true),
        (r#""Principal":{"AWS":"arn:aws:iam::111111111111:user/ann"}"#, true, false, false),
        (r#""Principal":{"AWS":"arn:aws:iam::111111111111:role/r"}"#, false, true, false),
        (r#""Principal":{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s"}"#, false, true, false),
        (r#""Principal":{"AWS":"arn:aws:sts::111111111111:assumed-role/r/other"}"#, false, false, false),
        // An account delegates to its own policies, and there are none.
        (r#""Principal":{"AWS":"111111111111"}"#, false, false, false),
        (r#""Principal":{"Service":["sns.amazonaws.com","s3.amazonaws.com"]}"#, false, false, true),
        (r#""Principal":{"CanonicalUser":"79a59df900b949e5"}"#, false, false, false),
    ] {
        let got = [user(), session(), service()].map(|caller| by_resource("Allow", principal, &caller));
        assert_eq!(got, [of_user, of_session, of_service], "{principal}");
    }
}

#[test]
fn of_several_statements_the_one_that_names_the_caller_itself_counts() {
    let statement = |principal: &str| {
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"lambda:*","Resource":"*"}}"#)
    };
    let (account, itself) = (statement("111111111111"), statement("arn:aws:iam::111111111111:user/ann"));
    for statements in [format!("{account},{itself}"), format!("{itself},{account}")] {
        let policy = policy("2012-10-17", &statements, PolicyKind::Resource);
        let (action, resource) = ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:111111111111:function:f");
        let (caller, owner) = (user(), "111111111111".parse().expect("digits"));
        let request = Request { caller: &caller, action, resource, owner, keys: &Keys };
        let policies = Policies { resource: ResourcePolicy::Of(&policy), ..Policies::default() };
        assert!(evaluate(&request, &policies).allowed, "{statements}");
    }
}

// Source: "AWS JSON policy elements: NotPrincipal": user and account, or session, role and account, must be named.
#[test]
fn a_deny_with_not_principal_spares_only_who_is_named_in_every_form() {
    let account = r#""arn:aws:iam::111111111111:root""#;
    let (role, of_session) =
        (r#""arn:aws:iam::111111111111:role/r""#, r#""arn:aws:sts::111111111111:assumed-role/r/s""#);
    let of_user = r#""arn:aws:iam::111111111111:user/ann""#;
    for (named, caller, spared) in [
        (format!("{of_user},{account}"), user(), true),
        (of_user.to_owned(), user(), false),
        (account.to_owned(), user(), false),
        (format!("{of_session},{role},{account}"), session(), true),
        (format!("{role},{account}"), session(), false),
        (format!("{of_session},{account}"), session(), false),
        (format!("{of_session},{role}"), session(), false),
        (format!("{of_user},{account}"), service(), false),
    ] {
        let principal = format!(r#""NotPrincipal":{{"AWS":[{named}]}}"#);
        assert_eq!(by_resource("Deny", &principal, &caller), spared, "{named} {caller:?}");
    }
    assert!(by_resource("Deny", r#""NotPrincipal":{"Service":"s3.amazonaws.com"}"#, &service()));
}

#[test]
fn a_decision_names_the_statement_by_its_sid_or_its_place() {
    let statements = r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"},
        {"Effect":"Allow","Action":"s3:*","Resource":"*"},
        {"Sid":"NoDeletes","Effect":"Deny","Action":"s3:Delete*","Resource":"*"}"#;
    let named = |action: &str| match by_identity("2012-10-17", statements, action, "arn:aws:s3:::b").reason {
        Reason::AllowedBy(statement) | Reason::ExplicitDeny(statement) => {
            assert_eq!((statement.source, &*statement.policy), (Source::Identity, "p"));
            statement.statement
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(named("s3:GetObject"), "1");
    assert_eq!(named("s3:DeleteObject"), "NoDeletes");
}
