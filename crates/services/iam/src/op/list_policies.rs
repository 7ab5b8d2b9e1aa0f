//! ListPolicies: the account's own and AWS's, in the order of their ARNs.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::directory::Usage;
use crate::entity::{CustomerPolicy, Named as _};
use crate::error::IamError;
use crate::managed;
use crate::page::{self, Page};
use crate::policy_ref::Managed;
use crate::view::PolicyView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    scope: Option<String>,
    only_attached: Option<bool>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policies: Vec<PolicyView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

type Found = (Managed, Usage);

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
    iam.authorize(&ctx, "iam:ListPolicies", &Iam::list_target::<CustomerPolicy>(&ctx, &prefix))?;
    let is_in_scope = |scope: &str| input.scope.as_deref().is_none_or(|wanted| wanted == "All" || wanted == scope);
    let wanted = |path: &str, usage: Usage| {
        path.starts_with(&prefix)
            && (usage.attachments > 0 || input.only_attached != Some(true))
            && usage.is_as(input.policy_usage_filter.as_deref())
    };
    let mut found = iam.directory.read(&ctx.global_scope(), |account| {
        let usage = account.usage();
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        if is_in_scope("Local") {
            for policy in account.policies.iter() {
                let arn = policy.arn(ctx.partition, ctx.account).to_string();
                let usage = usage.get(arn.as_str()).copied().unwrap_or_default();
                if wanted(&policy.path, usage) {
                    found.insert(arn, (Managed::Customer(policy.clone()), usage));
                }
            }
        }
        if is_in_scope("AWS") {
            for policy in managed::all() {
                let arn = policy.arn(ctx.partition);
                let usage = usage.get(arn.as_str()).copied().unwrap_or_default();
                if wanted(&policy.path, usage) {
                    found.insert(arn, (Managed::Aws(policy), usage));
                }
            }
        }
        found
    });
    if let Some(marker) = &input.marker {
        found = found.split_off(marker);
        found.remove(marker);
    }
    let size = page::size(input.max_items);
    let page = Page::cut(found.into_iter().take(size + 1).collect(), size, |(arn, _)| arn.clone());
    let view = |(_, (policy, usage)): (String, Found)| match policy {
        Managed::Aws(policy) => PolicyView::of_aws(policy, usage, ctx.partition),
        Managed::Customer(policy) => PolicyView::listed(&policy, usage, ctx.partition, ctx.account),
    };
    Ok(Output {
        policies: page.items.into_iter().map(view).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
