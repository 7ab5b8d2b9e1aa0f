//! The authorizer of the server: gathers what applies to a request, has it weighed, and writes down what came of it.
//!
//! ```text
//! authorize ─▶ how strict? ─▶ identity, boundary, session policies (identity.rs) ─▶ hearth-authz ─▶ audit log ─▶ answer
//!               (mode, origin)   of the caller, from memory                          (pure)
//! ```

pub(crate) mod identity;
pub(crate) mod keys;

use std::sync::Arc;

use hearth_authz::{Decision, Policies, Reason, Request, ResourcePolicy, Source, evaluate};
use hearth_ports::{Access, AuditLog, AuditRecord, Authorizer, Denied, Verdict};
use hearth_types::{AuthMode, Caller, Clock, Origin, Proof, RequestContext};

use crate::directory::Directory;
use identity::Identities;
use keys::RequestKeys;

/// Decides for every service of the server.
pub struct Authority {
    pub(crate) directory: Arc<Directory>,
    identities: Identities,
    mode: AuthMode,
    audit: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
}

/// What becomes of policies for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    /// Not looked at.
    Ignored,
    /// Looked at, and a denial is only written down.
    Noted,
    Held,
}

impl Authority {
    #[must_use]
    pub fn new(directory: Arc<Directory>, mode: AuthMode, audit: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> Self {
        Self { directory, identities: Identities::default(), mode, audit, clock }
    }

    #[must_use]
    pub(crate) const fn mode(&self) -> AuthMode {
        self.mode
    }

    /// Weighs a request whatever the mode is. Nothing is written down.
    fn decide(&self, ctx: &RequestContext, access: &Access<'_>, resource: &str, now_ms: i64) -> Decision {
        let identity = self.identities.of(&self.directory, ctx);
        let session = self.identities.of_session(&ctx.caller);
        let keys = RequestKeys { ctx, conditions: access.conditions, principal_tags: &identity.tags, now_ms };
        let request = Request { caller: &ctx.caller, action: access.action, resource, owner: ctx.account, keys: &keys };
        let policies = Policies {
            identity: &identity.policies,
            boundary: identity.boundary.as_ref(),
            session: &session,
            resource: access.policy,
        };
        evaluate(&request, &policies)
    }

    fn strictness(&self, ctx: &RequestContext, access: &Access<'_>) -> Strictness {
        if ctx.origin == Origin::Function {
            return Strictness::Held;
        }
        // Accounts are separate worlds in every mode: what is another's is reached by its owner's leave. Roles are the
        // exception, for in open mode nobody is anybody in particular who could be trusted.
        let is_foreign = ctx.caller.account().is_some_and(|account| account != ctx.account);
        let is_trust = matches!(access.policy, ResourcePolicy::Trust(_));
        match self.mode {
            AuthMode::Enforce => Strictness::Held,
            // Who presents a token of an identity provider is nobody but what the role's trust makes of it.
            _ if matches!(ctx.caller, Caller::Federated { .. }) => Strictness::Held,
            _ if is_foreign && !is_trust => Strictness::Held,
            AuthMode::Soft => Strictness::Noted,
            AuthMode::Open => Strictness::Ignored,
        }
    }
}

/// Whether the caller is known to be who it says.
fn is_believed(ctx: &RequestContext) -> bool {
    match ctx.proof {
        Proof::Internal | Proof::Key(_) => true,
        Proof::UnknownKey(_) => false,
        Proof::Unsigned => matches!(ctx.caller, Caller::Anonymous | Caller::Federated { .. }),
    }
}

/// What the audit log says of a decision.
fn because(ctx: &RequestContext, decision: &Decision) -> String {
    if !decision.allowed && !is_believed(ctx) {
        return "credentials that are not known here".to_owned();
    }
    decision.reason.to_string()
}

impl Authorizer for Authority {
    fn authorize(&self, ctx: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        let now_ms = self.clock.now_ms();
        let resource = access.resource.to_string();
        let strictness = self.strictness(ctx, access);
        let decision = (strictness != Strictness::Ignored).then(|| {
            if is_believed(ctx) || self.mode == AuthMode::Open {
                self.decide(ctx, access, &resource, now_ms)
            } else {
                // The front lets none of these in in enforce mode; should it ever, this does not.
                Decision { allowed: false, reason: Reason::ImplicitDeny(Source::Identity) }
            }
        });
        let verdict = match (&decision, strictness) {
            (None, _) => Verdict::NotEvaluated,
            (Some(decision), _) if decision.allowed => Verdict::Allowed,
            (Some(_), Strictness::Noted) => Verdict::WouldDeny,
            (Some(_), _) => Verdict::Denied,
        };
        let principal = ctx.caller.arn(ctx.partition);
        let denial = decision.as_ref().filter(|decision| !decision.allowed);
        let denial = denial.map(|decision| decision.message(&principal, access.action, &resource));
        self.audit.record(AuditRecord {
            time_ms: now_ms,
            request_id: ctx.request_id.as_str().into(),
            principal,
            access_key_id: ctx.proof.access_key_id().cloned(),
            source_ip: ctx.source_ip,
            account: ctx.account.to_string(),
            region: ctx.region.to_string(),
            action: access.action.to_owned(),
            resource,
            verdict,
            because: decision.map(|decision| because(ctx, &decision)).unwrap_or_default(),
        });
        match (verdict, denial) {
            (Verdict::Denied, Some(message)) => Err(Denied { message }),
            (Verdict::WouldDeny, Some(message)) => {
                tracing::warn!(message, "would be denied");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn revision(&self) -> u64 {
        self.directory.revision()
    }
}
