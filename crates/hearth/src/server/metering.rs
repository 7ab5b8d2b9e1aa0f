//! Metrics: what CloudWatch is made of here, and the page that shows the same numbers to Prometheus.

use std::sync::Arc;

use hearth_cloudwatch::{CloudWatch, CloudWatchError, CloudWatchParts};
use hearth_ports::{Access, Authorizer};
use hearth_store::{Codec, Store};
use hearth_types::{Arn, Clock, RequestContext};
use hearth_wire::Body;
use hyper::{Response, StatusCode};

use super::admin::{answer, forbidden};
use super::http::App;

pub(super) async fn open(
    store: &Arc<dyn Store>,
    codec: &Arc<Codec>,
    authorizer: &Arc<dyn Authorizer>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<CloudWatch>, CloudWatchError> {
    let parts = CloudWatchParts {
        store: store.clone(),
        codec: codec.clone(),
        authorizer: authorizer.clone(),
        clock: clock.clone(),
    };
    CloudWatch::open(parts).await
}

/// The metrics of the caller's account and region, for those who may read them in CloudWatch.
pub(super) fn page(app: &App, ctx: &RequestContext) -> Response<Body> {
    let everything = Arn {
        partition: ctx.partition.as_str().to_owned(),
        service: "cloudwatch".to_owned(),
        region: ctx.region.to_string(),
        account: ctx.account.to_string(),
        resource: "*".to_owned(),
    };
    if let Err(denied) = app.authorizer.authorize(ctx, &Access::new("cloudwatch:GetMetricData", &everything)) {
        return forbidden(&denied.message);
    }
    let page = app.cloudwatch.prometheus(&ctx.scope());
    answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page)
}
