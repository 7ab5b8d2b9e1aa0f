//! The configuration of a function URL: as it is asked for, stored and shown. Pure.
//!
//! Source: Lambda API reference, CreateFunctionUrlConfig and its like; the refusals are recorded.

use hearth_ports::Condition;
use hearth_types::clock::iso8601_ms;
use hearth_types::{Qualifier, Random, RequestContext};
use serde::{Deserialize, Serialize};

use super::address::UrlDomain;
use super::cors::Cors;
use crate::catalog::Function;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::name::Target;
use crate::record::FunctionRecord;

/// Recorded with the refusal of versions and of `$LATEST`; the model's `FunctionUrlQualifier`.
const QUALIFIER_PATTERN: &str = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)";
/// Bytes of randomness in an id: 32 characters of five bits each.
const ID_BYTES: usize = 20;
const ID_ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A URL as it is stored, under the alias it is for; under an empty name that of the function itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UrlRecord {
    /// Unguessable and nobody else's, as long as the configuration lives.
    pub(crate) id: String,
    pub(crate) auth: AuthType,
    pub(crate) mode: InvokeMode,
    pub(crate) cors: Option<Cors>,
    pub(crate) created_ms: i64,
    pub(crate) last_modified_ms: i64,
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AuthType {
    /// Anybody the function's policy lets in.
    #[serde(rename = "NONE")]
    None,
    /// Who signs the request and may.
    #[serde(rename = "AWS_IAM")]
    Iam,
}

impl AuthType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Iam => "AWS_IAM",
        }
    }

    pub(crate) fn condition(self) -> Condition {
        Condition::one("lambda:FunctionUrlAuthType", self.as_str())
    }
}

/// How an answer goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InvokeMode {
    /// When it is whole.
    #[default]
    #[serde(rename = "BUFFERED")]
    Buffered,
    /// As it comes.
    #[serde(rename = "RESPONSE_STREAM")]
    ResponseStream,
}

/// What Create and Update ask for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Requested {
    pub(crate) auth_type: Option<AuthType>,
    pub(crate) cors: Option<Cors>,
    pub(crate) invoke_mode: Option<InvokeMode>,
}

impl Requested {
    /// Condition keys of the request. Source: "Actions, resources, and condition keys for AWS Lambda".
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        self.auth_type.map(AuthType::condition).into_iter().collect()
    }
}

/// The input of Create and of Update.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
    #[serde(flatten)]
    pub(crate) requested: Requested,
}

impl UrlRecord {
    pub(crate) fn new(requested: Requested, now_ms: i64, random: &dyn Random) -> Result<Self, LambdaError> {
        Ok(Self {
            id: new_id(random),
            // The model requires it.
            auth: requested.auth_type.ok_or_else(|| LambdaError::internal("a URL without AuthType"))?,
            mode: requested.invoke_mode.unwrap_or_default(),
            cors: requested.cors.filter(Cors::says_something),
            created_ms: now_ms,
            last_modified_ms: now_ms,
        })
    }

    /// What is not named stays.
    pub(crate) fn updated(&self, requested: &Requested, now_ms: i64) -> Self {
        Self {
            auth: requested.auth_type.unwrap_or(self.auth),
            mode: requested.invoke_mode.unwrap_or(self.mode),
            cors: match &requested.cors {
                Some(cors) => Some(cors.clone()).filter(Cors::says_something),
                None => self.cors.clone(),
            },
            last_modified_ms: now_ms,
            ..self.clone()
        }
    }
}

fn new_id(random: &dyn Random) -> String {
    let mut bytes = [0; ID_BYTES];
    random.fill(&mut bytes);
    let bit = |at: usize| (bytes[at / 8] >> (7 - at % 8)) & 1;
    let letter = |at: usize| (0..5).fold(0, |index, offset| index << 1 | bit(at * 5 + offset));
    (0..ID_BYTES * 8 / 5).map(|at| char::from(ID_ALPHABET[usize::from(letter(at))])).collect()
}

/// What a request calls a function with a URL: the function itself or an alias.
///
/// # Errors
/// As [`Target::parse`], or it is a version.
pub(crate) fn target(ctx: &RequestContext, name: &str, qualifier: Option<&str>) -> Result<Target, LambdaError> {
    let target = Target::parse(ctx, name, qualifier)?;
    match target.qualifier() {
        None | Some(Qualifier::Alias(_)) => Ok(target),
        Some(version @ Qualifier::Version(_)) => Err(LambdaError::Validation {
            value: version.to_string(),
            member: "qualifier",
            constraint: format!("Member must satisfy regular expression pattern: {QUALIFIER_PATTERN}"),
        }),
    }
}

/// The URL of what `target` names, if it has one.
pub(crate) fn find<'a>(record: &'a FunctionRecord, target: &Target) -> Option<&'a UrlRecord> {
    record.urls.get(target.qualifier.as_deref().unwrap_or_default())
}

/// Condition keys of the URL that is there, for operations on it.
pub(crate) fn conditions(function: Option<&Function>, target: &Target) -> Vec<Condition> {
    let url = function.and_then(|function| find(&function.record, target));
    url.map(|url| url.auth.condition()).into_iter().collect()
}

/// The change that sets a URL, or takes it away.
pub(crate) fn set(function: &Function, target: &Target, url: Option<UrlRecord>) -> Change {
    let mut record = (*function.record).clone();
    let name = target.qualifier.clone().unwrap_or_default();
    match url {
        Some(url) => record.urls.insert(name, url),
        None => record.urls.remove(&name),
    };
    Change::record(record)
}

/// `FunctionUrlConfig` of the API model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionUrlConfig {
    function_url: String,
    function_arn: String,
    auth_type: AuthType,
    cors: Option<Cors>,
    creation_time: String,
    /// Not in the answer of Create, which has no such member.
    last_modified_time: Option<String>,
    invoke_mode: InvokeMode,
}

impl FunctionUrlConfig {
    pub(crate) fn new(ctx: &RequestContext, domain: &UrlDomain, target: &Target, url: &UrlRecord) -> Self {
        Self {
            function_url: domain.url(&url.id, ctx.region.as_str(), &ctx.host, ctx.secure),
            function_arn: target.qualified_arn().to_string(),
            auth_type: url.auth,
            cors: url.cors.clone(),
            creation_time: iso8601_ms(url.created_ms),
            last_modified_time: Some(iso8601_ms(url.last_modified_ms)),
            invoke_mode: url.mode,
        }
    }

    pub(crate) fn of_creation(self) -> Self {
        Self { last_modified_time: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hearth_types::{OsRandom, SeededRandom};

    use super::*;

    #[test]
    fn an_id_is_a_label_of_thirty_two_letters_that_nobody_guesses() {
        let ids: BTreeSet<String> = (0..1_000).map(|_| new_id(&OsRandom)).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            assert!(
                id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
                "{id}"
            );
        }
        // Every letter of the alphabet is used.
        let text: String = (0..1_000).map(|seed| new_id(&SeededRandom::new(seed))).collect();
        assert_eq!(text.chars().collect::<BTreeSet<char>>().len(), 32);
    }
}
