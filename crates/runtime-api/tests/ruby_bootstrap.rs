//! The own Ruby runtime as a function sees it. Expected texts: AWS's documents, payloads recorded from the real service,
//! and what AWS's own client is known to do.

mod support;

use std::path::PathBuf;

use hearth_runtime_api::{Assignment, Invocation, RuntimeAnswer};
use serde_json::{Value, json};
use support::process::{REQUEST_ID, Records, RuntimeProcess, checkout, program};
use support::{identity, invocation};

/// The command line, or nothing where this machine has no Ruby: `make setup` installs one.
fn command() -> Option<Vec<PathBuf>> {
    let ruby = program(&["/usr/bin/ruby", "ruby"], "ruby ");
    if ruby.is_none() {
        eprintln!("\nNOT TESTED: the Ruby bootstrap, for there is no ruby on this machine (`make setup`)\n");
    }
    Some(vec![ruby?, "--disable=gems".into(), checkout().join("runtimes/ruby/bootstrap.rb")])
}

async fn start(code: &str, handler: &str, variables: &[(&str, &str)]) -> Option<RuntimeProcess> {
    let variables = [&[("_HANDLER", handler)], variables].concat();
    Some(RuntimeProcess::start(&command()?, &[("app.rb", code)], &variables).await)
}

async fn start_with_records(code: &str, variables: &[(&str, &str)]) -> Option<(RuntimeProcess, Records)> {
    let variables = [&[("_HANDLER", "app.handler")], variables].concat();
    Some(RuntimeProcess::start_with_records(&command()?, &[("app.rb", code)], &variables).await)
}

#[tokio::test]
async fn an_event_is_parsed_and_the_result_encoded() {
    let code = "
require 'stringio'
class Point
  def to_json(*) = '[\"point\"]'
end
CASES = { 'nil' => nil, 'symbol' => { a: :b }, 'own' => Point.new, 'stream' => StringIO.new('raw') }
def handler(event:, context:)
  event.is_a?(Hash) && event['case'] ? CASES[event['case']] : event
end
";
    let Some(runtime) = start(code, "app.handler", &[]).await else { return };
    for text in [r#"{"a":[1,2.5,"é😀",null,true]}"#, "\"x\"", "1", "null", "[]"] {
        assert_eq!(runtime.respond(text).await, text);
    }
    for (case, want) in [("nil", "null"), ("symbol", r#"{"a":"b"}"#), ("own", r#"["point"]"#), ("stream", "raw")] {
        assert_eq!(runtime.respond(&json!({ "case": case }).to_string()).await, want, "{case}");
    }
    let large = format!("\"{}\"", "é".repeat(2_000_000));
    assert!(runtime.respond(&large).await == large, "an event of many packets");
}

#[tokio::test]
async fn a_method_of_a_class_or_module_can_be_the_handler() {
    let code = "
module Shop
  class Order
    def self.process(event:, context:) = [name, event]
  end
end
";
    let Some(runtime) = start(code, "app.Shop::Order.process", &[]).await else { return };
    assert_eq!(runtime.respond("1").await, r#"["Shop::Order",1]"#);
}

#[tokio::test]
async fn the_context_tells_of_function_and_invocation() {
    let code = "
def handler(event:, context:)
  names = %i[function_name function_version memory_limit_in_mb log_group_name log_stream_name invoked_function_arn
             aws_request_id client_context identity deadline_ms]
  names.map { |name| [name, context.send(name)] }.to_h.merge(
    left: context.get_remaining_time_in_millis.positive?, trace: ENV['_X_AMZN_TRACE_ID'])
end
";
    let Some(runtime) = start(code, "app.handler", &[]).await else { return };
    let answer = runtime
        .invoke_with(Invocation {
            trace: Some("Root=1-5e1b4151-5ac6c58f5b5dbd6b5e6f6b5c".into()),
            client_context: Some(r#"{"custom":{"k":"é"}}"#.to_owned()),
            ..invocation(REQUEST_ID, "{}")
        })
        .await;
    let RuntimeAnswer::Response { body } = answer else { panic!("{answer:?}") };
    assert_eq!(
        runtime.json(&body),
        json!({
            "function_name": "echo", "function_version": "$LATEST", "memory_limit_in_mb": "128",
            "log_group_name": "/aws/lambda/echo", "log_stream_name": "stream",
            "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "aws_request_id": REQUEST_ID,
            "client_context": { "custom": { "k": "é" } }, "identity": null, "deadline_ms": 4_102_444_800_000_u64,
            "left": true, "trace": "Root=1-5e1b4151-5ac6c58f5b5dbd6b5e6f6b5c",
        })
    );
    let second: Value = serde_json::from_str(&runtime.respond("{}").await).expect("JSON");
    assert_eq!(second["trace"], Value::Null, "of this invocation, not of the one before");
}

/// Source: Lambda developer guide, "AWS Lambda function errors in Ruby" (its example function).
#[tokio::test]
async fn an_error_is_reported_and_logged() {
    let code = "def handler(event:, context:)\n  puts 'Processing event...'\n  [1, 2, 3].first('two')\nend\n";
    let Some((runtime, records)) = start_with_records(code, &[]).await else { return };
    let want = json!({
        "errorMessage": "no implicit conversion of String into Integer",
        "errorType": "Function<TypeError>",
        "stackTrace": ["/var/task/app.rb:3:in `first'", "/var/task/app.rb:3:in `handler'"],
    });
    assert_eq!(plain_quotes(runtime.fail("{}").await), want);
    assert_eq!(plain_quotes(runtime.fail("{}").await), want, "the process goes on");
    let texts: Vec<String> = records.all().into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts[..2], ["Processing event...", "Error raised from handler method"]);
    assert_eq!(plain_quotes(runtime.json(texts[2].as_bytes())), want);
}

/// From 3.4 on Ruby names methods with their class, and with quotes of another kind.
fn plain_quotes(error: Value) -> Value {
    let text =
        error.to_string().replace("in 'Array#first'", "in `first'").replace("in 'Object#handler'", "in `handler'");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn an_error_of_the_program_itself_ends_the_process() {
    for (code, kind) in [
        ("def handler(event:, context:) = nobody_knows_this", "Function<NameError>"),
        ("def handler(event:, context:) = 1.nobody_knows_this", "Function<NoMethodError>"),
        ("def handler(event:, context:) = exit(7)", "Function<SystemExit>"),
        ("def handler(event:, context:) = raise(NotImplementedError)", "Function<NotImplementedError>"),
        ("", "Function<NoMethodError>"),
    ] {
        let Some(mut runtime) = start(code, "app.handler", &[]).await else { return };
        assert_eq!(runtime.fail("{}").await["errorType"], kind);
        assert_eq!(runtime.exit().await.code(), Some(255), "{kind}");
    }
}

#[tokio::test]
async fn a_function_that_cannot_be_loaded_is_an_init_error() {
    for (code, handler, kind, message) in [
        ("", "nope.handler", "Init<LoadError>", "cannot load such file -- nope"),
        ("require 'nope'", "app.handler", "Init<LoadError>", "cannot load such file -- nope"),
        ("def handler(", "app.handler", "Init<SyntaxError>", "app.rb"),
        ("raise 'at start'", "app.handler", "Init<RuntimeError>", "at start"),
        ("", "nohandler", "Init<ArgumentError>", "Invalid handler 'nohandler'"),
    ] {
        let Some(mut runtime) = start(code, handler, &[]).await else { return };
        let error = runtime.json(&runtime.ready().await.expect_err("does not load").body);
        assert_eq!(error["errorType"], kind);
        assert!(error["errorMessage"].as_str().expect("text").contains(message), "{error}");
        assert_eq!(runtime.exit().await.code(), Some(252));
        assert!(
            runtime.output().contains(&format!("Init error when loading handler {handler}")),
            "{}",
            runtime.output()
        );
    }
}

#[tokio::test]
async fn libraries_beside_the_function_and_gems_are_found() {
    let gem = "Gem::Specification.new { |s| s.name = 'stove'; s.version = '1.0'; s.summary = 'x'; s.authors = ['x']; s.files = ['lib/stove.rb'] }";
    let code = "
require 'helper'
require 'set'
def handler(event:, context:)
  require 'stove'
  [HELP, STOVE, Gem.loaded_specs['stove'].version.to_s, Gem::Version.new('1.10') > Gem::Version.new('1.9')]
end
";
    let Some(command) = command() else { return };
    let version = String::from_utf8(
        std::process::Command::new(&command[0])
            .args(["-e", "print RbConfig::CONFIG['ruby_version']"])
            .output()
            .expect("ruby")
            .stdout,
    )
    .expect("text");
    let gems = tempfile::tempdir().expect("gems");
    let lib = gems.path().join("gems/stove-1.0/lib");
    std::fs::create_dir_all(&lib).expect("folder");
    std::fs::create_dir_all(gems.path().join("specifications")).expect("folder");
    std::fs::write(lib.join("stove.rb"), "STOVE = 'hot'").expect("library");
    std::fs::write(gems.path().join("specifications/stove-1.0.gemspec"), gem).expect("specification");
    let variables = [("_HANDLER", "app.handler"), ("GEM_PATH", gems.path().to_str().expect("path"))];
    let runtime =
        RuntimeProcess::start(&command, &[("app.rb", code), ("helper.rb", "HELP = 'here'")], &variables).await;
    assert_eq!(runtime.respond("{}").await, r#"["here","hot","1.0",true]"#, "Ruby {version}");
}

#[tokio::test]
async fn lines_reach_the_log_as_they_are() {
    let code = "
require 'logger'
def handler(event:, context:)
  puts 'é two', ['lines', 1]
  $stdout.print \"printed\\n\"
  warn 'careful'
  Logger.new($stdout).info('told')
  nil
end
";
    let Some(runtime) = start(code, "app.handler", &[]).await else { return };
    runtime.respond("{}").await;
    let output = runtime.output();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..5], ["é two", "lines", "1", "printed", "careful"]);
    assert!(lines[5].starts_with("I, [") && lines[5].ends_with(&format!("]  INFO {REQUEST_ID} -- : told")), "{output}");
}

#[tokio::test]
async fn records_are_frames_where_there_is_a_descriptor_for_them() {
    let code = "
require 'logger'
LOGGER = Logger.new($stderr)
def handler(event:, context:)
  puts 'é two', 'lines'
  puts
  $stdout.puts 'raw'
  %i[debug info warn error fatal].each { |level| LOGGER.send(level, \"at #{level}\\nand more\") }
  [ENV['_LAMBDA_TELEMETRY_LOG_FD'], `ls /proc/self/fd`.split.include?('9')]
end
";
    let Some((runtime, records)) = start_with_records(code, &[]).await else { return };
    assert_eq!(runtime.respond("{}").await, "[null,false]");
    assert_eq!(runtime.output(), "raw\n");
    let records = records.all();
    assert_eq!((records[0].0, records[0].1.as_str()), (0xa55a_0003, "é two\nlines"));
    assert_eq!((records[1].0, records[1].1.as_str()), (0xa55a_0003, ""));
    let levels = [(0xa55a_000b, "debug"), (0xa55a_000f, "info"), (0xa55a_0013, "warn"), (0xa55a_0017, "error")];
    for ((want, level), (kind, text, micros)) in levels.into_iter().chain([(0xa55a_001b, "fatal")]).zip(&records[2..]) {
        assert_eq!(*kind, want, "{level}");
        assert!(text.ends_with(&format!("{REQUEST_ID} -- : at {level}\nand more\n")), "{text}");
        // Between 2026 and 2100.
        assert!((1_767_225_600_000_000..4_102_444_800_000_000).contains(micros), "{micros}");
    }
    assert_eq!(records.len(), 7);
}

#[tokio::test]
async fn json_records_are_json_frames_of_the_wanted_levels() {
    let code = "
require 'logger'
def handler(event:, context:)
  logger = Logger.new($stdout, progname: 'shop')
  logger.info('hidden')
  logger.warn('careful')
  logger.error(TypeError.new('broke'))
end
";
    let variables = [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "WARN")];
    let Some((runtime, records)) = start_with_records(code, &variables).await else { return };
    runtime.respond("{}").await;
    let records = records.all();
    let seen: Vec<Value> = records.iter().map(|(_, text, _)| serde_json::from_str(text).expect("JSON")).collect();
    assert_eq!(records.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), [0xa55a_0012, 0xa55a_0016]);
    for (record, level, message) in [(&seen[0], "WARN", "careful"), (&seen[1], "ERROR", "broke")] {
        assert_eq!(
            (&record["level"], &record["message"], &record["requestId"], &record["logger"]),
            (&json!(level), &json!(message), &json!(REQUEST_ID), &json!("shop"))
        );
    }
    assert_eq!((&seen[1]["errorType"], &seen[1]["errorMessage"]), (&json!("TypeError"), &json!("broke")));
}

#[tokio::test]
async fn a_process_that_waits_becomes_the_function_it_is_given() {
    let code =
        "def handler(event:, context:) = [ENV['OWN'], ENV['_HEARTH_PREPARED'], `echo $OWN`, context.function_name]";
    let Some(command) = command() else { return };
    let runtime = RuntimeProcess::start_prepared(&command, &[("app.rb", code)], &[]).await;
    let task = runtime.task_root();
    let environment = [
        ("_HANDLER", "app.handler"),
        ("OWN", "ü"),
        ("PATH", "/usr/bin:/bin"),
        ("AWS_LAMBDA_FUNCTION_NAME", "given"),
        ("LAMBDA_TASK_ROOT", task.to_str().expect("path")),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    runtime.server.api.assign(Assignment { identity: identity(), environment }).expect("assigned");
    assert_eq!(runtime.respond("{}").await, r#"["ü",null,"ü\n","given"]"#);
}
