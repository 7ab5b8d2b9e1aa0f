//! GetSessionToken.

use super::*;

async fn ask(world: &Arc<World>, key: &str, more: &[(&str, &str)]) -> (u16, String) {
    let form = [&[("Action", "GetSessionToken")], more].concat();
    call(world, Issuers::default(), Some(key), &form).await
}

// Source: STS API reference, GetSessionToken, `DurationSeconds`.
#[tokio::test]
async fn users_get_half_a_day_and_root_an_hour() {
    for (key, asked, duration_s, expiration) in [
        ("AKIAUSER", None, 43_200, "2026-11-24T01:00:00Z"),
        ("AKIAUSER", Some("900"), 900, "2026-11-23T13:15:00Z"),
        ("AKIAUSER", Some("129600"), 129_600, "2026-11-25T01:00:00Z"),
        ("AKIAROOT", None, 3_600, "2026-11-23T14:00:00Z"),
        ("AKIAROOT", Some("129600"), 3_600, "2026-11-23T14:00:00Z"),
    ] {
        // Policies cannot take it away.
        let world = Arc::new(World::denying("sts:GetSessionToken"));
        let asked: Vec<_> = asked.map(|seconds| ("DurationSeconds", seconds)).into_iter().collect();
        let (status, xml) = ask(&world, key, &asked).await;
        assert_eq!(status, 200, "{xml}");
        let expected = format!(
            "<GetSessionTokenResult><Credentials><AccessKeyId>ASIANEW</AccessKeyId>\
             <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials></GetSessionTokenResult>"
        );
        assert!(xml.contains(&expected), "{xml}");
        let session = Session { issued_at_ms: NOW_MS, ..Session::default() };
        assert_eq!(world.granted(), (session, duration_s));
        assert_eq!(world.actions(), ["sts:GetSessionToken"]);
    }
}

#[tokio::test]
async fn temporary_credentials_make_no_others() {
    for key in ["ASIAUSER", "ASIAROOT", "ASIAROLE"] {
        let world = Arc::default();
        let text = "Cannot call GetSessionToken with session credentials";
        assert_eq!(refusal(&ask(&world, key, &[]).await), refused(403, "AccessDenied", text), "{key}");
        assert!(!world.has_granted());
    }
}

#[tokio::test]
async fn what_cannot_be_had_is_refused() {
    let mfa = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
    for (member, value, status, code, text) in [
        ("SerialNumber", "arn:aws:iam::111122223333:mfa/ann", 403, "AccessDenied", mfa),
        ("TokenCode", "123456", 403, "AccessDenied", mfa),
        ("MinimumSessionTokenSize", "1", 400, "InvalidParameterValue", "MinimumSessionTokenSize is not supported."),
        (
            "DurationSeconds",
            "899",
            400,
            "ValidationError",
            "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
        ),
    ] {
        let world = Arc::default();
        assert_eq!(refusal(&ask(&world, "AKIAUSER", &[(member, value)]).await), refused(status, code, text));
        assert!(!world.has_granted());
    }
}
