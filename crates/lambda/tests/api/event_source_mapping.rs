//! Event source mappings of queues: their life, what they can be set to, and what is refused. Texts are recorded from the
//! real service or reported by its users, unless a test says otherwise.

use std::time::{Duration, Instant};

use hearth_ports::QueueMapping;
use hearth_types::{Millis, Qualifier};
use serde_json::{Value, json};

use crate::rare::all_ask;
use crate::world::{ACCOUNT, Answer, NOW_MS, World, arn, function, keys, refused, with};

const LIST: &str = "/2015-03-31/event-source-mappings";
const INVALID: &str = "InvalidParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const NONE: &str = "The resource you requested does not exist.";

/// A function `f` with version 1, an alias `live` of it and a time-out of 3 s; a queue `q` of 30 s.
async fn world() -> (World, String) {
    let world = World::new().await;
    world.created("f").await;
    world.publish("f", json!({})).await.ok(201);
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.ok(201);
    let queue = world.queues.make("q", 30);
    (world, queue)
}

async fn create(world: &World, body: Value) -> Answer {
    world.call("POST", LIST, body).await
}

fn path(mapping: &Value) -> String {
    format!("{LIST}/{}", mapping["UUID"].as_str().expect("a UUID"))
}

async fn update(world: &World, mapping: &Value, body: Value) -> Answer {
    world.call("PUT", &path(mapping), body).await
}

/// Waits, as Terraform does, until the mapping is in that state; what it looks like then.
async fn until(world: &World, mapping: &Value, state: &str) -> Value {
    let started = Instant::now();
    loop {
        let shown = world.get(&path(mapping)).await.ok(200);
        if shown["State"] == state {
            return shown;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "never {state}: {shown}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn gone(world: &World, mapping: &Value) {
    let started = Instant::now();
    while world.get(&path(mapping)).await.status != 404 {
        assert!(started.elapsed() < Duration::from_secs(20), "never gone");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A mapping from that queue to that function, enabled.
async fn created(world: &World, queue: &str, name: &str) -> Value {
    let mapping = create(world, json!({"EventSourceArn": queue, "FunctionName": name})).await.ok(202);
    until(world, &mapping, "Enabled").await
}

fn polled(world: &World, mapping: &Value) -> Option<QueueMapping> {
    world.pollers.polled.lock().get(mapping["UUID"].as_str().expect("a UUID")).cloned()
}

#[tokio::test]
async fn a_mapping_has_the_defaults_of_queues_and_is_polled_when_it_is_enabled() {
    let (world, queue) = world().await;
    let shown = create(&world, json!({"EventSourceArn": queue, "FunctionName": "f"})).await.ok(202);
    let uuid = shown["UUID"].as_str().expect("a UUID").to_owned();
    let expected = json!({
        "UUID": uuid,
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "EventSourceArn": queue,
        "FunctionArn": arn("f"),
        "LastModified": NOW_MS / 1_000,
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": [],
        "EventSourceMappingArn": format!("arn:aws:lambda:us-east-1:{ACCOUNT}:event-source-mapping:{uuid}"),
    });
    assert_eq!(shown, expected);
    let settled = until(&world, &shown, "Enabled").await;
    assert_eq!(settled, with(expected, json!({"State": "Enabled"})));
    let polled = polled(&world, &shown).expect("polled");
    assert_eq!(
        polled,
        QueueMapping {
            id: uuid,
            scope: polled.scope.clone(),
            queue: queue.parse().expect("an ARN"),
            function_name: "f".to_owned(),
            qualifier: None,
            batch_size: 10,
            window: Millis(0),
            filters: Vec::new(),
            reports_failures: false,
            concurrency_max: None,
            counts_events: false,
        }
    );
}

#[tokio::test]
async fn what_was_asked_for_is_shown_and_polled() {
    let (world, queue) = world().await;
    let pattern = r#"{"body": {"kind": ["order"]}}"#;
    let asked = json!({
        "EventSourceArn": queue,
        "FunctionName": "f:live",
        "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 20,
        "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 7},
        "Tags": {"team": "a"},
    });
    let shown = create(&world, asked.clone()).await.ok(202);
    for member in
        ["BatchSize", "MaximumBatchingWindowInSeconds", "FilterCriteria", "FunctionResponseTypes", "ScalingConfig"]
    {
        assert_eq!(shown[member], asked[member], "{member}");
    }
    assert_eq!(shown["FunctionArn"], arn("f:live"));
    until(&world, &shown, "Enabled").await;
    let polled = polled(&world, &shown).expect("polled");
    assert_eq!((polled.batch_size, polled.window, polled.concurrency_max), (500, Millis::from_secs(20), Some(7)));
    assert_eq!((polled.qualifier, polled.reports_failures), (Some(Qualifier::parse("live")), true));
    assert_eq!(polled.filters, [pattern]);

    let off = json!({"EventSourceArn": world.queues.make("q.fifo", 30), "FunctionName": "f", "Enabled": false});
    let off = create(&world, off).await.ok(202);
    until(&world, &off, "Disabled").await;
    assert_eq!(self::polled(&world, &off), None);
}

#[tokio::test]
async fn settings_that_no_queue_takes_are_refused_with_their_texts() {
    let (world, queue) = world().await;
    let fifo = world.queues.make("q.fifo", 30);
    let filters = |patterns: &[&str]| {
        let filters: Vec<Value> = patterns.iter().map(|pattern| json!({"Pattern": pattern})).collect();
        json!({"FilterCriteria": {"Filters": filters}})
    };
    let six = [r#"{"body": ["x"]}"#; 6];
    let no_window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    let no_filter = "Invalid filter pattern definition.";
    let cases = [
        (&queue, json!({"BatchSize": 11}), no_window),
        (&queue, json!({"BatchSize": 10_000, "MaximumBatchingWindowInSeconds": 0}), no_window),
        (&fifo, json!({"BatchSize": 11}), "Maximum batch size must be between 1 and 10 inclusive"),
        (&fifo, json!({"MaximumBatchingWindowInSeconds": 1}), "Batching window is not supported for FIFO queues"),
        (&queue, filters(&["{}"]), no_filter),
        (&queue, filters(&["not JSON"]), no_filter),
        (&queue, filters(&[r#"{"body": "x"}"#]), no_filter),
        (&queue, filters(&[r#"{"body": [{"like": "x"}]}"#]), no_filter),
        // Hearth's own text.
        (&queue, filters(&six), "Filter list size must be less than or equal to 5."),
    ];
    let there = created(&world, &queue, "f:live").await;
    for (queue, more, text) in cases {
        let body = with(json!({"EventSourceArn": queue, "FunctionName": "f"}), more.clone());
        refused(&create(&world, body).await, 400, INVALID, text);
        if !queue.ends_with(".fifo") {
            refused(&update(&world, &there, more).await, 400, INVALID, text);
        }
    }
    for (more, text) in [
        (json!({"ScalingConfig": {"MaximumConcurrency": 1}}), "greater than or equal to 2"),
        (json!({"ScalingConfig": {"MaximumConcurrency": 1_001}}), "less than or equal to 1000"),
        (json!({"BatchSize": 0}), "greater than or equal to 1"),
        (json!({"MaximumBatchingWindowInSeconds": 301}), "less than or equal to 300"),
        (json!({"FunctionResponseTypes": ["Other"]}), "enum value set: [ReportBatchItemFailures]"),
    ] {
        let body = with(json!({"EventSourceArn": queue, "FunctionName": "f"}), more.clone());
        for answer in [create(&world, body).await, update(&world, &there, more).await] {
            let (status, code, _, shown) = answer.refusal();
            assert_eq!((status, code.as_str()), (400, "ValidationException"), "{shown}");
            assert!(shown.contains(text), "{shown}");
        }
    }
    assert_eq!(world.get(LIST).await.ok(200)["EventSourceMappings"], json!([there]), "nothing was stored or changed");
}

#[tokio::test]
async fn what_is_not_for_queues_is_refused_by_name() {
    let (world, queue) = world().await;
    let there = created(&world, &queue, "f:live").await;
    let unsupported = |member: &str| format!("Unsupported {member} parameter for given event source mapping type.");
    let not_yet = |member: &str, instead: &str| format!("Hearth does not support {member} yet: {instead}");
    let registry = json!({"SchemaRegistryConfig": {"SchemaRegistryURI": "https://registry"}});
    let destination = json!({"OnFailure": {"Destination": format!("arn:aws:sqs:us-east-1:{ACCOUNT}:dlq")}});
    let access = json!([{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:000000000000:secret:s"}]);
    let both = [
        (
            "KMSKeyArn",
            json!("arn:aws:kms:us-east-1:000000000000:key/k"),
            not_yet("KMSKeyArn", "filters are kept with the server's own records."),
        ),
        // Of Kafka.
        ("MetricsConfig", json!({"Metrics": ["ErrorCount"]}), unsupported("MetricsConfig")),
        ("MetricsConfig", json!({"Metrics": ["EventCount", "KafkaMetrics"]}), unsupported("MetricsConfig")),
        (
            "ProvisionedPollerConfig",
            json!({"MinimumPollers": 2}),
            not_yet("ProvisionedPollerConfig", "pollers scale by themselves; use ScalingConfig."),
        ),
        (
            "ProvisionedPollerConfig",
            json!({"MaximumPollers": 2}),
            not_yet("ProvisionedPollerConfig", "pollers scale by themselves; use ScalingConfig."),
        ),
        (
            "ProvisionedPollerConfig",
            json!({"PollerGroupName": "g"}),
            not_yet("ProvisionedPollerConfig", "pollers scale by themselves; use ScalingConfig."),
        ),
        ("LoggingConfig", json!({"SystemLogLevel": "INFO"}), unsupported("LoggingConfig")),
        ("ParallelizationFactor", json!(2), unsupported("ParallelizationFactor")),
        ("DestinationConfig", destination.clone(), unsupported("DestinationConfig")),
        ("DestinationConfig", json!({"OnSuccess": destination["OnFailure"]}), unsupported("DestinationConfig")),
        ("MaximumRecordAgeInSeconds", json!(60), unsupported("MaximumRecordAgeInSeconds")),
        ("BisectBatchOnFunctionError", json!(true), unsupported("BisectBatchOnFunctionError")),
        ("MaximumRetryAttempts", json!(1), unsupported("MaximumRetryAttempts")),
        ("TumblingWindowInSeconds", json!(10), unsupported("TumblingWindowInSeconds")),
        ("SourceAccessConfigurations", access, unsupported("SourceAccessConfigurations")),
        (
            "AmazonManagedKafkaEventSourceConfig",
            json!({"ConsumerGroupId": "g"}),
            unsupported("AmazonManagedKafkaEventSourceConfig"),
        ),
        ("AmazonManagedKafkaEventSourceConfig", registry.clone(), unsupported("AmazonManagedKafkaEventSourceConfig")),
        (
            "SelfManagedKafkaEventSourceConfig",
            json!({"ConsumerGroupId": "g"}),
            unsupported("SelfManagedKafkaEventSourceConfig"),
        ),
        ("SelfManagedKafkaEventSourceConfig", registry, unsupported("SelfManagedKafkaEventSourceConfig")),
        (
            "SelfManagedKafkaEventSourceConfig",
            json!({"ConsumptionMode": "Queue"}),
            unsupported("SelfManagedKafkaEventSourceConfig"),
        ),
        ("DocumentDBEventSourceConfig", json!({"DatabaseName": "d"}), unsupported("DocumentDBEventSourceConfig")),
        ("DocumentDBEventSourceConfig", json!({"CollectionName": "c"}), unsupported("DocumentDBEventSourceConfig")),
        ("DocumentDBEventSourceConfig", json!({"FullDocument": "Default"}), unsupported("DocumentDBEventSourceConfig")),
    ];
    for (member, value, text) in both {
        let body = with(json!({"EventSourceArn": queue, "FunctionName": "f"}), json!({member: value}));
        refused(&create(&world, body).await, 400, INVALID, &text);
        refused(&update(&world, &there, json!({member: value})).await, 400, INVALID, &text);
    }
    let no_start = "StartingPosition is not valid for SQS event sources.";
    let servers = json!({"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["kafka:1000"]}});
    for (member, value, text) in [
        ("StartingPosition", json!("LATEST"), no_start.to_owned()),
        ("StartingPositionTimestamp", json!(1_768_232_232), no_start.to_owned()),
        ("Topics", json!(["topic"]), unsupported("Topics")),
        ("Queues", json!(["queue"]), unsupported("Queues")),
        ("SelfManagedEventSource", servers, unsupported("SelfManagedEventSource")),
    ] {
        let body = with(json!({"EventSourceArn": queue, "FunctionName": "f"}), json!({member: value}));
        refused(&create(&world, body).await, 400, INVALID, &text);
    }
    // What clients send to say "none".
    let nothing = json!({
        "KMSKeyArn": "", "MetricsConfig": {"Metrics": []}, "SourceAccessConfigurations": [], "DestinationConfig": {},
        "ProvisionedPollerConfig": {}, "FilterCriteria": {}, "FunctionResponseTypes": [], "ScalingConfig": {},
    });
    update(&world, &there, nothing).await.ok(202);
    until(&world, &there, "Enabled").await;
}

#[tokio::test]
async fn a_queue_that_is_not_fit_is_refused() {
    let (world, queue) = world().await;
    let on = |queue: &str| create(&world, json!({"EventSourceArn": queue, "FunctionName": "f"}));
    let absent = format!("arn:aws:sqs:us-east-1:{ACCOUNT}:absent");
    refused(
        &on(&absent).await,
        400,
        INVALID,
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
    );
    let short = world.queues.make("short", 2);
    let too_short = "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds";
    refused(&on(&short).await, 400, INVALID, too_short);
    for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] {
        let denied = format!("sqs:{action}");
        world.queues.denied.lock().insert(match action {
            "ReceiveMessage" => "sqs:ReceiveMessage",
            "DeleteMessage" => "sqs:DeleteMessage",
            _ => "sqs:GetQueueAttributes",
        });
        let text = format!("The provided execution role does not have permissions to call {action} on SQS");
        refused(&on(&queue).await, 400, INVALID, &text);
        world.queues.denied.lock().remove(denied.as_str());
    }
    // Hearth's own text.
    let elsewhere = queue.replace("us-east-1", "eu-west-1");
    refused(&on(&elsewhere).await, 400, INVALID, "The queue must be in the same region as the function.");
    let there = created(&world, &queue, "f").await;
    // Another function may run longer.
    world.create(with(function("slow"), json!({"Timeout": 31}))).await.ok(201);
    world.settled("slow").await;
    let text = "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds";
    refused(&update(&world, &there, json!({"FunctionName": "slow"})).await, 400, INVALID, text);
    refused(&update(&world, &there, json!({"FunctionName": "nobody"})).await, 400, INVALID, "Function does not exist");
    // So may the same one, later.
    let longer = world.update_configuration("f", json!({"Timeout": 31})).await;
    refused(&longer, 400, INVALID, text);
    world.update_configuration("f", json!({"Timeout": 30})).await.ok(200);
}

#[tokio::test]
async fn a_queue_and_a_function_have_one_mapping() {
    let (world, queue) = world().await;
    let there = created(&world, &queue, "f").await;
    let exists = |name: &str, mapping: &Value| {
        let uuid = mapping["UUID"].as_str().expect("a UUID");
        format!(
            "An event source mapping with SQS arn (\" {queue} \") and function (\" {name} \") already exists. Please update or delete the existing mapping with UUID {uuid}"
        )
    };
    let again = create(&world, json!({"EventSourceArn": queue, "FunctionName": arn("f")})).await;
    refused(&again, 409, "ResourceConflictException", &exists("f", &there));
    // Another version of the function is another end.
    let of_alias = created(&world, &queue, "f:live").await;
    let onto = update(&world, &of_alias, json!({"FunctionName": "f"})).await;
    refused(&onto, 409, "ResourceConflictException", &exists("f", &there));
    // Two at once: one is made.
    world.created("g").await;
    let body = json!({"EventSourceArn": queue, "FunctionName": "g"});
    let (one, other) = tokio::join!(create(&world, body.clone()), create(&world, body));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
}

#[tokio::test]
async fn an_update_changes_what_it_mentions() {
    let (world, queue) = world().await;
    let asked = json!({
        "EventSourceArn": queue, "FunctionName": "f", "BatchSize": 5, "MaximumBatchingWindowInSeconds": 2,
        "FilterCriteria": {"Filters": [{"Pattern": r#"{"body": ["x"]}"#}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"], "ScalingConfig": {"MaximumConcurrency": 3},
    });
    let mapping = create(&world, asked).await.ok(202);
    let before = until(&world, &mapping, "Enabled").await;
    world.clock.advance(5_000);
    let answer = update(&world, &mapping, json!({"BatchSize": 7})).await.ok(202);
    assert_eq!(answer["State"], "Updating");
    let after = until(&world, &mapping, "Enabled").await;
    let modified = (NOW_MS + 5_000) / 1_000;
    assert_eq!(after, with(before, json!({"BatchSize": 7, "LastModified": modified})));
    assert_eq!(polled(&world, &mapping).expect("polled").batch_size, 7);

    let none = json!({
        "FunctionName": "f:1", "FilterCriteria": {"Filters": []}, "FunctionResponseTypes": [], "ScalingConfig": {},
    });
    update(&world, &mapping, none).await.ok(202);
    let shown = until(&world, &mapping, "Enabled").await;
    assert_eq!((&shown["FunctionArn"], &shown["FunctionResponseTypes"]), (&json!(arn("f:1")), &json!([])));
    assert!(!keys(&shown).contains(&"FilterCriteria") && !keys(&shown).contains(&"ScalingConfig"), "{shown}");

    assert_eq!(update(&world, &mapping, json!({"Enabled": false})).await.ok(202)["State"], "Disabling");
    until(&world, &mapping, "Disabled").await;
    assert_eq!(polled(&world, &mapping), None);
    assert_eq!(update(&world, &mapping, json!({"BatchSize": 8})).await.ok(202)["State"], "Updating");
    until(&world, &mapping, "Disabled").await;
    assert_eq!(update(&world, &mapping, json!({"Enabled": true})).await.ok(202)["State"], "Enabling");
    until(&world, &mapping, "Enabled").await;
    assert_eq!(polled(&world, &mapping).expect("polled").batch_size, 8);
}

#[tokio::test]
async fn a_mapping_counts_its_events_when_it_is_asked_to() {
    let (world, queue) = world().await;
    let config = json!({"Metrics": ["EventCount"]});
    let body = json!({"EventSourceArn": queue, "FunctionName": "f", "MetricsConfig": config});
    let mapping = create(&world, body).await.ok(202);
    assert_eq!(mapping["MetricsConfig"], config);
    let shown = until(&world, &mapping, "Enabled").await;
    assert_eq!(shown["MetricsConfig"], config);
    assert_eq!(world.get(LIST).await.ok(200)["EventSourceMappings"], json!([shown]));
    assert!(polled(&world, &mapping).expect("polled").counts_events);
    update(&world, &mapping, json!({"BatchSize": 5})).await.ok(202);
    assert_eq!(until(&world, &mapping, "Enabled").await["MetricsConfig"], config, "what is not mentioned stays");
    let world = world.restart().await;
    world.queues.make("q", 30);
    assert!(polled(&world, &mapping).expect("polled").counts_events);
    update(&world, &mapping, json!({"MetricsConfig": {"Metrics": []}})).await.ok(202);
    let shown = until(&world, &mapping, "Enabled").await;
    assert!(!keys(&shown).contains(&"MetricsConfig"), "{shown}");
    assert!(!polled(&world, &mapping).expect("polled").counts_events);
}

#[tokio::test]
async fn a_mapping_lives_until_its_batches_are_done_and_nobody_changes_it_meanwhile() {
    let (world, queue) = world().await;
    let mapping = created(&world, &queue, "f").await;
    world.pollers.stops.forget_permits(usize::MAX);
    let answer = world.call("DELETE", &path(&mapping), Value::Null).await.ok(202);
    assert_eq!(answer, with(mapping.clone(), json!({"State": "Deleting"})));
    assert_eq!(world.get(&path(&mapping)).await.ok(200)["State"], "Deleting");
    for (answer, what) in [
        (world.call("DELETE", &path(&mapping), Value::Null).await, "delete"),
        (update(&world, &mapping, json!({"BatchSize": 5})).await, "update"),
    ] {
        let text = format!("Cannot {what} the event source mapping because it is in use.");
        refused(&answer, 400, "ResourceInUseException", &text);
        assert_eq!(keys(&answer.json()), ["Message", "Type"]);
    }
    // Tags may change, and hurry nothing.
    let resource = mapping["EventSourceMappingArn"].as_str().expect("an ARN").replace(':', "%3A");
    world.call("POST", &format!("/2017-03-31/tags/{resource}"), json!({"Tags": {"k": "v"}})).await.ok(204);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(world.get(&path(&mapping)).await.ok(200)["State"], "Deleting");
    world.pollers.stops.add_permits(100);
    gone(&world, &mapping).await;
    for method in ["GET", "DELETE"] {
        refused(&world.call(method, &path(&mapping), Value::Null).await, 404, NOT_FOUND, NONE);
    }
    refused(&update(&world, &mapping, json!({"BatchSize": 5})).await, 404, NOT_FOUND, NONE);
    created(&world, &queue, "f").await;
}

#[tokio::test]
async fn mappings_are_listed_by_source_and_function_and_in_pages() {
    let (world, queue) = world().await;
    let list = |query: String| {
        let world = &world;
        async move { world.get(&format!("{LIST}{query}")).await.ok(200) }
    };
    assert_eq!(list(String::new()).await, json!({"EventSourceMappings": []}));
    world.created("g").await;
    let other = world.queues.make("other", 30);
    let mut made = Vec::new();
    for (queue, name) in [(&queue, "f"), (&other, "f"), (&queue, "g"), (&queue, "f:live")] {
        made.push(created(&world, queue, name).await);
    }
    let listed = |answer: &Value| -> Vec<Value> {
        let mut shown = answer["EventSourceMappings"].as_array().expect("a list").clone();
        shown.sort_by_key(|one| made.iter().position(|mapping| mapping == one));
        shown
    };
    let (escaped, by_arn) = (queue.replace(':', "%3A"), arn("f").replace(':', "%3A"));
    for (query, expected) in [
        (String::new(), vec![0, 1, 2, 3]),
        (format!("?EventSourceArn={escaped}"), vec![0, 2, 3]),
        ("?FunctionName=f".to_owned(), vec![0, 1]),
        (format!("?FunctionName={by_arn}"), vec![0, 1]),
        ("?FunctionName=f:live".to_owned(), vec![3]),
        (format!("?FunctionName=f&EventSourceArn={escaped}"), vec![0]),
        ("?FunctionName=nobody".to_owned(), vec![]),
    ] {
        let expected: Vec<Value> = expected.into_iter().map(|at: usize| made[at].clone()).collect();
        assert_eq!(listed(&list(query.clone()).await), expected, "{query}");
    }
    let mut paged = Vec::new();
    let mut page = list("?MaxItems=3".to_owned()).await;
    for items in [3, 1] {
        let shown = page["EventSourceMappings"].as_array().expect("a list").clone();
        assert_eq!(shown.len(), items);
        paged.extend(shown);
        if let Some(marker) = page["NextMarker"].as_str().map(str::to_owned) {
            page = list(format!("?MaxItems=3&Marker={marker}")).await;
        }
    }
    assert!(page["NextMarker"].is_null());
    paged.sort_by_key(|one| made.iter().position(|mapping| mapping == one));
    assert_eq!(paged, made);
}

#[tokio::test]
async fn a_restart_polls_what_was_enabled_and_ends_what_was_being_deleted() {
    let (world, queue) = world().await;
    let enabled = created(&world, &queue, "f").await;
    let other = world.queues.make("other", 30);
    let deleting = created(&world, &other, "f").await;
    let off = create(&world, json!({"EventSourceArn": queue, "FunctionName": "f:1", "Enabled": false})).await.ok(202);
    let off = until(&world, &off, "Disabled").await;
    world.pollers.stops.forget_permits(usize::MAX);
    world.call("DELETE", &path(&deleting), Value::Null).await.ok(202);
    let world = world.restart().await;
    assert_eq!(world.get(&path(&enabled)).await.ok(200), enabled);
    assert_eq!(world.get(&path(&off)).await.ok(200), off);
    gone(&world, &deleting).await;
    assert!(polled(&world, &enabled).is_some());
    assert!(polled(&world, &off).is_none() && polled(&world, &deleting).is_none());
}

#[tokio::test]
async fn a_mapping_stays_when_its_function_is_deleted() {
    let (world, queue) = world().await;
    let mapping = created(&world, &queue, "f").await;
    world.delete("f").await.ok(204);
    assert_eq!(world.get(&path(&mapping)).await.ok(200), mapping);
    assert!(polled(&world, &mapping).is_some(), "it goes on with the next function of that name");
    refused(&update(&world, &mapping, json!({"BatchSize": 5})).await, 400, INVALID, "Function does not exist");
    update(&world, &mapping, json!({"Enabled": false})).await.ok(202);
    until(&world, &mapping, "Disabled").await;
    world.call("DELETE", &path(&mapping), Value::Null).await.ok(202);
    gone(&world, &mapping).await;
}

#[tokio::test]
async fn mappings_have_tags() {
    let (world, queue) = world().await;
    let body = json!({"EventSourceArn": queue, "FunctionName": "f", "Tags": {"team": "a", "stage": "test"}});
    let mapping = create(&world, body).await.ok(202);
    until(&world, &mapping, "Enabled").await;
    let resource = mapping["EventSourceMappingArn"].as_str().expect("an ARN").replace(':', "%3A");
    let path = format!("/2017-03-31/tags/{resource}");
    assert_eq!(world.get(&path).await.ok(200), json!({"Tags": {"team": "a", "stage": "test"}}));
    world.call("POST", &path, json!({"Tags": {"team": "b", "more": "c"}})).await.ok(204);
    world.call("DELETE", &format!("{path}?tagKeys=stage"), Value::Null).await.ok(204);
    assert_eq!(world.get(&path).await.ok(200), json!({"Tags": {"team": "b", "more": "c"}}));
    let many: serde_json::Map<String, Value> = (0..51).map(|at| (format!("k{at}"), json!("v"))).collect();
    let too_many = "Number of tags exceeds resource tag limit.";
    refused(&world.call("POST", &path, json!({"Tags": many})).await, 400, INVALID, too_many);
    let body = json!({"EventSourceArn": queue, "FunctionName": "f:1", "Tags": many});
    refused(&create(&world, body).await, 400, INVALID, too_many);
}

#[tokio::test]
async fn every_operation_asks_before_it_tells() {
    let (world, queue) = world().await;
    let mapping = created(&world, &queue, "f").await;
    let one = path(&mapping);
    let create = json!({"FunctionName": "f", "EventSourceArn": queue});
    all_ask(
        &world,
        &[
            ("GetEventSourceMapping", "GET", &one, Value::Null),
            ("DeleteEventSourceMapping", "DELETE", &one, Value::Null),
            ("ListEventSourceMappings", "GET", LIST, Value::Null),
            ("UpdateEventSourceMapping", "PUT", &one, json!({"BatchSize": 1})),
            ("CreateEventSourceMapping", "POST", LIST, create),
        ],
    )
    .await;
    assert_eq!(world.get(LIST).await.ok(200)["EventSourceMappings"], json!([mapping]));
}
