//! Changing the policy of a layer version.

use hearth_types::RequestContext;

use super::name::LayerTarget;
use super::record::LayerVersionRecord;
use super::registry::LayerChange;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::permission::PolicyRecord;

impl Lambda {
    /// Replaces the policy by what `decide` makes of it, and answers its new revision. One without statements goes.
    ///
    /// # Errors
    /// There is no such version, its policy is at another revision than `expected`, or what `decide` says.
    pub(crate) async fn change_layer_policy(
        &self,
        ctx: &RequestContext,
        target: &LayerTarget,
        number: u64,
        expected: Option<&str>,
        decide: impl FnOnce(Option<&PolicyRecord>) -> Result<PolicyRecord, LambdaError>,
    ) -> Result<String, LambdaError> {
        self.layers
            .change(&ctx.scope(), &target.name, |layer| {
                let version = layer.and_then(|layer| layer.versions.get(&number));
                let missing = || LambdaError::NoLayerVersion { arn: target.version_arn(number).to_string() };
                let version = &version.ok_or_else(missing)?.record;
                let current = version.policy.as_ref();
                let revision = current.map(|policy| policy.revision_id.as_str()).unwrap_or_default();
                if expected.is_some_and(|expected| expected != revision) {
                    return Err(LambdaError::LayerPolicyRevisionMismatch);
                }
                let mut policy = decide(current)?;
                let revision_id = self.new_revision_id();
                policy.revision_id.clone_from(&revision_id);
                let policy = Some(policy).filter(|policy| !policy.statements.is_empty());
                let version = LayerVersionRecord { policy, ..(**version).clone() };
                Ok((Some(LayerChange::Put(Box::new(version))), revision_id))
            })
            .await
    }
}
