//! Queues are read as the function's role: its session, kept for a while.

use std::sync::Arc;

use hearth_ports::{CredentialIssuer, FunctionVersion, TemporaryKey};
use hearth_types::{Arn, Caller, RequestContext};

use crate::limits::{ROLE_AGE_MS, ROLE_TTL_MS};

/// One per poller.
#[derive(Default)]
pub(crate) struct Role {
    kept: Option<Kept>,
}

struct Kept {
    role_arn: String,
    at_ms: i64,
    caller: Caller,
}

impl Role {
    /// The same context, called by the function's role about what is of the queue's account.
    ///
    /// # Errors
    /// Why Lambda cannot take the role, for the log.
    pub(crate) fn assume(
        &mut self,
        issuer: &Arc<dyn CredentialIssuer>,
        ctx: &RequestContext,
        function: &FunctionVersion,
        queue: &Arn,
        now_ms: i64,
    ) -> Result<RequestContext, String> {
        let is_good = |kept: &&Kept| kept.role_arn == function.role_arn && now_ms - kept.at_ms < ROLE_AGE_MS;
        let caller = match self.kept.as_ref().filter(is_good) {
            Some(kept) => kept.caller.clone(),
            None => {
                let session = issuer.issue_function_session(ctx, &function.role_arn, &function.arn, ROLE_TTL_MS);
                let TemporaryKey { credentials, caller } = session.map_err(|error| error.to_string())?;
                // Who it is for stays; nobody signs with it.
                issuer.revoke(ctx, &credentials.access_key_id);
                self.kept = Some(Kept { role_arn: function.role_arn.clone(), at_ms: now_ms, caller: caller.clone() });
                caller
            }
        };
        let account = queue.account.parse().unwrap_or(ctx.account);
        Ok(RequestContext { caller, ..ctx.in_account(account) })
    }

    pub(crate) fn forget(&mut self) {
        self.kept = None;
    }
}
