//! The functions that are measured, and one that gives away its credentials.

use std::io::{Cursor, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::BenchError;
use crate::http;
use crate::null_runtime::{Client, ECHO_NODE, ECHO_PYTHON, small_program, stock_program};
use crate::sign::Keys;

/// One vCPU. Source: Lambda developer guide, "Configure Lambda function memory".
pub(crate) const MEMORY_MB: u32 = 1_769;
const REGION: &str = "us-east-1";
const STATE_POLLS_MAX: u32 = 2_000;
const STATE_POLL: Duration = Duration::from_millis(5);

/// Answers the keys of its role's session: keys that the server knows, so that it verifies what they sign.
const KEYS_PYTHON: &str = "import os\nNAMES = ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')\n\
    def handler(event, context):\n    return [os.environ[name] for name in NAMES]\n";
const KEYS_NODE: &str = "const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = \
    process.env;\nexport const handler = async () => [id, secret, token];\n";

pub(crate) const KEYS_FUNCTION: &str = "keys";

/// One echo function each.
impl Client {
    pub(crate) const fn function(self) -> &'static str {
        match self {
            Self::Stock => "echo-stock",
            Self::Small => "echo-small",
            Self::Python => "echo-python",
            Self::Node => "echo-node",
        }
    }

    pub(crate) const fn runtime(self) -> &'static str {
        match self {
            Self::Stock | Self::Small => "provided.al2023",
            Self::Python => "python3.11",
            Self::Node => "nodejs20.x",
        }
    }

    pub(crate) fn echo(self) -> Result<(&'static str, Vec<u8>), BenchError> {
        Ok(match self {
            Self::Stock => ("bootstrap", read(&stock_program()?)?),
            Self::Small => ("bootstrap", read(&small_program()?)?),
            Self::Python => ("app.py", ECHO_PYTHON.into()),
            Self::Node => ("app.mjs", ECHO_NODE.into()),
        })
    }
}

fn read(program: &Path) -> Result<Vec<u8>, BenchError> {
    std::fs::read(program).map_err(BenchError::io(program.display().to_string()))
}

pub(crate) struct Functions {
    address: SocketAddr,
}

impl Functions {
    /// Creates the functions of the runtimes that are there, and waits until they are active.
    pub(crate) async fn create(address: SocketAddr, is_there: impl Fn(Client) -> bool) -> Result<Self, BenchError> {
        create_role(address).await?;
        for client in Client::ALL.into_iter().filter(|client| is_there(*client)) {
            let (name, text) = client.echo()?;
            create(address, client.function(), client.runtime(), MEMORY_MB, &package(name, &text)?).await?;
        }
        let (client, name, text) = if is_there(Client::Python) {
            (Client::Python, "app.py", KEYS_PYTHON)
        } else if is_there(Client::Node) {
            (Client::Node, "app.mjs", KEYS_NODE)
        } else {
            return Err(BenchError::Other("neither Python 3.11 nor Node.js 20 is on this machine".to_owned()));
        };
        create(address, KEYS_FUNCTION, client.runtime(), 128, &package(name, text.as_bytes())?).await?;
        Ok(Self { address })
    }

    /// Keys of a session of the functions' role; they hold while the environment that gave them does.
    pub(crate) async fn known_keys(&self) -> Result<Keys, BenchError> {
        let path = format!("/2015-03-31/functions/{}/invocations", KEYS_FUNCTION);
        let answer = http::ask(self.address, "POST", &path, "{}").await?.json()?;
        let text = |at: usize| answer[at].as_str().map(str::to_owned);
        match (text(0), text(1), text(2)) {
            (Some(access_key_id), Some(secret_access_key), session_token @ Some(_)) => {
                Ok(Keys { access_key_id, secret_access_key, session_token, region: REGION.to_owned() })
            }
            _ => Err(BenchError::Other("a function has no credentials".to_owned())),
        }
    }
}

pub(crate) async fn create_role(address: SocketAddr) -> Result<(), BenchError> {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
        }],
    });
    let form = format!("RoleName=bench&AssumeRolePolicyDocument={}", encoded(&trust));
    iam(address, "CreateRole", &form).await?;
    for number in 0..POLICIES {
        let form = format!("RoleName=bench&PolicyName=policy-{number}&PolicyDocument={}", encoded(&policy(number)));
        iam(address, "PutRolePolicy", &form).await?;
    }
    Ok(())
}

/// What callers of some age have; requests are weighed against all of it.
const POLICIES: usize = 10;
const STATEMENTS: usize = 5;

/// Only the last statement of the last policy allows what is measured.
fn policy(number: usize) -> Value {
    let statement = |at: usize| {
        let action = if (number, at) == (POLICIES - 1, STATEMENTS - 1) { "lambda:InvokeFunction" } else { "sqs:Send*" };
        json!({ "Effect": "Allow", "Action": action, "Resource": format!("arn:aws:{}:*:*:*", &action[..action.find(':').unwrap_or(0)]) })
    };
    json!({ "Version": "2012-10-17", "Statement": (0..STATEMENTS).map(statement).collect::<Vec<_>>() })
}

fn encoded(document: &Value) -> String {
    document.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn iam(address: SocketAddr, action: &str, parameters: &str) -> Result<(), BenchError> {
    let form = format!("Action={action}&Version=2010-05-08&{parameters}");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    http::exchange(address, request.as_bytes()).await?.good(action).map(|_| ())
}

pub(crate) async fn create(
    address: SocketAddr,
    name: &str,
    runtime: &str,
    memory_mb: u32,
    package: &[u8],
) -> Result<(), BenchError> {
    create_with(address, name, (runtime, "app.handler"), memory_mb, package).await
}

/// With a handler of its own.
pub(crate) async fn create_with(
    address: SocketAddr,
    name: &str,
    (runtime, handler): (&str, &str),
    memory_mb: u32,
    package: &[u8],
) -> Result<(), BenchError> {
    let input = json!({
        "FunctionName": name, "Runtime": runtime, "Handler": handler, "MemorySize": memory_mb,
        "Role": "arn:aws:iam::000000000000:role/bench", "Timeout": 60,
        "Code": { "ZipFile": BASE64_STANDARD.encode(package) },
    });
    http::ask(address, "POST", "/2015-03-31/functions", &input.to_string()).await?;
    wait_for(address, name, "State", "Active").await
}

/// Gives the function other variables: no environment it has serves any more.
pub(crate) async fn change(address: SocketAddr, name: &str, number: u32) -> Result<(), BenchError> {
    let input = json!({ "Environment": { "Variables": { "NUMBER": number.to_string() } } });
    http::ask(address, "PUT", &configuration(name), &input.to_string()).await?;
    wait_for(address, name, "LastUpdateStatus", "Successful").await
}

async fn wait_for(address: SocketAddr, name: &str, member: &str, wanted: &str) -> Result<(), BenchError> {
    for _ in 0..STATE_POLLS_MAX {
        let state = http::ask(address, "GET", &configuration(name), "").await?.json()?;
        match &state[member] {
            Value::String(now) if now == wanted => return Ok(()),
            Value::String(now) if now == "Failed" => return Err(BenchError::Other(format!("{name} failed: {state}"))),
            _ => tokio::time::sleep(STATE_POLL).await,
        }
    }
    Err(BenchError::Other(format!("{name} did not become {wanted}")))
}

fn configuration(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/configuration")
}

pub(crate) fn package(name: &str, bytes: &[u8]) -> Result<Vec<u8>, BenchError> {
    let wrong = |error: zip::result::ZipError| BenchError::Other(format!("making a package: {error}"));
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file(name, options).map_err(wrong)?;
    zip.write_all(bytes).map_err(BenchError::io("making a package"))?;
    Ok(zip.finish().map_err(wrong)?.into_inner())
}
