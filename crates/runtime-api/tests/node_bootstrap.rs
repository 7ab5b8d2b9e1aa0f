//! The own Node.js runtime as a function sees it. Expected texts: AWS's documents, payloads recorded from the real
//! service, and the source of AWS's own client.

mod support;

use bytes::Bytes;
use hearth_runtime_api::{Invocation, RuntimeAnswer};
use serde_json::{Value, json};
use support::invocation;
use support::process::{REQUEST_ID, Records, RuntimeProcess, checkout, program};

/// Names and texts of a function's files.
type Files<'a> = &'a [(&'a str, &'a str)];

async fn start_with(files: Files<'_>, handler: &str, variables: &[(&str, &str)]) -> RuntimeProcess {
    let node = program(&["/usr/local/bin/node", "/usr/bin/node", "node"], "v20.").expect("the tests need Node.js 20");
    let variables = [&[("_HANDLER", handler)], variables].concat();
    RuntimeProcess::start(&[node, checkout().join("runtimes/node/bootstrap.cjs")], files, &variables).await
}

async fn start(code: &str, handler: &str) -> RuntimeProcess {
    start_with(&[("index.js", code)], handler, &[]).await
}

#[tokio::test]
async fn async_handlers_answer_what_they_return() {
    let runtime = start(
        "
exports.handler = async (event) => event;
exports.nothing = async () => {};
",
        "index.handler",
    )
    .await;
    for text in [r#"{"a":[1,2.5,"é😀",null,true]}"#, "\"x\"", "1", "null", "[]"] {
        assert_eq!(runtime.respond(text).await, text);
    }
    let large = format!("\"{}\"", "é".repeat(2_000_000));
    assert!(runtime.respond(&large).await == large, "an event of many packets");
    let nothing = start("exports.nothing = async () => {};", "index.nothing").await;
    assert_eq!(nothing.respond("1").await, "null");
}

#[tokio::test]
async fn a_callback_answers_once_nothing_is_left_to_do() {
    let code = "
exports.waits = (event, context, callback) => { setTimeout(() => console.log('after'), 30); callback(null, 'ok'); };
exports.hurries = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => console.log('after'), 30);
  callback(null, 'ok');
};
exports.fails = (event, context, callback) => callback(new TypeError('no'));
exports.silent = (event) => { setTimeout(() => console.log('after'), 30); };
exports.done = (event, context) => context.done(null, 'ok');
exports.succeed = (event, context) => { context.succeed('ok'); context.fail('ignored'); };
exports.fail = (event, context) => context.fail();
";
    for (handler, before, want) in [("waits", true, "\"ok\""), ("hurries", false, "\"ok\""), ("silent", true, "null")] {
        let runtime = start(code, &format!("index.{handler}")).await;
        assert_eq!(runtime.respond("{}").await, want, "{handler}");
        assert_eq!(runtime.output().contains("INFO\tafter"), before, "{handler}");
        assert!(runtime.output_with("after").await.contains("INFO\tafter"), "{handler}");
        assert_eq!(runtime.respond("{}").await, want, "{handler}, again");
    }
    for handler in ["done", "succeed"] {
        assert_eq!(start(code, &format!("index.{handler}")).await.respond("{}").await, "\"ok\"", "{handler}");
    }
    let error = start(code, "index.fails").await.fail("{}").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("TypeError"), &json!("no")));
    let error = start(code, "index.fail").await.fail("{}").await;
    assert_eq!(error, json!({ "errorType": "string", "errorMessage": "handled", "trace": [] }));
}

#[tokio::test]
async fn an_error_is_reported_and_logged() {
    let code = "
class CustomError extends Error { constructor(m) { super(m); this.name = 'CustomError'; this.code = 7; } }
exports.handler = async (event) => { throw event.text ? event.text : new CustomError('it\\nbroke'); };
";
    let runtime = start(code, "index.handler").await;
    let error = runtime.fail("{}").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("CustomError"), &json!("it\nbroke")));
    let trace = error["trace"].as_array().expect("trace");
    assert_eq!((&trace[0], &trace[1]), (&json!("CustomError: it"), &json!("broke")));
    assert!(
        trace[2].as_str().expect("frame").starts_with("    at exports.handler (/var/task/index.js:3:"),
        "{trace:?}"
    );
    let log = runtime.output();
    let parts: Vec<&str> = log.trim_end().split('\t').collect();
    assert_eq!((parts[0].len(), parts[1], parts[2], parts[3]), (24, REQUEST_ID, "ERROR", "Invoke Error "));
    let logged: Value = serde_json::from_str(parts[4]).expect("JSON");
    assert_eq!(
        (&logged["errorType"], &logged["errorMessage"], &logged["code"]),
        (&json!("CustomError"), &json!("it\nbroke"), &json!(7))
    );
    assert_eq!(logged["stack"], error["trace"]);
    assert_eq!(
        runtime.fail(r#"{"text":"plain"}"#).await,
        json!({ "errorType": "string", "errorMessage": "plain", "trace": [] })
    );
}

#[tokio::test]
async fn what_cannot_be_encoded_is_an_error() {
    let runtime = start("exports.handler = async () => { const a = {}; a.a = a; return a; };", "index.handler").await;
    let error = runtime.fail("{}").await;
    assert_eq!(
        (&error["errorType"], &error["errorMessage"]),
        (&json!("Error"), &json!("Unable to stringify response body"))
    );
    assert_eq!(runtime.fail("{}").await["errorType"], "Error", "and the process goes on");
}

#[tokio::test]
async fn a_function_that_cannot_be_loaded_is_an_init_error() {
    let missing = "Error: Cannot find module";
    for (name, code, handler, kind, message) in [
        ("index.js", "", "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        (
            "index.js",
            "exports.handler = 1",
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        (
            "index.js",
            "",
            "nope.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nope'\nRequire stack:\n- /var/runtime/index.mjs",
        ),
        ("index.js", "require('nope')", "index.handler", "Runtime.ImportModuleError", missing),
        ("index.js", "", "nohandler", "Runtime.MalformedHandlerName", "Bad handler"),
        ("index.js", "", "../x.handler", "Runtime.MalformedHandlerName", "'../x.handler' is not a valid handler name."),
        ("index.js", "exports.handler = (", "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected"),
        (
            "index.mjs",
            "export const handler = (",
            "index.handler",
            "Runtime.UserCodeSyntaxError",
            "SyntaxError: Unexpected",
        ),
        ("index.js", "null.x", "index.handler", "TypeError", "Cannot read properties of null"),
    ] {
        let mut runtime = start_with(&[(name, code)], handler, &[]).await;
        let error = runtime.ready().await.expect_err("init must fail");
        let body = runtime.json(&error.body);
        assert_eq!(body["errorType"], kind);
        assert!(body["errorMessage"].as_str().is_some_and(|text| text.starts_with(message)), "{body}");
        assert!(body["trace"][0].as_str().is_some_and(|text| text.starts_with(kind)), "{body}");
        assert_eq!(runtime.exit().await.code(), Some(129), "{handler}");
        assert!(
            runtime.output().contains("\tundefined\tERROR\tUncaught Exception \t{\"errorType\":"),
            "{}",
            runtime.output()
        );
    }
}

#[tokio::test]
async fn what_nobody_catches_is_reported_and_ends_the_process() {
    let code = "
exports.thrown = () => { setTimeout(() => { throw new RangeError('late'); }, 5); };
exports.rejected = (event, context, callback) => { Promise.reject(new RangeError('lost')); setTimeout(() => {}, 5000); };
";
    for (handler, kind, message, code_, title) in [
        ("thrown", "RangeError", "late", 129, "Uncaught Exception"),
        ("rejected", "Runtime.UnhandledPromiseRejection", "RangeError: lost", 128, "Unhandled Promise Rejection"),
    ] {
        let mut runtime = start(code, &format!("index.{handler}")).await;
        let error = runtime.fail("{}").await;
        assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!(kind), &json!(message)));
        assert_eq!(runtime.exit().await.code(), Some(code_));
        assert!(
            runtime.output().contains(&format!("{REQUEST_ID}\tERROR\t{title} \t{{\"errorType\":\"{kind}\"")),
            "{}",
            runtime.output()
        );
    }
}

#[tokio::test]
async fn an_error_between_invocations_ends_the_process_at_once() {
    let code = "exports.handler = async () => { setTimeout(() => { throw new Error('later'); }, 30); return 1; };";
    let mut runtime = start(code, "index.handler").await;
    assert_eq!(runtime.respond("{}").await, "1");
    assert_eq!(runtime.exit().await.code(), Some(129));
}

#[tokio::test]
async fn exit_ends_the_process_with_its_code() {
    let mut runtime =
        start("exports.handler = async () => { console.log('bye'); process.exit(3); };", "index.handler").await;
    let (api, event) = (runtime.server.api.clone(), invocation(REQUEST_ID, "{}"));
    let answer = tokio::spawn(async move { api.invoke(event).await });
    assert_eq!(runtime.exit().await.code(), Some(3));
    assert!(runtime.output().ends_with("INFO\tbye\n"));
    runtime.server.api.reset();
    assert_eq!(answer.await.expect("invoke"), RuntimeAnswer::Closed);
}

#[tokio::test]
async fn handlers_are_found_in_every_kind_of_module() {
    let (cjs, esm) = ("exports.handler = async () => 'cjs';", "export const handler = async () => 'esm';");
    let module = "{\"type\":\"module\"}";
    let cases: [(Files<'_>, &str, &str); 8] = [
        (&[("index.js", cjs)], "index.handler", "cjs"),
        (&[("index.cjs", cjs)], "index.handler", "cjs"),
        (&[("index.mjs", esm)], "index.handler", "esm"),
        (&[("index.js", esm), ("package.json", module)], "index.handler", "esm"),
        (&[("src/deep/app.js", esm), ("package.json", module)], "src/deep/app.handler", "esm"),
        (&[("src/app.js", cjs), ("src/package.json", "{}"), ("package.json", module)], "src/app.handler", "cjs"),
        (&[("node_modules/pkg/index.js", cjs)], "pkg.handler", "cjs"),
        (&[("app.js", "exports.a = { b: { handler: async () => 'cjs' } };")], "app.a.b.handler", "cjs"),
    ];
    for (files, handler, want) in cases {
        let runtime = start_with(files, handler, &[]).await;
        assert_eq!(runtime.respond("{}").await, format!("\"{want}\""), "{files:?}");
    }
}

/// What the managed runtime, itself an ES module, shows to functions.
#[tokio::test]
async fn a_function_sees_nothing_of_how_it_was_loaded() {
    let code = "
exports.handler = async () => [typeof require.main, 'mainModule' in process, module.parent.filename, module.paths[0]];
";
    let runtime = start(code, "index.handler").await;
    let seen = r#"["undefined",false,"/var/runtime/index.mjs","/var/task/node_modules"]"#;
    assert_eq!(runtime.respond("{}").await, seen);
    let files = [
        ("index.mjs", "import inner from './inner.cjs'; export const handler = async () => inner;"),
        ("inner.cjs", "module.exports = typeof require.main;"),
    ];
    let runtime = start_with(&files, "index.handler", &[]).await;
    assert_eq!(runtime.respond("{}").await, r#""undefined""#);
}

/// Source of the code: Node.js documentation, "Process exit codes".
#[tokio::test]
async fn a_module_that_awaits_what_never_comes_ends_the_process() {
    let code = "await new Promise(() => {}); export const handler = async () => 1;";
    let mut runtime = start_with(&[("index.mjs", code)], "index.handler", &[]).await;
    assert_eq!(runtime.exit().await.code(), Some(13));
}

#[tokio::test]
async fn modules_in_the_folders_of_node_path_are_found() {
    let files = [
        ("index.js", "exports.handler = async () => require('extra');"),
        ("layer/extra/index.js", "module.exports = 7;"),
    ];
    let runtime = start_with(&files, "index.handler", &[("NODE_PATH", "layer:/var/runtime")]).await;
    assert_eq!(runtime.respond("{}").await, "7");
}

#[tokio::test]
async fn the_context_has_the_documented_properties() {
    let code = "
exports.handler = async (event, c) => [c.awsRequestId, c.functionName, c.functionVersion, c.memoryLimitInMB, c.logGroupName,
  c.logStreamName, c.invokedFunctionArn, c.getRemainingTimeInMillis() > 0, c.callbackWaitsForEmptyEventLoop, c.clientContext,
  c.identity, process.env._X_AMZN_TRACE_ID];
";
    let runtime = start(code, "index.handler").await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let with_client = Invocation {
        client_context: Some(r#"{"custom":{"k":"é"}}"#.to_owned()),
        trace: Some("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700".into()),
        ..invocation(REQUEST_ID, "{}")
    };
    let RuntimeAnswer::Response { body } = runtime.invoke_with(with_client).await else {
        panic!("{}", runtime.output())
    };
    let common = json!([REQUEST_ID, "echo", "$LATEST", "128", "/aws/lambda/echo", "stream", arn, true, true]);
    let common = common.as_array().expect("list");
    let extra = [json!({ "custom": { "k": "é" } }), json!(null), json!("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")];
    assert_eq!(runtime.json(&body), json!([common, &extra[..]].concat()));
    let got: Value = serde_json::from_str(&runtime.respond("{}").await).expect("JSON");
    assert_eq!(got, json!([common, &[json!(null), json!(null), json!(null)][..]].concat()));
}

#[tokio::test]
async fn console_lines_carry_time_request_id_and_level() {
    let code = "
console.log('at start');
exports.handler = async () => {
  console.info('hello %s', 'world', { a: 1 }); console.warn('two\\nlines'); console.error('bad'); console.debug('d'); console.trace('t');
  process.stdout.write('raw\\n');
};
";
    let runtime = start(code, "index.handler").await;
    runtime.respond("{}").await;
    let log = runtime.output();
    let lines: Vec<Vec<&str>> = log.lines().map(|line| line.split('\t').collect()).collect();
    for (line, (id, level, text)) in lines.iter().zip([
        ("undefined", "INFO", "at start"),
        (REQUEST_ID, "INFO", "hello world { a: 1 }"),
        (REQUEST_ID, "WARN", "two\rlines"),
        (REQUEST_ID, "ERROR", "bad"),
        (REQUEST_ID, "DEBUG", "d"),
        (REQUEST_ID, "TRACE", "t"),
    ]) {
        assert!(line[0].len() == 24 && line[0].ends_with('Z'), "{line:?}");
        assert_eq!(line[1..], [id, level, text]);
    }
    assert_eq!(lines[6], ["raw"]);
}

#[tokio::test]
async fn json_logs_have_the_documented_fields() {
    let code = "
exports.handler = async () => { console.info('hello %d', 7); console.debug('hidden'); console.warn({ a: 1 }); throw new TypeError('boom'); };
";
    let variables = [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "INFO")];
    let runtime = start_with(&[("index.js", code)], "index.handler", &variables).await;
    runtime.fail("{}").await;
    let log = runtime.output();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&json!("INFO"), &json!("hello 7")));
    assert_eq!(lines[0]["requestId"], REQUEST_ID);
    assert_eq!((&lines[1]["level"], &lines[1]["message"]), (&json!("WARN"), &json!({ "a": 1 })));
    assert_eq!((&lines[2]["level"], &lines[2]["message"]["errorType"]), (&json!("ERROR"), &json!("TypeError")));
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn a_response_over_the_limit_does_not_end_the_process() {
    let runtime = start("exports.handler = async (event) => 'x'.repeat(event);", "index.handler").await;
    assert_eq!(runtime.invoke("6291555").await, RuntimeAnswer::TooLarge { size: 6_291_557 });
    assert_eq!(runtime.respond("6291554").await.len(), 6_291_556);
    assert_eq!(runtime.respond("1").await, r#""x""#);
}

#[tokio::test]
async fn streams_are_sent_as_they_are_written() {
    let code = "
const { streamifyResponse: stream, HttpResponseStream } = awslambda;
const { pipeline } = require('stream/promises');
exports.plain = stream(async (event, out) => { out.setContentType('text/plain'); out.write('a'); out.write({ b: 1 }); out.end('c'); });
exports.http = stream(async (event, out) => {
  out = HttpResponseStream.from(out, { statusCode: 201 });
  out.write('body'); out.end();
});
exports.pipe = stream(async (event, out) => pipeline(require('stream').Readable.from(['x', 'y'.repeat(100000)]), out));
exports.late = stream(async (event, out) => { out.write('a'); throw new TypeError('broke'); });
exports.early = stream(async () => { throw new TypeError('broke'); });
exports.never = stream(async (event, out) => { out.write('a'); });
exports.sync = stream(() => {});
";
    let piped = format!("x{}", "y".repeat(100_000));
    for (handler, want) in
        [("plain", "a{\"b\":1}c"), ("http", "{\"statusCode\":201}\0\0\0\0\0\0\0\0body"), ("pipe", &piped)]
    {
        let runtime = start(code, &format!("index.{handler}")).await;
        for _ in 0..3 {
            let body = Bytes::copy_from_slice(want.as_bytes());
            assert_eq!(runtime.invoke("{}").await, RuntimeAnswer::Response { body }, "{handler}");
        }
    }
    for (handler, kind, message) in [
        ("late", "TypeError", "broke"),
        ("early", "TypeError", "broke"),
        ("never", "string", "Response stream is not finished."),
        ("sync", "string", "Streaming does not support non-async handlers."),
    ] {
        let runtime = start(code, &format!("index.{handler}")).await;
        for _ in 0..2 {
            let error = runtime.fail("{}").await;
            assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!(kind), &json!(message)), "{handler}");
        }
    }
}

/// With a descriptor for log records, as in a sandbox.
async fn start_with_records(code: &str, variables: &[(&str, &str)]) -> (RuntimeProcess, Records) {
    let node = program(&["/usr/local/bin/node", "/usr/bin/node", "node"], "v20.").expect("the tests need Node.js 20");
    let command = [node, checkout().join("runtimes/node/bootstrap.cjs")];
    let variables = [&[("_HANDLER", "index.handler")], variables].concat();
    RuntimeProcess::start_with_records(&command, &[("index.js", code)], &variables).await
}

/// Source: the frame types of AWS's client.
#[tokio::test]
async fn console_records_are_frames_where_there_is_a_descriptor_for_them() {
    let code = "
exports.handler = async () => {
  process.stdout.write('raw\\n');
  for (const level of ['trace', 'debug', 'info', 'log', 'warn', 'error', 'fatal']) console[level]('é two\\nlines');
  console.error(new TypeError('boom'));
  return process.env._LAMBDA_TELEMETRY_LOG_FD ?? 'unknown';
};
";
    let (runtime, records) = start_with_records(code, &[]).await;
    assert_eq!(runtime.respond("{}").await, r#""unknown""#);
    assert_eq!(runtime.output(), "raw\n");
    let records = records.all();
    let table = [
        (0xa55a_0007_u32, "TRACE"),
        (0xa55a_000b, "DEBUG"),
        (0xa55a_000f, "INFO"),
        (0xa55a_000f, "INFO"),
        (0xa55a_0013, "WARN"),
        (0xa55a_0017, "ERROR"),
        (0xa55a_001b, "FATAL"),
    ];
    for ((want, level), (kind, text, micros)) in table.into_iter().zip(&records) {
        assert_eq!(*kind, want, "{level}");
        assert!(text.ends_with(&format!("Z\t{REQUEST_ID}\t{level}\té two\nlines")), "{text}");
        // Between 2026 and 2100.
        assert!((1_767_225_600_000_000..4_102_444_800_000_000).contains(micros), "{micros}");
    }
    let (kind, text, _) = &records[7];
    assert_eq!(*kind, 0xa55a_0017);
    assert!(text.contains("\tERROR\tTypeError: boom\n    at "), "an error is one record: {text}");
    assert_eq!(records.len(), 8);
}

#[tokio::test]
async fn an_error_report_is_one_record() {
    let code = "exports.handler = async () => { throw new TypeError('it\\nbroke'); };";
    let (runtime, records) = start_with_records(code, &[]).await;
    runtime.fail("{}").await;
    let (kind, text, _) = records.all().pop().expect("one");
    assert_eq!(kind, 0xa55a_0017);
    let parts: Vec<&str> = text.split('\t').collect();
    assert_eq!((parts[1], parts[2], parts[3]), (REQUEST_ID, "ERROR", "Invoke Error "));
    assert_eq!(runtime.output(), "");
    let (runtime, records) = start_with_records("throw new TypeError('at start')", &[]).await;
    runtime.ready().await.expect_err("does not load");
    assert!(records.all().pop().expect("one").1.contains("\tERROR\tUncaught Exception \t{\"errorType\":\"TypeError\""));
}

#[tokio::test]
async fn json_records_are_json_frames_with_their_level() {
    let code = "exports.handler = async () => { console.warn('careful'); throw new TypeError('boom'); };";
    let (runtime, records) = start_with_records(code, &[("AWS_LAMBDA_LOG_FORMAT", "JSON")]).await;
    runtime.fail("{}").await;
    let levels = records.all().into_iter().map(|(kind, text, _)| {
        let record: Value = serde_json::from_str(&text).expect("JSON");
        (kind, record["level"].clone())
    });
    assert_eq!(levels.collect::<Vec<_>>(), [(0xa55a_0012, json!("WARN")), (0xa55a_0016, json!("ERROR"))]);
}

#[tokio::test]
async fn a_long_record_stays_whole() {
    let code = "exports.handler = async () => { console.info('x'.repeat(1_000_000)); };";
    let (runtime, records) = start_with_records(code, &[]).await;
    runtime.respond("{}").await;
    assert!(records.all()[0].1.ends_with(&("\t".to_owned() + &"x".repeat(1_000_000))));
}
