//! ListMetrics: the metrics that have had data in the last two weeks, in the order of their names.

use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_ports::Dimensions;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::CloudWatch;
use crate::check::{Dimension, namespace, text};
use crate::error::CloudWatchError;
use crate::limits::{DIMENSION_VALUE_CHARS_MAX, FILTERS_MAX, LIST_PAGE, LISTED_MS, NAME_CHARS_MAX, RECENT_MS};
use crate::series::MetricKey;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
pub(crate) struct Input {
    namespace: Option<String>,
    metric_name: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    next_token: Option<String>,
    recently_active: Option<String>,
    include_linked_accounts: Option<bool>,
    owning_account: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    namespace: String,
    metric_name: String,
    dimensions: Vec<Dimension>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    metrics: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(
    cloudwatch: Arc<CloudWatch>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, CloudWatchError> {
    cloudwatch.authorize(&ctx, "cloudwatch:ListMetrics", None)?;
    if input.include_linked_accounts == Some(true) || input.owning_account.is_some() {
        return Err(CloudWatchError::unsupported("Observability across accounts"));
    }
    let wanted_namespace = input.namespace.map(|name| namespace(Some(name))).transpose()?;
    let wanted_name = input.metric_name.map(|name| text("MetricName", Some(name), NAME_CHARS_MAX)).transpose()?;
    let filters = filters(input.dimensions)?;
    let age_ms = match input.recently_active.as_deref() {
        None => LISTED_MS,
        Some("PT3H") => RECENT_MS,
        Some(_) => {
            return Err(CloudWatchError::value("The parameter RecentlyActive must be a value in the set [ PT3H ]."));
        }
    };
    let after = input.next_token.as_deref().map(read_token).transpose()?;
    cloudwatch.settle().await;

    let since_ms = cloudwatch.clock.now_ms() - age_ms;
    let is_wanted = |key: &MetricKey| {
        wanted_namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
            && wanted_name.as_ref().is_none_or(|name| *name == key.name)
            && filters.iter().all(|(name, value)| {
                let fits =
                    |(known, of): &(String, String)| known == name && value.as_ref().is_none_or(|value| value == of);
                key.dimensions.iter().any(fits)
            })
    };
    let places = cloudwatch.places.lock();
    let Some(place) = places.get(&ctx.scope()) else { return Ok(Output { metrics: Vec::new(), next_token: None }) };
    let is_alive = |id: &u64| place.series.get(id).is_some_and(|series| series.last_ms >= since_ms);
    let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut found = place
        .metrics
        .range::<MetricKey, _>((start, Bound::Unbounded))
        .filter(|(key, units)| is_wanted(key) && units.values().any(is_alive))
        .map(|(key, _)| key);
    let page: Vec<_> = found.by_ref().take(LIST_PAGE).collect();
    let next_token = found.next().and(page.last()).map(|last| token(last));
    Ok(Output { metrics: page.into_iter().map(|key| listed(key)).collect(), next_token })
}

fn filters(given: Option<Vec<Dimension>>) -> Result<Vec<(String, Option<String>)>, CloudWatchError> {
    let given = given.unwrap_or_default();
    if given.len() > FILTERS_MAX {
        return Err(CloudWatchError::value(format!(
            "The collection Dimensions must not have a size greater than {FILTERS_MAX}."
        )));
    }
    let filter = |(Dimension { name, value }, number): (Dimension, usize)| {
        let parameter = format!("Dimensions.member.{number}");
        let value = value.map(|value| text(&format!("{parameter}.Value"), Some(value), DIMENSION_VALUE_CHARS_MAX));
        Ok((text(&format!("{parameter}.Name"), name, NAME_CHARS_MAX)?, value.transpose()?))
    };
    given.into_iter().zip(1..).map(filter).collect()
}

fn listed(key: &MetricKey) -> Listed {
    let dimension =
        |(name, value): &(String, String)| Dimension { name: Some(name.clone()), value: Some(value.clone()) };
    Listed {
        namespace: key.namespace.clone(),
        metric_name: key.name.clone(),
        dimensions: key.dimensions.iter().map(dimension).collect(),
    }
}

fn token(key: &MetricKey) -> String {
    let parts = serde_json::json!([key.namespace, key.name, key.dimensions]);
    URL_SAFE_NO_PAD.encode(parts.to_string())
}

fn read_token(text: &str) -> Result<MetricKey, CloudWatchError> {
    let parts = URL_SAFE_NO_PAD.decode(text).ok().and_then(|parts| serde_json::from_slice(&parts).ok());
    let (namespace, name, dimensions): (String, String, Dimensions) =
        parts.ok_or_else(|| CloudWatchError::invalid("NextToken", text.chars().take(100).collect::<String>()))?;
    Ok(MetricKey { namespace, name, dimensions })
}
