//! Web identity tokens: whose they are, for whom, and what they say.
//!
//! Source: RFC 7519, OpenID Connect Core 1.0; STS API reference, AssumeRoleWithWebIdentity; IAM user guide, "Available
//! keys for AWS OIDC federation" and "Passing session tags using AssumeRoleWithWebIdentity". Texts are those the real
//! service is known to answer with, where one is known.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_ports::Condition;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::StsError;
use crate::issuer::{Issuer, Issuers};
use crate::tags::Tag;

/// How far a token's beginning may be ahead of our clock.
const SKEW_S_MAX: i64 = 5 * 60;
/// A claim with session tags, and what its flat form starts with.
const TAGS: &str = "https://aws.amazon.com/tags";
/// Session tags of a token, and the lengths of their keys and values. Source: IAM user guide, "IAM and STS quotas".
const TAGS_MAX: usize = 50;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;
const SOURCE_IDENTITY_CHARS: std::ops::RangeInclusive<usize> = 2..=64;
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none are here.
    crit: Option<serde::de::IgnoredAny>,
}

/// A token whose signature, issuer, audience and time are right.
#[derive(Debug)]
pub(crate) struct Identity<'i> {
    pub(crate) issuer: &'i Issuer,
    pub(crate) issuer_url: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    claims: Map<String, Value>,
}

impl<'i> Identity<'i> {
    /// # Errors
    /// The token is none, or is not believed.
    pub(crate) fn verify(issuers: &'i Issuers, token: &str, now_s: i64) -> Result<Self, StsError> {
        let invalid = |text: &str| StsError::InvalidIdentityToken(text.to_owned());
        let no_jwt = || {
            invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
        };
        let (message, signature) = token.rsplit_once('.').ok_or_else(no_jwt)?;
        let (header, claims) = message.split_once('.').ok_or_else(no_jwt)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| no_jwt());
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| no_jwt())?;
        let claims: Map<String, Value> = serde_json::from_slice(&decode(claims)?).map_err(|_| no_jwt())?;
        let signature = decode(signature)?;

        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let required = |name: &str| text(name).ok_or_else(|| invalid(&format!("Missing a required claim: {name}")));
        let issuer_url = required("iss")?.to_owned();
        let issuer = issuers
            .find(&issuer_url)
            .ok_or_else(|| invalid(&format!("No OpenIDConnect provider found in your account for {issuer_url}")))?;
        if header.crit.is_some() || !issuer.has_key(header.kid.as_deref(), &header.alg) {
            return Err(invalid(
                "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
            ));
        }
        if !issuer.verify(header.kid.as_deref(), &header.alg, message.as_bytes(), &signature) {
            return Err(invalid("The signature of the ID Token is not valid."));
        }
        let audience = audience(&claims, issuer)?;
        check_time(&claims, now_s)?;
        let subject = required("sub")?.to_owned();
        Ok(Self { issuer, issuer_url, subject, audience, claims })
    }

    /// What trust policies may ask about.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let name = self.issuer.name();
        let mut conditions = vec![
            Condition::one(format!("{name}:aud"), self.audience.clone()),
            Condition::one(format!("{name}:sub"), self.subject.clone()),
        ];
        let amr = texts(self.claims.get("amr"));
        if !amr.is_empty() {
            conditions.push(Condition::many(format!("{name}:amr"), amr));
        }
        // With an authorized party, `aud` is that one.
        if self.claims.contains_key("azp") {
            conditions.push(Condition::many(format!("{name}:oaud"), texts(self.claims.get("aud"))));
        }
        conditions
    }

    /// # Errors
    /// The claim is no text.
    pub(crate) fn source_identity(&self) -> Result<Option<String>, StsError> {
        match self.claims.get(SOURCE_IDENTITY) {
            None => Ok(None),
            Some(Value::String(identity)) if is_source_identity(identity) => Ok(Some(identity.clone())),
            Some(_) => Err(rejected(SOURCE_IDENTITY)),
        }
    }

    /// Session tags and the keys of transitive ones, in the nested form or in the flat one.
    ///
    /// # Errors
    /// The claims have another form.
    pub(crate) fn tags(&self) -> Result<(Vec<Tag>, Vec<String>), StsError> {
        let nested = match self.claims.get(TAGS) {
            None => None,
            Some(Value::Object(nested)) => Some(nested),
            Some(_) => return Err(rejected(TAGS)),
        };
        let of_nested = match nested.and_then(|nested| nested.get("principal_tags")) {
            None => None,
            Some(Value::Object(tags)) => Some(tags),
            Some(_) => return Err(rejected(TAGS)),
        };
        let flat = format!("{TAGS}/principal_tags/");
        let of_flat = self.claims.iter().filter_map(|(name, value)| Some((name.strip_prefix(&flat)?, value)));
        let all = of_nested.into_iter().flatten().map(|(key, value)| (key.as_str(), value)).chain(of_flat);
        let tags: Vec<Tag> = all
            .map(|(key, value)| match texts(Some(value)).as_slice() {
                [value] if is_tag(key, value) => Ok(Tag { key: key.to_owned(), value: value.clone() }),
                _ => Err(rejected(TAGS)),
            })
            .collect::<Result<_, _>>()?;
        if tags.len() > TAGS_MAX {
            return Err(rejected(TAGS));
        }
        let transitive = nested.and_then(|nested| nested.get("transitive_tag_keys"));
        let transitive = transitive.or_else(|| self.claims.get(&format!("{TAGS}/transitive_tag_keys")));
        Ok((tags, texts(transitive)))
    }
}

/// What the API model says of `SourceIdentity`.
fn is_source_identity(text: &str) -> bool {
    SOURCE_IDENTITY_CHARS.contains(&text.chars().count())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

/// What the API model says of `Tag`.
fn is_tag(key: &str, value: &str) -> bool {
    let is_plain =
        |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
    (1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count())
        && value.chars().count() <= TAG_VALUE_CHARS_MAX
        && is_plain(key)
        && is_plain(value)
}

fn rejected(claim: &str) -> StsError {
    StsError::RejectedClaim(format!("The claim {claim} is not valid."))
}

/// A text, or the texts of a list.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The authorized party if there is one, else the audience; one of them must be known.
fn audience(claims: &Map<String, Value>, issuer: &Issuer) -> Result<String, StsError> {
    let given = texts(claims.get("azp").or_else(|| claims.get("aud")));
    if given.is_empty() {
        return Err(StsError::InvalidIdentityToken("Missing a required claim: aud".to_owned()));
    }
    given
        .into_iter()
        .find(|audience| issuer.audiences.contains(audience))
        .ok_or_else(|| StsError::InvalidIdentityToken("Incorrect token audience".to_owned()))
}

fn check_time(claims: &Map<String, Value>, now_s: i64) -> Result<(), StsError> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        // The timestamps are whole numbers. Source: STS API reference, `WebIdentityToken`.
        Some(value) => match value.as_i64() {
            Some(at) => Ok(Some(at)),
            None => Err(rejected(name)),
        },
    };
    let missing = |name: &str| StsError::InvalidIdentityToken(format!("Missing a required claim: {name}"));
    let expired_at_s = time("exp")?.ok_or_else(|| missing("exp"))?;
    if expired_at_s <= now_s {
        return Err(StsError::TokenExpired { now_s, expired_at_s });
    }
    let issued_at_s = time("iat")?.ok_or_else(|| missing("iat"))?;
    for (name, at_s) in [("iat", Some(issued_at_s)), ("nbf", time("nbf")?)] {
        if at_s.is_some_and(|at_s| at_s > now_s.saturating_add(SKEW_S_MAX)) {
            return Err(rejected(name));
        }
    }
    Ok(())
}
