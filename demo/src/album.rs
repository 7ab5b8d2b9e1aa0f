//! A photo album, built with the AWS CLI: a picture put into a bucket has a Node function make a thumbnail; what that tells
//! a bus of events goes to another function and to a queue; a schedule calls the other function, too.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::cli::Cli;

const ACCOUNT: &str = "000000000000";
const BUCKET: &str = "album";
const WAIT_MAX: Duration = Duration::from_secs(60);
const WAIT_PAUSE: Duration = Duration::from_millis(500);
const PNG: &[u8] = b"\x89PNG\r\n";

/// What the album is made of.
pub(crate) struct Album<'a> {
    pub(crate) aws: &'a Cli,
    pub(crate) bar: &'a ProgressBar,
    /// This project's directory.
    pub(crate) root: &'a Path,
    /// Packages and pictures lie here for a while.
    pub(crate) scratch: &'a Path,
}

/// Steps of the progress bar.
pub(crate) const STEPS: u64 = 9;

/// The packages of the thumbnail function; made by `tools/setup-demo.sh`.
pub(crate) fn packages(root: &Path) -> PathBuf {
    root.join(".tools/demo/thumbnail")
}

impl Album<'_> {
    /// What was seen.
    pub(crate) fn run(&self) -> Result<Table, String> {
        self.step("roles");
        self.role("album-function", "lambda.amazonaws.com", &["s3:GetObject", "s3:PutObject", "events:PutEvents"])?;
        self.role("album-schedule", "scheduler.amazonaws.com", &["lambda:InvokeFunction"])?;

        self.step("a bucket with the code");
        self.aws.run(&["s3", "mb", &format!("s3://{BUCKET}")])?;
        let thumbnail = self.package("thumbnail", &packages(self.root))?;
        let announce = self.package("announce", &self.root.join("examples/announce"))?;
        for package in [&thumbnail, &announce] {
            self.aws.run(&["s3", "cp", "--quiet", &text(package)?, &format!("s3://{BUCKET}/code/")])?;
        }

        self.step("two functions");
        self.function("announce", "python3.11", "app.handler", &[])?;
        self.function("thumbnail", "nodejs20.x", "index.handler", &["--environment", "Variables={BUS=album}"])?;

        self.step("a bus, its rule, a function and a queue behind it");
        self.rule()?;

        self.step("notifications of the bucket");
        self.allow("thumbnail", "s3.amazonaws.com", &format!("arn:aws:s3:::{BUCKET}"))?;
        let filter = json!({ "Key": { "FilterRules": [{ "Name": "prefix", "Value": "pictures/" }] } });
        let notifications = json!({ "LambdaFunctionConfigurations": [{
            "LambdaFunctionArn": function_arn("thumbnail"),
            "Events": ["s3:ObjectCreated:*"],
            "Filter": filter,
        }] });
        let notifications = notifications.to_string();
        let put = ["s3api", "put-bucket-notification-configuration", "--bucket", BUCKET];
        self.aws.run(&[&put[..], &["--notification-configuration", &notifications]].concat())?;

        self.step("a schedule");
        let target = json!({
            "Arn": function_arn("announce"),
            "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/album-schedule"),
            "Input": json!({ "time": "<aws.scheduler.scheduled-time>" }).to_string(),
        });
        let create = ["scheduler", "create-schedule", "--name", "every-minute", "--flexible-time-window", "Mode=OFF"];
        let every = ["--schedule-expression", "rate(1 minute)", "--target", &target.to_string()];
        self.aws.run(&[&create[..], &every].concat())?;

        self.step("a picture");
        let picture = self.root.join("examples/thumbnail/hearth.svg");
        let began = Instant::now();
        self.aws.run(&["s3", "cp", "--quiet", &text(&picture)?, &format!("s3://{BUCKET}/pictures/")])?;

        self.step("its thumbnail");
        let to = text(&self.scratch.join("thumbnail.png"))?;
        let from = format!("s3://{BUCKET}/thumbnails/hearth.png");
        until("no thumbnail", || Ok(self.aws.run(&["s3", "cp", "--quiet", &from, &to]).is_ok().then_some(())))?;
        let seconds = began.elapsed().as_secs_f64();
        let thumbnail = std::fs::read(&to).map_err(|error| error.to_string())?;
        if !thumbnail.starts_with(PNG) {
            return Err(format!("{from} is no PNG"));
        }

        self.step("what the queue, the logs and the schedule say");
        let message = until("no message in the queue", || self.message())?;
        let mut seen = Table::new();
        seen.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        seen.set_header(["Album", "What was seen"]);
        let size = format!("{} bytes, {seconds:.1} s after `aws s3 cp` began", thumbnail.len());
        seen.add_row(["thumbnails/hearth.png", &size]);
        seen.add_row(["queue behind the rule", &message]);
        seen.add_row(["function behind the rule", &self.said("announce", "Thumbnail made")?]);
        seen.add_row(["schedule, a minute a second", &self.said("announce", "Scheduled for")?]);
        seen.add_row(["aws logs tail thumbnail", &self.said("thumbnail", "pictures/hearth.svg")?]);
        Ok(seen)
    }

    fn step(&self, what: &'static str) {
        self.bar.inc(1);
        self.bar.set_message(format!("album: {what}"));
    }

    fn role(&self, name: &str, service: &str, actions: &[&str]) -> Result<(), String> {
        let trust = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" },
        ] });
        let logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];
        let actions = [actions, &logs].concat();
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": actions, "Resource": "*" },
        ] });
        let document = ["--assume-role-policy-document", &trust.to_string()];
        self.aws.run(&[&["iam", "create-role", "--role-name", name][..], &document].concat())?;
        let put = ["iam", "put-role-policy", "--role-name", name, "--policy-name", "album"];
        self.aws.run(&[&put[..], &["--policy-document", &policy.to_string()]].concat()).map(drop)
    }

    fn function(&self, name: &str, runtime: &str, handler: &str, more: &[&str]) -> Result<(), String> {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/album-function");
        let code = format!("S3Bucket={BUCKET},S3Key=code/{name}.zip");
        let create = ["lambda", "create-function", "--function-name", name, "--runtime", runtime, "--handler", handler];
        let terms = ["--role", &role, "--code", &code, "--timeout", "30", "--memory-size", "512"];
        self.aws.run(&[&create[..], &terms, more].concat())?;
        self.aws.run(&["lambda", "wait", "function-active-v2", "--function-name", name]).map(drop)
    }

    fn allow(&self, function: &str, service: &str, source: &str) -> Result<(), String> {
        let add = ["lambda", "add-permission", "--function-name", function, "--action", "lambda:InvokeFunction"];
        let whom = ["--statement-id", "album", "--principal", service, "--source-arn", source];
        self.aws.run(&[&add[..], &whom].concat()).map(drop)
    }

    fn rule(&self) -> Result<(), String> {
        let bus = ["--event-bus-name", "album"];
        self.aws.run(&["events", "create-event-bus", "--name", "album"])?;
        let pattern = json!({ "source": ["album"], "detail": { "key": [{ "prefix": "thumbnails/" }] } }).to_string();
        let put = ["events", "put-rule", "--name", "thumbnails", "--event-pattern", &pattern];
        let put: Value = parse(&self.aws.run(&[&put[..], &bus].concat())?)?;
        let rule = put["RuleArn"].as_str().ok_or("put-rule says no ARN")?;
        self.allow("announce", "events.amazonaws.com", rule)?;
        let queue = format!("arn:aws:sqs:us-east-1:{ACCOUNT}:thumbnails");
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": { "ArnEquals": { "aws:SourceArn": rule } },
        }] });
        let attributes = json!({ "Policy": policy.to_string() }).to_string();
        self.aws.run(&["sqs", "create-queue", "--queue-name", "thumbnails", "--attributes", &attributes])?;
        let targets = json!([
            { "Id": "function", "Arn": function_arn("announce") },
            { "Id": "queue", "Arn": queue, "InputPath": "$.detail" },
        ]);
        let put = ["events", "put-targets", "--rule", "thumbnails", "--targets", &targets.to_string()];
        let answer: Value = parse(&self.aws.run(&[&put[..], &bus].concat())?)?;
        if answer["FailedEntryCount"] == 0 { Ok(()) } else { Err(answer.to_string()) }
    }

    fn message(&self) -> Result<Option<String>, String> {
        let url: Value = parse(&self.aws.run(&["sqs", "get-queue-url", "--queue-name", "thumbnails"])?)?;
        let url = url["QueueUrl"].as_str().ok_or("get-queue-url says none")?;
        let answer = self.aws.run(&["sqs", "receive-message", "--wait-time-seconds", "10", "--queue-url", url])?;
        if answer.trim().is_empty() {
            return Ok(None);
        }
        Ok(parse(&answer)?["Messages"][0]["Body"].as_str().map(str::to_owned))
    }

    /// What a function's log says first with these words, from there on.
    fn said(&self, function: &str, words: &str) -> Result<String, String> {
        let group = format!("/aws/lambda/{function}");
        until(&format!("the log of {function} has no line with {words:?}"), || {
            // Before the function has run there is no group.
            let Ok(lines) = self.aws.run(&["logs", "tail", &group, "--format", "short"]) else { return Ok(None) };
            Ok(lines.lines().find_map(|line| line.find(words).map(|at| line[at..].trim().to_owned())))
        })
    }

    fn package(&self, name: &str, from: &Path) -> Result<PathBuf, String> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        pack(&mut zip, from, "").map_err(|error| format!("cannot pack {}: {error}", from.display()))?;
        if name == "thumbnail" {
            let code = self.root.join("examples/thumbnail/index.mjs");
            add(&mut zip, &code, "index.mjs").map_err(|error| format!("cannot pack {}: {error}", code.display()))?;
        }
        let bytes = zip.finish().map_err(|error| error.to_string())?.into_inner();
        let path = self.scratch.join(format!("{name}.zip"));
        std::fs::write(&path, bytes).map_err(|error| error.to_string())?;
        Ok(path)
    }
}

type Zip = zip::ZipWriter<Cursor<Vec<u8>>>;

fn pack(zip: &mut Zip, from: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            pack(zip, &entry.path(), &format!("{name}/"))?;
        } else if entry.file_type()?.is_file() {
            add(zip, &entry.path(), &name)?;
        }
    }
    Ok(())
}

fn add(zip: &mut Zip, path: &Path, name: &str) -> std::io::Result<()> {
    zip.start_file(name, zip::write::SimpleFileOptions::default().unix_permissions(0o644))?;
    zip.write_all(&std::fs::read(path)?)
}

/// Asks again until there is something.
fn until<T>(otherwise: &str, mut ask: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    let began = Instant::now();
    loop {
        if let Some(found) = ask()? {
            return Ok(found);
        }
        if began.elapsed() > WAIT_MAX {
            return Err(format!("{otherwise} after {} s", WAIT_MAX.as_secs()));
        }
        std::thread::sleep(WAIT_PAUSE);
    }
}

fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}")
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}: {text}"))
}

fn text(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("{} is no UTF-8", path.display()))
}
