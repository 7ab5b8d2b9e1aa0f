//! CreatePolicy.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::directory::Usage;
use crate::entity::{CustomerPolicy, Noun, PolicyRecord, PolicyVersion, Tag};
use crate::error::IamError;
use crate::target::Target;
use crate::view::PolicyView;
use crate::{ids, tags, versions};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_name: String,
    path: Option<String>,
    policy_document: String,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy: PolicyView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let arn = Noun::Policy.arn(ctx.partition, ctx.account, &path, &input.policy_name);
    iam.authorize(&ctx, "iam:CreatePolicy", &Target::bare(arn).with_tags(&input.tags))?;

    tags::check(&input.tags)?;
    versions::check(&input.policy_document)?;
    let now_ms = iam.clock.now_ms();
    let policy = PolicyRecord {
        name: input.policy_name,
        path,
        id: ids::policy_id(&*iam.random),
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        description: input.description.filter(|text| !text.is_empty()),
        tags: input.tags,
        versions: BTreeMap::from([(1, PolicyVersion { document: input.policy_document, created_at_ms: now_ms })]),
        default_version: 1,
        last_version: 1,
    };
    let policy = iam.directory.create::<CustomerPolicy>(ctx.global_scope(), policy).await?;
    Ok(Output { policy: PolicyView::whole(&policy, Usage::default(), ctx.partition, ctx.account) })
}
