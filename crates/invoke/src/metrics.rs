//! What the data plane tells about functions: CloudWatch's metrics of `AWS/Lambda`. Source: Lambda developer guide, "Types
//! of metrics for Lambda functions".
//!
//! The hot path finds what it needs by the ARN that was invoked, in a map that is only read, and takes one short lock for
//! all values of an invocation. What could not run is a throttle, and neither an invocation nor an error.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth_ports::metrics::lambda::{self, of_executed_version, of_function, of_region, of_resource};
use hearth_ports::{Concurrency, Dimensions, FunctionVersion, Meter, Metric, MetricSink};
use hearth_types::{AccountId, Region, RequestContext, RequestId, Scope, Version};
use parking_lot::RwLock;

use crate::call::Ran;
use crate::logs::LogStream;

/// Functions and qualifiers that are known at the same time; behind that, all are found anew.
const SOURCES_MAX: usize = 10_000;

/// What is told of the whole data plane.
pub(crate) struct Metrics {
    sink: Arc<dyn MetricSink>,
    /// By the ARN that was invoked.
    sources: RwLock<HashMap<String, Sources>>,
    /// By where they are counted.
    running: RwLock<HashMap<(AccountId, Region, Dimensions), Arc<Running>>>,
    regions: RwLock<HashMap<(AccountId, Region), Arc<RegionRunning>>>,
    /// Where single values go. Each event has some.
    told: RwLock<HashMap<Resource, Arc<dyn Meter>>>,
}

/// Account, region and `name[:qualifier]`.
type Resource = (AccountId, Region, String);

/// By version, where the ARN does not say it.
type Sources = Vec<(Option<Version>, Arc<Source>)>;

/// Where an invocation is counted.
pub(crate) struct Source {
    /// For the account, the function, and the resource.
    meter: Arc<dyn Meter>,
    function: Arc<Running>,
    resource: Arc<Running>,
    region: Arc<RegionRunning>,
}

/// How many invocations of a function, or of a version or alias by its name, run now.
struct Running {
    meter: Arc<dyn Meter>,
    count: AtomicU32,
    provisioned: AtomicU32,
}

struct RegionRunning {
    meter: Arc<dyn Meter>,
    count: AtomicU32,
    unreserved: AtomicU32,
}

/// Where an invocation has found its environment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placed {
    OnDemand,
    /// Among those that are kept ready for its qualifier, so many.
    Provisioned {
        of_qualifier: u32,
    },
    /// Those were all in use.
    SpilledOver,
}

/// An invocation under way; dropping it says that it is over.
pub(crate) struct Underway {
    source: Arc<Source>,
    is_unreserved: bool,
    is_provisioned: bool,
}

impl Metrics {
    pub(crate) fn new(sink: Arc<dyn MetricSink>) -> Self {
        Self {
            sink,
            sources: RwLock::default(),
            running: RwLock::default(),
            regions: RwLock::default(),
            told: RwLock::default(),
        }
    }

    /// `weighted`: the ARN is that of an alias with two versions.
    pub(crate) fn source(&self, invoked_arn: &str, version: &FunctionVersion, weighted: bool) -> Arc<Source> {
        let executed = weighted.then_some(version.version);
        let find = |known: &Sources| known.iter().find(|(of, _)| *of == executed).map(|(_, source)| source.clone());
        if let Some(source) = self.sources.read().get(invoked_arn).and_then(find) {
            return source;
        }
        let scope = Scope {
            partition: Region::from(version.arn.region.as_str()).partition(),
            account: version.arn.account.parse().unwrap_or(AccountId::DEFAULT),
            region: Some(Region::from(version.arn.region.as_str())),
        };
        let ctx = service_context(&scope);
        let (name, resource) = names(invoked_arn);
        let mut sets = vec![of_region(), of_function(name), of_resource(name, resource)];
        sets.extend(executed.map(|version| of_executed_version(name, resource, &version.to_string())));
        let source = Arc::new(Source {
            meter: self.sink.meter(&ctx, sets),
            function: self.running(&ctx, of_function(name)),
            resource: self.running(&ctx, of_resource(name, resource)),
            region: self.region(&ctx),
        });
        let mut sources = self.sources.write();
        if sources.len() >= SOURCES_MAX {
            sources.clear();
        }
        sources.entry(invoked_arn.to_owned()).or_default().push((executed, source.clone()));
        source
    }

    /// Single values about a function: what is told now and then.
    pub(crate) fn tell(&self, ctx: &RequestContext, name: &str, qualifier: Option<&str>, at_ms: i64, values: &[Value]) {
        let resource = qualifier.map_or_else(|| name.to_owned(), |qualifier| format!("{name}:{qualifier}"));
        let key = (ctx.account, ctx.region.clone(), resource);
        if let Some(meter) = self.told.read().get(&key) {
            return meter.record(at_ms, values);
        }
        let meter = self.sink.meter(ctx, vec![of_region(), of_function(name), of_resource(name, &key.2)]);
        meter.record(at_ms, values);
        let mut told = self.told.write();
        if told.len() >= SOURCES_MAX {
            told.clear();
        }
        told.insert(key, meter);
    }

    fn running(&self, ctx: &RequestContext, dimensions: Dimensions) -> Arc<Running> {
        let mut all = self.running.write();
        if all.len() >= SOURCES_MAX {
            all.retain(|_, running| running.count.load(Ordering::Relaxed) > 0);
        }
        let make = || {
            let meter = self.sink.meter(ctx, vec![dimensions.clone()]);
            Arc::new(Running { meter, count: AtomicU32::new(0), provisioned: AtomicU32::new(0) })
        };
        all.entry((ctx.account, ctx.region.clone(), dimensions.clone())).or_insert_with(make).clone()
    }

    fn region(&self, ctx: &RequestContext) -> Arc<RegionRunning> {
        let make = || {
            let meter = self.sink.meter(ctx, vec![of_region()]);
            Arc::new(RegionRunning { meter, count: AtomicU32::new(0), unreserved: AtomicU32::new(0) })
        };
        self.regions.write().entry((ctx.account, ctx.region.clone())).or_insert_with(make).clone()
    }
}

/// One value of a metric.
pub(crate) type Value = (&'static Metric, f64);

impl Source {
    pub(crate) fn throttled(&self, at_ms: i64) {
        self.meter.record(at_ms, &[(&lambda::THROTTLES, 1.0)]);
    }

    /// An environment is there.
    pub(crate) fn begin(self: &Arc<Self>, at_ms: i64, concurrency: Concurrency, placed: Placed) -> Underway {
        let one_more = |count: &AtomicU32| f64::from(count.fetch_add(1, Ordering::Relaxed) + 1);
        let is_provisioned = matches!(placed, Placed::Provisioned { .. });
        let is_unreserved = concurrency.reserved.is_none() && !is_provisioned;
        let begin = |running: &Running, kept: u32| {
            let together = (&lambda::CONCURRENT_EXECUTIONS, one_more(&running.count));
            if !is_provisioned {
                return running.meter.record(at_ms, &[together]);
            }
            let provisioned = one_more(&running.provisioned);
            running.meter.record(
                at_ms,
                &[
                    together,
                    (&lambda::PROVISIONED_CONCURRENT_EXECUTIONS, provisioned),
                    (&lambda::PROVISIONED_CONCURRENCY_UTILIZATION, provisioned / f64::from(kept.max(1))),
                ],
            );
        };
        begin(&self.function, concurrency.provisioned);
        begin(&self.resource, if let Placed::Provisioned { of_qualifier } = placed { of_qualifier } else { 0 });
        let together = one_more(&self.region.count);
        let unreserved = match &self.region.unreserved {
            count if is_unreserved => one_more(count),
            count => f64::from(count.load(Ordering::Relaxed)),
        };
        let values = [
            (&lambda::CONCURRENT_EXECUTIONS, together),
            (&lambda::CLAIMED_ACCOUNT_CONCURRENCY, unreserved + f64::from(concurrency.reserved_total)),
            (&lambda::UNRESERVED_CONCURRENT_EXECUTIONS, unreserved),
        ];
        self.region.meter.record(at_ms, &values[..if is_unreserved { 3 } else { 2 }]);
        match placed {
            Placed::Provisioned { .. } => {
                self.meter.record(at_ms, &[(&lambda::PROVISIONED_CONCURRENCY_INVOCATIONS, 1.0)]);
            }
            Placed::SpilledOver => {
                self.meter.record(at_ms, &[(&lambda::PROVISIONED_CONCURRENCY_SPILLOVER_INVOCATIONS, 1.0)]);
            }
            Placed::OnDemand => {}
        }
        Underway { source: self.clone(), is_unreserved, is_provisioned }
    }

    /// Values of the moment at which the function was invoked, however long that is ago.
    pub(crate) fn ran(&self, at_ms: i64, ran: &Ran) {
        let milliseconds = |micros: u64| micros as f64 / 1_000.0;
        let values: [Value; 4] = [
            (&lambda::INVOCATIONS, 1.0),
            (&lambda::ERRORS, f64::from(u8::from(ran.is_error))),
            (&lambda::DURATION, milliseconds(ran.duration_us.saturating_sub(ran.extensions_us))),
            (&lambda::POST_RUNTIME_EXTENSIONS_DURATION, milliseconds(ran.extensions_us)),
        ];
        // Functions without extensions have no such time.
        self.meter.record(at_ms, &values[..if ran.extensions_us > 0 { 4 } else { 3 }]);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        for running in [&self.source.function, &self.source.resource] {
            running.count.fetch_sub(1, Ordering::Relaxed);
            if self.is_provisioned {
                running.provisioned.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.source.region.count.fetch_sub(1, Ordering::Relaxed);
        if self.is_unreserved {
            self.source.region.unreserved.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Name and `name[:qualifier]` in a function's ARN.
fn names(arn: &str) -> (&str, &str) {
    let resource = arn.split_once(":function:").map_or(arn, |(_, resource)| resource);
    (resource.split(':').next().unwrap_or_default(), resource)
}

fn service_context(scope: &Scope) -> RequestContext {
    RequestContext::service(scope, LogStream::PRINCIPAL, RequestId::from(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_function_and_resource() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        assert_eq!(names(arn), ("f", "f"));
        assert_eq!(names(&format!("{arn}:live")), ("f", "f:live"));
    }
}
