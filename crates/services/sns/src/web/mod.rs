//! How HTTP endpoints are told: what is posted, by whom ([`HttpClient`]), and what its answer means.

mod client;
mod pace;

use async_trait::async_trait;

pub use client::{HttpClient, Reach};
pub(crate) use pace::Paces;

/// A message on its way to an HTTP endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub url: http::Uri,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// Whoever subscribed it was not a function's code: see [`Reach`].
    pub by_outsider: bool,
}

/// Why a message was not even refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// The endpoint is where messages must not go.
    #[error("the endpoint is closed: {0}")]
    Closed(String),
    #[error("{0}")]
    Unreachable(String),
}

/// Posts messages.
#[async_trait]
pub trait Web: Send + Sync + 'static {
    /// Resolves with the status of the answer. Redirects are not followed.
    ///
    /// # Errors
    /// [`WebError`]: there is none.
    async fn post(&self, post: Post) -> Result<http::StatusCode, WebError>;
}
