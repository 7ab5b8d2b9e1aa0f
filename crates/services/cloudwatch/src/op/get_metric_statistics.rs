//! GetMetricStatistics: a point for each period that has data, in no particular order.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::CloudWatch;
use crate::check::{self, Dimension, required, text};
use crate::error::CloudWatchError;
use crate::limits::{NAME_CHARS_MAX, STATISTICS_POINTS_MAX};
use crate::read::Window;
use crate::series::MetricKey;
use crate::statistic::{NAMED, Statistic};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Option<Vec<Dimension>>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    period: Option<i64>,
    #[serde(default)]
    statistics: Option<Vec<String>>,
    #[serde(default)]
    extended_statistics: Option<Vec<String>>,
    #[serde(default)]
    unit: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Datapoint {
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_count: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<f64>,
    unit: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extended_statistics: BTreeMap<String, f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    label: String,
    datapoints: Vec<Datapoint>,
}

pub(crate) async fn run(
    cloudwatch: Arc<CloudWatch>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, CloudWatchError> {
    cloudwatch.authorize(&ctx, "cloudwatch:GetMetricStatistics", None)?;
    let namespace = check::namespace(input.namespace)?;
    let name = text("MetricName", input.metric_name, NAME_CHARS_MAX)?;
    let key = MetricKey::new(namespace, name.clone(), check::dimensions("", input.dimensions)?);
    let start_ms = required("StartTime", input.start_time)?.ms();
    let end_ms = required("EndTime", input.end_time)?.ms();
    let period_s = check::period("Period", required("Period", input.period)?)?;
    let unit = check::unit("Unit", input.unit)?;
    let statistics = named(input.statistics.unwrap_or_default())?;
    let extended = extended(input.extended_statistics.unwrap_or_default())?;
    if statistics.is_empty() && extended.is_empty() {
        return Err(CloudWatchError::Missing("Statistics or ExtendedStatistics".to_owned()));
    }
    if start_ms >= end_ms {
        return Err(CloudWatchError::value("The parameter StartTime must be less than the parameter EndTime."));
    }
    let points = (end_ms - start_ms) / 1_000 / period_s;
    if points > STATISTICS_POINTS_MAX {
        return Err(CloudWatchError::Combination(format!(
            "You have requested up to {points} datapoints, which exceeds the limit of {STATISTICS_POINTS_MAX}. You may \
             reduce the datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    cloudwatch.settle().await;
    let window = Window::new(start_ms, end_ms, period_s, cloudwatch.clock.now_ms());
    let found = cloudwatch.read(&ctx.scope(), &key, unit, window).await?;
    let mut datapoints = Vec::new();
    for (unit, points) in found {
        for (second, aggregate) in points {
            let extended: BTreeMap<String, f64> = extended
                .iter()
                .filter_map(|(name, statistic)| Some((name.clone(), statistic.of(&aggregate)?)))
                .collect();
            // Percentiles alone that nobody knows are no point.
            if statistics.is_empty() && extended.is_empty() {
                continue;
            }
            let of = |statistic: Statistic| statistics.contains(&statistic).then(|| statistic.of(&aggregate)).flatten();
            datapoints.push(Datapoint {
                timestamp: Timestamp::from_ms(second * 1_000),
                sample_count: of(Statistic::SampleCount),
                average: of(Statistic::Average),
                sum: of(Statistic::Sum),
                minimum: of(Statistic::Minimum),
                maximum: of(Statistic::Maximum),
                unit: unit.as_str(),
                extended_statistics: extended,
            });
        }
    }
    Ok(Output { label: name, datapoints })
}

fn named(given: Vec<String>) -> Result<Vec<Statistic>, CloudWatchError> {
    let names = || NAMED.map(|(name, _)| name).join(", ");
    let read = |(name, number): (String, usize)| {
        Statistic::named(&name).ok_or_else(|| {
            CloudWatchError::value(format!(
                "The parameter Statistics.member.{number} must be a value in the set [ {} ].",
                names()
            ))
        })
    };
    given.into_iter().zip(1..).map(read).collect()
}

fn extended(given: Vec<String>) -> Result<Vec<(String, Statistic)>, CloudWatchError> {
    let read = |(name, number): (String, usize)| match Statistic::extended(&name) {
        Some(statistic) => Ok((name, statistic)),
        None => Err(CloudWatchError::invalid(
            &format!("ExtendedStatistics.member.{number}"),
            name.chars().take(100).collect::<String>(),
        )),
    };
    given.into_iter().zip(1..).map(read).collect()
}
