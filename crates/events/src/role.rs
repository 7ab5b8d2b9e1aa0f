//! Queues are read as the function's role: its session, kept for a while.

use std::sync::Arc;

use hearth_ports::{CredentialIssuer, FunctionVersion};
use hearth_types::{Arn, Caller, RequestContext};

use crate::limits::ROLE_AGE_MS;

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
                let caller = issuer.function_role(ctx, &function.role_arn, &function.arn);
                let caller = caller.map_err(|error| error.to_string())?;
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
