//! The policy evaluator: pure, no I/O. It answers for policies it is handed and loads nothing.
//!
//! Today it holds the allow-all evaluator; every operation already asks it.

use hearth_ports::{Authorizer, Condition, Denied};
use hearth_types::{Arn, RequestContext};

/// Allows everything. The place where policies are evaluated from the next step on.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn authorize(&self, _: &RequestContext, _: &str, _: &Arn, _: &[Condition]) -> Result<(), Denied> {
        Ok(())
    }
}
