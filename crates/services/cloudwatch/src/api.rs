//! The CloudWatch API: its operations over [`CloudWatch`], in all three protocols, and who may do what.

use std::sync::Arc;

use hearth_ports::{Access, Condition};
use hearth_types::{Arn, RequestContext};
use hearth_wire::{Model, Service, models};

use crate::error::CloudWatchError;
use crate::limits::{PUT_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::{CloudWatch, op};

/// In the protocol of newer SDKs, in that of boto3, and in the oldest one.
#[must_use]
pub fn services(cloudwatch: &Arc<CloudWatch>) -> Vec<Arc<dyn Service>> {
    let models = [models::cloudwatch(), models::cloudwatch_json(), models::cloudwatch_query()];
    models.into_iter().map(|model| service(model, cloudwatch.clone())).collect()
}

fn service(model: Arc<Model>, cloudwatch: Arc<CloudWatch>) -> Arc<dyn Service> {
    hearth_wire::service(model, cloudwatch)
        .op("GetMetricData", REQUEST_BYTES_MAX, op::get_metric_data::run)
        .op("GetMetricStatistics", REQUEST_BYTES_MAX, op::get_metric_statistics::run)
        .op("ListMetrics", REQUEST_BYTES_MAX, op::list_metrics::run)
        .op("PutMetricData", PUT_BYTES_MAX, op::put_metric_data::run)
        // The real service checks in its own words, too.
        .unvalidated()
        .build()
}

impl CloudWatch {
    /// Metrics have no ARNs: who may, may for all. Source: Service authorization reference, "Actions, resources, and
    /// condition keys for Amazon CloudWatch".
    ///
    /// # Errors
    /// [`CloudWatchError::Denied`].
    pub(crate) fn authorize(
        &self,
        ctx: &RequestContext,
        action: &str,
        namespace: Option<&str>,
    ) -> Result<(), CloudWatchError> {
        let everything = Arn {
            partition: ctx.partition.as_str().to_owned(),
            service: "cloudwatch".to_owned(),
            region: ctx.region.to_string(),
            account: ctx.account.to_string(),
            resource: "*".to_owned(),
        };
        let conditions: Vec<Condition> =
            namespace.map(|namespace| Condition::one("cloudwatch:namespace", namespace)).into_iter().collect();
        Ok(self.authorizer.authorize(ctx, &Access::new(action, &everything).under(&conditions))?)
    }
}
