//! What is refused, and how. Texts are the recorded ones where a recording exists.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_hearth_has_not() {
    let server = Server::start().await;
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    let not_here = async |operation: &str, input: Value, what: &str| {
        server.refused(operation, input, "ValidationException", &format!("{what} is not supported by Hearth.")).await;
    };
    for operation in ["CreateEventBus", "UpdateEventBus"] {
        let name = if operation == "CreateEventBus" { "new" } else { "default" };
        not_here(operation, json!({"Name": name, "KmsKeyIdentifier": "k"}), "KmsKeyIdentifier").await;
        not_here(operation, json!({"Name": name, "DeadLetterConfig": {"Arn": DEAD}}), "DeadLetterConfig").await;
        not_here(
            operation,
            json!({"Name": name, "LogConfig": {"Level": "INFO", "IncludeDetail": "FULL"}}),
            "LogConfig",
        )
        .await;
    }
    not_here("CreateEventBus", json!({"Name": "new", "EventSourceName": "aws.partner/x/y"}), "EventSourceName").await;
    not_here("PutEvents", json!({"EndpointId": "abcde.veo", "Entries": [entry()]}), "EndpointId").await;
    let state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";
    let rule = json!({"Name": "x", "EventPattern": r#"{"source":["x"]}"#, "State": state});
    not_here("PutRule", rule, &format!("State {state}")).await;
    for (name, value) in [
        ("KinesisParameters", json!({"PartitionKeyPath": "$.x"})),
        ("RunCommandParameters", json!({"RunCommandTargets": [{"Key": "k", "Values": ["v"]}]})),
        ("EcsParameters", json!({"TaskDefinitionArn": "arn:aws:ecs:x"})),
        ("BatchParameters", json!({"JobDefinition": "d", "JobName": "n"})),
        ("HttpParameters", json!({"PathParameterValues": ["x"]})),
        ("RedshiftDataParameters", json!({"Database": "d", "Sql": "s"})),
        ("SageMakerPipelineParameters", json!({"PipelineParameterList": [{"Name": "n", "Value": "v"}]})),
        ("AppSyncParameters", json!({"GraphQLOperation": "o"})),
    ] {
        let mut target = json!({"Id": "1", "Arn": QUEUE});
        target[name] = value;
        not_here("PutTargets", json!({"Rule": "r", "Targets": [target]}), name).await;
    }
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let what = format!("A target that is no function, queue, topic or event bus ({stream})");
    not_here("PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": stream}]}), &what).await;
}

#[tokio::test(start_paused = true)]
async fn rules_that_cannot_be() {
    let server = Server::start().await;
    server.ok("CreateEventBus", json!({"Name": "b"})).await;
    let invalid = async |input: Value, text: &str| server.refused("PutRule", input, "ValidationException", text).await;
    invalid(json!({"Name": "r"}), "Parameter(s) EventPattern or ScheduleExpression must be specified.").await;
    let on_bus = json!({"Name": "r", "EventBusName": "b", "ScheduleExpression": "rate(1 minute)"});
    invalid(on_bus, "ScheduleExpression is supported only on the default event bus.").await;
    let role = json!({"Name": "r", "EventPattern": r#"{"source":["x"]}"#, "RoleArn": "x"});
    invalid(role, "Parameter x is not valid. Reason: Provided Arn is not in correct format.").await;
    let missing = json!({"Name": "r", "EventBusName": "none", "EventPattern": "{}"});
    server.refused("PutRule", missing, "ResourceNotFoundException", "Event bus none does not exist.").await;
    let tags = json!([{"Key": "aws:x", "Value": "1"}]);
    invalid(
        json!({"Name": "r", "EventPattern": r#"{"a":["x"]}"#, "Tags": tags}),
        "Tag key aws:x is reserved: keys do not begin with aws:.",
    )
    .await;
    let (status, answer) = server.ask("PutRule", json!({"Name": "r", "EventPattern": "{}"})).await;
    assert_eq!((status, answer["__type"].as_str()), (400, Some("InvalidEventPatternException")));
}

#[tokio::test(start_paused = true)]
async fn targets_that_cannot_be() {
    let server = Server::start().await;
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    let invalid = async |target: Value, text: &str| {
        server.refused("PutTargets", json!({"Rule": "r", "Targets": [target]}), "ValidationException", text).await;
    };
    let form = |arn: &str| format!("Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.");
    for arn in ["x", "arn:aws:lambda:us-east-1:000000000000:layer:l", "arn:aws:sqs:::q"] {
        invalid(json!({"Id": "1", "Arn": arn}), &form(arn)).await;
    }
    let only = "Only one of Input, InputPath, or InputTransformer must be provided for target 1.";
    invalid(json!({"Id": "1", "Arn": QUEUE, "Input": "{}", "InputPath": "$"}), only).await;
    invalid(json!({"Id": "1", "Arn": QUEUE, "Input": "x"}), "JSON syntax error in input for target 1.").await;
    invalid(json!({"Id": "1", "Arn": QUEUE, "InputPath": "x"}), "Invalid InputPath for target 1.").await;
    let transformer = |paths: Value| json!({"Id": "1", "Arn": QUEUE, "InputTransformer": {"InputPathsMap": paths, "InputTemplate": "\"<notdefinedkey>\""}});
    invalid(transformer(json!({"x": "$.y"})), "InputTemplate for target 1 contains invalid placeholder notdefinedkey.")
        .await;
    invalid(transformer(json!({"x": "y"})), "Invalid InputPathsMap for target 1: y.").await;
    invalid(transformer(json!({"AWSx": "$.y"})), "InputPathsMap for target 1 contains the reserved key AWSx.").await;
    let fifo = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
    invalid(json!({"Id": "1", "Arn": fifo}), "Parameter(s) SqsParameters must be specified for target: 1.").await;
    let group = json!({"MessageGroupId": "g"});
    invalid(
        json!({"Id": "1", "Arn": FUNCTION, "SqsParameters": group}),
        "Parameter(s) SqsParameters not valid for target: 1.",
    )
    .await;
    let letters = |arn: &str| json!({"Id": "1", "Arn": QUEUE, "DeadLetterConfig": {"Arn": arn}});
    invalid(letters(TOPIC), &form(TOPIC)).await;
    invalid(
        letters(fifo),
        &format!("Parameter {fifo} is not valid. Reason: the dead-letter queue of a target is a standard queue."),
    )
    .await;
    let away = "arn:aws:events:us-east-1:111122223333:event-bus/b";
    invalid(json!({"Id": "1", "Arn": away}), &format!("RoleArn is required for target {away}.")).await;
    invalid(json!({"Id": "1", "Arn": QUEUE, "RoleArn": "x"}), &form("x")).await;
}

#[tokio::test(start_paused = true)]
async fn permissions_that_cannot_be_given() {
    let server = Server::start().await;
    let invalid =
        async |input: Value, text: &str| server.refused("PutPermission", input, "ValidationException", text).await;
    invalid(json!({}), "Parameter(s) Action, Principal and StatementId, or Policy, must be specified.").await;
    let both = json!({"Policy": "{}", "StatementId": "s"});
    invalid(both, "Policy cannot be given together with StatementId, Action, Principal or Condition.").await;
    let mut given = json!({"Action": "events:PutEvents", "Principal": "123456789012", "StatementId": "s"});
    given["Condition"] = json!({"Type": "StringLike", "Key": "aws:PrincipalOrgID", "Value": "o"});
    invalid(given, "Parameter Condition is not valid. Reason: only StringEquals of aws:PrincipalOrgID is supported.")
        .await;
    let long = json!({"Policy": "x".repeat(10_241)});
    server
        .refused("PutPermission", long, "PolicyLengthExceededException", "The policy is longer than 10240 characters.")
        .await;
    let (status, answer) = server.ask("PutPermission", json!({"Policy": "{}"})).await;
    assert_eq!((status, answer["__type"].as_str()), (400, Some("ValidationException")), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn entries_that_are_too_large_together() {
    let server = Server::start().await;
    let large = json!({"Source": "s", "DetailType": "t", "Detail": format!(r#"{{"x":"{}"}}"#, "x".repeat(600_000))});
    let text = "Total size of the entries in the request is over the limit.";
    server.refused("PutEvents", json!({"Entries": [large, large]}), "ValidationException", text).await;
    server.ok("PutEvents", json!({"Entries": [large]})).await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_learns_nothing() {
    let server = Server::start().await;
    *server.policies.denied.lock() = Some("events:DescribeRule");
    server.refused("DescribeRule", json!({"Name": "none"}), "AccessDeniedException", "no events:DescribeRule").await;
    *server.policies.denied.lock() = Some("events:PutEvents");
    server.refused("PutEvents", json!({"Entries": [entry()]}), "AccessDeniedException", "no events:PutEvents").await;
}
