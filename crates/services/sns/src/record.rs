//! What the store keeps of topics and subscriptions, and under which keys. Deliveries are kept by `hearth-delivery`.

use std::collections::BTreeMap;

use hearth_store::{Key, Record, Shard};
use hearth_types::Scope;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicRecord {
    pub(crate) name: String,
    /// Those that were set, as they were set.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// How many subscriptions it had and has no more.
    pub(crate) unsubscribed: u64,
}

impl Record for TopicRecord {
    const KIND: &'static str = "sns.topic";
    const VERSION: u32 = 1;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubscriptionRecord {
    /// The topic's name.
    pub(crate) topic: String,
    /// A UUID.
    pub(crate) id: String,
    pub(crate) protocol: String,
    /// As it was given.
    pub(crate) endpoint: String,
    /// Who subscribed, an ARN.
    pub(crate) principal: String,
    /// Scheme and authority by which Hearth was reached then: for the URL to unsubscribe by.
    pub(crate) base_url: String,
    /// Those that were set, as they were set.
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) state: State,
    /// Confirms it, or restores it.
    #[serde(default)]
    pub(crate) token: Option<Token>,
    /// Whoever confirmed it showed who he is.
    #[serde(default = "always")]
    pub(crate) is_authenticated: bool,
    /// Whoever ends it has to show who he is.
    #[serde(default)]
    pub(crate) authenticates_unsubscribe: bool,
    /// It was not a function's code that subscribed.
    #[serde(default)]
    pub(crate) by_outsider: bool,
}

const fn always() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    #[default]
    Confirmed,
    /// Its endpoint's owner has not agreed yet.
    Pending,
    /// Over, unless its endpoint's owner takes that back.
    Ended,
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    /// SHA-256, hexadecimal.
    pub(crate) digest: String,
    /// Service clock.
    pub(crate) expires_at_ms: i64,
}

impl Record for SubscriptionRecord {
    const KIND: &'static str = "sns.subscription";
    const VERSION: u32 = 1;
}

/// One for all topics of an account and region.
pub(crate) fn shard(scope: &Scope) -> Shard {
    Shard::new(scope, "sns")
}

pub(crate) fn topics(scope: &Scope) -> Key {
    Key::new(scope, TopicRecord::KIND)
}

pub(crate) fn topic_key(scope: &Scope, name: &str) -> Key {
    topics(scope).part(name)
}

pub(crate) fn subscriptions(scope: &Scope) -> Key {
    Key::new(scope, SubscriptionRecord::KIND)
}

pub(crate) fn subscription_key(scope: &Scope, topic: &str, id: &str) -> Key {
    subscriptions(scope).part(topic).part(id)
}
