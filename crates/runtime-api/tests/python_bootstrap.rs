//! The own Python runtime as a function sees it. Expected texts: AWS's documents, payloads recorded from the real
//! service, and AWS's own client, which runs the same functions beside it where it is installed.

mod support;

use std::path::PathBuf;

use hearth_runtime_api::{Invocation, RuntimeAnswer};
use serde_json::{Value, json};
use support::invocation;
use support::process::{REQUEST_ID, Records, RuntimeProcess, checkout, program};

const CANDIDATES: [&str; 2] = ["/usr/bin/python3.11", "python3.11"];

async fn start_with(files: &[(&str, &str)], handler: &str, variables: &[(&str, &str)]) -> RuntimeProcess {
    let python = program(&CANDIDATES, "Python 3.11").expect("the tests need python3.11");
    let bootstrap = checkout().join("runtimes/python/bootstrap.py");
    let variables = [&[("_HANDLER", handler), ("PYTHONPATH", "/var/runtime")], variables].concat();
    RuntimeProcess::start(&[python, "-I".into(), "-S".into(), bootstrap], files, &variables).await
}

async fn start(code: &str, handler: &str) -> RuntimeProcess {
    start_with(&[("app.py", code)], handler, &[]).await
}

#[tokio::test]
async fn an_event_is_parsed_and_the_result_encoded_as_aws_does() {
    // Encodings seen with AWS's client on Python 3.11: ASCII only, named tuples as objects, exact Decimals.
    let runtime = start(
        "
import collections, decimal
P = collections.namedtuple('P', 'a b')
CASES = {
    'none': None, 'text': 'é\\u2028😀\"', 'numbers': [1, -2.5, 1e100, True, False], 'float': 0.1,
    'nan': [float('nan'), float('inf'), float('-inf')], 'decimal': decimal.Decimal('1.10'), 'tuple': (1, (2,)),
    'named': {'p': P(1, [P(2, 3)])}, 'bytes': {'b': b'hi'}, 'keys': {1: 2, True: 3, None: 4, 1.5: 5, b'k': 6}, 'empty': [{}, [], ''],
}
def handler(event, context):
    return CASES[event['case']] if 'case' in event else event
def raw(event, context):
    return b'\\x00raw'
",
        "app.handler",
    )
    .await;
    for (case, want) in [
        ("none", "null"),
        ("text", r#""\u00e9\u2028\ud83d\ude00\"""#),
        ("numbers", "[1, -2.5, 1e+100, true, false]"),
        ("float", "0.1"),
        ("nan", "[NaN, Infinity, -Infinity]"),
        ("decimal", "1.10"),
        ("tuple", "[1, [2]]"),
        ("named", r#"{"p": {"a": 1, "b": [{"a": 2, "b": 3}]}}"#),
        ("bytes", r#"{"b": "hi"}"#),
        ("keys", r#"{"1": 3, "null": 4, "1.5": 5, "k": 6}"#),
        ("empty", r#"[{}, [], ""]"#),
    ] {
        assert_eq!(runtime.respond(&json!({ "case": case }).to_string()).await, want, "{case}");
    }
    let event = "{\"a\": [1, 2.5, \"\\u00e9\", null, true], \"long\": 123456789012345678901234567890}";
    assert_eq!(runtime.respond(&format!(" {event}\n")).await, event);
}

#[tokio::test]
async fn the_context_has_the_documented_attributes() {
    let runtime = start(
        "
import os
def handler(event, context):
    assert type(context.get_remaining_time_in_millis()) is int
    client = context.client_context
    return [context.aws_request_id, context.function_name, context.function_version, context.memory_limit_in_mb,
            context.log_group_name, context.log_stream_name, context.invoked_function_arn,
            context.get_remaining_time_in_millis() > 0, context.identity.cognito_identity_id, context.tenant_id,
            client and [client.custom, client.env, client.client.app_title], os.environ.get('_X_AMZN_TRACE_ID')]
",
        "app.handler",
    )
    .await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let fixed = [REQUEST_ID, "echo", "$LATEST", "128", "/aws/lambda/echo", "stream", arn].map(Value::from);
    let with_client = Invocation {
        client_context: Some(r#"{"custom":{"k":"é"},"env":{"e":1},"client":{"app_title":"t"}}"#.to_owned()),
        trace: Some("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700".into()),
        ..invocation(REQUEST_ID, "{}")
    };
    let RuntimeAnswer::Response { body } = runtime.invoke_with(with_client).await else {
        panic!("{}", runtime.output())
    };
    let got = runtime.json(&body);
    assert_eq!(got.as_array().expect("list")[..7], fixed);
    let client = json!([{ "k": "é" }, { "e": 1 }, "t"]);
    let varying = [json!(true), json!(null), json!(null), client, json!("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")];
    assert_eq!(got.as_array().expect("list")[7..], varying);
    // Nothing of the invocation before is left.
    let got: Value = serde_json::from_str(&runtime.respond("{}").await).expect("JSON");
    assert_eq!((&got[10], &got[11]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn an_exception_is_reported_and_logged() {
    let runtime = start(
        "
class CustomError(Exception): pass
def inner(): raise CustomError('it broke')
def handler(event, context):
    print('before')
    inner()
",
        "app.handler",
    )
    .await;
    let trace = [
        "  File \"/var/task/app.py\", line 6, in handler\n    inner()\n",
        "  File \"/var/task/app.py\", line 3, in inner\n    def inner(): raise CustomError('it broke')\n",
    ];
    let want =
        json!({ "errorMessage": "it broke", "errorType": "CustomError", "requestId": REQUEST_ID, "stackTrace": trace });
    assert_eq!(runtime.fail("{}").await, want);
    let nbsp = "\u{a0}";
    let log = format!(
        "before\n[ERROR] CustomError: it broke\rTraceback (most recent call last):\r\
         {nbsp}{nbsp}File \"/var/task/app.py\", line 6, in handler\r{nbsp}{nbsp}{nbsp}{nbsp}inner()\r\
         {nbsp}{nbsp}File \"/var/task/app.py\", line 3, in inner\r\
         {nbsp}{nbsp}{nbsp}{nbsp}def inner(): raise CustomError('it broke')\n"
    );
    assert_eq!(runtime.output(), log);
    // The process lives on.
    assert_eq!(runtime.fail("{}").await, want);
}

#[tokio::test]
async fn what_cannot_be_encoded_is_a_marshal_error() {
    let runtime = start("def handler(event, context): return {'s': {1, 2}}", "app.handler").await;
    let want = "Unable to marshal response: Object of type set is not JSON serializable";
    let got = runtime.fail("{}").await;
    assert_eq!((&got["errorType"], &got["errorMessage"]), (&json!("Runtime.MarshalError"), &json!(want)));
    assert_eq!(got["stackTrace"], json!([]));
}

#[tokio::test]
async fn an_event_that_is_not_json_by_type_is_passed_as_bytes() {
    let runtime = start("def handler(event, context): return [type(event).__name__, event]", "app.handler").await;
    let event = Invocation { content_type: Some("text/plain".to_owned()), ..invocation(REQUEST_ID, "hi") };
    let RuntimeAnswer::Response { body } = runtime.invoke_with(event).await else { panic!("{}", runtime.output()) };
    assert_eq!(&body[..], br#"["bytes", "hi"]"#);
    let got = runtime.fail("").await;
    assert_eq!(got["errorType"], "Runtime.UnmarshalError");
    assert_eq!(got["errorMessage"], "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)");
}

#[tokio::test]
async fn a_function_that_cannot_be_loaded_is_an_init_error() {
    let bad_syntax = "def handler(event, context)\n  pass\n";
    for (files, handler, kind, message) in [
        (("app.py", ""), "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        (
            ("app.py", ""),
            "nope.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'nope': No module named 'nope'",
        ),
        (
            ("app.py", "import nope"),
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nope'",
        ),
        (
            ("app.py", ""),
            "nohandler",
            "Runtime.MalformedHandlerName",
            "Bad handler 'nohandler': not enough values to unpack (expected 2, got 1)",
        ),
        (
            ("app.py", ""),
            "sys.handler",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
        ),
        (
            ("app.py", bad_syntax),
            "app.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': expected ':' (app.py, line 1)",
        ),
        (("app.py", "1 / 0"), "app.handler", "ZeroDivisionError", "division by zero"),
    ] {
        let mut runtime = start_with(&[files], handler, &[]).await;
        let error = runtime.ready().await.expect_err("init must fail");
        let body = runtime.json(&error.body);
        assert_eq!((body["errorType"].as_str(), body["errorMessage"].as_str()), (Some(kind), Some(message)));
        assert_eq!(body["requestId"], "");
        let reported = if kind.starts_with("Runtime.") { kind } else { "Runtime.Unknown" };
        assert_eq!(error.error_type.as_deref(), Some(reported));
        assert_eq!(runtime.exit().await.code(), Some(1));
        let log = runtime.output();
        assert!(log.starts_with(&format!("[ERROR] {kind}: {message}\rTraceback (most recent call last):")), "{log}");
    }
}

#[tokio::test]
async fn a_syntax_error_shows_its_place() {
    let runtime = start("x = 1\ndef handler(event, context)\n", "app.handler").await;
    let body = runtime.json(&runtime.ready().await.expect_err("init must fail").body);
    assert_eq!(body["stackTrace"], json!(["  File \"/var/task/app.py\" Line 2\n    def handler(event, context)\n"]));
}

#[tokio::test]
async fn handlers_are_found_in_folders_and_packages() {
    let code = "def handler(event, context): return __name__";
    for handler in ["pkg/mod.handler", "pkg.mod.handler"] {
        let runtime = start_with(&[("pkg/mod.py", code)], handler, &[]).await;
        assert_eq!(runtime.respond("{}").await, r#""pkg.mod""#);
    }
}

#[tokio::test]
async fn modules_are_searched_in_the_order_of_the_managed_runtime() {
    let code = "import sys\ndef handler(event, context): return [sys.path, __name__, sys.modules['__main__'].__name__]";
    let runtime = start(code, "app.handler").await;
    let got: Value = serde_json::from_str(&runtime.respond("{}").await).expect("JSON");
    let path: Vec<&str> = got[0].as_array().expect("list").iter().filter_map(Value::as_str).collect();
    let first = ["/var/task", "/opt/python/lib/python3.11/site-packages", "/opt/python", "/var/runtime"];
    assert_eq!(path[..4], first);
    assert!(path[4..].iter().all(|entry| entry.contains("/python3")), "only the standard library follows: {path:?}");
    assert_eq!((&got[1], &got[2]), (&json!("app"), &json!("__main__")));
}

#[tokio::test]
async fn a_layer_or_variable_may_replace_the_python_path() {
    let files = [("app.py", "import extra\ndef handler(event, context): return extra.X"), ("more/extra.py", "X = 7")];
    let python = program(&CANDIDATES, "Python 3.11").expect("python3.11");
    let bootstrap = checkout().join("runtimes/python/bootstrap.py");
    let command = [python, "-I".into(), "-S".into(), bootstrap];
    let runtime = RuntimeProcess::start(&command, &files, &[("_HANDLER", "app.handler"), ("PYTHONPATH", "more")]).await;
    assert_eq!(runtime.respond("{}").await, "7");
}

#[tokio::test]
async fn log_lines_carry_time_level_and_request_id() {
    let runtime = start(
        "
import logging, sys
logging.getLogger().setLevel(logging.INFO)
logging.info('at start')
def handler(event, context):
    logging.info('hello %s', 'world')
    logging.getLogger('x.y').warning('careful')
    logging.debug('not shown')
    print('out'); print('err', file=sys.stderr)
    sys.stdout.write('no newline')
",
        "app.handler",
    )
    .await;
    runtime.respond("{}").await;
    let log = runtime.output();
    let lines: Vec<Vec<&str>> = log.lines().map(|line| line.split('\t').collect()).collect();
    let shape = |line: &[&str]| {
        let time = line[1].as_bytes();
        assert_eq!((time.len(), time[10], time[19], time[23]), (24, b'T', b'.', b'Z'), "{line:?}");
    };
    for (line, (level, id, message)) in lines.iter().zip([
        ("[INFO]", "", "at start"),
        ("[INFO]", REQUEST_ID, "hello world"),
        ("[WARNING]", REQUEST_ID, "careful"),
    ]) {
        shape(line);
        assert_eq!((line[0], line[2], line[3]), (level, id, message));
    }
    assert_eq!(lines[3..], [vec!["out"], vec!["err"], vec!["no newline"]]);
}

#[tokio::test]
async fn basic_config_adds_nothing_since_the_root_logger_is_ready() {
    let code = "
import logging
logging.basicConfig(level=logging.INFO)
def handler(event, context):
    logging.info('hidden')
    return [type(h).__name__ for h in logging.getLogger().handlers]
";
    let runtime = start(code, "app.handler").await;
    assert_eq!(runtime.respond("{}").await, r#"["LambdaLoggerHandler"]"#);
    assert_eq!(runtime.output(), "");
}

#[tokio::test]
async fn json_logs_have_the_documented_fields() {
    let code = "
import logging
def handler(event, context):
    logging.getLogger('app').info('hello', extra={'order': 7})
    try: 1 / 0
    except ZeroDivisionError: logging.exception('failed')
    raise ValueError('boom')
";
    let variables = [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "INFO")];
    let runtime = start_with(&[("app.py", code)], "app.handler", &variables).await;
    runtime.fail("{}").await;
    let log = runtime.output();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["message"], "hello");
    assert_eq!(
        (&lines[0]["level"], &lines[0]["logger"], &lines[0]["order"]),
        (&json!("INFO"), &json!("app"), &json!(7))
    );
    assert_eq!(lines[0]["requestId"], REQUEST_ID);
    assert_eq!(
        (&lines[1]["errorType"], &lines[1]["errorMessage"]),
        (&json!("ZeroDivisionError"), &json!("division by zero"))
    );
    assert_eq!(lines[1]["location"], "/var/task/app.py:handler:6");
    assert_eq!((&lines[2]["level"], &lines[2]["errorType"]), (&json!("ERROR"), &json!("ValueError")));
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn exit_ends_the_process_with_its_code() {
    for (code, want) in [("sys.exit(3)", 3), ("exit(4)", 4), ("import os; os._exit(5)", 5), ("sys.exit(0)", 0)] {
        let code =
            format!("import sys\ndef handler(event, context):\n  print('bye')\n  sys.stdout.flush()\n  {code}\n");
        let mut runtime = start(&code, "app.handler").await;
        let (api, event) = (runtime.server.api.clone(), invocation(REQUEST_ID, "{}"));
        let answer = tokio::spawn(async move { api.invoke(event).await });
        assert_eq!(runtime.exit().await.code(), Some(want));
        assert_eq!(runtime.output(), "bye\n");
        // That the process has ended is the sandbox's to see.
        runtime.server.api.reset();
        assert_eq!(answer.await.expect("invoke"), RuntimeAnswer::Closed);
    }
}

#[tokio::test]
async fn a_response_over_the_limit_does_not_end_the_process() {
    let runtime = start("def handler(event, context): return 'x' * event", "app.handler").await;
    assert_eq!(runtime.invoke("6291555").await, RuntimeAnswer::TooLarge { size: 6_291_557 });
    assert_eq!(runtime.respond("6291554").await.len(), 6_291_556);
    assert_eq!(runtime.respond("1").await, r#""x""#);
}

#[tokio::test]
async fn a_large_event_arrives_whole() {
    let runtime = start("def handler(event, context): return len(event)", "app.handler").await;
    let event = format!("\"{}\"", "x".repeat(6_000_000));
    assert_eq!(runtime.respond(&event).await, "6000000");
}

#[tokio::test]
async fn the_functions_own_modules_do_not_disturb_the_runtime() {
    // Names of standard modules the runtime loads late.
    let files = [
        ("app.py", "def handler(event, context): raise ValueError('x')"),
        ("traceback.py", "raise RuntimeError('mine')"),
        ("json.py", "raise RuntimeError('mine')"),
        ("logging.py", "raise RuntimeError('mine')"),
    ];
    let runtime = start_with(&files, "app.handler", &[]).await;
    assert_eq!(runtime.fail("{}").await["errorType"], "ValueError");
}

/// A Python with AWS's client: the checkout's own environment, or the one `HEARTH_TEST_PYTHON` names.
fn python_with_awslambdaric() -> Option<PathBuf> {
    let named = std::env::var_os("HEARTH_TEST_PYTHON").map(PathBuf::from);
    named.into_iter().chain([checkout().join(".venv/bin/python")]).find(|python| {
        let import = std::process::Command::new(python).args(["-c", "import awslambdaric"]).output();
        import.is_ok_and(|import| import.status.success())
    })
}

/// The same functions under AWS's own client; both must answer the same.
#[tokio::test]
async fn the_answers_equal_those_of_awss_client() {
    let Some(ric) = python_with_awslambdaric() else {
        println!("SKIPPED: no awslambdaric in .venv (make setup installs it)");
        return;
    };
    let code = "
import collections, datetime, decimal, enum, logging
P = collections.namedtuple('P', 'a b')
class E(enum.IntEnum): A = 1
class S(str): pass
RESULTS = [
    None, True, 1, 1.5, 'é😀\\x7f\\u2028', [1, [2]], (1, 2), {'a': {'b': [None]}}, P(1, P(2, 3)), [P(1, 2)], b'raw', {'b': b'x'}, {b'k': 1},
    {1: 2, 1.5: 3, None: 4, True: 5}, decimal.Decimal('1.10'), decimal.Decimal('NaN'), [decimal.Decimal('1E+5')], float('nan'),
    {1, 2}, object, datetime.date(2026, 1, 1), {(1, 2): 3}, {'b': b'\\xff'}, E.A, S('s'), 10 ** 40, 1e100, -0.0, {'e': {E.A: 1}},
    collections.OrderedDict(a=1), bytearray(b'x'), {decimal.Decimal(1): 1}, range(3), collections.deque([1]),
]
def handler(event, context):
    if 'result' in event:
        return RESULTS[event['result']]
    if 'raise' in event:
        raise eval(event['raise'])
    if 'log' in event:
        logging.warning('careful %s', 1)
        print('printed')
        raise ValueError('two\\nlines')
    return [repr(context.client_context), repr(context.identity), context.memory_limit_in_mb, event]
";
    let own = start(code, "app.handler").await;
    let command = [ric, "-m".into(), "awslambdaric".into(), "app.handler".into()];
    let theirs = RuntimeProcess::start(&command, &[("app.py", code)], &[]).await;
    let mut events: Vec<String> = (0..34).map(|at| json!({ "result": at }).to_string()).collect();
    events.extend(
        [
            "ValueError('x')",
            "KeyError('k')",
            "Exception()",
            "Exception('é')",
            "UnicodeDecodeError('utf-8', b'x', 0, 1, 'y')",
        ]
        .map(|text| json!({ "raise": text }).to_string()),
    );
    events.extend(["{}", "[1, 2.0, \"\\ud83d\\ude00\"]", "\"text\"", "", "1", "{\"log\": 1}"].map(str::to_owned));
    for event in &events {
        let (mine, their) = (own.invoke(event).await, theirs.invoke(event).await);
        match (&mine, &their) {
            (RuntimeAnswer::Error(mine), RuntimeAnswer::Error(their)) => {
                assert_eq!(own.json(&mine.body), theirs.json(&their.body), "{event}");
            }
            _ => assert_eq!(mine, their, "{event}"),
        }
    }
    let without_times = |log: String| -> Vec<String> {
        log.lines()
            .map(|line| line.split('\t').filter(|part| !part.ends_with('Z')).collect::<Vec<_>>().join("|"))
            .collect()
    };
    assert_eq!(without_times(own.output()), without_times(theirs.output()));
}

/// With a descriptor for log records, as in a sandbox.
async fn start_with_records(code: &str, handler: &str, variables: &[(&str, &str)]) -> (RuntimeProcess, Records) {
    let python = program(&CANDIDATES, "Python 3.11").expect("the tests need python3.11");
    let command = [python, "-I".into(), "-S".into(), checkout().join("runtimes/python/bootstrap.py")];
    let variables = [&[("_HANDLER", handler)], variables].concat();
    RuntimeProcess::start_with_records(&command, &[("app.py", code)], &variables).await
}

/// Source: the frame types of AWS's client.
#[tokio::test]
async fn log_records_are_frames_where_there_is_a_descriptor_for_them() {
    let code = "
import logging
def handler(event, context):
    print('printed')
    logger = logging.getLogger()
    logger.setLevel(1)
    for level in (10, 20, 30, 40, 50, 15):
        logger.log(level, 'é two\\nlines')
    context.log('through the context')
";
    let (runtime, records) = start_with_records(code, "app.handler", &[]).await;
    runtime.respond("{}").await;
    assert_eq!(runtime.output(), "printed\n");
    let records = records.all();
    let kinds: Vec<u32> = records.iter().map(|(kind, ..)| *kind).collect();
    let base = 0xa55a_0003;
    assert_eq!(kinds, [0xa55a_000b, 0xa55a_000f, 0xa55a_0013, 0xa55a_0017, 0xa55a_001b, base, base]);
    let names = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "Level 15"];
    for (name, (_, text, micros)) in names.into_iter().zip(&records) {
        assert!(text.starts_with(&format!("[{name}]\t20")), "{text}");
        assert!(text.ends_with(&format!("Z\t{REQUEST_ID}\té two\nlines\n")), "{text}");
        // Between 2026 and 2100.
        assert!((1_767_225_600_000_000..4_102_444_800_000_000).contains(micros), "{micros}");
    }
    assert_eq!(records[6].1, "through the context");
}

#[tokio::test]
async fn an_exception_is_one_record_with_real_line_feeds() {
    let code = "def handler(event, context):\n    raise ValueError('it broke')\n";
    let (runtime, records) = start_with_records(code, "app.handler", &[]).await;
    runtime.fail("{}").await;
    let nbsp = "\u{a0}";
    let want = format!(
        "[ERROR] ValueError: it broke\nTraceback (most recent call last):\n\
         {nbsp}{nbsp}File \"/var/task/app.py\", line 2, in handler\n\
         {nbsp}{nbsp}{nbsp}{nbsp}raise ValueError('it broke')\n"
    );
    let records: Vec<_> = records.all().into_iter().map(|(kind, text, _)| (kind, runtime.portable(&text))).collect();
    assert_eq!(records, [(0xa55a_0017, want)]);
    assert_eq!(runtime.output(), "");
}

#[tokio::test]
async fn json_records_are_json_frames_with_their_level() {
    let code = "
import logging
def handler(event, context):
    logging.warning('careful')
    raise ValueError('boom')
";
    let (runtime, records) = start_with_records(code, "app.handler", &[("AWS_LAMBDA_LOG_FORMAT", "JSON")]).await;
    runtime.fail("{}").await;
    let levels = records.all().into_iter().map(|(kind, text, _)| {
        let record: Value = serde_json::from_str(&text).expect("JSON");
        (kind, record["level"].clone())
    });
    assert_eq!(levels.collect::<Vec<_>>(), [(0xa55a_0012, json!("WARNING")), (0xa55a_0016, json!("ERROR"))]);
    assert_eq!(runtime.output(), "");
}

#[tokio::test]
async fn a_failed_import_is_a_record_too() {
    let (runtime, records) = start_with_records("import nowhere_to_be_found", "app.handler", &[]).await;
    runtime.ready().await.expect_err("no such module");
    let (kind, text, _) = records.all().pop().expect("one");
    assert_eq!(kind, 0xa55a_0017);
    assert!(text.starts_with("[ERROR] Runtime.ImportModuleError: Unable to import module 'app'"), "{text}");
}

#[tokio::test]
async fn neither_function_nor_child_processes_know_of_the_descriptor() {
    let code = "
import os, subprocess, sys
def handler(event, context):
    seen = 'import os, sys; print(os.path.exists(\"/proc/self/fd/9\"))'
    child = subprocess.run([sys.executable, '-c', seen], capture_output=True, text=True, close_fds=False)
    return [os.environ.get('_LAMBDA_TELEMETRY_LOG_FD'), os.path.exists('/proc/self/fd/9'), child.stdout]
";
    let (runtime, _records) = start_with_records(code, "app.handler", &[]).await;
    assert_eq!(runtime.respond("{}").await, r#"[null, true, "False\n"]"#);
}

#[tokio::test]
async fn long_records_of_several_threads_and_processes_stay_whole() {
    let code = "
import logging, os, threading
def write():
    for _ in range(20): logging.error('x' * 100_000)
def handler(event, context):
    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    child = os.fork()
    if child == 0:
        write()
        os._exit(0)
    return os.waitpid(child, 0)[1]
";
    let (runtime, records) = start_with_records(code, "app.handler", &[]).await;
    assert_eq!(runtime.respond("{}").await, "0");
    let records = records.all();
    assert_eq!(records.len(), 100);
    let message = format!("\t{REQUEST_ID}\t{}\n", "x".repeat(100_000));
    assert!(records.iter().all(|(kind, text, _)| *kind == 0xa55a_0017 && text.ends_with(&message)));
}
