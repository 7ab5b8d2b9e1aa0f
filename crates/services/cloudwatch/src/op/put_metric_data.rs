//! PutMetricData: answered when the data is on disk.

use std::sync::Arc;

use hearth_types::RequestContext;
use hearth_wire::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::check::{self, Dimension, required, text};
use crate::error::CloudWatchError;
use crate::journal::Datum;
use crate::limits::{DATA_MAX, FUTURE_MS_MAX, NAME_CHARS_MAX, PAST_MS_MAX, VALUE_MAX, VALUES_MAX};
use crate::series::{MetricKey, Resolution};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    namespace: Option<String>,
    #[serde(default)]
    metric_data: Option<Vec<MetricDatum>>,
    #[serde(default)]
    entity_metric_data: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    strict_entity_validation: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDatum {
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Option<Vec<Dimension>>,
    #[serde(default)]
    timestamp: Option<Timestamp>,
    #[serde(default)]
    value: Option<f64>,
    #[serde(default)]
    statistic_values: Option<StatisticSet>,
    #[serde(default)]
    values: Option<Vec<f64>>,
    #[serde(default)]
    counts: Option<Vec<f64>>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    storage_resolution: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatisticSet {
    sample_count: Option<f64>,
    sum: Option<f64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct Output {}

pub(crate) async fn run(
    cloudwatch: Arc<CloudWatch>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, CloudWatchError> {
    cloudwatch.authorize(&ctx, "cloudwatch:PutMetricData", input.namespace.as_deref())?;
    if input.entity_metric_data.is_some_and(|data| !data.is_empty()) {
        return Err(CloudWatchError::unsupported("EntityMetricData"));
    }
    if input.strict_entity_validation == Some(true) {
        return Err(CloudWatchError::unsupported("StrictEntityValidation"));
    }
    let namespace = check::namespace(input.namespace)?;
    let data = required("MetricData", input.metric_data.filter(|data| !data.is_empty()))?;
    if data.len() > DATA_MAX {
        return Err(CloudWatchError::value(format!(
            "The collection MetricData must not have a size greater than {DATA_MAX}."
        )));
    }
    let now_ms = cloudwatch.clock.now_ms();
    let data = data.into_iter().zip(1..).map(|(datum, number)| checked(&namespace, datum, number, now_ms));
    cloudwatch.write(&ctx.scope(), data.collect::<Result<_, _>>()?).await?;
    Ok(Output {})
}

fn checked(namespace: &str, datum: MetricDatum, number: usize, now_ms: i64) -> Result<Datum, CloudWatchError> {
    let at = |member: &str| format!("MetricData.member.{number}.{member}");
    let name = text(&at("MetricName"), datum.metric_name, NAME_CHARS_MAX)?;
    let dimensions = check::dimensions(&format!("MetricData.member.{number}."), datum.dimensions)?;
    let unit = check::unit(&at("Unit"), datum.unit)?.unwrap_or_default();
    let resolution = match datum.storage_resolution {
        None | Some(60) => Resolution::Minute,
        Some(1) => Resolution::Second,
        Some(other) => return Err(CloudWatchError::invalid(&at("StorageResolution"), other)),
    };
    let timestamp_ms = datum.timestamp.map_or(now_ms, Timestamp::ms);
    if !(now_ms - PAST_MS_MAX..=now_ms + FUTURE_MS_MAX).contains(&timestamp_ms) {
        return Err(CloudWatchError::value(format!(
            "The parameter {} must specify a time within the past two weeks and no more than two hours ahead.",
            at("Timestamp")
        )));
    }
    let both = |left: &str, right: &str| {
        CloudWatchError::Combination(format!(
            "The parameters {} and {} are mutually exclusive and you have specified both.",
            at(left),
            at(right)
        ))
    };
    let aggregate = match (datum.value, datum.statistic_values, datum.values) {
        (Some(_), Some(_), _) => return Err(both("Value", "StatisticValues")),
        (Some(_), _, Some(_)) => return Err(both("Value", "Values")),
        (_, Some(_), Some(_)) => return Err(both("StatisticValues", "Values")),
        (Some(value), None, None) => Aggregate::of(number_of(&at("Value"), value)?),
        (None, Some(set), None) => {
            let member = |name: &str, value: Option<f64>| {
                let parameter = at(&format!("StatisticValues.{name}"));
                number_of(&parameter, required(&parameter, value)?)
            };
            let count = member("SampleCount", set.sample_count)?;
            let (min, max) = (member("Minimum", set.minimum)?, member("Maximum", set.maximum)?);
            if count <= 0.0 {
                return Err(CloudWatchError::invalid(&at("StatisticValues.SampleCount"), count));
            }
            if min > max {
                return Err(CloudWatchError::value(format!(
                    "The parameter {} must be less than or equal to the parameter {}.",
                    at("StatisticValues.Minimum"),
                    at("StatisticValues.Maximum")
                )));
            }
            Aggregate::of_statistics(count, member("Sum", set.sum)?, min, max)
        }
        (None, None, Some(values)) => of_values(&at, &values, datum.counts.as_deref())?,
        (None, None, None) => {
            return Err(CloudWatchError::Missing(format!(
                "{}, {} or {}",
                at("Value"),
                at("Values"),
                at("StatisticValues")
            )));
        }
    };
    Ok(Datum { key: MetricKey::new(namespace, name, dimensions), unit, timestamp_ms, resolution, aggregate })
}

fn of_values(
    at: &impl Fn(&str) -> String,
    values: &[f64],
    counts: Option<&[f64]>,
) -> Result<Aggregate, CloudWatchError> {
    if values.is_empty() {
        return Err(CloudWatchError::Missing(at("Values")));
    }
    if values.len() > VALUES_MAX {
        return Err(CloudWatchError::value(format!(
            "The collection {} must not have a size greater than {VALUES_MAX}.",
            at("Values")
        )));
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        return Err(CloudWatchError::value(format!(
            "The parameters {} and {} must be of the same size.",
            at("Values"),
            at("Counts")
        )));
    }
    let mut aggregate = Aggregate::default();
    for (index, value) in values.iter().enumerate() {
        let count = counts.and_then(|counts| counts.get(index)).copied().unwrap_or(1.0);
        let value = number_of(&at(&format!("Values.member.{}", index + 1)), *value)?;
        let parameter = at(&format!("Counts.member.{}", index + 1));
        if number_of(&parameter, count)? <= 0.0 {
            return Err(CloudWatchError::invalid(&parameter, count));
        }
        aggregate.add(value, count);
    }
    Ok(aggregate)
}

/// What can be told of at all.
fn number_of(parameter: &str, value: f64) -> Result<f64, CloudWatchError> {
    if value.is_finite() && value.abs() <= VALUE_MAX {
        Ok(value)
    } else {
        Err(CloudWatchError::invalid(parameter, value))
    }
}
