//! Settings that few use, and operations on what Hearth has none of: correct refusals and empty lists.

use hearth_ports::FunctionCatalog;
use hearth_ports::InvokeError;
use hearth_types::{Partition, Qualifier, Region, RequestContext, RequestId, Version};
use serde_json::{Value, json};

use crate::lives::ctx;
use crate::world::{ACCOUNT, ROLE, World, arn, keys, refused};

const INVALID: &str = "InvalidParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const NONE: &str = "The resource you requested does not exist.";
const SIGNING_PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789";

/// A function `f` with version 1 and an alias `live` of it.
async fn world() -> World {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", json!({})).await.ok(201);
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.ok(201);
    world
}

/// Denies everything and asks: each must be refused for the action it stands beside.
pub(crate) async fn all_ask(world: &World, calls: &[(&str, &str, &str, Value)]) {
    world.permissions.denied.lock().insert("*".to_owned());
    for (action, method, path, body) in calls {
        let (status, code, _, text) = world.call(method, path, body.clone()).await.refusal();
        assert_eq!((status, code.as_str()), (403, "AccessDeniedException"), "{action}: {text}");
        assert!(text.contains(&format!("lambda:{action} ")), "{action}: {text}");
    }
    world.permissions.denied.lock().clear();
}

#[tokio::test]
async fn recursive_loops_are_stopped_unless_they_are_allowed() {
    let world = world().await;
    let path = "/2024-08-31/functions/f/recursion-config";
    let put = |value: &str| world.call("PUT", path, json!({"RecursiveLoop": value}));
    let allows = |world: &World| {
        let scope = hearth_types::Scope {
            partition: hearth_types::Partition::Aws,
            account: ACCOUNT.parse().expect("digits"),
            region: Some("us-east-1".into()),
        };
        let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
        world.catalog.resolve(&ctx, "f", None).expect("there").allows_loops
    };
    assert_eq!(world.get(path).await.ok(200), json!({"RecursiveLoop": "Terminate"}));
    assert!(!allows(&world));
    assert_eq!(put("Allow").await.ok(200), json!({"RecursiveLoop": "Allow"}));
    assert!(allows(&world));
    refused(
        &put("InvalidValue").await,
        400,
        "ValidationException",
        "1 validation error detected: Value 'InvalidValue' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: [Terminate, Allow]",
    );
    assert_eq!(put("Terminate").await.ok(200), json!({"RecursiveLoop": "Terminate"}));
    put("Allow").await.ok(200);
    let world = world.restart().await;
    assert!(allows(&world));
    let missing = world.get("/2024-08-31/functions/nobody/recursion-config").await;
    refused(&missing, 404, NOT_FOUND, &format!("Function not found: {}", arn("nobody")));

    *world.invoker.failure.lock() = Some(InvokeError::RecursiveLoop);
    let stopped = world.invoke("f", &[], b"{}").await;
    refused(
        &stopped,
        400,
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation.",
    );
    assert_eq!(keys(&stopped.json()), ["Message", "Type"]);
    all_ask(
        &world,
        &[
            ("GetFunctionRecursionConfig", "GET", path, Value::Null),
            ("PutFunctionRecursionConfig", "PUT", path, json!({"RecursiveLoop": "Terminate"})),
        ],
    )
    .await;
    assert!(allows(&world));
}

#[tokio::test]
async fn runtimes_follow_the_machine_s_unless_told_otherwise() {
    let world = world().await;
    let path = "/2021-07-20/functions/f/runtime-management-config";
    for (query, shown) in [("", "f"), ("?Qualifier=$LATEST", "f:$LATEST"), ("?Qualifier=1", "f:1")] {
        let expected = json!({"UpdateRuntimeOn": "Auto", "FunctionArn": arn(shown)});
        let path = format!("{path}{query}");
        assert_eq!(world.get(&path).await.ok(200), expected);
        assert_eq!(world.call("PUT", &path, json!({"UpdateRuntimeOn": "Auto"})).await.ok(200), expected);
    }
    let runtime = "arn:aws:lambda:us-east-1::runtime:0123";
    for body in [
        json!({"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": runtime}),
        json!({"UpdateRuntimeOn": "Manual"}),
        json!({"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": runtime}),
    ] {
        let answer = world.call("PUT", path, body.clone()).await;
        let (status, code, _, _) = answer.refusal();
        assert_eq!((status, code.as_str()), (400, INVALID), "{body}");
    }
    for (name, shown) in [("nobody", "nobody"), ("f:9", "f:9")] {
        let path = format!("/2021-07-20/functions/{name}/runtime-management-config");
        let text = format!("Function not found: {}", arn(shown));
        refused(&world.get(&path).await, 404, NOT_FOUND, &text);
        refused(&world.call("PUT", &path, json!({"UpdateRuntimeOn": "Auto"})).await, 404, NOT_FOUND, &text);
    }
    all_ask(
        &world,
        &[
            ("GetRuntimeManagementConfig", "GET", path, Value::Null),
            ("PutRuntimeManagementConfig", "PUT", path, json!({"UpdateRuntimeOn": "Auto"})),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_function_is_held_to_the_build_of_its_runtime_that_it_was_told_to_keep() {
    let world = world().await;
    let path = |query: &str| format!("/2021-07-20/functions/f/runtime-management-config{query}");
    let runs_on = async |world: &World, query: &str| {
        let shown = world.get(&format!("/2015-03-31/functions/f/configuration{query}")).await.ok(200);
        shown["RuntimeVersionConfig"]["RuntimeVersionArn"].as_str().expect("an ARN").to_owned()
    };
    let held = |world: &World, qualifier: Option<&str>| {
        let qualifier = qualifier.map(|number| Qualifier::Version(Version::Published(number.parse().expect("number"))));
        let resolved = world.catalog.resolve(&ctx(), "f", qualifier.as_ref()).expect("there");
        resolved.version.runtime_version.as_ref().map(|version| version.arn(Partition::Aws, &Region::from("us-east-1")))
    };
    let first = runs_on(&world, "").await;
    assert_eq!((held(&world, None), held(&world, Some("1"))), (None, None), "it follows the machine");
    let body = json!({"UpdateRuntimeOn": "FunctionUpdate"});
    let expected = json!({"UpdateRuntimeOn": "FunctionUpdate", "FunctionArn": arn("f")});
    assert_eq!(world.call("PUT", &path(""), body).await.ok(200), expected);
    let body = json!({"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": first});
    let manual = json!({"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": first, "FunctionArn": arn("f:1")});
    assert_eq!(world.call("PUT", &path("?Qualifier=1"), body).await.ok(200), manual);

    // The machine's runtimes are updated, and the server starts again.
    *world.trees.runtimes.lock() = "newer";
    let world = world.restart().await;
    assert_eq!((held(&world, None), held(&world, Some("1"))), (Some(first.clone()), Some(first.clone())));
    assert_eq!(runs_on(&world, "").await, first);
    world.call("PUT", "/2015-03-31/functions/f/configuration", json!({"Description": "an update"})).await.ok(200);
    world.settled("f").await;
    let second = runs_on(&world, "").await;
    assert_ne!(second, first, "with its next update it takes what there is");
    assert_eq!(held(&world, None), Some(second.clone()));
    assert_eq!((runs_on(&world, "?Qualifier=1").await, held(&world, Some("1"))), (first.clone(), Some(first)));
    assert_eq!(world.get(&path("?Qualifier=1")).await.ok(200), manual);

    world.call("PUT", &path("?Qualifier=1"), json!({"UpdateRuntimeOn": "Auto"})).await.ok(200);
    assert_eq!((runs_on(&world, "?Qualifier=1").await, held(&world, Some("1"))), (second, None), "let go");
}

#[tokio::test]
async fn nobody_has_a_code_signing_configuration() {
    let world = world().await;
    let config = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:code-signing-config:csc-01234567890abcdef");
    let by_arn = format!("/2020-04-22/code-signing-configs/{}", config.replace(':', "%3A"));
    let none = format!("The Lambda code signing configuration {config} can not be found.");
    let functions = format!("{by_arn}/functions?MaxItems=5");
    for (method, path) in [("GET", &by_arn), ("DELETE", &by_arn), ("GET", &functions)] {
        let answer = world.call(method, path, Value::Null).await;
        refused(&answer, 404, NOT_FOUND, &none);
        assert_eq!(keys(&answer.json()), ["Message"], "recorded without Type");
    }
    let list = "/2020-04-22/code-signing-configs";
    assert_eq!(world.get(&format!("{list}?MaxItems=5")).await.ok(200), json!({"CodeSigningConfigs": []}));
    for path in [format!("{list}?Marker=!"), format!("{by_arn}/functions?Marker=!")] {
        assert_eq!(world.get(&path).await.refusal().1, INVALID);
    }
    refused(&world.call("PUT", &by_arn, json!({"Description": "d"})).await, 404, NOT_FOUND, &none);
    let publishers = json!({"AllowedPublishers": {"SigningProfileVersionArns": [SIGNING_PROFILE]}});
    refused(
        &world.call("POST", list, publishers.clone()).await,
        400,
        INVALID,
        "Hearth does not support AllowedPublishers yet: signatures are not checked.",
    );
    let of_function = "/2020-06-30/functions/f/code-signing-config";
    let given = json!({"CodeSigningConfigArn": config});
    refused(
        &world.call("PUT", of_function, given.clone()).await,
        404,
        "CodeSigningConfigNotFoundException",
        &format!(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {config}."
        ),
    );
    let deleted = world.call("DELETE", of_function, Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    let nobody = "/2020-06-30/functions/csc-test-doesnotexist/code-signing-config";
    let missing = format!("Function not found: {}", arn("csc-test-doesnotexist"));
    for method in ["GET", "PUT", "DELETE"] {
        refused(&world.call(method, nobody, given.clone()).await, 404, NOT_FOUND, &missing);
    }
    all_ask(
        &world,
        &[
            ("GetCodeSigningConfig", "GET", &by_arn, Value::Null),
            ("DeleteCodeSigningConfig", "DELETE", &by_arn, Value::Null),
            ("ListFunctionsByCodeSigningConfig", "GET", &functions, Value::Null),
            ("ListCodeSigningConfigs", "GET", list, Value::Null),
            ("UpdateCodeSigningConfig", "PUT", &by_arn, json!({})),
            ("CreateCodeSigningConfig", "POST", list, publishers),
            ("PutFunctionCodeSigningConfig", "PUT", of_function, given),
            ("DeleteFunctionCodeSigningConfig", "DELETE", of_function, Value::Null),
        ],
    )
    .await;
}

#[tokio::test]
async fn there_is_no_capacity_provider() {
    let world = World::new().await;
    let list = "/2025-11-30/capacity-providers";
    let provider = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:capacity-provider:p");
    let none = format!("Capacity provider not found: {provider}");
    for name in ["p".to_owned(), provider.replace(':', "%3A")] {
        let path = format!("{list}/{name}");
        for (method, path) in
            [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/function-versions?MaxItems=5"))]
        {
            refused(&world.call(method, &path, Value::Null).await, 404, NOT_FOUND, &none);
        }
        refused(&world.call("PUT", &path, json!({})).await, 404, NOT_FOUND, &none);
    }
    let create = json!({
        "CapacityProviderName": "p", "VpcConfig": {"SubnetIds": ["subnet-0a"], "SecurityGroupIds": ["sg-0a"]},
        "PermissionsConfig": {"CapacityProviderOperatorRoleArn": ROLE},
    });
    refused(
        &world.call("POST", list, create.clone()).await,
        400,
        INVALID,
        "Hearth does not support CapacityProviderName yet: functions run on this server.",
    );
    assert_eq!(world.get(&format!("{list}?State=Active&MaxItems=5")).await.ok(200), json!({"CapacityProviders": []}));
    for path in [format!("{list}?Marker=!"), format!("{list}/p/function-versions?Marker=!")] {
        assert_eq!(world.get(&path).await.refusal().1, INVALID);
    }
    all_ask(
        &world,
        &[
            ("GetCapacityProvider", "GET", &format!("{list}/p"), Value::Null),
            ("DeleteCapacityProvider", "DELETE", &format!("{list}/p"), Value::Null),
            ("ListFunctionVersionsByCapacityProvider", "GET", &format!("{list}/p/function-versions"), Value::Null),
            ("ListCapacityProviders", "GET", list, Value::Null),
            ("UpdateCapacityProvider", "PUT", &format!("{list}/p"), json!({})),
            ("CreateCapacityProvider", "POST", list, create),
        ],
    )
    .await;
}

#[tokio::test]
async fn there_is_no_event_source_mapping() {
    let world = World::new().await;
    let list = "/2015-03-31/event-source-mappings";
    let one = format!("{list}/11111111-2222-3333-4444-555555555555");
    refused(&world.call("PUT", &one, json!({"BatchSize": 5})).await, 404, NOT_FOUND, NONE);
    for method in ["GET", "DELETE"] {
        refused(&world.call(method, &one, Value::Null).await, 404, NOT_FOUND, NONE);
        let (status, code, _, text) = world.call(method, &format!("{list}/short"), Value::Null).await.refusal();
        assert_eq!((status, code.as_str()), (400, "ValidationException"), "{text}");
    }
    let queue = format!("arn:aws:sqs:us-east-1:{ACCOUNT}:q").replace(':', "%3A");
    for query in ["", "?FunctionName=nobody", &format!("?EventSourceArn={queue}&MaxItems=5")] {
        assert_eq!(world.get(&format!("{list}{query}")).await.ok(200), json!({"EventSourceMappings": []}), "{query}");
    }
    assert_eq!(world.get(&format!("{list}?Marker=!")).await.refusal().1, INVALID);
    let elsewhere = arn("f").replace("us-east-1", "eu-west-1").replace(':', "%3A");
    assert_eq!(world.get(&format!("{list}?FunctionName={elsewhere}")).await.refusal().1, NOT_FOUND);
}

#[tokio::test]
async fn a_mapping_to_a_source_that_nothing_polls_is_refused() {
    let world = world().await;
    let list = "/2015-03-31/event-source-mappings";
    let source = |of: &str| format!("arn:aws:{}:us-east-1:{ACCOUNT}:{}", of.split('/').next().unwrap_or(of), of);
    let no_start = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.";
    let nothing = |polled: &str| {
        format!(
            "Hearth does not support EventSourceArn yet: nothing polls {polled} yet; invoke the function from a poller of your own."
        )
    };
    let kinesis = nothing("kinesis");
    let kafka = nothing("self-managed Kafka");
    let servers = json!({"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["kafka:1000"]}});
    let access = json!([{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:000000000000:secret:s"}]);
    for (mapping, text) in [
        (
            json!({"FunctionName": "f", "EventSourceArn": source("kinesis"), "StartingPosition": "LATEST"}),
            kinesis.as_str(),
        ),
        (
            json!({"FunctionName": "f", "SelfManagedEventSource": servers, "Topics": ["topic"], "StartingPosition": "LATEST", "SourceAccessConfigurations": access}),
            &kafka,
        ),
        (
            json!({"FunctionName": "f", "SelfManagedEventSource": servers, "Topics": ["topic"], "StartingPosition": "LATEST"}),
            "Required 'sourceAccessConfigurations' parameter is missing.",
        ),
        (json!({"FunctionName": "f", "EventSourceArn": source("kinesis")}), no_start),
        (json!({"FunctionName": "f", "EventSourceArn": source("dynamodb")}), no_start),
        (json!({"FunctionName": "f"}), "Unrecognized event source."),
        (json!({"FunctionName": "f", "EventSourceArn": source("iam")}), "Unrecognized event source."),
        (json!({"FunctionName": "nobody", "EventSourceArn": source("sqs")}), "Function does not exist"),
        (json!({"FunctionName": "f:9", "EventSourceArn": source("sqs")}), "Function does not exist"),
    ] {
        refused(&world.call("POST", list, mapping).await, 400, INVALID, text);
    }
    let wrong = json!({"FunctionName": "f", "EventSourceArn": source("kinesis"), "StartingPosition": "invalid"});
    refused(
        &world.call("POST", list, wrong).await,
        400,
        "ValidationException",
        "1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
    );
    assert_eq!(world.get(list).await.ok(200), json!({"EventSourceMappings": []}), "nothing was stored");
}

#[tokio::test]
async fn there_is_no_durable_execution() {
    let world = world().await;
    let execution = arn("f:1/durable-execution/e/0123").replace(':', "%3A").replace('/', "%2F");
    let one = format!("/2025-12-01/durable-executions/{execution}");
    let callback = "/2025-12-01/durable-execution-callbacks/abcd";
    let list = "/2025-12-01/functions/f/durable-executions";
    let calls = [
        ("GetDurableExecution", "GET", one.clone(), Value::Null),
        ("GetDurableExecutionHistory", "GET", format!("{one}/history"), Value::Null),
        ("DeleteDurableExecution", "DELETE", one.clone(), Value::Null),
        ("PauseDurableExecution", "POST", format!("{one}/pause"), json!({})),
        ("ResumeDurableExecution", "POST", format!("{one}/resume"), json!({})),
        ("StopDurableExecution", "POST", format!("{one}/stop"), json!({})),
        ("SendDurableExecutionCallbackFailure", "POST", format!("{callback}/fail"), json!({})),
        ("SendDurableExecutionCallbackHeartbeat", "POST", format!("{callback}/heartbeat"), json!({})),
        ("SendDurableExecutionCallbackSuccess", "POST", format!("{callback}/succeed"), Value::Null),
    ];
    for (_, method, path, body) in &calls {
        refused(&world.call(method, path, body.clone()).await, 404, NOT_FOUND, NONE);
    }
    let checkpoint = json!({"CheckpointToken": "dG9rZW4="});
    let state = format!("{one}/state?CheckpointToken=dG9rZW4%3D");
    let by_token = [
        ("CheckpointDurableExecution", "POST", format!("{one}/checkpoint"), checkpoint),
        ("GetDurableExecutionState", "GET", state, Value::Null),
    ];
    for (_, method, path, body) in &by_token {
        refused(&world.call(method, path, body.clone()).await, 400, INVALID, "Invalid Checkpoint Token");
    }
    for query in ["", "?Qualifier=live&MaxItems=5"] {
        assert_eq!(world.get(&format!("{list}{query}")).await.ok(200), json!({"DurableExecutions": []}));
    }
    assert_eq!(world.get(&format!("{list}?Marker=!")).await.refusal().1, INVALID);
    for (path, shown) in [(format!("{list}?Qualifier=9"), "f:9"), (list.replace("/f/", "/nobody/"), "nobody")] {
        refused(&world.get(&path).await, 404, NOT_FOUND, &format!("Function not found: {}", arn(shown)));
    }
    let lists = [("ListDurableExecutionsByFunction", "GET", list.to_owned(), Value::Null)];
    let all = calls.iter().chain(&by_token).chain(&lists);
    let all: Vec<_> = all.map(|(action, method, path, body)| (*action, *method, path.as_str(), body.clone())).collect();
    all_ask(&world, &all).await;
}

#[tokio::test]
async fn no_function_scales_on_instances() {
    let world = world().await;
    let path = |name: &str, qualifier: &str| {
        format!("/2025-11-30/functions/{name}/function-scaling-config?Qualifier={qualifier}")
    };
    let scaling = json!({"FunctionScalingConfig": {"MinExecutionEnvironments": 1}});
    let one = path("f", "1");
    assert_eq!(world.get(&one).await.ok(200), json!({"FunctionArn": arn("f:1")}));
    refused(
        &world.call("PUT", &one, scaling.clone()).await,
        400,
        INVALID,
        "Hearth does not support FunctionScalingConfig yet: functions run on this server; use reserved or provisioned concurrency.",
    );
    for (name, qualifier) in [("f", "9"), ("nobody", "1")] {
        let missing = format!("Function not found: {}", arn(&format!("{name}:{qualifier}")));
        refused(&world.get(&path(name, qualifier)).await, 404, NOT_FOUND, &missing);
        refused(&world.call("PUT", &path(name, qualifier), scaling.clone()).await, 404, NOT_FOUND, &missing);
    }
    all_ask(
        &world,
        &[("GetFunctionScalingConfig", "GET", &one, Value::Null), ("PutFunctionScalingConfig", "PUT", &one, scaling)],
    )
    .await;
}
