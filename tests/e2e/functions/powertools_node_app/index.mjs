// A function as Powertools' users write them: structured log lines, metrics in the embedded format, middy around.

import { Logger } from "@aws-lambda-powertools/logger";
import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { logMetrics } from "@aws-lambda-powertools/metrics/middleware";
import middy from "@middy/core";

const logger = new Logger({ serviceName: "orders" });
const metrics = new Metrics({ namespace: "Shop", serviceName: "orders" });

export const handler = middy(async (event) => {
  logger.info("looked up", { order: event.order });
  metrics.addMetric("Lookups", MetricUnit.Count, 1);
  if (event.fail) throw new RangeError("as asked");
  return { order: event.order };
})
  .use(injectLambdaContext(logger))
  .use(logMetrics(metrics, { captureColdStartMetric: true }));
