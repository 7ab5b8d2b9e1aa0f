//! `settings.tsv`: no input member is stored and ignored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hearth_wire::model::{Kind, Model, Shape};
use serde_json::{Value, json};

use crate::world::{World, function, with};

/// The operations the table must cover: every one that is served.
async fn operations() -> Vec<String> {
    let service = hearth_lambda::service(World::new().await.lambda);
    let model = service.model();
    let served = model.operations().filter(|(id, _)| service.implements(*id));
    let served: Vec<String> = served.map(|(_, operation)| operation.name().to_owned()).collect();
    assert!(served.contains(&"Invoke".to_owned()), "{served:?}");
    served
}

/// Members of operations that other services have by the same name.
const OF_OTHERS: &[(&str, &str)] = &[
    ("AddPermission", "AWSAccountId"),
    ("AddPermission", "AWSAccountIds"),
    ("AddPermission", "ActionName"),
    ("AddPermission", "Actions"),
    ("AddPermission", "Label"),
    ("AddPermission", "QueueUrl"),
    ("AddPermission", "TopicArn"),
    ("RemovePermission", "EventBusName"),
    ("RemovePermission", "RemoveAllPermissions"),
    ("RemovePermission", "Label"),
    ("RemovePermission", "QueueUrl"),
    ("RemovePermission", "TopicArn"),
    ("GetPolicy", "PolicyArn"),
    ("TagResource", "ResourceARN"),
    ("TagResource", "ResourceArn"),
    ("TagResource", "resourceArn"),
    ("TagResource", "tags"),
    ("UntagResource", "ResourceARN"),
    ("UntagResource", "ResourceArn"),
    ("UntagResource", "resourceArn"),
    ("UntagResource", "tagKeys"),
];

struct Row {
    operation: String,
    member: String,
    how: String,
    by: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

async fn rows() -> Vec<Row> {
    let operations = operations().await;
    let text = std::fs::read_to_string(root().join("settings.tsv")).expect("settings.tsv");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [operation, member, how, by, ..] = columns[..] else { panic!("too few columns: {line}") };
            Row { operation: operation.to_owned(), member: member.to_owned(), how: how.to_owned(), by: by.to_owned() }
        })
        .filter(|row| operations.contains(&row.operation))
        .filter(|row| !OF_OTHERS.contains(&(row.operation.as_str(), row.member.as_str())))
        .collect()
}

/// Paths of everything below a structure that is not a structure itself.
fn leaves(model: &Model, shape: &Shape, path: &str, found: &mut Vec<String>) {
    let Kind::Structure(structure) = &shape.kind else {
        found.push(path.to_owned());
        return;
    };
    for member in &structure.members {
        let path = if path.is_empty() { member.name.to_string() } else { format!("{path}.{}", member.name) };
        leaves(model, model.shape(member.shape), &path, found);
    }
}

#[tokio::test]
async fn every_input_member_of_the_model_has_exactly_one_row() {
    let model = hearth_wire::models::lambda();
    let mut expected = BTreeSet::new();
    for operation in operations().await {
        let id = model.operation_id(&operation).expect("in the model");
        let mut found = Vec::new();
        leaves(&model, model.input(id), "", &mut found);
        expected.extend(found.into_iter().map(|member| format!("{operation} {member}")));
    }
    let rows: Vec<String> = rows().await.iter().map(|row| format!("{} {}", row.operation, row.member)).collect();
    let unique: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(unique.len(), rows.len(), "a row stands there twice");
    let missing: Vec<_> = expected.difference(&unique).collect();
    let unknown: Vec<_> = unique.difference(&expected).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}\nunknown: {unknown:?}");
}

#[tokio::test]
async fn every_enforcing_test_exists() {
    for row in rows().await.iter().filter(|row| row.how == "enforced-by") {
        let (file, definition) = if let Some(path) = row.by.strip_prefix("hearth-lambda::api::") {
            let (module, name) = path.split_once("::").expect("module::test");
            (format!("crates/lambda/tests/api/{module}.rs"), format!("fn {name}("))
        } else {
            let (file, name) = row.by.split_once("::").expect("file::test");
            (file.to_owned(), format!("def {name}("))
        };
        let source = std::fs::read_to_string(root().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.contains(&definition), "{} {}: {file} has no {definition}", row.operation, row.member);
    }
}

const CUSTOM_RUNTIME: &str = "arn:aws:lambda:us-east-1:000000000000:runtime/my-runtime";

/// A value that asks for something, for every member that is refused.
fn asking(member: &str) -> Value {
    let kms = json!("arn:aws:kms:us-east-1:000000000000:key/k");
    match member.strip_prefix("Code.").or(member.strip_prefix("Content.")).unwrap_or(member) {
        "S3ObjectStorageMode" => json!("REFERENCE"),
        "SourceKMSKeyArn" | "KMSKeyArn" | "DurableConfig.KMSKeyArn" => kms,
        "PublishTo" => json!("LATEST_PUBLISHED"),
        "VpcConfig.SubnetIds" => json!(["subnet-0a"]),
        "VpcConfig.SecurityGroupIds" => json!(["sg-0a"]),
        "VpcConfig.Ipv6AllowedForDualStack" => json!(true),
        "TracingConfig.Mode" => json!("Active"),
        "FileSystemConfigs" => json!([{
            "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
            "LocalMountPath": "/mnt/a",
        }]),
        "SnapStart.ApplyOn" => json!("PublishedVersions"),
        "CodeSigningConfigArn" => {
            json!("arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0")
        }
        "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn" => {
            json!("arn:aws:lambda:us-east-1:000000000000:capacity-provider:c")
        }
        "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency"
        | "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu"
        | "DurableConfig.RetentionPeriodInDays"
        | "DurableConfig.ExecutionTimeout" => json!(2),
        "AcceleratorConfig.AcceleratorMemorySize" => json!(24),
        "RuntimeConfig.RuntimeArn" => json!(CUSTOM_RUNTIME),
        "RuntimeConfig.RuntimeAlias" => json!("alias"),
        "TenancyConfig.TenantIsolationMode" => json!("PER_TENANT"),
        "MasterRegion" => json!("ALL"),
        "DurableExecutionName" | "TenantId" => json!("x"),
        other => panic!("no value for {other}"),
    }
}

/// What the model requires beside a member for it to get past the generic validation.
fn companions(member: &str) -> Value {
    match member {
        "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency"
        | "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu" => {
            json!({"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": "arn:aws:lambda:us-east-1:000000000000:capacity-provider:c",
            }}})
        }
        "RuntimeConfig.RuntimeArn" | "RuntimeConfig.RuntimeAlias" => {
            json!({"RuntimeConfig": {"RuntimeArn": CUSTOM_RUNTIME, "RuntimeAlias": "alias"}})
        }
        _ => json!({}),
    }
}

fn set(body: &mut Value, path: &str, value: Value) {
    let target = path.split('.').fold(body, |at, name| {
        if !at[name].is_object() {
            at[name] = json!({});
        }
        &mut at[name]
    });
    *target = value;
}

#[tokio::test]
async fn every_refused_member_is_refused_with_the_error_of_its_row() {
    let world = World::new().await;
    let before = world.created("f").await;
    for row in rows().await.iter().filter(|row| row.how == "refused-with") {
        let value = asking(&row.member);
        let mut body = companions(&row.member);
        set(&mut body, &row.member, value.clone());
        let text = value.as_str().unwrap_or_default();
        let answer = match row.operation.as_str() {
            "CreateFunction" => {
                if row.member.starts_with("Code.") {
                    body["Code"]["ZipFile"] = function("g")["Code"]["ZipFile"].clone();
                }
                world.create(with(function("g"), body)).await
            }
            "UpdateFunctionCode" => {
                body["ZipFile"] = function("g")["Code"]["ZipFile"].clone();
                world.update_code("f", body).await
            }
            "UpdateFunctionConfiguration" => world.update_configuration("f", body).await,
            "PublishLayerVersion" => {
                body["Content"]["ZipFile"] = function("g")["Code"]["ZipFile"].clone();
                world.call("POST", "/2018-10-31/layers/l/versions", body).await
            }
            "PublishVersion" => world.publish("f", body).await,
            "ListFunctions" => world.get(&format!("/2015-03-31/functions?{}={text}", row.member)).await,
            "Invoke" | "InvokeWithResponseStream" => {
                let header = match row.member.as_str() {
                    "TenantId" => "X-Amz-Tenant-Id",
                    "DurableExecutionName" => "X-Amz-Durable-Execution-Name",
                    other => panic!("no header for {other}"),
                };
                let path = match row.operation.as_str() {
                    "Invoke" => "/2015-03-31/functions/f/invocations",
                    _ => "/2021-11-15/functions/f/response-streaming-invocations",
                };
                world.send("POST", path, &[(header, text)], Bytes::from("{}")).await
            }
            other => panic!("no request for {other}"),
        };
        let (status, code, fault, text) = answer.refusal();
        let what = format!("{} {}: {text}", row.operation, row.member);
        assert_eq!((status, code.as_str(), fault.as_deref()), (400, row.by.as_str(), Some("User")), "{what}");
        let top = row.member.split('.').next().expect("a name");
        let is_named = text.starts_with("Hearth does not support ") && text.contains(top);
        assert!(is_named, "{what}");
    }
    // Nothing of it was kept.
    assert_eq!(world.get("/2015-03-31/functions/g").await.status, 404);
    assert_eq!(world.configuration("f").await, before);
    world.packages_left(1).await;
}

#[tokio::test]
async fn rows_say_one_of_two_things() {
    for row in rows().await {
        assert!(matches!(row.how.as_str(), "enforced-by" | "refused-with"), "{} {}", row.operation, row.member);
        assert!(!row.by.is_empty(), "{} {}", row.operation, row.member);
    }
}
