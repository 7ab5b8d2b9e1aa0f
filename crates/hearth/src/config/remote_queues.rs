//! `[[remote_queues]]`: queues behind other endpoints that speak the API of SQS.

use hearth_remote_queues::{Remote, RemoteError};
use serde::Deserialize;

/// As the file has it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    endpoint: String,
    /// Whose queues.
    account: String,
    region: String,
    /// Only those whose names begin so.
    #[serde(default)]
    name_prefix: String,
    access_key_id: String,
    secret_access_key: String,
    /// Who but the account itself may use them.
    policy: Option<String>,
}

/// Without the secret.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("endpoint", &self.endpoint)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteQueuesError {
    #[error("`remote_queues` of {endpoint}: {error}")]
    Entry { endpoint: String, error: RemoteError },
    #[error("`remote_queues`: two entries are about the same queues, those of {0}")]
    Twice(String),
}

pub(super) fn resolve(entries: Vec<Entry>) -> Result<Vec<Remote>, RemoteQueuesError> {
    let mut remotes = Vec::with_capacity(entries.len());
    let mut known: Vec<String> = Vec::new();
    for Entry { endpoint, account, region, name_prefix, access_key_id, secret_access_key, policy } in entries {
        let about = format!("{account} in {region} that begin with \"{name_prefix}\"");
        if known.contains(&about) {
            return Err(RemoteQueuesError::Twice(about));
        }
        let keys = (access_key_id, secret_access_key);
        let remote = Remote::new(&endpoint, &account, &region, name_prefix, keys, policy.as_deref());
        remotes.push(remote.map_err(|error| RemoteQueuesError::Entry { endpoint, error })?);
        known.push(about);
    }
    Ok(remotes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"
        endpoint = "https://sqs.eu-west-1.amazonaws.com"
        account = "111122223333"
        region = "eu-west-1"
        access_key_id = "AKIA"
        secret_access_key = "hush"
    "#;

    fn entry(more: &str) -> Entry {
        toml::from_str(&format!("{ENTRY}{more}")).expect("an entry")
    }

    #[test]
    fn entries_are_checked_and_none_shows_its_secret() {
        let shown = format!("{:?} {:?}", entry(""), resolve(vec![entry("")]).expect("good"));
        assert!(shown.contains("111122223333") && !shown.contains("hush"), "{shown}");
        assert!(resolve(vec![entry(""), entry("name_prefix = \"a\"")]).is_ok());
        assert!(matches!(resolve(vec![entry(""), entry("")]), Err(RemoteQueuesError::Twice(_))));
        assert!(matches!(resolve(vec![entry("policy = \"{\"")]), Err(RemoteQueuesError::Entry { .. })));
        assert!(toml::from_str::<Entry>(&format!("{ENTRY}secret = 1")).is_err());
    }
}
