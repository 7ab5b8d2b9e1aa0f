//! AddPermission: one more statement in the policy of a function, or of one of its versions.

use std::sync::Arc;

use hearth_ports::Condition;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::permission::{self, Kept, POLICY_BYTES_MAX, Permission};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
    revision_id: Option<String>,
    #[serde(flatten)]
    permission: Permission,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// JSON text.
    statement: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let Input { function_name, qualifier, revision_id, permission } = input;
    let target = Target::parse(&ctx, &function_name, qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:AddPermission", &target.qualified_arn(), &conditions(&permission))?;
    let statement = permission.statement(&target.qualified_arn())?;
    let text = serde_json::to_string(&statement).map_err(LambdaError::internal)?;
    let key = permission::key(&target)?;
    lambda
        .change(&ctx, &target, |function| {
            permission::check_qualifier(&target, function)?;
            let mut record = (*function.record).clone();
            let policy = record.policies.entry(key.clone()).or_default();
            permission::check_revision(revision_id.as_deref(), policy)?;
            if policy.statements.iter().any(|other| other.has_sid(&statement.sid)) {
                return Err(LambdaError::StatementExists { sid: statement.sid.clone() });
            }
            policy.statements.push(Kept::Made(statement.clone()));
            policy.revision_id = lambda.new_revision_id();
            let bytes = policy.document().len();
            if bytes > POLICY_BYTES_MAX {
                return Err(LambdaError::PolicyTooLong { bytes });
            }
            Ok((Some(Change::record(record)), ()))
        })
        .await?;
    Ok(Output { statement: text })
}

/// Source: "Actions, resources, and condition keys for AWS Lambda".
fn conditions(permission: &Permission) -> Vec<Condition> {
    let principal = Some(Condition::one("lambda:Principal", &permission.principal));
    let auth = permission.function_url_auth_type.as_ref();
    let auth = auth.map(|auth| Condition::one("lambda:FunctionUrlAuthType", auth));
    principal.into_iter().chain(auth).collect()
}
