//! botocore's protocol cases, run in reverse: what its client sends we decode, what its client expects we encode.

#[path = "common/cases.rs"]
mod cases;
mod common;
#[path = "common/xml.rs"]
mod xml;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cases::{Case, same_input, value};
use hearth_types::RequestId;
use hearth_wire::model::Kind;
use hearth_wire::protocol::{Incoming, Protocol};
use hearth_wire::router::Router;
use hearth_wire::{Body, ErrorAnswer, MessageKey, Timestamp, TimestampFormat, Value};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value as Json;

/// The token botocore fills in when its tests run.
const TOKEN: &str = "00000000-0000-4000-8000-000000000000";

/// Cases that cannot run in reverse, and why.
const EXCLUDED: &[(&str, &str)] = &[
    ("RestJsonHostWithPath", "the path prefix belongs to the client's endpoint, not to the operation"),
    ("AwsJson10HandlesUnexpectedJsonOutput", "a client reads over an output that the model does not have"),
    ("handles_unexpected_json_output", "a client reads over an output that the model does not have"),
    ("SDKAppliedContentEncoding_restJson1", "the case has no body"),
    ("SDKAppendedGzipAfterProvidedEncoding_restJson1", "the case has no body"),
    ("SDKAppliedContentEncoding_awsQuery", "the case has no body"),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery", "the case has no body"),
    ("SDKAppliedContentEncoding_awsJson1_0", "the case has no body"),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0", "the case has no body"),
    ("SDKAppliedContentEncoding_awsJson1_1", "the case has no body"),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1", "the case has no body"),
    ("NoOutputClientAllowsEmptyCbor", "a client reads over a body where the model has none"),
    ("NoOutputClientAllowsEmptyBody", "a client reads over the type of a body that is not there"),
    ("RpcV2CborPayloadWithUnsetUnion", "the case has the length of another form of the same body"),
];

struct Tally {
    run: usize,
    excluded: usize,
    failures: Vec<String>,
}

fn run(direction: &str, protocol: &str, check: impl Fn(&Case) -> Result<(), String>) {
    let Some(sdist) = common::botocore() else { return };
    let cases = cases::read(&sdist.join(format!("tests/unit/protocols/{direction}/{protocol}.json")));
    let mut tally = Tally { run: 0, excluded: 0, failures: Vec::new() };
    for case in &cases {
        if let Some((name, reason)) = EXCLUDED.iter().find(|(name, _)| *name == case.name) {
            println!("{direction}/{protocol}: {name} excluded: {reason}");
            tally.excluded += 1;
            continue;
        }
        tally.run += 1;
        if let Err(detail) = check(case) {
            tally.failures.push(format!("{}: {detail}", case.name));
        }
    }
    let passed = tally.run - tally.failures.len();
    println!(
        "{direction}/{protocol}: {} cases, {} run, {passed} passed, {} excluded",
        cases.len(),
        tally.run,
        tally.excluded
    );
    assert!(tally.run > 0, "no case ran");
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
}

fn decodes(case: &Case) -> Result<(), String> {
    let sent = &case.json["serialized"];
    let uri = sent["uri"].as_str().unwrap_or("/");
    let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query.to_owned())));
    let mut headers = HeaderMap::new();
    for (name, text) in sent["headers"].as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().map_err(|_| "header name")?;
        headers.insert(name, text.as_str().unwrap_or_default().parse().map_err(|_| "header value")?);
    }
    let method = sent["method"].as_str().unwrap_or("POST").parse().map_err(|_| "method")?;
    let labels = if case.model.protocol() == Protocol::RestJson {
        let route = Router::new(&case.model).route(&method, path, query.as_deref());
        route.ok_or_else(|| format!("no route for {method} {uri}"))?.labels
    } else {
        Vec::new()
    };
    let body = sent["body"].as_str().unwrap_or_default();
    // What is no text stands in base64 there.
    let body = match case.model.protocol() {
        Protocol::RpcCbor => STANDARD.decode(body).map_err(|error| error.to_string())?,
        _ => body.to_owned().into_bytes(),
    };
    let body = body.into();
    let incoming = Incoming { labels, query, headers, body, ..Incoming::default() };
    let decoded =
        case.model.protocol().decode(&case.model, case.operation, &incoming).map_err(|error| format!("{error:?}"))?;
    let shape = case.model.input(case.operation);
    let mut expected = value(&case.model, shape, &case.json["params"]);
    if let Value::Map(members) = &mut expected {
        for token in &case.tokens {
            if !members.iter().any(|(name, _)| name == token) {
                members.push((token.clone(), Value::String(TOKEN.to_owned())));
            }
        }
    }
    if same_input(&case.model, shape, &decoded, &expected) {
        Ok(())
    } else {
        Err(format!("\n  decoded  {decoded:?}\n  expected {expected:?}"))
    }
}

fn encodes(case: &Case) -> Result<(), String> {
    let expected = &case.json["response"];
    let id = expected["headers"]["x-amzn-requestid"].as_str().or(expected["headers"]["X-Amzn-Requestid"].as_str());
    let id = RequestId::from(id.unwrap_or("00000000-0000-0000-0000-000000000000"));
    let protocol = case.model.protocol();
    let response = if case.json.get("error").is_some() {
        protocol.encode_error(Some(&case.model), &error(case)?, &id)
    } else {
        let output = value(&case.model, case.model.output(case.operation), &case.json["result"]);
        protocol.encode(&case.model, case.operation, None, output, &id).map_err(|error| format!("{error:?}"))?
    };
    if expected["status_code"] != response.status().as_u16() {
        return Err(format!("status {}", response.status()));
    }
    headers_agree(case, &response, &expected["headers"])?;
    if protocol == Protocol::RpcCbor {
        return cbor_agrees(case, response.body().bytes().expect("a whole body"));
    }
    let body = String::from_utf8_lossy(response.body().bytes().expect("a whole body")).into_owned();
    let wanted = expected["body"].as_str().unwrap_or_default();
    match protocol {
        Protocol::Query => xml_agrees(&body, wanted),
        Protocol::RestJson | Protocol::AwsJson(_) => json_agrees(case, &response, &body, wanted),
        Protocol::RpcCbor => unreachable!("compared above"),
    }
}

fn headers_agree(case: &Case, response: &Response<Body>, expected: &Json) -> Result<(), String> {
    for (name, wanted) in expected.as_object().into_iter().flatten() {
        let wanted = wanted.as_str().unwrap_or_default();
        if name.eq_ignore_ascii_case("x-amz-target") {
            // A header of requests.
            continue;
        }
        if name.eq_ignore_ascii_case("content-length") {
            // Written by the HTTP server, from the body.
            let length = response.body().bytes().map(|bytes| bytes.len().to_string());
            if length.as_deref() != Some(wanted) {
                return Err(format!("length {length:?}"));
            }
            continue;
        }
        let given = response.headers().get(name.to_lowercase()).and_then(|value| value.to_str().ok());
        let is_error_type = name.eq_ignore_ascii_case("x-amzn-errortype");
        // Clients cut namespace and address off the code; we send it bare.
        let wanted = if is_error_type { case.json["errorCode"].as_str().unwrap_or_default() } else { wanted };
        if given != Some(wanted) {
            return Err(format!("header {name}: {given:?}, not {wanted:?}"));
        }
    }
    Ok(())
}

/// The error of a case as a handler gives it: members by their wire names, those bound to headers as headers.
fn error(case: &Case) -> Result<ErrorAnswer, String> {
    let code = case.json["errorCode"].as_str().unwrap_or_default().to_owned();
    let status = case.json["response"]["status_code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    let status = StatusCode::from_u16(status).map_err(|error| error.to_string())?;
    let mut answer = ErrorAnswer::new(code.clone(), status, case.json["errorMessage"].as_str().unwrap_or_default());
    if case.json["response"]["headers"]["x-amzn-query-error"].is_string() {
        answer = answer.in_query("Customized", None);
    }
    answer.message_key = MessageKey::Upper;
    let shape = case.model.shapes().find(|shape| {
        shape.name == code || case.json["error"].get("TopLevel").is_some() && shape.name == "ComplexError"
    });
    let Some(Kind::Structure(structure)) = shape.map(|shape| &shape.kind) else { return Ok(answer) };
    for (name, given) in case.json["error"].as_object().into_iter().flatten() {
        let member = structure.members.iter().find(|member| member.name == *name).ok_or("a member")?;
        match member.location {
            hearth_wire::model::Location::Header => {
                let name = HeaderName::from_bytes(member.wire_name.as_bytes()).map_err(|error| error.to_string())?;
                let text =
                    HeaderValue::from_str(given.as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
                answer = answer.header(name, text);
            }
            _ if name.eq_ignore_ascii_case("message") => {}
            _ if case.model.protocol() == Protocol::RestJson => {
                answer = answer.field(member.wire_name.clone(), renamed(given));
            }
            _ => answer = answer.field(member.wire_name.clone(), given.clone()),
        }
    }
    Ok(answer)
}

/// The one nested member of the error cases has another name on the wire.
fn renamed(json: &Json) -> Json {
    match json {
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| (if name == "Foo" { "Fooooo".to_owned() } else { name.clone() }, value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn json_agrees(case: &Case, response: &Response<Body>, body: &str, wanted: &str) -> Result<(), String> {
    if case.json.get("error").is_some() {
        return json_error_agrees(case, response, body, wanted);
    }
    // Where a client takes an empty body for an object, a server may write either.
    let is_nothing = |text: &str| matches!(text.trim(), "" | "{}");
    if is_nothing(body) && is_nothing(wanted) {
        return Ok(());
    }
    let (Ok(given), Ok(mut wanted)) = (serde_json::from_str::<Json>(body), serde_json::from_str::<Json>(wanted)) else {
        return if body == wanted { Ok(()) } else { Err(format!("body {body:?}, not {wanted:?}")) };
    };
    strip(&mut wanted);
    if same_json(&given, &wanted) { Ok(()) } else { Err(format!("\n  body     {given}\n  expected {wanted}")) }
}

/// The client finds the code in a header or in the body.
fn json_error_agrees(case: &Case, response: &Response<Body>, body: &str, wanted: &str) -> Result<(), String> {
    let code = case.json["errorCode"].as_str();
    let in_header = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let body: Json = serde_json::from_str(body).map_err(|error| error.to_string())?;
    if in_header != code {
        return Err(format!("code {in_header:?}, not {code:?}"));
    }
    let wanted: Json = serde_json::from_str(wanted).unwrap_or_default();
    for (name, value) in
        wanted.as_object().into_iter().flatten().filter(|(name, _)| !matches!(name.as_str(), "code" | "__type"))
    {
        if body[name] != *value {
            return Err(format!("{name}: {}, not {value}", body[name]));
        }
    }
    Ok(())
}

/// A client must read over these; a server does not write them.
fn strip(json: &mut Json) {
    match json {
        Json::Object(members) => {
            members.retain(|name, value| name != "__type" && !value.is_null());
            members.values_mut().for_each(strip);
        }
        Json::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text, TimestampFormat::DateTime)
}

/// One form of what has several. Times in UTC: a client reads any offset, a server writes this one.
fn normalise(element: &mut xml::Element) {
    if let Some(at) = time(&element.text) {
        element.text = at.format(TimestampFormat::DateTime);
    }
    element.children.iter_mut().for_each(normalise);
    // The order of members means nothing, nor does that of map entries; that of list elements does.
    element.children.sort_by_key(|child| {
        let is_entry = child.children.len() == 2;
        (child.name.clone(), is_entry.then(|| child.children[0].text.clone()))
    });
}

fn same_json(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.as_f64() == right.as_f64(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_json(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same_json(left, right)))
        }
        (Json::String(left), Json::String(right)) => {
            left == right || (time(left).is_some() && time(left) == time(right))
        }
        (left, right) => left == right,
    }
}

/// Many bodies say the same in CBOR: ours is read back, and so is the client's.
fn cbor_agrees(case: &Case, given: &[u8]) -> Result<(), String> {
    let wanted = STANDARD.decode(case.json["response"]["body"].as_str().unwrap_or_default());
    let wanted = wanted.map_err(|error| error.to_string())?;
    if case.json.get("error").is_some() {
        return cbor_error_agrees(case, given);
    }
    let (model, operation) = cases::reversed(case);
    let expected = value(&model, model.input(operation), &case.json["result"]);
    let read = |body: &[u8]| {
        let incoming = Incoming { body: body.to_vec().into(), ..Incoming::default() };
        Protocol::RpcCbor.decode(&model, operation, &incoming).map_err(|error| format!("{error:?}"))
    };
    for (whose, body) in [("our", given), ("the client's", &wanted)] {
        let read = without_nulls(read(body)?);
        if !cases::same(&read, &without_nulls(expected.clone())) {
            return Err(format!("\n  {whose} body {read:?}\n  expected {expected:?}"));
        }
    }
    Ok(())
}

/// Members that are not set, and a structure of nothing else.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Map(members) => Value::Map(members.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

fn cbor_error_agrees(case: &Case, given: &[u8]) -> Result<(), String> {
    let has = |text: &str| given.windows(text.len()).any(|window| window == text.as_bytes());
    for text in ["__type", case.json["errorCode"].as_str().unwrap_or_default()] {
        if !has(text) && !case.json["response"]["headers"]["x-amzn-query-error"].is_string() {
            return Err(format!("no {text} in {given:?}"));
        }
    }
    Ok(())
}

fn xml_agrees(body: &str, wanted: &str) -> Result<(), String> {
    let mut given = xml::parse(body)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let mut wanted = xml::parse(wanted)?;
    for root in [&mut given, &mut wanted] {
        // The id of the request and the service's namespace are not the case's.
        root.children.retain(|child| !matches!(child.name.as_str(), "ResponseMetadata" | "RequestId"));
        root.attributes.clear();
        normalise(root);
    }
    if given == wanted { Ok(()) } else { Err(format!("\n  body     {given:?}\n  expected {wanted:?}")) }
}

macro_rules! gates {
    ($($name:ident: $direction:literal $protocol:literal $check:ident;)*) => {
        $(#[test]
        fn $name() {
            run($direction, $protocol, $check);
        })*
    };
}

gates! {
    rest_json_requests_are_decoded: "input" "rest-json" decodes;
    rest_json_answers_are_encoded: "output" "rest-json" encodes;
    query_requests_are_decoded: "input" "query" decodes;
    query_answers_are_encoded: "output" "query" encodes;
    json_1_1_requests_are_decoded: "input" "json" decodes;
    json_1_1_answers_are_encoded: "output" "json" encodes;
    json_1_0_requests_are_decoded: "input" "json_1_0" decodes;
    json_1_0_answers_are_encoded: "output" "json_1_0" encodes;
    cbor_requests_are_decoded: "input" "smithy-rpc-v2-cbor" decodes;
    cbor_requests_of_old_query_services_are_decoded: "input" "smithy-rpc-v2-cbor-query-compatible" decodes;
    cbor_requests_of_new_services_are_decoded: "input" "smithy-rpc-v2-cbor-non-query-compatible" decodes;
    cbor_answers_are_encoded: "output" "smithy-rpc-v2-cbor" encodes;
    cbor_answers_of_old_query_services_are_encoded: "output" "smithy-rpc-v2-cbor-query-compatible" encodes;
}
