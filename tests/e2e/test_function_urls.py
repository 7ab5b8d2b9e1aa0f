"""Function URLs as HTTP clients meet them: curl, Python's own client, and frameworks inside the function."""

import base64
import http.client
import json
import time
import urllib.parse

import pytest

from support import aws, packages, urls
from support.command_line import logs_of

ECHO = """
import json
def handler(event, context):
    print("invoked as", context.invoked_function_arn, context.aws_request_id)
    return {"event": event, "arn": context.invoked_function_arn, "id": context.aws_request_id}
"""

#: Does what its query says.
ANSWER = """
import base64, json, time
def handler(event, context):
    asked = event.get("queryStringParameters", {})
    if "fail" in asked:
        raise ValueError("no")
    time.sleep(float(asked.get("sleep", 0)))
    return json.loads(base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"])
"""


@pytest.fixture
def url(client, make):
    """`url(code)` makes a function and its URL."""

    def url(code, qualifier=None, auth="NONE", **settings):
        cors = {"Cors": settings.pop("Cors")} if "Cors" in settings else {}
        function = make(packages.zip_of({"app.py": code}), handler="app.handler", **settings)
        made = client.create_function_url_config(FunctionName=function.name, AuthType=auth, **cors)
        return function, made["FunctionUrl"]

    return url


def test_the_url_works_when_it_is_copied_into_curl(url, server):
    function, address = url(ECHO)
    port = server.url.rsplit(":", 1)[1]
    assert address.startswith("http://") and address.endswith(f".lambda-url.us-east-1.localhost:{port}/")
    headers = ["-H", "Cookie: a=b; c=d", "-H", "Content-Type: text/plain"]
    shown = json.loads(urls.curl(address + "a%20b/c?x=1&x=2", *headers, "-d", "hi"))
    event = shown["event"]
    assert (event["rawPath"], event["rawQueryString"], event["body"]) == ("/a%20b/c", "x=1&x=2", "hi")
    assert (event["cookies"], event["queryStringParameters"]) == (["a=b", "c=d"], {"x": "1,2"})
    assert event["requestContext"]["http"]["method"] == "POST"
    assert shown["arn"] == function.arn
    # The other forms lead there, too.
    by_path = urls.path_form(server, address)
    assert json.loads(urls.curl(by_path + "x"))["event"]["rawPath"] == "/x"
    name = address.split("/")[2].replace(f"localhost:{port}", "on.aws")
    on_aws = urls.curl(f"http://{name}/y", "--connect-to", f"{name}:80:127.0.0.1:{port}")
    assert json.loads(on_aws)["event"]["requestContext"]["domainName"] == name


def test_one_id_is_in_the_answer_the_event_and_the_log(url, server):
    function, address = url(ECHO)
    answer = urls.send(server, address)
    shown = answer.json()
    request_id = answer.headers["x-amzn-RequestId"]
    assert request_id == shown["id"] == shown["event"]["requestContext"]["requestId"]
    deadline = time.monotonic() + 20
    while f"REPORT RequestId: {request_id}" not in (log := logs_of(server, function.name)):
        assert time.monotonic() < deadline, log
        time.sleep(0.1)
    assert f"invoked as {function.arn} {request_id}" in log


def test_answers_are_what_the_function_says(url, server):
    _, address = url(ANSWER)

    def answer(value, **arguments):
        headers = {"Content-Type": "application/json"}
        return urls.send(server, address, "POST", body=json.dumps(value), headers=headers, **arguments)

    whole = answer({
        "statusCode": 201,
        "headers": {"Content-Type": "text/html", "X-Custom": "a"},
        "cookies": ["a=1; Path=/", "b=2"],
        "body": "<p>",
    })
    assert (whole.status, whole.body, whole.headers["Content-Type"]) == (201, b"<p>", "text/html")
    assert whole.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2"]
    binary = answer({"statusCode": "200", "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True})
    assert binary.body == b"\x00\xff"
    plain = answer({"hello": "world"})
    assert (plain.json(), plain.headers["Content-Type"]) == ({"hello": "world"}, "application/json")
    assert answer("text").body == b"text" and answer(5).body == b"5"
    for broken in [answer({"statusCode": "abc"}), answer({}, path="?fail=1")]:
        assert (broken.status, broken.body) == (502, b"Internal Server Error")
    form = urls.send(
        server, address, "PUT", body="5", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert form.body == b"5", "a form comes as base64"


def test_every_method_gets_through_and_head_has_no_body(url, server):
    _, address = url(ECHO)
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]:
        assert urls.send(server, address, method).json()["event"]["requestContext"]["http"]["method"] == method
    head = urls.send(server, address, "HEAD")
    assert (head.status, head.body) == (200, b"") and int(head.headers["Content-Length"]) > 100


def test_time_outs_throttles_and_size_limits_have_their_statuses(url, server, client):
    function, address = url(ANSWER, Timeout=1)
    late = urls.send(server, address, "POST", "?sleep=5", body='"x"', headers={"Content-Type": "text/plain"})
    assert (late.status, late.body) == (502, b"Internal Server Error")
    long = urls.send(server, address, "POST", body=b"x" * 6_291_457, headers={"Content-Type": "text/plain"})
    assert long.status == 413
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    throttled = urls.send(server, address, "POST", body="1", headers={"Content-Type": "text/plain"})
    assert throttled.status == 429
    assert throttled.json()["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_a_reservation_limits_how_often_a_url_is_asked(url, server, client):
    """Ten times a second for each concurrent execution. They come in turn, so that concurrency is never the reason."""
    function, address = url("handler = lambda event, context: 'x'")
    assert urls.send(server, address).status == 200
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    began = time.monotonic()
    answers = [urls.send(server, address) for _ in range(60)]
    seconds = time.monotonic() - began
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} <= {200, 429}
    assert 10 <= len(answers) - len(refused) <= 10 + 10 * seconds + 1
    if not refused:
        pytest.skip(f"60 requests took {seconds:.1f} s: too slow here to ask more than ten times a second")
    for answer in refused:
        assert answer.json()["Reason"] == "ReservedFunctionInvocationRateLimitExceeded"
        assert answer.json()["message"] == "Rate Exceeded."
    # A second later it is open again.
    time.sleep(1.1)
    assert urls.send(server, address).status == 200


def test_an_answer_that_is_too_long_is_a_failure(url, server):
    _, address = url("handler = lambda event, context: 'x' * 7_000_000")
    answer = urls.send(server, address)
    assert (answer.status, answer.body) == (502, b"Internal Server Error")


def test_an_alias_chooses_a_version_for_each_request(client, server, make):
    code = "handler = lambda event, context: context.function_version + ' ' + context.invoked_function_arn"
    function = make(packages.zip_of({"app.py": code}), handler="app.handler")
    client.publish_version(FunctionName=function.name)
    aws.update(function, Description="two")
    client.publish_version(FunctionName=function.name)
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1", RoutingConfig=weights)
    made = client.create_function_url_config(FunctionName=function.name, Qualifier="live", AuthType="NONE")
    answers = {urls.send(server, made["FunctionUrl"]).body.decode() for _ in range(40)}
    assert answers == {f"1 {function.arn}:live", f"2 {function.arn}:live"}
    client.delete_alias(FunctionName=function.name, Name="live")
    gone = urls.send(server, made["FunctionUrl"])
    assert (gone.status, gone.json()) == (403, {"Message": None})
    assert gone.headers["x-amzn-ErrorType"] == "AccessDeniedException"


def test_pages_elsewhere_are_let_in_by_cors_alone(url, server):
    origin = "https://page.example"
    allowed = {"AllowOrigins": [origin], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"], "MaxAge": 5}
    _, address = url(ECHO, Cors=allowed)
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-a"}
    preflight = urls.send(server, address, "OPTIONS", headers=asked)
    assert (preflight.status, preflight.body) == (200, b"")
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert preflight.headers["Access-Control-Max-Age"] == "5"
    assert urls.send(server, address, headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin
    other = urls.send(server, address, headers={"Origin": "https://other.example"})
    assert (other.status, other.headers["Access-Control-Allow-Origin"]) == (200, None)


def test_a_function_s_page_is_not_trusted_as_a_page_of_this_machine(url, server):
    _, address = url(ECHO)
    by_path = urls.send(server, urls.path_form(server, address))
    assert by_path.headers["Content-Security-Policy"].startswith("sandbox ")
    for origin in [address.rstrip("/"), "null"]:
        listed = urls.send(server, server.url, path="/2015-03-31/functions", headers={"Origin": origin})
        assert listed.status == 403, origin


@pytest.mark.parametrize("name", ["fastapi", "express"])
def test_a_web_framework_behind_a_url(name, make, client, server):
    if name == "fastapi":
        function = make(packages.fastapi_app(), handler="app.handler")
        path, expected = "/items/7?q=x%20y", {"item_id": 7, "q": "x y"}
    else:
        function = make(packages.express_app(), runtime=aws.NODE, handler="index.handler")
        path, expected = "/items/7?q=x%20y", None
    made = client.create_function_url_config(FunctionName=function.name, AuthType="NONE")
    answer = urls.send(server, made["FunctionUrl"], path=path)
    assert answer.status == 200, answer.body
    assert expected is None or answer.json() == expected
    assert b"7" in answer.body


def test_signed_requests_are_told_from_others(url, server):
    """In open mode whoever signs is let in, as everywhere; who does not is not."""
    _, address = url(ECHO, auth="AWS_IAM")
    refused = urls.send(server, address)
    assert refused.status == 403 and refused.json()["Message"].startswith("Forbidden.")
    for place in [address, urls.path_form(server, address)]:
        headers = urls.signed(place, ("test", "test"), "POST", "/p?b=2&a=1", "body", {"Content-Type": "text/plain"})
        answer = urls.send(server, place, "POST", "/p?b=2&a=1", "body", headers)
        assert answer.status == 200, answer.body
        event = answer.json()["event"]
        assert (event["body"], event["requestContext"]["accountId"]) == ("body", aws.ACCOUNT)
        assert event["requestContext"]["authorizer"]["iam"]["userArn"] == f"arn:aws:iam::{aws.ACCOUNT}:root"


def test_a_function_reaches_a_url_from_inside_by_its_path(url, server, client, remote):
    def fetch(where):
        import os
        import urllib.error
        import urllib.request

        request = os.environ["AWS_ENDPOINT_URL"] + where
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    function, address = url("handler = lambda event, context: 'inside'")
    where = "/_hearth/url/" + address.split("/")[2].split(".")[0] + "/"
    # What function code does is held to policies in every mode.
    assert remote.run(fetch, where).ok() == 403
    for action, condition in [
        ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ]:
        client.add_permission(
            FunctionName=function.name, StatementId=action.split(":")[1], Action=action, Principal="*", **condition
        )
    assert remote.run(fetch, where).ok() == 200


#: Writes what its query says, and waits between first and last.
STREAM = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const asked = event.queryStringParameters ?? {}
  if (asked.early) throw new Error('early')
  if (asked.head) {
    stream = awslambda.HttpResponseStream.from(stream, {
      statusCode: 201, headers: { 'Content-Type': 'text/html', 'x-a': 'b' }, cookies: ['c=d', 'e=f'],
    })
  } else {
    stream.setContentType('text/plain')
  }
  stream.write('first\\n')
  await new Promise(resolve => setTimeout(resolve, Number(asked.wait ?? 0)))
  if (asked.late) throw new Error('late')
  stream.write(asked.bytes ? 'x'.repeat(Number(asked.bytes)) : 'last\\n')
  stream.end()
})
"""


@pytest.fixture
def stream_url(client, make):
    function = make(packages.zip_of({"index.js": STREAM}), runtime=aws.NODE, handler="index.handler")
    made = client.create_function_url_config(
        FunctionName=function.name, AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )
    assert made["InvokeMode"] == "RESPONSE_STREAM"
    return made["FunctionUrl"]


def opened(server, address, path):
    """The connection and the response, before its body."""
    parts = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", path, headers={"Host": urllib.parse.urlsplit(address).netloc})
    return connection, connection.getresponse()


def test_a_streamed_answer_has_the_head_the_function_gives_it(stream_url, server):
    answer = urls.send(server, stream_url, path="?head=1")
    assert (answer.status, answer.body) == (201, b"first\nlast\n")
    assert (answer.headers["Content-Type"], answer.headers["x-a"]) == ("text/html", "b")
    assert answer.headers.get_all("Set-Cookie") == ["c=d", "e=f"]
    assert answer.headers["Transfer-Encoding"] == "chunked" and answer.headers["x-amzn-RequestId"]
    plain = urls.send(server, stream_url)
    assert (plain.status, plain.body, plain.headers["Content-Type"]) == (200, b"first\nlast\n", "text/plain")


@pytest.mark.parametrize("head", ["", "&head=1"], ids=["plain", "head"])
def test_the_first_bytes_come_while_the_function_still_works(stream_url, server, head):
    urls.send(server, stream_url)
    begun = time.monotonic()
    connection, answer = opened(server, stream_url, f"/?wait=3000{head}")
    assert answer.read(6) == b"first\n"
    first_s = time.monotonic() - begun
    assert answer.read() == b"last\n"
    assert first_s < 2 and time.monotonic() - begun >= 3, first_s
    connection.close()


def test_a_stream_is_longer_than_a_whole_answer_may_be(stream_url, server):
    answer = urls.send(server, stream_url, path="?bytes=8000000")
    assert (answer.status, len(answer.body)) == (200, 8_000_006)


def test_a_failure_ahead_of_the_stream_has_a_status_and_one_within_cuts_it(stream_url, server):
    early = urls.send(server, stream_url, path="?early=1")
    assert (early.status, early.body) == (502, b"Internal Server Error")
    connection, answer = opened(server, stream_url, "/?late=1&wait=100")
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
    assert urls.send(server, stream_url).status == 200


def test_who_goes_away_in_a_stream_disturbs_nobody(stream_url, server):
    urls.send(server, stream_url)
    for _ in range(3):
        connection, answer = opened(server, stream_url, "/?wait=500")
        assert answer.read(6) == b"first\n"
        connection.close()
    assert urls.send(server, stream_url).body == b"first\nlast\n"
