//! AssumeRoleWithWebIdentity, with tokens signed here.

use aws_lc_rs::encoding::{AsBigEndian as _, EcPublicKeyUncompressedBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::IssuerError;

const ISSUER: &str = "https://id.example.com/tenant";
const PROVIDER: &str = "arn:aws:iam::444455556666:oidc-provider/id.example.com/tenant";

enum Signer {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
}

impl Signer {
    fn rsa(encoding: &'static dyn RsaEncoding) -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"), encoding)
    }

    fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        Self::Ec(EcdsaKeyPair::generate(algorithm).expect("a key"))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).expect("a signature");
                signature
            }
            Self::Ec(key) => key.sign(&random, message).expect("a signature").as_ref().to_vec(),
        }
    }

    /// Its public half as a JSON Web Key.
    fn public(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(key, _) => {
                // DER of `RSAPublicKey`: a modulus of 257 bytes, the first of them 0, and 65537. Source: RFC 8017.
                let der = key.public_key().as_ref();
                json!({"kty": "RSA", "kid": "k", "use": "sig", "n": text(&der[9..9 + 256]), "e": "AQAB"})
            }
            Self::Ec(key) => {
                let public: EcPublicKeyUncompressedBin<'_> = key.public_key().as_be_bytes().expect("a point");
                let point = &public.as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match x.len() {
                    32 => "P-256",
                    48 => "P-384",
                    _ => "P-521",
                };
                json!({"kty": "EC", "kid": "k", "crv": curve, "x": text(x), "y": text(y)})
            }
        }
    }

    fn issuers(&self) -> Issuers {
        let mut issuers = Issuers::default();
        // Beside the key: such as are no use.
        let keys = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": "oct", "kid": "k", "k": "c2VjcmV0"},
            {"kty": "RSA", "use": "enc"}, self.public(),
        ]});
        issuers.add(ISSUER, vec!["app".to_owned(), "other".to_owned()], &keys.to_string()).expect("an issuer");
        issuers
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes())))
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "user-1", "aud": "app", "exp": NOW_S + 60, "iat": NOW_S - 60})
}

/// The claims with some of them changed; a null takes one out.
fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

async fn ask(world: &Arc<World>, issuers: Issuers, token: &str, more: &[(&str, &str)]) -> (u16, String) {
    let mut form =
        vec![("Action", "AssumeRoleWithWebIdentity"), ("RoleSessionName", "me"), ("WebIdentityToken", token)];
    if more.iter().all(|(name, _)| *name != "RoleArn") {
        form.push(("RoleArn", ROLE));
    }
    form.extend(more);
    call(world, issuers, None, &form).await
}

#[tokio::test]
async fn a_token_of_a_provider_the_role_trusts_gets_credentials_without_any_others() {
    let signer = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let world = Arc::new(World::default());
    let token = signer.token(&header(), &with(&json!({"amr": ["pwd", "otp"]})));
    let (status, xml) = ask(&world, signer.issuers(), &token, &[("DurationSeconds", "900")]).await;
    assert_eq!(status, 200, "{xml}");
    assert!(
        xml.contains(
            "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIANEW</AccessKeyId>\
             <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
             <Expiration>2026-11-23T13:15:00Z</Expiration></Credentials>\
             <SubjectFromWebIdentityToken>user-1</SubjectFromWebIdentityToken>\
             <AssumedRoleUser><AssumedRoleId>AROAWORKER:me</AssumedRoleId>\
             <Arn>arn:aws:sts::444455556666:assumed-role/worker/me</Arn></AssumedRoleUser>\
             <Provider>https://id.example.com/tenant</Provider><Audience>app</Audience>"
        ),
        "{xml}"
    );
    assert_eq!(
        world.question(),
        Question {
            action: "sts:AssumeRoleWithWebIdentity".to_owned(),
            resource: ROLE.to_owned(),
            account: "444455556666".to_owned(),
            caller: PROVIDER.to_owned(),
            conditions: [
                "aws:ResourceTag/team=red",
                "iam:ResourceTag/team=red",
                "id.example.com/tenant:aud=app",
                "id.example.com/tenant:sub=user-1",
                "id.example.com/tenant:amr=pwd|otp",
                "sts:RoleSessionName=me",
            ]
            .map(str::to_owned)
            .to_vec(),
            trust: Some(TRUST.into()),
        }
    );
    let expected = Session { issued_at_ms: NOW_MS, provider_arn: Some(PROVIDER.into()), ..Session::default() };
    assert_eq!(world.granted(), (expected, 900));
}

#[tokio::test]
async fn every_documented_algorithm_verifies_and_a_key_signs_with_its_own_only() {
    for (signer, algorithm) in [
        (Signer::rsa(&RSA_PKCS1_SHA256), "RS256"),
        (Signer::rsa(&RSA_PKCS1_SHA384), "RS384"),
        (Signer::rsa(&RSA_PKCS1_SHA512), "RS512"),
        (Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING), "ES256"),
        (Signer::ec(&ECDSA_P384_SHA384_FIXED_SIGNING), "ES384"),
        (Signer::ec(&ECDSA_P521_SHA512_FIXED_SIGNING), "ES512"),
    ] {
        for claimed in ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "HS256", "none", ""] {
            let token = signer.token(&json!({"alg": claimed}), &claims());
            let answer = ask(&Arc::default(), signer.issuers(), &token, &[]).await;
            if claimed == algorithm {
                assert_eq!(answer.0, 200, "{algorithm}: {}", answer.1);
            } else {
                assert_eq!(refusal(&answer).1, "InvalidIdentityToken", "{algorithm} as {claimed}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_names_its_algorithm_signs_with_no_other() {
    let signer = Signer::rsa(&RSA_PKCS1_SHA512);
    for (only, status) in [("RS512", 200), ("RS256", 400)] {
        let mut key = signer.public();
        key["alg"] = json!(only);
        let mut issuers = Issuers::default();
        issuers.add(ISSUER, vec!["app".to_owned()], &json!({"keys": [key]}).to_string()).expect("an issuer");
        let token = signer.token(&json!({"alg": "RS512"}), &claims());
        assert_eq!(ask(&Arc::default(), issuers, &token, &[]).await.0, status);
    }
}

#[tokio::test]
async fn a_token_that_is_not_believed_says_why() {
    const KEY: &str = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";
    const NO_JWT: &str =
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
    let signer = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let good = signer.token(&header(), &claims());
    let claiming = |changes: Value| signer.token(&header(), &with(&changes));
    let (head, rest) = good.split_once('.').expect("three parts");
    let (_, signature) = rest.split_once('.').expect("three parts");
    let forged = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(with(&json!({"sub": "root"})).to_string()));
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), rest.split('.').next().unwrap_or(""));
    let stranger = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING).token(&header(), &claims());
    let unknown_key = signer.token(&json!({"alg": "ES256", "kid": "other"}), &claims());
    let critical = signer.token(&json!({"alg": "ES256", "kid": "k", "crit": ["b64"]}), &claims());
    let invalid = |text: &str| refused(400, "InvalidIdentityToken", text);
    let wrong_signature = invalid("The signature of the ID Token is not valid.");
    let rejected = |claim: &str| refused(403, "IDPRejectedClaim", &format!("The claim {claim} is not valid."));
    let expired = |at: i64| {
        let text = format!("Token expired: current date/time {NOW_S} must be before the expiration date/time {at}");
        refused(400, "ExpiredTokenException", &text)
    };
    for (token, expected) in [
        ("nothing".to_owned(), invalid(NO_JWT)),
        ("a.b.c".to_owned(), invalid(NO_JWT)),
        (format!("{good}="), invalid(NO_JWT)),
        (forged, wrong_signature.clone()),
        (stranger, wrong_signature),
        (unsigned, invalid(KEY)),
        (unknown_key, invalid(KEY)),
        (critical, invalid(KEY)),
        (
            claiming(json!({"iss": "https://evil.example.com"})),
            invalid("No OpenIDConnect provider found in your account for https://evil.example.com"),
        ),
        (claiming(json!({"iss": null})), invalid("Missing a required claim: iss")),
        (claiming(json!({"sub": null})), invalid("Missing a required claim: sub")),
        (claiming(json!({"aud": null})), invalid("Missing a required claim: aud")),
        (claiming(json!({"exp": null})), invalid("Missing a required claim: exp")),
        (claiming(json!({"iat": null})), invalid("Missing a required claim: iat")),
        (claiming(json!({"aud": "stranger"})), invalid("Incorrect token audience")),
        (claiming(json!({"aud": "app", "azp": "stranger"})), invalid("Incorrect token audience")),
        (claiming(json!({"exp": NOW_S})), expired(NOW_S)),
        (claiming(json!({"exp": NOW_S - 1})), expired(NOW_S - 1)),
        (claiming(json!({"exp": "tomorrow"})), rejected("exp")),
        (claiming(json!({"iat": NOW_S + 301})), rejected("iat")),
        (claiming(json!({"nbf": NOW_S + 301})), rejected("nbf")),
        (
            claiming(json!({"https://aws.amazon.com/source_identity": "a b"})),
            rejected("https://aws.amazon.com/source_identity"),
        ),
        (
            claiming(json!({"https://aws.amazon.com/tags": {"principal_tags": {"a": ["b", "c"]}}})),
            rejected("https://aws.amazon.com/tags"),
        ),
        (
            claiming(json!({"https://aws.amazon.com/tags": {"principal_tags": {"a": "x".repeat(257)}}})),
            rejected("https://aws.amazon.com/tags"),
        ),
    ] {
        let world = Arc::default();
        let answer = ask(&world, signer.issuers(), &token, &[]).await;
        assert_eq!(refusal(&answer), expected);
        assert!(!world.has_granted() && world.actions().is_empty());
    }
    let at_the_edge = claiming(json!({"iat": NOW_S + 300, "nbf": NOW_S + 300, "exp": NOW_S + 1}));
    assert_eq!(ask(&Arc::default(), signer.issuers(), &at_the_edge, &[]).await.0, 200);
}

#[tokio::test]
async fn with_an_authorized_party_the_audience_is_that_one() {
    let signer = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    for (changes, audience, original) in [
        (json!({"aud": ["stranger", "other"]}), "other", None),
        (json!({"aud": "stranger", "azp": "app"}), "app", Some("stranger")),
    ] {
        let world = Arc::new(World::default());
        let (status, xml) = ask(&world, signer.issuers(), &signer.token(&header(), &with(&changes)), &[]).await;
        assert_eq!(status, 200, "{xml}");
        assert_eq!(element(&xml, "Audience"), Some(audience));
        let conditions = world.question().conditions;
        assert!(conditions.contains(&format!("id.example.com/tenant:aud={audience}")), "{conditions:?}");
        let oaud = conditions.iter().find_map(|condition| condition.strip_prefix("id.example.com/tenant:oaud="));
        assert_eq!(oaud, original);
    }
}

// Source: IAM user guide, "Passing session tags using AssumeRoleWithWebIdentity": a nested and a flat form.
#[tokio::test]
async fn tags_and_source_identity_come_from_the_token() {
    let signer = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let nested = json!({
        "https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]},
        "https://aws.amazon.com/source_identity": "ann",
    });
    let flat = json!({
        "https://aws.amazon.com/tags/principal_tags/team": ["red"],
        "https://aws.amazon.com/tags/transitive_tag_keys": ["team"],
        "https://aws.amazon.com/source_identity": "ann",
    });
    for changes in [nested, flat] {
        let world = Arc::new(World::default());
        let (status, xml) = ask(&world, signer.issuers(), &signer.token(&header(), &with(&changes)), &[]).await;
        assert_eq!(status, 200, "{xml}");
        assert_eq!(element(&xml, "SourceIdentity"), Some("ann"));
        assert_eq!(world.actions(), ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"]);
        let session = world.granted().0;
        assert_eq!(session.tags, [("team".to_owned(), "red".to_owned())]);
        assert_eq!(session.transitive_tag_keys, ["team"]);
        assert_eq!(session.source_identity.as_deref(), Some("ann"));
    }
}

#[tokio::test]
async fn whom_the_role_does_not_trust_is_not_told_why() {
    let signer = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let token = signer.token(&header(), &claims());
    let expected = refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    let world = Arc::new(World::denying("sts:AssumeRoleWithWebIdentity"));
    assert_eq!(refusal(&ask(&world, signer.issuers(), &token, &[]).await), expected);
    let missing = [("RoleArn", "arn:aws:iam::444455556666:role/nobody")];
    assert_eq!(refusal(&ask(&Arc::default(), signer.issuers(), &token, &missing).await), expected);
}

#[tokio::test]
async fn sessions_are_cut_down_as_those_of_assume_role() {
    let signer = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let token = signer.token(&header(), &claims());
    let world = Arc::new(World::default());
    let managed = ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess");
    let answer = ask(&world, signer.issuers(), &token, &[("Policy", READ), managed]).await;
    assert_eq!(element(&answer.1, "PackedPolicySize"), Some("1"), "{}", answer.1);
    assert_eq!(world.granted().0.policies, [READ.into(), "read only".into()] as [Arc<str>; 2]);
    for (member, value, code) in [
        ("Policy", "{", "MalformedPolicyDocument"),
        ("DurationSeconds", "7201", "ValidationError"),
        ("ProviderId", "www.amazon.com", "InvalidParameterValue"),
        ("MinimumSessionTokenSize", "1", "InvalidParameterValue"),
    ] {
        let answer = ask(&Arc::default(), signer.issuers(), &token, &[(member, value)]).await;
        assert_eq!((answer.0, refusal(&answer).1.as_str()), (400, code));
    }
    // Source: STS API reference: at most 20,000 characters.
    let answer = ask(&Arc::default(), signer.issuers(), &"x".repeat(20_001), &[]).await;
    assert_eq!(refusal(&answer).1, "ValidationError");
}

#[test]
fn a_provider_that_cannot_be_used_says_why() {
    let good = Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING).public();
    let keys = |key: Value| json!({"keys": [key]}).to_string();
    let add = |url: &str, key_set: &str| Issuers::default().add(url, vec!["app".to_owned()], key_set);
    for url in ["http://id.example.com", "id.example.com", "https://", "https://a?b"] {
        assert_eq!(add(url, &keys(good.clone())), Err(IssuerError::NotHttps), "{url}");
    }
    for text in ["", "[]", "{}"] {
        assert!(matches!(add(ISSUER, text), Err(IssuerError::NotAKeySet(_))), "{text}");
    }
    assert_eq!(add(ISSUER, r#"{"keys": []}"#), Err(IssuerError::NoKey));
    let short = URL_SAFE_NO_PAD.encode([255; 128]);
    for key in [
        json!({"kty": "RSA", "n": short, "e": "AQAB"}),
        json!({"kty": "RSA", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
    ] {
        assert_eq!(add(ISSUER, &keys(key)), Err(IssuerError::Key(0)));
    }
    assert_eq!(Issuers::default().add(ISSUER, Vec::new(), &keys(good.clone())), Err(IssuerError::NoAudience));
    let mut twice = Issuers::default();
    assert_eq!(twice.add(ISSUER, vec!["app".to_owned()], &keys(good.clone())), Ok(()));
    assert_eq!(twice.add(ISSUER, vec!["app".to_owned()], &keys(good)), Err(IssuerError::Twice));
}
