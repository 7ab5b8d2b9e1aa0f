"""Every metric that Lambda tells: each is provoked once, and GetMetricData and the page for Prometheus say how often and where.

Source of names, units and dimensions: Lambda developer guide, "Types of metrics for Lambda functions" and "Monitoring
concurrency". The table of the code (`crates/ports/src/metrics/lambda.rs`) and the one here have the same names.
"""

import concurrent.futures
import datetime
import re
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import aws, packages, urls
from support.server import Server
from test_layers import EXTENSION

CODE = Path(__file__).parents[2] / "crates" / "ports" / "src" / "metrics" / "lambda.rs"
NAMESPACE = "AWS/Lambda"
SECONDS_MAX = 60

REGION = frozenset()
FUNCTION = frozenset({"FunctionName"})
RESOURCE = frozenset({"FunctionName", "Resource"})
VERSION = frozenset({"FunctionName", "Resource", "ExecutedVersion"})
MAPPING = frozenset({"EventSourceMappingUUID"})
#: What invocations, events and requests tell.
EACH = {REGION, FUNCTION, RESOURCE}

#: By name: unit, sets of dimensions, and how the scene below tells it: the function or mapping, the statistic and its value.
METRICS = {
    "Invocations": ("Count", EACH | {VERSION}, ("weighted", "Sum", 1)),
    "Errors": ("Count", EACH | {VERSION}, ("failing", "Sum", 1)),
    "Throttles": ("Count", EACH, ("throttled", "Sum", 1)),
    "Duration": ("Milliseconds", EACH | {VERSION}, ("weighted", "SampleCount", 1)),
    "PostRuntimeExtensionsDuration": ("Milliseconds", EACH, ("extended", "SampleCount", 1)),
    "ConcurrentExecutions": ("Count", EACH, ("provisioned", "Maximum", 2)),
    "UnreservedConcurrentExecutions": ("Count", {REGION}, (None, "Minimum", 1)),
    # Three are reserved, one is provisioned, and one runs beside it.
    "ClaimedAccountConcurrency": ("Count", {REGION}, (None, "Maximum", 5)),
    "ProvisionedConcurrentExecutions": ("Count", {FUNCTION, RESOURCE}, ("provisioned", "Maximum", 1)),
    "ProvisionedConcurrencyInvocations": ("Count", EACH, ("provisioned", "Sum", 1)),
    "ProvisionedConcurrencySpilloverInvocations": ("Count", EACH, ("provisioned", "Sum", 1)),
    "ProvisionedConcurrencyUtilization": ("Count", {FUNCTION, RESOURCE}, ("provisioned", "Maximum", 1)),
    "RecursiveInvocationsDropped": ("Count", EACH, ("looping", "Sum", 1)),
    "AsyncEventsReceived": ("Count", EACH, ("event", "Sum", 1)),
    "AsyncEventAge": ("Milliseconds", EACH, ("event", "SampleCount", 1)),
    "AsyncEventsDropped": ("Count", EACH, ("event", "Sum", 1)),
    "DeadLetterErrors": ("Count", EACH, ("event", "Sum", 1)),
    "DestinationDeliveryFailures": ("Count", EACH, ("event", "Sum", 1)),
    "PolledEventCount": ("Count", {MAPPING}, ("mapping", "Sum", 3)),
    "FilteredOutEventCount": ("Count", {MAPPING}, ("mapping", "Sum", 1)),
    "InvokedEventCount": ("Count", {MAPPING}, ("mapping", "Sum", 2)),
    "FailedInvokeEventCount": ("Count", {MAPPING}, ("mapping", "Sum", 1)),
    "DeletedEventCount": ("Count", {MAPPING}, ("mapping", "Sum", 1)),
    "UrlRequestCount": ("Count", EACH, ("url", "Sum", 2)),
    "Url4xxCount": ("Count", EACH, ("url", "Sum", 1)),
    "Url5xxCount": ("Count", EACH, ("url", "Sum", 1)),
    "UrlRequestLatency": ("Milliseconds", EACH, ("url", "SampleCount", 2)),
}

#: By an event's member, so that no source is sent.
APP = """
import time

def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if "queryStringParameters" in event or "fail" in str(event):
        raise RuntimeError("as asked")
"""


class Scene:
    """Functions of a server of its own, by what is provoked of them."""

    def __init__(self, server):
        self.server = server
        self.lambdas, self.queues = aws.client(server.url, "lambda"), aws.client(server.url, "sqs")
        self.metrics = aws.client(server.url, "cloudwatch")
        #: What a row's dimensions are: the function, its resource, its version; or the mapping.
        self.of = {None: SimpleNamespace()}
        for provoke in (
            self.weighted, self.failing, self.throttled, self.extended, self.looping, self.event, self.mapping, self.url,
            self.provisioned,
        ):
            provoke()

    def function(self, name, package=None, **settings):
        handler = "app.handler" if package is None else "remote.handler"
        package = package or packages.zip_of({"app.py": APP})
        function = aws.create(self.lambdas, package, handler=handler, name=name, **settings)
        self.of[name] = SimpleNamespace(FunctionName=name, Resource=name)
        return function

    def weighted(self):
        function = self.function("weighted")
        first = self.lambdas.publish_version(FunctionName="weighted")["Version"]
        aws.update(function, Description="second")
        second = self.lambdas.publish_version(FunctionName="weighted")["Version"]
        weights = {"AdditionalVersionWeights": {second: 0.5}}
        self.lambdas.create_alias(FunctionName="weighted", Name="live", FunctionVersion=first, RoutingConfig=weights)
        version = function.invoke({}, Qualifier="live").version
        self.of["weighted"] = SimpleNamespace(FunctionName="weighted", Resource="weighted:live", ExecutedVersion=version)

    def failing(self):
        assert self.function("failing").invoke({"fail": 1}).error

    def throttled(self):
        function = self.function("throttled")
        self.lambdas.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
        with pytest.raises(self.lambdas.exceptions.TooManyRequestsException):
            function.invoke({})

    def extended(self):
        slow = EXTENSION.replace("    with open(", "    __import__('time').sleep(1)\n    with open(")
        content = {"ZipFile": packages.zip_of({"extensions/watcher": (slow.encode(), 0o755)})}
        layer = self.lambdas.publish_layer_version(LayerName="watcher", Content=content)["LayerVersionArn"]
        self.function("extended", Layers=[layer]).invoke({})

    def looping(self):
        function, trace = self.function("looping", packages.python("remote")), None

        def hand_on(request, **_):
            if trace:
                request.headers["X-Amzn-Trace-Id"] = trace

        self.lambdas.meta.events.register("before-sign.lambda.Invoke", hand_on)
        try:
            for _ in range(16):
                trace = function.run(chain).ok()
            with pytest.raises(self.lambdas.exceptions.RecursiveInvocationException):
                function.run(chain)
        finally:
            self.lambdas.meta.events.unregister("before-sign.lambda.Invoke", hand_on)

    def provisioned(self):
        self.function("reserved")
        self.lambdas.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=3)
        function = self.function("provisioned")
        self.lambdas.publish_version(FunctionName="provisioned")
        self.lambdas.create_alias(FunctionName="provisioned", Name="live", FunctionVersion="1")
        named = {"FunctionName": "provisioned", "Qualifier": "live"}
        self.lambdas.put_provisioned_concurrency_config(**named, ProvisionedConcurrentExecutions=1)
        self.until(lambda: self.lambdas.get_provisioned_concurrency_config(**named)["Status"] == "READY")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for answer in pool.map(lambda _: function.invoke({"sleep": 4}, Qualifier="live"), range(2)):
                answer.ok()
        self.of["provisioned"] = SimpleNamespace(FunctionName="provisioned", Resource="provisioned:live")

    def event(self):
        """One that fails, and whose queue is gone when it is to be told."""
        queue = self.queues.create_queue(QueueName="gone")["QueueUrl"]
        arn = f"arn:aws:sqs:{aws.REGION}:{aws.ACCOUNT}:gone"
        function = self.function("event", DeadLetterConfig={"TargetArn": arn})
        self.lambdas.put_function_event_invoke_config(
            FunctionName="event", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
        self.queues.delete_queue(QueueUrl=queue)
        function.invoke({"fail": 1}, InvocationType="Event")
        for name in ("AsyncEventsDropped", "DeadLetterErrors", "DestinationDeliveryFailures"):
            self.until(lambda: self.value(name, "event", FUNCTION, "Sum") == 1)

    def mapping(self):
        self.function("mapped")
        queue = self.queues.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "900"})["QueueUrl"]
        mapping = self.lambdas.create_event_source_mapping(
            FunctionName="mapped", EventSourceArn=f"arn:aws:sqs:{aws.REGION}:{aws.ACCOUNT}:q", BatchSize=1,
            FilterCriteria={"Filters": [{"Pattern": '{"body": [{"anything-but": "other"}]}'}]},
            MetricsConfig={"Metrics": ["EventCount"]})
        assert mapping["MetricsConfig"] == {"Metrics": ["EventCount"]}
        uuid = mapping["UUID"]
        self.of["mapping"] = SimpleNamespace(EventSourceMappingUUID=uuid)
        for body in ("fine", "other", "fail"):
            self.queues.send_message(QueueUrl=queue, MessageBody=body)
        for name in ("DeletedEventCount", "FilteredOutEventCount", "FailedInvokeEventCount"):
            self.until(lambda: self.value(name, "mapping", MAPPING, "Sum") == 1)
        # It counts its polls for as long as it lives.
        self.until(lambda: self.lambdas.get_event_source_mapping(UUID=uuid)["State"] == "Enabled")
        self.lambdas.delete_event_source_mapping(UUID=uuid)
        self.until(lambda: not self.lambdas.list_event_source_mappings()["EventSourceMappings"])

    def url(self):
        self.function("url")
        for auth, status in (("AWS_IAM", 403), ("NONE", 502)):
            change = self.lambdas.create_function_url_config if auth == "AWS_IAM" else self.lambdas.update_function_url_config
            address = change(FunctionName="url", AuthType=auth)["FunctionUrl"]
            assert urls.send(self.server, address, path="?fail=1").status == status

    def until(self, what):
        deadline = time.monotonic() + SECONDS_MAX
        while not what():
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def dimensions(self, of, names):
        return [{"Name": name, "Value": getattr(self.of[of], name)} for name in sorted(names)]

    def value(self, name, of, names, statistic):
        return self.data([(name, self.dimensions(of, names), statistic)])[0]

    def data(self, series):
        """One value each, of the last two hours: the sum, or the extreme, of their hours."""
        now = datetime.datetime.now(datetime.UTC)
        values = []
        for begin in range(0, len(series), 100):
            queries = [
                {"Id": f"q{at}", "MetricStat": {
                    "Metric": {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions},
                    "Period": 3600, "Stat": statistic}}
                for at, (name, dimensions, statistic) in enumerate(series[begin:begin + 100])
            ]
            found = self.metrics.get_metric_data(
                MetricDataQueries=queries, StartTime=now - datetime.timedelta(hours=2),
                EndTime=now + datetime.timedelta(hours=1))
            by_id = {result["Id"]: result["Values"] for result in found["MetricDataResults"]}
            for at, (_, _, statistic) in enumerate(series[begin:begin + 100]):
                put_together = {"Maximum": max, "Minimum": min}.get(statistic, sum)
                values.append(put_together(by_id[f"q{at}"]) if by_id[f"q{at}"] else None)
        return values

    def listed(self):
        pages = self.metrics.get_paginator("list_metrics").paginate(Namespace=NAMESPACE)
        return [(metric["MetricName"], metric["Dimensions"]) for page in pages for metric in page["Metrics"]]


def chain():
    import os

    return os.environ["_X_AMZN_TRACE_ID"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("metrics")
    server = Server(directory / "data", directory / "server.log")
    try:
        yield Scene(server)
    finally:
        server.stop()


def test_the_table_has_every_metric_of_the_code_with_its_unit():
    told = re.findall(r'^\s*[A-Z0-9_]+ = "(\w+)", (\w+);', CODE.read_text(), re.MULTILINE)
    assert dict(told) == {name: unit for name, (unit, _, _) in METRICS.items()}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_told_with_its_dimensions(scene, name):
    unit, sets, (of, statistic, expected) = METRICS[name]
    told = {frozenset(one["Name"] for one in dimensions) for known, dimensions in scene.listed() if known == name}
    assert told == sets
    for names in sets:
        if names <= set(vars(scene.of[of])):
            found = scene.value(name, of, names, statistic)
            # Of the region, all functions together.
            if names == REGION and of is not None:
                assert found >= expected, names
            else:
                assert found == expected, names
    now = datetime.datetime.now(datetime.UTC)
    known = next(iter(names for names in sets if names <= set(vars(scene.of[of]))))
    points = scene.metrics.get_metric_statistics(
        Namespace=NAMESPACE, MetricName=name, Dimensions=scene.dimensions(of, known), Period=60,
        StartTime=now - datetime.timedelta(hours=2), EndTime=now + datetime.timedelta(minutes=1), Statistics=["Sum"])
    assert {point["Unit"] for point in points["Datapoints"]} == {unit}


def test_prometheus_is_shown_the_numbers_of_get_metric_data(scene):
    snake = {
        "function_name": "FunctionName", "resource": "Resource", "executed_version": "ExecutedVersion",
        "event_source_mapping_uuid": "EventSourceMappingUUID",
    }
    with urllib.request.urlopen(f"{scene.server.url}/_hearth/metrics") as page:
        text = page.read().decode()
    shown, metric = {}, None
    for line in text.splitlines():
        if help_of := re.match(r"# HELP \w+ (Sum|SampleCount) of (\w+) in AWS/Lambda ", line):
            metric = help_of[2], help_of[1]
        elif not line.startswith("#"):
            labels = frozenset((snake[key], value) for key, value in re.findall(r'(\w+)="([^"]*)"', line))
            shown[(*metric, labels)] = float(line.rsplit(" ", 1)[1])
    listed = scene.listed()
    series = [(name, dimensions, statistic) for name, dimensions in listed for statistic in ("Sum", "SampleCount")]
    told = {
        (name, statistic, frozenset((one["Name"], one["Value"]) for one in dimensions)): value
        for (name, dimensions, statistic), value in zip(series, scene.data(series))
    }
    assert set(shown) == set(told) and len(told) > 100
    for key, value in told.items():
        assert shown[key] == pytest.approx(value, rel=1e-6), key
