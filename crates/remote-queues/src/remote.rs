//! Where queues live, as the configuration says it.

use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_types::{AccountId, Arn};
use hearth_wire::sigv4::Signer;
use http::Uri;

/// Queues of one account and region, all of them or those whose names begin in one way, and the endpoint they are behind.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(crate) account: AccountId,
    pub(crate) region: String,
    pub(crate) name_prefix: String,
    /// Scheme and authority, without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) signer: Signer,
    /// Who but their own account may use them: what queues here have as their policy.
    pub(crate) policy: Option<Arc<Policy>>,
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("`endpoint` is http://HOST[:PORT] or https://HOST[:PORT], nothing behind it; it is {0}")]
    Endpoint(String),
    #[error("`account` has twelve digits; it is {0}")]
    Account(String),
    #[error("`region` is the name of a region, such as us-east-1; it is {0}")]
    Region(String),
    #[error("`access_key_id` and `secret_access_key` must not be empty")]
    NoCredentials,
    #[error("`policy` is no policy of a queue: {0}")]
    Policy(String),
}

impl Remote {
    /// # Errors
    /// [`RemoteError`]. None shows the secret.
    pub fn new(
        endpoint: &str,
        account: &str,
        region: &str,
        name_prefix: String,
        (access_key_id, secret_access_key): (String, String),
        policy: Option<&str>,
    ) -> Result<Self, RemoteError> {
        let uri: Uri = endpoint.parse().map_err(|_| RemoteError::Endpoint(endpoint.to_owned()))?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_bare = uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().map(|authority| authority.as_str()).filter(|text| !text.contains('@'));
        let (true, true, Some(_)) = (is_web, is_bare, authority) else {
            return Err(RemoteError::Endpoint(endpoint.to_owned()));
        };
        let account = account.parse().map_err(|_| RemoteError::Account(account.to_owned()))?;
        let is_name = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        if region.is_empty() || !region.bytes().all(is_name) {
            return Err(RemoteError::Region(region.to_owned()));
        }
        if access_key_id.is_empty() || secret_access_key.is_empty() {
            return Err(RemoteError::NoCredentials);
        }
        let policy = policy.map(|text| Policy::parse(text, PolicyKind::Resource)).transpose();
        let policy = policy.map_err(|error| RemoteError::Policy(error.to_string()))?;
        Ok(Self {
            account,
            region: region.to_owned(),
            name_prefix,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            signer: Signer {
                access_key_id,
                secret_access_key,
                session_token: None,
                region: region.to_owned(),
                service: "sqs",
            },
            policy: policy.map(Arc::new),
        })
    }

    pub(crate) fn has(&self, queue: &Arn) -> bool {
        queue.service == "sqs"
            && queue.account == self.account.as_str()
            && queue.region == self.region
            && queue.resource.starts_with(&self.name_prefix)
    }

    /// As AWS and everybody who speaks its API build it. Source: SQS developer guide, "Amazon SQS queue and message
    /// identifiers".
    pub(crate) fn queue_url(&self, queue: &Arn) -> String {
        format!("{}/{}/{}", self.endpoint, queue.account, queue.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(endpoint: &str, account: &str, region: &str, prefix: &str) -> Result<Remote, RemoteError> {
        let keys = ("AKIA".to_owned(), "hush".to_owned());
        Remote::new(endpoint, account, region, prefix.to_owned(), keys, None)
    }

    #[test]
    fn nonsense_is_refused_and_secrets_are_not_shown() {
        let good = remote("https://sqs.eu-west-1.amazonaws.com/", "111122223333", "eu-west-1", "").expect("good");
        assert_eq!(good.endpoint, "https://sqs.eu-west-1.amazonaws.com");
        assert!(!format!("{good:?}").contains("hush"));
        for endpoint in ["sqs.amazonaws.com", "ftp://a", "http://a/b", "http://a/?b=c", "http://me:hush@a", ""] {
            let refused = remote(endpoint, "111122223333", "eu-west-1", "");
            assert!(matches!(refused, Err(RemoteError::Endpoint(_))), "{endpoint}");
        }
        assert!(matches!(remote("http://a", "1", "eu-west-1", ""), Err(RemoteError::Account(_))));
        assert!(matches!(remote("http://a", "111122223333", "EU", ""), Err(RemoteError::Region(_))));
        let keys = (String::new(), "hush".to_owned());
        let without = Remote::new("http://a", "111122223333", "eu-west-1", String::new(), keys, None);
        assert!(matches!(without, Err(RemoteError::NoCredentials)));
    }

    #[test]
    fn queues_are_told_by_account_region_and_name() {
        let remote = remote("http://localhost:1", "111122223333", "eu-west-1", "shop-").expect("good");
        let has = |arn: &str| remote.has(&arn.parse().expect("an ARN"));
        assert!(has("arn:aws:sqs:eu-west-1:111122223333:shop-orders"));
        assert!(!has("arn:aws:sqs:eu-west-1:111122223333:orders"));
        assert!(!has("arn:aws:sqs:eu-west-2:111122223333:shop-orders"));
        assert!(!has("arn:aws:sqs:eu-west-1:444455556666:shop-orders"));
        assert!(!has("arn:aws:sns:eu-west-1:111122223333:shop-orders"));
        let arn = "arn:aws:sqs:eu-west-1:111122223333:shop-orders".parse().expect("an ARN");
        assert_eq!(remote.queue_url(&arn), "http://localhost:1/111122223333/shop-orders");
    }
}
