//! GetMetricData: metrics and expressions over them, a page of points at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::{RequestContext, Scope};
use hearth_wire::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::check::{self, Dimension, required, text};
use crate::error::CloudWatchError;
use crate::limits::{DATA_POINTS_MAX, GATHERED_POINTS_MAX, NAME_CHARS_MAX, QUERIES_MAX};
use crate::math::{Evaluation, Expression, Line, Value, parse};
use crate::read::Window;
use crate::series::MetricKey;
use crate::statistic::Statistic;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    metric_data_queries: Option<Vec<Query>>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    #[serde(default)]
    next_token: Option<String>,
    #[serde(default)]
    scan_by: Option<String>,
    #[serde(default)]
    max_datapoints: Option<i64>,
    #[serde(default)]
    label_options: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Query {
    id: Option<String>,
    #[serde(default)]
    metric_stat: Option<MetricStat>,
    #[serde(default)]
    expression: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    return_data: Option<bool>,
    #[serde(default)]
    period: Option<i64>,
    #[serde(default)]
    account_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: Option<Metric>,
    period: Option<i64>,
    stat: Option<String>,
    #[serde(default)]
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Option<Vec<Dimension>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDataResult {
    id: String,
    label: String,
    timestamps: Vec<Timestamp>,
    values: Vec<f64>,
    status_code: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    metric_data_results: Vec<MetricDataResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    messages: Vec<()>,
}

/// A query that is understood.
enum Understood {
    Metric { key: MetricKey, period_s: i64, statistic: Statistic, unit: Option<hearth_ports::Unit> },
    Expression(Expression),
}

struct Checked {
    id: String,
    label: String,
    is_returned: bool,
    what: Understood,
}

pub(crate) async fn run(
    cloudwatch: Arc<CloudWatch>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, CloudWatchError> {
    cloudwatch.authorize(&ctx, "cloudwatch:GetMetricData", None)?;
    if input.label_options.is_some() {
        return Err(CloudWatchError::unsupported("LabelOptions"));
    }
    let queries = required("MetricDataQueries", input.metric_data_queries.filter(|queries| !queries.is_empty()))?;
    let start_ms = required("StartTime", input.start_time)?.ms();
    let end_ms = required("EndTime", input.end_time)?.ms();
    if start_ms >= end_ms {
        return Err(CloudWatchError::value("The parameter StartTime must be less than the parameter EndTime."));
    }
    let is_ascending = match input.scan_by.as_deref() {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(_) => {
            return Err(CloudWatchError::value(
                "The parameter ScanBy must be a value in the set [ TimestampDescending, TimestampAscending ].",
            ));
        }
    };
    let points_max = match input.max_datapoints {
        None => DATA_POINTS_MAX,
        Some(asked) => usize::try_from(asked)
            .ok()
            .filter(|asked| (1..=DATA_POINTS_MAX).contains(asked))
            .ok_or_else(|| CloudWatchError::invalid("MaxDatapoints", asked))?,
    };
    let after = input.next_token.as_deref().map(read_token).transpose()?.unwrap_or_default();
    let queries = check_all(&ctx, queries)?;
    cloudwatch.settle().await;
    let now_ms = cloudwatch.clock.now_ms();
    let lines = calculate(&cloudwatch, &ctx.scope(), &queries, (start_ms, end_ms), now_ms).await?;
    Ok(page(lines, after, points_max, is_ascending))
}

fn check_all(ctx: &RequestContext, queries: Vec<Query>) -> Result<Vec<Checked>, CloudWatchError> {
    if queries.len() > QUERIES_MAX {
        return Err(CloudWatchError::Validation(format!(
            "The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}."
        )));
    }
    let mut ids = HashSet::new();
    let mut all = Vec::with_capacity(queries.len());
    for (query, number) in queries.into_iter().zip(1..) {
        let checked = check(ctx, query, number)?;
        if !ids.insert(checked.id.clone()) {
            return Err(CloudWatchError::Validation(format!(
                "The values for parameter id in MetricDataQueries are not unique: {}.",
                checked.id
            )));
        }
        all.push(checked);
    }
    if !all.iter().any(|query| query.is_returned) {
        return Err(CloudWatchError::Validation("At least one query must have ReturnData set to true.".to_owned()));
    }
    Ok(all)
}

fn check(ctx: &RequestContext, query: Query, number: usize) -> Result<Checked, CloudWatchError> {
    let at = |member: &str| format!("MetricDataQueries.member.{number}.{member}");
    let id = text(&at("Id"), query.id, NAME_CHARS_MAX)?;
    let is_id = id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_id {
        return Err(CloudWatchError::Validation(format!(
            "The value {id} for parameter {} is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
            at("Id")
        )));
    }
    if query.account_id.is_some_and(|account| account != ctx.account.as_str()) {
        return Err(CloudWatchError::unsupported("Observability across accounts"));
    }
    if query.label.as_ref().is_some_and(|label| label.contains("${")) {
        return Err(CloudWatchError::unsupported("A dynamic label"));
    }
    let (label, what) = match (query.metric_stat, query.expression) {
        (Some(stat), None) => {
            if query.period.is_some() {
                return Err(CloudWatchError::Validation(format!(
                    "The parameter {} is given with an expression only.",
                    at("Period")
                )));
            }
            let (name, what) = check_stat(stat, &at("MetricStat"))?;
            (name, what)
        }
        (None, Some(expression)) => {
            if query.period.is_some() {
                return Err(CloudWatchError::unsupported("Period of an expression (Metrics Insights, SEARCH)"));
            }
            if expression.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("SELECT")) {
                return Err(CloudWatchError::unsupported("Metrics Insights"));
            }
            let tree = parse(&expression).map_err(|detail| in_expression(&id, &detail))?;
            (id.clone(), Understood::Expression(tree))
        }
        _ => {
            return Err(CloudWatchError::Validation(format!(
                "Either {} or {} has to be given, and not both.",
                at("MetricStat"),
                at("Expression")
            )));
        }
    };
    let label = query.label.unwrap_or(label);
    Ok(Checked { id, label, is_returned: query.return_data != Some(false), what })
}

fn check_stat(stat: MetricStat, at: &str) -> Result<(String, Understood), CloudWatchError> {
    let metric = required(&format!("{at}.Metric"), stat.metric)?;
    let namespace = check::namespace(metric.namespace)?;
    let name = text(&format!("{at}.Metric.MetricName"), metric.metric_name, NAME_CHARS_MAX)?;
    let dimensions = check::dimensions(&format!("{at}.Metric."), metric.dimensions)?;
    let parameter = format!("{at}.Period");
    let period_s = check::period(&parameter, required(&parameter, stat.period)?)?;
    let given = required(&format!("{at}.Stat"), stat.stat)?;
    let statistic = Statistic::named(&given).or_else(|| Statistic::extended(&given));
    let statistic = statistic
        .ok_or_else(|| CloudWatchError::invalid(&format!("{at}.Stat"), given.chars().take(100).collect::<String>()))?;
    let unit = check::unit(&format!("{at}.Unit"), stat.unit)?;
    let key = MetricKey::new(namespace, name.clone(), dimensions);
    Ok((name, Understood::Metric { key, period_s, statistic, unit }))
}

fn in_expression(id: &str, detail: &str) -> CloudWatchError {
    CloudWatchError::Validation(format!("Error in expression '{id}': {detail}."))
}

/// What is returned, in the order of the queries.
async fn calculate(
    cloudwatch: &CloudWatch,
    scope: &Scope,
    queries: &[Checked],
    (start_ms, end_ms): (i64, i64),
    now_ms: i64,
) -> Result<Vec<Line>, CloudWatchError> {
    let mut metrics = Vec::new();
    let mut gathered = 0;
    for query in queries {
        let Understood::Metric { key, period_s, statistic, unit } = &query.what else { continue };
        let window = Window::new(start_ms, end_ms, *period_s, now_ms);
        let mut merged: std::collections::BTreeMap<i64, Aggregate> = std::collections::BTreeMap::new();
        for (_, points) in cloudwatch.read(scope, key, *unit, window).await? {
            for (at, aggregate) in points {
                merged.entry(at).or_default().merge(&aggregate);
            }
        }
        let points = merged.iter().filter_map(|(at, aggregate)| Some((*at, statistic.of(aggregate)?))).collect();
        let line = Line { id: query.id.clone(), label: query.label.clone(), period_s: *period_s, points };
        gathered += line.points.len();
        if gathered > GATHERED_POINTS_MAX {
            return Err(CloudWatchError::Validation(format!(
                "The request is about more than {GATHERED_POINTS_MAX} data points."
            )));
        }
        metrics.push(line);
    }
    let shortest_s = metrics.iter().map(|line| line.period_s).min().unwrap_or(60);
    let mut expressions = HashMap::new();
    for query in queries {
        if let Understood::Expression(tree) = &query.what {
            expressions.insert(query.id.clone(), (tree, query.label.clone()));
        }
    }
    let window = Window::new(start_ms, end_ms, shortest_s, now_ms);
    let mut evaluation = Evaluation { metrics, expressions, window, done: HashMap::new(), open: HashSet::new() };
    let mut lines = Vec::new();
    for query in queries.iter().filter(|query| query.is_returned) {
        match evaluation.named(&query.id).map_err(|detail| in_expression(&query.id, &detail))? {
            Value::Line(line) => lines.push(Line { id: query.id.clone(), label: query.label.clone(), ..line }),
            Value::Lines(several) => {
                lines.extend(several.into_iter().map(|line| Line { id: query.id.clone(), ..line }));
            }
            Value::Number(_) | Value::Text(_) => {
                return Err(in_expression(&query.id, "it is a number, and not a time series"));
            }
        }
    }
    Ok(lines)
}

/// Line and point of it at which a page begins.
type Position = (usize, usize);

fn page(lines: Vec<Line>, (first, skipped): Position, mut room: usize, is_ascending: bool) -> Output {
    let mut results = Vec::new();
    let mut next = None;
    for (index, line) in lines.into_iter().enumerate().skip(first) {
        let skipped = if index == first { skipped } else { 0 };
        let mut points: Vec<(i64, f64)> = line.points.into_iter().collect();
        if !is_ascending {
            points.reverse();
        }
        let left = points.len().saturating_sub(skipped);
        let taken = left.min(room);
        let page = points.into_iter().skip(skipped).take(taken);
        let (timestamps, values) = page.map(|(second, value)| (Timestamp::from_ms(second * 1_000), value)).unzip();
        let status_code = if taken < left { "PartialData" } else { "Complete" };
        results.push(MetricDataResult { id: line.id, label: line.label, timestamps, values, status_code });
        room -= taken;
        if taken < left {
            next = Some((index, skipped + taken));
            break;
        }
    }
    Output { metric_data_results: results, next_token: next.map(token), messages: Vec::new() }
}

fn token((line, point): Position) -> String {
    URL_SAFE_NO_PAD.encode(format!("{line}.{point}"))
}

fn read_token(text: &str) -> Result<Position, CloudWatchError> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (line, point) = text.split_once('.')?;
        Some((line.parse().ok()?, point.parse().ok()?))
    };
    read().ok_or(CloudWatchError::Token)
}
