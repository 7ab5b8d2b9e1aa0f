"""Errors recorded from the real CloudWatch are provoked here, by a client of each protocol: code, status, further keys and text.

What of `cloudwatch_errors.tsv` nothing provokes is of a kind that `NOT_HERE` names, with the reason.
"""

import datetime
import json
import urllib.error
import urllib.parse
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support import aws
from test_cloudwatch_metrics import send

TABLE = Path(__file__).with_name("cloudwatch_errors.tsv")
#: Parts of rows, and why nothing here provokes them.
NOT_HERE = {
    "DashboardName": "dashboards are not served: NotImplementedException",
    "ResourceNotFound": "recorded of alarms and dashboards, which are not served",
    "stateValue": "alarms are not served",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def rows():
    """Code, status, further keys and text of those that can be provoked."""
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith(("#", "code\t"))]
    kept = [line.split("\t") for line in lines if not any(part in line for part in NOT_HERE)]
    return {(code, int(status), further, text) for code, status, further, text in kept}


def test_each_reason_is_of_some_row():
    table = TABLE.read_text()
    assert [part for part in NOT_HERE if part not in table] == []
    assert len(rows()) == 10


def by_boto(server, operation, arguments):
    """As the client of today asks: smithy-rpc-v2-cbor."""
    with pytest.raises(ClientError) as refused:
        getattr(aws.client(server.url, "cloudwatch"), operation)(**arguments)
    answer = refused.value.response
    error = dict(answer["Error"])
    code, text = error.pop("Code"), error.pop("Message")
    return code, answer["ResponseMetadata"]["HTTPStatusCode"], json.dumps(error, sort_keys=True), text


def fields(value, prefix=""):
    """The fields of a form: `a.member.1.b`."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in fields(inner, f"{prefix}.{key}" if prefix else key)]
    if isinstance(value, list):
        return [pair for at, inner in enumerate(value, 1) for pair in fields(inner, f"{prefix}.member.{at}")]
    return [(prefix, value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime.datetime) else str(value))]


def by_form(server, action, arguments):
    """As older clients ask: awsQuery."""
    body = urllib.parse.urlencode([("Action", action), ("Version", "2010-08-01"), *fields(arguments)]).encode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        send(server, FORM, body)
    document = ElementTree.fromstring(refused.value.read())
    error = {element.tag.rsplit("}", 1)[-1]: element.text for element in document.iter()}
    return error["Code"], refused.value.code, json.dumps({"Type": error["Type"]}), error["Message"]


def test_every_recorded_error_is_provoked_in_both_forms(server):
    value = {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}
    day = datetime.datetime(2026, 1, 2)
    asked = {"Namespace": "App", "MetricName": "m", "Period": 60, "Statistics": ["Sum"], "EndTime": day}

    def datum(**members):
        return {"Namespace": "App", "MetricData": [{"MetricName": "m"} | members]}

    found = set()
    for operation, action, arguments in [
        ("put_metric_data", "PutMetricData", datum(Value=1, StatisticValues=value)),
        ("put_metric_data", "PutMetricData", datum(Value=1, Values=[1])),
        ("put_metric_data", "PutMetricData", datum(Values=[1, 2], Counts=[1])),
        ("get_metric_statistics", "GetMetricStatistics", asked | {"StartTime": day - datetime.timedelta(days=60)}),
        ("get_metric_statistics", "GetMetricStatistics", asked | {"StartTime": day}),
    ]:
        found |= {by_boto(server, operation, arguments), by_form(server, action, arguments)}
    assert found == rows()
