//! The embedded metric format: log events that say metrics. Pure. Source: CloudWatch user guide, "Specification: Embedded
//! metric format".

use hearth_ports::{Dimensions, MetricDatum, Unit};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Metrics of one directive, and values of one metric. Source: as above.
const METRICS_MAX: usize = 100;
const VALUES_MAX: usize = 100;
const DIMENSIONS_MAX: usize = 30;
/// Characters. Source: as above.
const NAMESPACE_CHARS_MAX: usize = 255;
const NAME_CHARS_MAX: usize = 255;
/// Sets of dimensions of one directive: Hearth's own bound.
const SETS_MAX: usize = 100;
/// How old an event may be, and how far ahead, milliseconds. Source: CloudWatch API reference, PutMetricData.
const PAST_MS_MAX: i64 = 14 * 24 * 60 * 60 * 1_000;
const FUTURE_MS_MAX: i64 = 2 * 60 * 60 * 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    #[serde(default)]
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: String,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    storage_resolution: Option<i64>,
}

/// What an event says; nothing, for an event that is not in this format or not well-formed: it is a log event all the
/// same.
pub(crate) fn metrics(message: &[u8], now_ms: i64) -> Vec<MetricDatum> {
    // Most events are seen not to be in it at a glance.
    if message.first() != Some(&b'{') || !message.windows(6).any(|window| window == b"\"_aws\"") {
        return Vec::new();
    }
    let Ok(Value::Object(mut root)) = serde_json::from_slice(message) else { return Vec::new() };
    let metadata = root.remove("_aws").map(serde_json::from_value::<Metadata>);
    let Some(Ok(Metadata { timestamp, cloud_watch_metrics })) = metadata else { return Vec::new() };
    if !(now_ms - PAST_MS_MAX..=now_ms + FUTURE_MS_MAX).contains(&timestamp) {
        return Vec::new();
    }
    let read = |directive: &Directive| directive.read(&root, timestamp).unwrap_or_default();
    cloud_watch_metrics.iter().flat_map(read).collect()
}

impl Directive {
    /// `None`: it says what no directive may say, and so nothing.
    fn read(&self, root: &Map<String, Value>, timestamp_ms: i64) -> Option<Vec<MetricDatum>> {
        let is_namespace = !self.namespace.is_empty() && self.namespace.chars().count() <= NAMESPACE_CHARS_MAX;
        if !is_namespace || self.metrics.len() > METRICS_MAX || self.dimensions.len() > SETS_MAX {
            return None;
        }
        let mut sets = Vec::new();
        for names in &self.dimensions {
            sets.push(set(names, root)?);
        }
        if sets.is_empty() {
            sets.push(Dimensions::new());
        }
        let mut data = Vec::new();
        for metric in &self.metrics {
            let Some(values) = root.get(&metric.name).and_then(values) else { continue };
            if metric.name.is_empty() || metric.name.chars().count() > NAME_CHARS_MAX {
                continue;
            }
            let unit = match &metric.unit {
                Some(unit) => Unit::parse(unit)?,
                None => Unit::None,
            };
            let is_high_resolution = match metric.storage_resolution {
                None | Some(60) => false,
                Some(1) => true,
                Some(_) => return None,
            };
            data.extend(sets.iter().map(|dimensions| MetricDatum {
                namespace: self.namespace.clone(),
                name: metric.name.clone(),
                dimensions: dimensions.clone(),
                unit,
                values: values.clone(),
                timestamp_ms,
                is_high_resolution,
            }));
        }
        Some(data)
    }
}

/// Their values stand in the event, as text.
fn set(names: &[String], root: &Map<String, Value>) -> Option<Dimensions> {
    let fits = names.len() <= DIMENSIONS_MAX;
    let value = |name: &String| Some((name.clone(), root.get(name)?.as_str()?.to_owned()));
    names.iter().map(value).collect::<Option<Dimensions>>().filter(|_| fits)
}

/// A number, or some.
fn values(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Array(items) if items.is_empty() || items.len() > VALUES_MAX => None,
        Value::Array(items) => items.iter().map(Value::as_f64).collect(),
        value => value.as_f64().map(|number| vec![number]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_767_225_600_000;

    fn event(dimensions: &str, metric: &str, rest: &str, timestamp_ms: i64) -> String {
        format!(
            r#"{{"_aws":{{"Timestamp":{timestamp_ms},"CloudWatchMetrics":[{{"Namespace":"Shop","Dimensions":{dimensions},"Metrics":[{metric}]}}]}},{rest}}}"#
        )
    }

    fn read(text: &str) -> Vec<MetricDatum> {
        metrics(text.as_bytes(), NOW_MS)
    }

    // After the user guide's example.
    #[test]
    fn an_event_says_its_metrics_once_for_each_set_of_dimensions() {
        let text = event(
            r#"[["functionVersion"],["functionVersion","service"]]"#,
            r#"{"Name":"time","Unit":"Milliseconds","StorageResolution":1}"#,
            r#""functionVersion":"$LATEST","service":"shop","time":[100,50.5],"requestId":"1""#,
            NOW_MS,
        );
        let found = read(&text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].dimensions, [("functionVersion".to_owned(), "$LATEST".to_owned())]);
        assert_eq!(found[1].dimensions.len(), 2);
        for datum in found {
            assert_eq!(
                (datum.namespace.as_str(), datum.name.as_str(), datum.unit),
                ("Shop", "time", Unit::Milliseconds)
            );
            assert_eq!((datum.values, datum.timestamp_ms, datum.is_high_resolution), (vec![100.0, 50.5], NOW_MS, true));
        }
    }

    #[test]
    fn what_is_not_well_formed_says_nothing() {
        let (metric, value) = (r#"{"Name":"n"}"#, r#""n":1"#);
        assert_eq!(read(&event("[[]]", metric, value, NOW_MS)).len(), 1, "as it should be");
        for (text, why) in [
            (event("[[]]", metric, value, NOW_MS - 15 * 86_400_000), "too old"),
            (event("[[]]", metric, value, NOW_MS + 3 * 3_600_000), "too far ahead"),
            (event(r#"[["d"]]"#, metric, value, NOW_MS), "a dimension without value"),
            (event(r#"[["d"]]"#, metric, r#""n":1,"d":2"#, NOW_MS), "a dimension that is no text"),
            (event("[[]]", metric, r#""n":"1""#, NOW_MS), "a value that is no number"),
            (event("[[]]", metric, r#""n":[]"#, NOW_MS), "no value"),
            (event("[[]]", r#"{"Name":"n","Unit":"Furlongs"}"#, value, NOW_MS), "a unit that is none"),
            (event("[[]]", r#"{"Name":"n","StorageResolution":2}"#, value, NOW_MS), "a resolution that is none"),
            (r#"{"_aws":{"CloudWatchMetrics":[]}}"#.to_owned(), "no time"),
            (r#"{"a":"_aws"}"#.to_owned(), "another event"),
            (format!("x{}", event("[[]]", metric, value, NOW_MS)), "no JSON"),
        ] {
            assert_eq!(read(&text), [], "{why}");
        }
    }
}
