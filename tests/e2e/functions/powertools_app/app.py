"""An API behind AWS Lambda Powertools: structured log, metrics in the log, routing, and where it runs."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.metadata import get_lambda_metadata

logger = Logger(service="orders")
metrics = Metrics(namespace="Shop", service="orders")
app = APIGatewayHttpResolver()


@app.get("/orders/<number>")
def order(number):
    logger.info("looked up", extra={"order": number})
    metrics.add_metric(name="Lookups", unit=MetricUnit.Count, value=1)
    return {"order": number, "zone": get_lambda_metadata().availability_zone_id}


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
