//! AssumeRole.

use super::*;

async fn ask(world: &Arc<World>, key: &str, more: &[(&str, &str)]) -> (u16, String) {
    let mut form = vec![("Action", "AssumeRole")];
    for (name, value) in [("RoleArn", ROLE), ("RoleSessionName", "me")] {
        if more.iter().all(|(other, _)| *other != name) {
            form.push((name, value));
        }
    }
    form.extend(more);
    call(world, Issuers::default(), Some(key), &form).await
}

fn not_authorized(action: &str, role: &str) -> (u16, String, String) {
    let text = format!("User: {USER} is not authorized to perform: {action} on resource: {role}");
    refused(403, "AccessDenied", &text)
}

#[tokio::test]
async fn a_trusted_caller_gets_credentials_of_the_role() {
    let world = Arc::new(World::default());
    let (status, xml) = ask(&world, "AKIAUSER", &[]).await;
    assert_eq!(status, 200, "{xml}");
    assert!(
        xml.contains(
            "<AssumeRoleResult><Credentials><AccessKeyId>ASIANEW</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>2026-11-23T14:00:00Z</Expiration></Credentials>\
             <AssumedRoleUser><AssumedRoleId>AROAWORKER:me</AssumedRoleId>\
             <Arn>arn:aws:sts::444455556666:assumed-role/worker/me</Arn></AssumedRoleUser></AssumeRoleResult>"
        ),
        "{xml}"
    );
    assert_eq!(world.granted(), (Session { issued_at_ms: NOW_MS, ..Session::default() }, 3_600));
}

#[tokio::test]
async fn the_role_s_trust_is_asked_in_the_role_s_account_with_everything_it_may_ask_about() {
    let world = Arc::new(World::default());
    let more = [
        ("ExternalId", "shared-secret"),
        ("SourceIdentity", "ann"),
        ("Tags.member.1.Key", "cost"),
        ("Tags.member.1.Value", "7"),
        ("Tags.member.2.Key", "Unit"),
        ("Tags.member.2.Value", "x"),
        ("TransitiveTagKeys.member.1", "cost"),
    ];
    let (status, xml) = ask(&world, "AKIAUSER", &more).await;
    assert_eq!(status, 200, "{xml}");
    assert_eq!(element(&xml, "SourceIdentity"), Some("ann"));
    assert_eq!(element(&xml, "PackedPolicySize"), Some("1"));
    assert_eq!(
        world.question(),
        Question {
            action: "sts:AssumeRole".to_owned(),
            resource: ROLE.to_owned(),
            account: "444455556666".to_owned(),
            caller: USER.to_owned(),
            conditions: [
                "aws:ResourceTag/team=red",
                "iam:ResourceTag/team=red",
                "aws:RequestTag/cost=7",
                "aws:RequestTag/Unit=x",
                "aws:TagKeys=cost|Unit",
                "sts:TransitiveTagKeys=cost",
                "sts:SourceIdentity=ann",
                "sts:RoleSessionName=me",
                "sts:ExternalId=shared-secret",
            ]
            .map(str::to_owned)
            .to_vec(),
            trust: Some(TRUST.into()),
        }
    );
    assert_eq!(world.actions(), ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
    let expected = Session {
        issued_at_ms: NOW_MS,
        tags: vec![("cost".to_owned(), "7".to_owned()), ("Unit".to_owned(), "x".to_owned())],
        transitive_tag_keys: vec!["cost".to_owned()],
        source_identity: Some("ann".to_owned()),
        ..Session::default()
    };
    assert_eq!(world.granted().0, expected);
}

#[tokio::test]
async fn a_role_that_is_not_there_is_refused_like_one_that_does_not_trust() {
    let missing = "arn:aws:iam::444455556666:role/nobody";
    // Where policies do not hold, and where they do.
    for world in [World::default(), World::denying("sts:AssumeRole")] {
        let world = Arc::new(world);
        let answer = ask(&world, "AKIAUSER", &[("RoleArn", missing)]).await;
        assert_eq!(refusal(&answer), not_authorized("sts:AssumeRole", missing));
        assert!(!world.has_granted());
    }
    let world = Arc::new(World::denying("sts:AssumeRole"));
    assert_eq!(refusal(&ask(&world, "AKIAUSER", &[]).await), not_authorized("sts:AssumeRole", ROLE));
}

#[tokio::test]
async fn root_hears_that_it_may_not() {
    let text = "Roles may not be assumed by root accounts.";
    let world = Arc::new(World { denial: Some(text), ..World::denying("sts:AssumeRole") });
    assert_eq!(refusal(&ask(&world, "AKIAROOT", &[]).await), refused(403, "AccessDenied", text));
}

#[tokio::test]
async fn tags_and_source_identity_need_a_permission_each() {
    let tag = [("Tags.member.1.Key", "cost"), ("Tags.member.1.Value", "7")];
    let identity = [("SourceIdentity", "ann")];
    for (action, more) in [("sts:TagSession", &tag[..]), ("sts:SetSourceIdentity", &identity[..])] {
        let world = Arc::new(World::denying(action));
        assert_eq!(ask(&world, "AKIAUSER", &[]).await.0, 200);
        assert_eq!(refusal(&ask(&world, "AKIAUSER", more).await), not_authorized(action, ROLE));
    }
}

// Source: IAM user guide, "Chaining roles with session tags", "Monitor and control actions taken with assumed roles".
#[tokio::test]
async fn transitive_tags_and_the_source_identity_go_on_to_the_next_session() {
    let session = Session {
        tags: vec![("cost".to_owned(), "7".to_owned()), ("unit".to_owned(), "x".to_owned())],
        transitive_tag_keys: vec!["cost".to_owned()],
        source_identity: Some("ann".to_owned()),
        policies: vec![READ.into()],
        function_arn: Some("arn:aws:lambda:us-east-1:111122223333:function:f".into()),
        ..Session::default()
    };
    let world = Arc::new(World { session, ..World::default() });
    let (status, xml) = ask(&world, "ASIAFUNCTION", &[("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")]).await;
    assert_eq!(status, 200, "{xml}");
    assert_eq!(element(&xml, "SourceIdentity"), Some("ann"));
    assert_eq!(world.actions(), ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
    let expected = Session {
        issued_at_ms: NOW_MS,
        tags: vec![("a".to_owned(), "b".to_owned()), ("cost".to_owned(), "7".to_owned())],
        transitive_tag_keys: vec!["cost".to_owned()],
        source_identity: Some("ann".to_owned()),
        ..Session::default()
    };
    assert_eq!(world.granted().0, expected);
    let origin = world.grants.lock().expect("unpoisoned").last().expect("a grant").1;
    assert_eq!(origin, Origin::Function, "what function code gets is function code's");

    let first = "arn:aws:sts::111122223333:assumed-role/first/s";
    let text = format!("User: {first} is not authorized to perform: sts:SetSourceIdentity on resource: {ROLE}");
    let other = ask(&world, "ASIAROLE", &[("SourceIdentity", "bob")]).await;
    assert_eq!(refusal(&other), refused(403, "AccessDenied", &text));
    assert_eq!(ask(&world, "ASIAROLE", &[("SourceIdentity", "ann")]).await.0, 200);
}

// Recorded from the real service, but for the last one.
#[tokio::test]
async fn tags_that_contradict_are_refused() {
    let tag = |number: usize, key: &str| {
        vec![
            (format!("Tags.member.{number}.Key"), key.to_owned()),
            (format!("Tags.member.{number}.Value"), "v".to_owned()),
        ]
    };
    let transitive = |key: &str| vec![("TransitiveTagKeys.member.1".to_owned(), key.to_owned())];
    let session = Session {
        tags: vec![("cost".to_owned(), "7".to_owned())],
        transitive_tag_keys: vec!["cost".to_owned()],
        ..Session::default()
    };
    let world = Arc::new(World { session, ..World::default() });
    for (form, text) in [
        (
            [tag(1, "Team"), tag(2, "team")].concat(),
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        (
            [tag(1, "team"), transitive("other")].concat(),
            "The specified transitive tag key must be included in the requested tags.",
        ),
        (
            [tag(1, "Cost"), transitive("Cost")].concat(),
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
        ),
        (
            tag(1, "Cost"),
            "One of the specified tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
        ),
    ] {
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = ask(&world, "ASIAROLE", &form).await;
        assert_eq!(refusal(&answer), refused(400, "InvalidParameterValue", text));
    }
}

// Recorded from the real service, but for the last two.
#[tokio::test]
async fn what_is_no_role_is_invalid() {
    for arn in [
        "arn::b:::something/test-role",
        "arn:a::::something/test-role",
        "arn:a:::something/test-role",
        "arn:a:a::aaaaaaaaaa:",
        "nothing-valid-in-here",
        "arn:aws:iam::444455556666:user/ann",
        "arn:aws:iam::444455556666:role/",
    ] {
        let answer = ask(&Arc::default(), "AKIAUSER", &[("RoleArn", arn)]).await;
        assert_eq!(refusal(&answer), refused(400, "ValidationError", &format!("{arn} is invalid")));
    }
    let answer = ask(&Arc::default(), "AKIAUSER", &[("RoleSessionName", "Session1:2")]).await;
    let text = r"1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*";
    assert_eq!(refusal(&answer), refused(400, "ValidationError", text));
}

#[tokio::test]
async fn a_session_lasts_no_longer_than_its_role_or_a_chain_allows() {
    let role = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    let chain = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    for (key, seconds, expected) in [
        ("AKIAUSER", "900", Ok(900)),
        ("AKIAUSER", "7200", Ok(7_200)),
        ("AKIAUSER", "7201", Err(role)),
        ("ASIAUSER", "7200", Ok(7_200)),
        ("ASIAROLE", "3600", Ok(3_600)),
        ("ASIAROLE", "3601", Err(chain)),
    ] {
        let world = Arc::new(World::default());
        let answer = ask(&world, key, &[("DurationSeconds", seconds)]).await;
        match expected {
            Ok(duration_s) => assert_eq!(world.granted().1, duration_s),
            Err(text) => assert_eq!(refusal(&answer), refused(400, "ValidationError", text)),
        }
    }
}

#[tokio::test]
async fn session_policies_go_into_the_session() {
    let world = Arc::new(World::default());
    let more = [("Policy", READ), ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess")];
    let (status, xml) = ask(&world, "AKIAUSER", &more).await;
    assert_eq!(status, 200, "{xml}");
    assert_eq!(element(&xml, "PackedPolicySize"), Some("1"));
    assert_eq!(world.granted().0.policies, [READ.into(), "read only".into()] as [Arc<str>; 2]);
}

#[tokio::test]
async fn session_policies_that_are_none_or_too_large_are_refused() {
    let missing = "arn:aws:iam::444455556666:policy/missing";
    let long = format!("{READ}{}", " ".repeat(2_000));
    for (form, code, text) in [
        (vec![("Policy", "{}")], "MalformedPolicyDocument", None),
        (vec![("Policy", "{")], "MalformedPolicyDocument", None),
        (
            vec![("PolicyArns.member.1.arn", missing)],
            "ValidationError",
            Some(format!("Policy {missing} does not exist or is not attachable.")),
        ),
        (
            vec![("Policy", &long)],
            "ValidationError",
            Some(format!(
                "1 validation error detected: Value '{long}' at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048"
            )),
        ),
        (
            vec![("PolicyArns.member.1.arn", "arn:aws:iam::444455556666:policy/huge")],
            "PackedPolicyTooLarge",
            Some("Packed policy consumes 123% of allotted space, please use smaller policy.".to_owned()),
        ),
    ] {
        let world = Arc::default();
        let answer = refusal(&ask(&world, "AKIAUSER", &form).await);
        assert_eq!((answer.0, answer.1.as_str()), (400, code), "{answer:?}");
        assert!(text.is_none_or(|text| text == answer.2), "{}", answer.2);
        assert!(!world.has_granted());
    }
    let names: Vec<String> = (1..=11).map(|number| format!("PolicyArns.member.{number}.arn")).collect();
    let form: Vec<_> = names.iter().map(|name| (name.as_str(), "arn:aws:iam::aws:policy/ReadOnlyAccess")).collect();
    assert_eq!(refusal(&ask(&Arc::default(), "AKIAUSER", &form).await).1, "ValidationError");
    assert_eq!(ask(&Arc::default(), "AKIAUSER", &form[..10]).await.0, 200);
}

#[tokio::test]
async fn what_cannot_be_had_is_refused() {
    let mfa = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
    let contexts = "ProvidedContexts is not supported: there are no context providers.";
    for (member, value, status, code, text) in [
        ("SerialNumber", "arn:aws:iam::111122223333:mfa/ann", 403, "AccessDenied", mfa),
        ("TokenCode", "123456", 403, "AccessDenied", mfa),
        (
            "ProvidedContexts.member.1.ProviderArn",
            "arn:aws:iam::aws:contextProvider/IdentityCenter",
            400,
            "InvalidParameterValue",
            contexts,
        ),
        ("MinimumSessionTokenSize", "9", 400, "InvalidParameterValue", "MinimumSessionTokenSize is not supported."),
    ] {
        let world = Arc::default();
        assert_eq!(refusal(&ask(&world, "AKIAUSER", &[(member, value)]).await), refused(status, code, text));
        assert!(!world.has_granted());
    }
}
