"""CloudWatch metrics, with the clients people use: what is put is told of, and what functions do is counted."""

import datetime
import gzip
import json
import time
import urllib.error
import urllib.parse
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError

from support import aws, packages
from test_clients import cli  # noqa: F401


@pytest.fixture
def metrics(server):
    return aws.client(server.url, "cloudwatch")


def span(minutes=30):
    now = datetime.datetime.now(datetime.UTC)
    return {"StartTime": now - datetime.timedelta(minutes=minutes), "EndTime": now + datetime.timedelta(minutes=1)}


def statistics(metrics, namespace, name, dimensions=(), period=60, statistic="Sum", **more):
    found = metrics.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions],
        Period=period,
        Statistics=[statistic],
        **(span() | more),
    )
    return [point[statistic] for point in sorted(found["Datapoints"], key=lambda point: point["Timestamp"])]


def total(metrics, name, dimensions, statistic="Sum"):
    return sum(statistics(metrics, "AWS/Lambda", name, dimensions, statistic=statistic))


def wait_for(metrics, name, dimensions, expected, statistic="Sum", seconds=30):
    deadline = time.monotonic() + seconds
    while (found := total(metrics, name, dimensions, statistic)) != expected:
        assert time.monotonic() < deadline, f"{name} {dimensions}: {found}, not {expected}"
        time.sleep(0.5)


def namespace():
    return aws.function_name("App")


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def test_what_is_put_is_told_of(metrics):
    place = namespace()
    shop = [{"Name": "Shop", "Value": "north"}]
    now = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0)
    metrics.put_metric_data(
        Namespace=place,
        MetricData=[
            {"MetricName": "Orders", "Dimensions": shop, "Value": 3, "Unit": "Count", "Timestamp": now},
            {"MetricName": "Orders", "Dimensions": shop, "Values": [1, 2], "Counts": [4, 1], "Unit": "Count", "Timestamp": now},
            {
                "MetricName": "Size",
                "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4},
                "Unit": "Bytes",
                "Timestamp": now,
            },
        ],
    )
    found = metrics.get_metric_statistics(
        Namespace=place,
        MetricName="Orders",
        Dimensions=shop,
        Period=60,
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"],
        ExtendedStatistics=["p50", "p100"],
        **span(),
    )
    assert found["Label"] == "Orders"
    [point] = found["Datapoints"]
    assert point["Timestamp"] == now and point["Unit"] == "Count"
    assert (point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"]) == (6, 9, 1, 3)
    assert point["Average"] == 1.5 and point["ExtendedStatistics"] == {"p50": 1, "p100": 3}
    [size] = metrics.get_metric_statistics(
        Namespace=place, MetricName="Size", Period=60, Statistics=["Average"], ExtendedStatistics=["p50"], **span()
    )["Datapoints"]
    # The values of a statistic set are not known.
    assert size["Average"] == 2.5 and "ExtendedStatistics" not in size
    assert statistics(metrics, place, "Size", Unit="Count") == []
    listed = metrics.list_metrics(Namespace=place)["Metrics"]
    assert [(metric["MetricName"], metric["Dimensions"]) for metric in listed] == [("Orders", shop), ("Size", [])]
    by_dimension = metrics.list_metrics(Namespace=place, Dimensions=[{"Name": "Shop"}], RecentlyActive="PT3H", MetricName="Orders")["Metrics"]
    assert [metric["MetricName"] for metric in by_dimension] == ["Orders"]
    assert metrics.list_metrics(Namespace=place, Dimensions=[{"Name": "Shop", "Value": "south"}])["Metrics"] == []


def test_seconds_are_kept_where_they_are_asked_for(metrics):
    place = namespace()
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - datetime.timedelta(seconds=10)
    data = [
        {"MetricName": "m", "Value": 1, "StorageResolution": 1, "Timestamp": now + datetime.timedelta(seconds=second)}
        for second in (0, 3)
    ]
    metrics.put_metric_data(Namespace=place, MetricData=data)
    assert statistics(metrics, place, "m", period=1, **span(minutes=5)) == [1, 1]
    assert sum(statistics(metrics, place, "m")) == 2


def test_metrics_are_listed_a_page_at_a_time(metrics):
    place = namespace()
    metrics.put_metric_data(Namespace=place, MetricData=[{"MetricName": f"m{number:04}", "Value": 1} for number in range(501)])
    first = metrics.list_metrics(Namespace=place)
    assert len(first["Metrics"]) == 500
    second = metrics.list_metrics(Namespace=place, NextToken=first["NextToken"])
    assert [metric["MetricName"] for metric in second["Metrics"]] == ["m0500"] and "NextToken" not in second


def test_expressions_calculate_with_metrics(metrics):
    place = namespace()
    now = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0)
    minutes = [now - datetime.timedelta(minutes=minute) for minute in (3, 2, 1)]
    for minute, errors, calls in zip(minutes, (1, 0, 5), (10, 20, 50)):
        data = [{"MetricName": name, "Value": value, "Timestamp": minute} for name, value in (("errors", errors), ("calls", calls))]
        metrics.put_metric_data(Namespace=place, MetricData=data)

    def stat(name):
        return {"Metric": {"Namespace": place, "MetricName": name}, "Period": 60, "Stat": "Sum"}

    def ask(**more):
        return metrics.get_metric_data(
            MetricDataQueries=[
                {"Id": "errors", "MetricStat": stat("errors"), "ReturnData": False},
                {"Id": "calls", "MetricStat": stat("calls"), "Label": "All calls"},
                {"Id": "rate", "Expression": "100 * errors / calls", "Label": "Percent"},
                {"Id": "filled", "Expression": "IF(FILL(errors, 0) > 0, 1, 0)"},
            ],
            **(span() | more),
        )

    calls, rate, filled = ask(ScanBy="TimestampAscending")["MetricDataResults"]
    assert (calls["Id"], calls["Label"], calls["Values"], calls["Timestamps"]) == ("calls", "All calls", [10, 20, 50], minutes)
    assert (rate["Label"], rate["Values"], rate["StatusCode"]) == ("Percent", [10, 0, 10], "Complete")
    assert sum(filled["Values"]) == 2 and len(filled["Values"]) > 20
    assert ask()["MetricDataResults"][0]["Values"] == [50, 20, 10], "the newest first, unless it is said otherwise"
    seen, arguments = [], {}
    while True:
        page = ask(MaxDatapoints=2, **arguments)
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= 2
        seen += [(result["Id"], value) for result in page["MetricDataResults"] for value in result["Values"]]
        if "NextToken" not in page:
            break
        arguments = {"NextToken": page["NextToken"]}
    assert [value for of, value in seen if of == "calls"] == [50, 20, 10]
    assert [value for of, value in seen if of == "rate"] == [10, 0, 10]


def test_what_cannot_be_put_or_asked_for_is_refused_as_aws_does(metrics):
    put = {"Namespace": "App", "MetricData": [{"MetricName": "m", "Value": 1}]}

    def datum(**members):
        return put | {"MetricData": [{"MetricName": "m"} | members]}

    value = {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}
    both = "The parameters MetricData.member.1.Value and MetricData.member.1.{} are mutually exclusive and you have specified both."
    combination, invalid = "InvalidParameterCombination", "InvalidParameterValue"
    for arguments, code, message in [
        (datum(Value=1, StatisticValues=value), combination, both.format("StatisticValues")),
        (datum(Value=1, Values=[1]), combination, both.format("Values")),
        (
            datum(Values=[1, 2], Counts=[1]),
            invalid,
            "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.",
        ),
        (datum(Value=float("nan")), invalid, None),
        (datum(Value=1, StorageResolution=7), invalid, None),
        (datum(Value=1, Unit="Furlongs"), invalid, None),
        (datum(Value=1, Timestamp=datetime.datetime(2020, 1, 1)), invalid, None),
        (datum(Value=1, Dimensions=[{"Name": f"d{n}", "Value": "v"} for n in range(31)]), invalid, None),
        (put | {"Namespace": ":x"}, invalid, None),
        (put | {"MetricData": [{"MetricName": "m", "Value": 1}] * 1_001}, invalid, None),
        (put | {"EntityMetricData": [{"MetricData": []}]}, invalid, "EntityMetricData is not supported by Hearth."),
        (put | {"StrictEntityValidation": True}, invalid, "StrictEntityValidation is not supported by Hearth."),
        (datum(), "MissingParameter", None),
    ]:
        found = refusal(metrics.put_metric_data, **arguments)
        assert (found[0], found[2]) == (code, 400), f"{arguments}: {found}"
        assert message is None or found[1] == message
    asked = {"Namespace": "App", "MetricName": "m", "Period": 60, "Statistics": ["Sum"]} | span()
    day = datetime.datetime(2026, 1, 2)
    for arguments, code, message in [
        (
            asked | {"StartTime": day - datetime.timedelta(days=60), "EndTime": day},
            combination,
            "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints "
            "requested by increasing Period, or decreasing the time range.",
        ),
        (asked | {"EndTime": asked["StartTime"]}, invalid, "The parameter StartTime must be less than the parameter EndTime."),
        (asked | {"Period": 7}, invalid, None),
        (asked | {"Statistics": ["Median"]}, invalid, None),
        (asked | {"ExtendedStatistics": ["p101"]}, invalid, None),
        ({key: value for key, value in asked.items() if key != "Statistics"}, "MissingParameter", None),
    ]:
        found = refusal(metrics.get_metric_statistics, **arguments)
        assert (found[0], found[2]) == (code, 400), f"{arguments}: {found}"
        assert message is None or found[1] == message
    stat = {"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    for queries in [
        [{"Id": "A", "MetricStat": stat}],
        [{"Id": "a", "MetricStat": stat}, {"Id": "a", "MetricStat": stat}],
        [{"Id": "a"}],
        [{"Id": "a", "MetricStat": stat, "ReturnData": False}],
        [{"Id": "a", "Expression": "SEARCH('x', 'Sum', 60)"}],
        [{"Id": "a", "Expression": "a + 1"}],
        [{"Id": "a", "Expression": "1 + 1"}],
    ]:
        found = refusal(metrics.get_metric_data, MetricDataQueries=queries, **span())
        assert (found[0], found[2]) == ("ValidationError", 400), f"{queries}: {found}"
    for arguments in ({"LabelOptions": {"Timezone": "+0100"}}, {"MaxDatapoints": 0}, {"ScanBy": "x"}):
        assert refusal(metrics.get_metric_data, MetricDataQueries=[{"Id": "a", "MetricStat": stat}], **span(), **arguments)[0] == invalid
    for more in ({"AccountId": "111111111111"}, {"Label": "${LAST}"}):
        assert refusal(metrics.get_metric_data, MetricDataQueries=[{"Id": "a", "MetricStat": stat} | more], **span())[0] == invalid
    period = [{"Id": "a", "Expression": "SELECT 1", "Period": 60}]
    assert refusal(metrics.get_metric_data, MetricDataQueries=period, **span())[0] == invalid
    token = {"MetricDataQueries": [{"Id": "a", "MetricStat": stat}], "NextToken": "x"} | span()
    assert refusal(metrics.get_metric_data, **token)[0] == "InvalidNextToken"
    for arguments in ({"OwningAccount": "111111111111"}, {"IncludeLinkedAccounts": True}, {"NextToken": "x"}, {"RecentlyActive": "PT9H"}):
        assert refusal(metrics.list_metrics, **arguments)[0] == invalid
    assert refusal(metrics.list_dashboards)[0] == "NotImplementedException"
    assert refusal(metrics.describe_alarms)[0] == "NotImplementedException"


def send(server, headers, body, path="/"):
    """A signed request, in whatever protocol."""
    request = botocore.awsrequest.AWSRequest("POST", server.url + path, headers=headers, data=body)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials("test", "test"), "monitoring", aws.REGION).add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(request.url, body, dict(request.headers))) as answer:
        return answer.status, answer.headers, answer.read()


def text(value):
    raw = value.encode()
    return bytes([0x60 + len(raw)]) + raw if len(raw) < 24 else bytes([0x78, len(raw)]) + raw


def test_all_three_protocols_reach_the_same_metrics(server, metrics):
    place = namespace()
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = f"Action=PutMetricData&Version=2010-08-01&Namespace={place}&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1".encode()
    status, _, answer = send(server, form, body)
    assert status == 200 and b"<PutMetricDataResponse" in answer
    status, _, answer = send(server, form | {"Content-Encoding": "gzip"}, gzip.compress(body))
    assert status == 200 and b"<PutMetricDataResponse" in answer
    cbor = b"\xa2" + text("Namespace") + text(place) + text("MetricData")
    cbor += b"\x81\xa2" + text("MetricName") + text("m") + text("Value") + b"\xf9\x3c\x00"
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "Accept": "application/cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/"
    status, answered, answer = send(server, headers, cbor, path + "PutMetricData")
    assert (status, answered["smithy-protocol"], answer) == (200, "rpc-v2-cbor", b"")
    status, answered, answer = send(server, headers, b"\xa1" + text("Namespace") + text(place), path + "ListMetrics")
    assert answered["content-type"] == "application/cbor" and text("MetricName") + text("m") in answer
    assert sum(statistics(metrics, place, "m")) == 3


def test_the_command_line_puts_and_asks(cli):  # noqa: F811
    place = namespace()
    cli("cloudwatch", "put-metric-data", "--namespace", place, "--metric-name", "m", "--value", "2", "--unit", "Count")
    listed = cli("cloudwatch", "list-metrics", "--namespace", place)
    assert [metric["MetricName"] for metric in listed["Metrics"]] == ["m"]


def test_what_was_put_is_there_after_a_kill(own_server):
    metrics, place = aws.client(own_server.url, "cloudwatch"), namespace()
    metrics.put_metric_data(Namespace=place, MetricData=[{"MetricName": "m", "Value": 1}])
    own_server.kill()
    own_server.start()
    metrics = aws.client(own_server.url, "cloudwatch")
    assert statistics(metrics, place, "m") == [1]


def of(function, resource=None):
    dimensions = [("FunctionName", function.name)]
    return dimensions + ([("Resource", resource)] if resource else [])


def fail():
    raise RuntimeError("as asked")


def answer():
    return 1


def test_invocations_errors_and_durations_are_counted(make, metrics):
    function = make(packages.python("remote"))
    function.run(answer)
    function.run(answer)
    function.invoke({"not": "understood"})
    for dimensions in (of(function), of(function, function.name)):
        assert total(metrics, "Invocations", dimensions) == 3
        assert total(metrics, "Errors", dimensions) == 1
        assert total(metrics, "Errors", dimensions, "SampleCount") == 3
        assert total(metrics, "Duration", dimensions, "SampleCount") == 3
        assert total(metrics, "Duration", dimensions) > 0
    assert max(statistics(metrics, "AWS/Lambda", "ConcurrentExecutions", of(function), statistic="Maximum")) == 1
    listed = metrics.list_metrics(Namespace="AWS/Lambda", Dimensions=[{"Name": "FunctionName", "Value": function.name}])
    assert {"Invocations", "Errors", "Duration", "ConcurrentExecutions"} <= {metric["MetricName"] for metric in listed["Metrics"]}


def test_throttles_are_neither_invocations_nor_errors(make, metrics):
    function = make(packages.python("remote"))
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as refused:
        function.invoke({})
    assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert total(metrics, "Throttles", of(function)) == 1
    assert statistics(metrics, "AWS/Lambda", "Invocations", of(function)) == []
    assert statistics(metrics, "AWS/Lambda", "Errors", of(function)) == []


def test_a_weighted_alias_tells_its_versions_apart(make, metrics):
    function = make(packages.python("remote"))
    client = function.client
    first = client.publish_version(FunctionName=function.name)["Version"]
    client.update_function_configuration(FunctionName=function.name, Description="2")
    client.get_waiter("function_updated_v2").wait(FunctionName=function.name, WaiterConfig=aws.WAITER)
    second = client.publish_version(FunctionName=function.name)["Version"]
    client.create_alias(
        FunctionName=function.name,
        Name="live",
        FunctionVersion=first,
        RoutingConfig={"AdditionalVersionWeights": {second: 0.5}},
    )
    for _ in range(4):
        function.run(answer, Qualifier="live")
    resource = of(function, f"{function.name}:live")
    assert total(metrics, "Invocations", resource) == 4
    by_version = [total(metrics, "Invocations", resource + [("ExecutedVersion", version)]) for version in (first, second)]
    assert sum(by_version) == 4


def test_events_are_counted_from_their_acceptance_to_their_end(make, metrics):
    function = make(packages.python("remote"))
    function.client.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    function.run(fail, InvocationType="Event")
    wait_for(metrics, "AsyncEventsDropped", of(function), 1)
    assert total(metrics, "AsyncEventsReceived", of(function)) == 1
    assert total(metrics, "AsyncEventAge", of(function), "SampleCount") == 1
    assert total(metrics, "Errors", of(function)) == 1


def test_function_urls_count_their_requests(make, server, metrics):
    function = make(packages.python("remote"))
    client = function.client
    url = client.create_function_url_config(FunctionName=function.name, AuthType="AWS_IAM")["FunctionUrl"]
    host = urllib.parse.urlsplit(url).netloc
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(server.url, headers={"Host": host}))
    assert refused.value.code == 403
    assert total(metrics, "UrlRequestCount", of(function)) == 1
    assert total(metrics, "Url4xxCount", of(function)) == 1
    assert total(metrics, "Url5xxCount", of(function)) == 0
    assert total(metrics, "UrlRequestLatency", of(function), "SampleCount") == 1


def say(line):
    print(line)


def test_log_lines_in_the_embedded_metric_format_are_metrics(make, server, metrics):
    function, place = make(packages.python("remote")), namespace()
    line = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": place, "Dimensions": [["service"]], "Metrics": [{"Name": "Orders", "Unit": "Count"}]}
            ],
        },
        "service": "shop",
        "Orders": [1, 2],
    }
    function.run(say, json.dumps(line))
    deadline = time.monotonic() + 20
    while statistics(metrics, place, "Orders", [("service", "shop")]) != [3]:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    logs, group = aws.client(server.url, "logs"), aws.function_name("group")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": json.dumps(line)}
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
    deadline = time.monotonic() + 20
    while sum(statistics(metrics, place, "Orders", [("service", "shop")])) != 6:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_prometheus_is_shown_the_same_numbers(make, server, metrics):
    function = make(packages.python("remote"))
    for _ in range(3):
        function.run(answer)
    with urllib.request.urlopen(f"{server.url}/_hearth/metrics") as page:
        lines = page.read().decode().splitlines()
    counted = total(metrics, "Invocations", of(function))
    assert counted == 3
    assert f'aws_lambda_invocations_sum{{function_name="{function.name}"}} {counted:g}' in lines
