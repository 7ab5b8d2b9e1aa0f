//! Which queue is where.

use std::sync::Arc;

use hearth_ports::{Access, Authorizer, QueueConsumer, QueueError, QueueSender, ResourcePolicy};
use hearth_types::{Arn, Clock, RequestContext};

use crate::client::Http;
use crate::remote::Remote;

/// All queues there are, here and elsewhere.
pub struct Queues {
    pub(crate) sender: Arc<dyn QueueSender>,
    pub(crate) consumer: Arc<dyn QueueConsumer>,
    remotes: Vec<Arc<Remote>>,
    pub(crate) door: Door,
}

/// What a request elsewhere needs.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) http: Http,
    authorizer: Arc<dyn Authorizer>,
    /// Wall clock, for signatures.
    pub(crate) clock: Arc<dyn Clock>,
}

/// A queue elsewhere, with the caller's leave to use it.
#[derive(Clone)]
pub(crate) struct Away {
    pub(crate) remote: Arc<Remote>,
    pub(crate) url: String,
    pub(crate) door: Door,
}

impl Queues {
    /// `here`: the queues of this server, by both of their doors.
    #[must_use]
    pub fn new<H: QueueSender + QueueConsumer>(
        here: Arc<H>,
        remotes: Vec<Remote>,
        authorizer: Arc<dyn Authorizer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut remotes: Vec<Arc<Remote>> = remotes.into_iter().map(Arc::new).collect();
        // What names a queue more closely is asked first.
        remotes.sort_by_key(|remote| std::cmp::Reverse(remote.name_prefix.len()));
        let door = Door { http: Http::default(), authorizer, clock };
        Self { sender: here.clone(), consumer: here, remotes, door }
    }

    /// The queue, if it is elsewhere and the caller may do this to it.
    ///
    /// # Errors
    /// [`QueueError::AccessDenied`], by the policies here.
    pub(crate) fn away(&self, ctx: &RequestContext, action: &str, queue: &Arn) -> Result<Option<Away>, QueueError> {
        let Some(remote) = self.remotes.iter().find(|remote| remote.has(queue)) else { return Ok(None) };
        let ctx = ctx.in_account(remote.account);
        let policy = remote.policy.as_deref().map_or(ResourcePolicy::None, ResourcePolicy::Of);
        let asked = self.door.authorizer.authorize(&ctx, &Access::new(action, queue).with_policy(policy));
        asked.map_err(|denied| QueueError::AccessDenied { message: denied.message })?;
        let url = remote.queue_url(queue);
        Ok(Some(Away { remote: Arc::clone(remote), url, door: self.door.clone() }))
    }
}
