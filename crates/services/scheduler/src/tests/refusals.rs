//! What is refused, and how. Recorded texts stand first; the others are Hearth's own with the model's codes.

use serde_json::json;

use super::{FUNCTION, QUEUE, Server, at, target};

#[tokio::test(start_paused = true)]
async fn expressions_in_the_recorded_words() {
    let server = Server::start().await;
    for expression in [
        " rate(10 minutes)",
        "at(2021-12-31)",
        "at(2021-12-31T23:59:59Z)",
        "cron()",
        "cron(0 1 * * * *)",
        "rate(10)",
        "rate(0 minutes)",
    ] {
        let answer = server.create("s", expression, &target(QUEUE, json!({}))).await;
        answer.refused(400, "ValidationException", &format!("Invalid Schedule Expression {expression}."));
    }
}

#[tokio::test(start_paused = true)]
async fn dates_zones_and_windows() {
    let server = Server::start().await;
    let too_early = "The StartDate you specify cannot be earlier than 5 minutes ago.";
    for (more, text) in [
        (json!({ "ScheduleExpressionTimezone": "Mars/Olympus" }), "Invalid Schedule Expression Timezone Mars/Olympus."),
        (json!({ "StartDate": 1_768_231_931 }), too_early),
        (json!({ "EndDate": 1_768_232_232 }), "The EndDate you specify must be in the future."),
        (
            json!({ "StartDate": 1_768_240_000, "EndDate": 1_768_240_000 }),
            "The EndDate you specify must come after the StartDate you specify.",
        ),
        (
            json!({ "FlexibleTimeWindow": { "Mode": "FLEXIBLE" } }),
            "A flexible time window needs MaximumWindowInMinutes.",
        ),
        (
            json!({ "FlexibleTimeWindow": { "Mode": "OFF", "MaximumWindowInMinutes": 5 } }),
            "MaximumWindowInMinutes is for flexible time windows.",
        ),
        (json!({ "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k" }), "KmsKeyArn is not supported by Hearth."),
    ] {
        let answer = server.create_with("s", "rate(1 hour)", &target(QUEUE, json!({})), more).await;
        answer.refused(400, "ValidationException", text);
    }
    let just = json!({ "StartDate": 1_768_231_933 });
    server.create_with("s", "rate(1 hour)", &target(QUEUE, json!({})), just.clone()).await.ok();
    // What it is set to already may have passed.
    server.pass_minutes(20).await;
    server.update("s", "rate(2 hours)", &target(QUEUE, json!({})), just).await.ok();
}

#[tokio::test(start_paused = true)]
async fn targets_that_hearth_has_not_or_nobody_has() {
    let server = Server::start().await;
    let lambda = "arn:aws:scheduler:::aws-sdk:lambda:invoke";
    for (target, text) in [
        (target("nothing", json!({})), "Provided Arn is not in correct format."),
        (
            target("arn:aws:states:us-east-1:000000000000:stateMachine:m", json!({})),
            "A target of states is not supported by Hearth.",
        ),
        (
            target(
                "arn:aws:ecs:us-east-1:000000000000:cluster/c",
                json!({ "EcsParameters": { "TaskDefinitionArn": "t" } }),
            ),
            "EcsParameters is not supported by Hearth.",
        ),
        (
            target(QUEUE, json!({ "KinesisParameters": { "PartitionKey": "k" } })),
            "KinesisParameters is not supported by Hearth.",
        ),
        (
            target(QUEUE, json!({ "SageMakerPipelineParameters": {} })),
            "SageMakerPipelineParameters is not supported by Hearth.",
        ),
        (
            target(QUEUE, json!({ "EventBridgePutEventsV2Parameters": { "DetailType": "d", "Source": "s" } })),
            "EventBridgePutEventsV2Parameters is not supported by Hearth.",
        ),
        (
            target(QUEUE, json!({ "EventBridgePutRawEventsParameters": {} })),
            "EventBridgePutRawEventsParameters is not supported by Hearth.",
        ),
        (
            target("arn:aws:scheduler:::aws-sdk:ec2:stopInstances", json!({ "Input": "{}" })),
            "The target aws-sdk:ec2:stopInstances is not supported by Hearth.",
        ),
        (
            target(lambda, json!({ "Input": r#"{"FunctionName":"f","InvocationType":"DryRun"}"# })),
            "The InvocationType DryRun is not supported by Hearth.",
        ),
        (target(FUNCTION, json!({ "Input": "no JSON" })), "The input of a function is well-formed JSON."),
        (
            target("arn:aws:sqs:us-east-1:000000000000:q.fifo", json!({})),
            "A target that is a FIFO queue needs SqsParameters with a MessageGroupId.",
        ),
        (
            target(FUNCTION, json!({ "SqsParameters": { "MessageGroupId": "g" } })),
            "SqsParameters are for targets that are queues.",
        ),
        (
            target("arn:aws:events:us-east-1:000000000000:event-bus/b", json!({ "Input": "{}" })),
            "A target that is an event bus needs EventBridgeParameters.",
        ),
        (
            target(QUEUE, json!({ "EventBridgeParameters": { "DetailType": "d", "Source": "s" } })),
            "EventBridgeParameters are for targets that are event buses.",
        ),
        (
            target(QUEUE, json!({ "DeadLetterConfig": { "Arn": "arn:aws:sqs:us-east-1:000000000000:d.fifo" } })),
            // The model's pattern lets no point in.
            "",
        ),
        (target(QUEUE, json!({ "Input": "x".repeat(262_145) })), "The input of a target has at most 262144 bytes."),
    ] {
        let answer = server.create("s", "rate(1 hour)", &target).await;
        if text.is_empty() {
            assert_eq!((answer.status, answer.code.as_deref()), (400, Some("ValidationException")), "{target}");
        } else {
            answer.refused(400, "ValidationException", text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_does_not_trust_the_scheduler_or_may_not_be_passed() {
    let server = Server::start().await;
    *server.roles.refuses.lock() = true;
    let text = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.";
    let answer = server.create("s", "rate(1 hour)", &target(QUEUE, json!({}))).await;
    answer.refused(400, "ValidationException", text);
    *server.policies.denied.lock() = Some("iam:PassRole");
    let answer = server.create("s", "rate(1 hour)", &target(QUEUE, json!({}))).await;
    answer.refused(403, "AccessDeniedException", "no iam:PassRole");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_and_what_is_there_already() {
    let server = Server::start().await;
    let no_schedule = |name: &str| format!("Schedule {name} does not exist.");
    let (code, group) = ("ResourceNotFoundException", "Schedule group g does not exist.");
    server.get("/schedules/s").await.refused(404, code, &no_schedule("s"));
    server.delete("/schedules/s").await.refused(404, code, &no_schedule("s"));
    let hourly = target(QUEUE, json!({}));
    server.update("s", "rate(1 hour)", &hourly, json!({})).await.refused(404, code, &no_schedule("s"));
    let in_group = json!({ "GroupName": "g" });
    server.create_with("s", "rate(1 hour)", &hourly, in_group).await.refused(404, code, group);
    server.get("/schedules?ScheduleGroup=g").await.refused(404, code, group);
    server.get("/schedule-groups/g").await.refused(404, code, group);
    server.delete("/schedule-groups/g").await.refused(404, code, group);
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule-group%2Fg";
    server.get(&format!("/tags/{arn}")).await.refused(404, code, group);
    server.create("s", "rate(1 hour)", &hourly).await.ok();
    server.create("s", "rate(1 hour)", &hourly).await.refused(409, "ConflictException", "Schedule s already exists.");
    server.post("/schedule-groups/g", &json!({})).await.ok();
    let again = server.post("/schedule-groups/g", &json!({})).await;
    again.refused(409, "ConflictException", "Schedule group g already exists.");
    let default = server.delete("/schedule-groups/default").await;
    default.refused(400, "ValidationException", "The default schedule group cannot be deleted.");
    server.post("/schedule-groups/default", &json!({})).await.refused(
        409,
        "ConflictException",
        "Schedule group default already exists.",
    );
}

#[tokio::test(start_paused = true)]
async fn names_are_checked_by_the_model() {
    let server = Server::start().await;
    for name in ["a%20b", "x%2Ay"] {
        let answer = server.get(&format!("/schedules/{name}")).await;
        assert_eq!((answer.status, answer.code.as_deref()), (400, Some("ValidationException")), "{name}");
    }
    let long = server.create(&"n".repeat(65), &at("2027-01-01T00:00:00"), &target(QUEUE, json!({}))).await;
    assert_eq!((long.status, long.code.as_deref()), (400, Some("ValidationException")));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_is_told_so_by_each_operation() {
    let server = Server::start().await;
    let group = "arn:aws:scheduler:us-east-1:000000000000:schedule-group%2Fdefault";
    let hourly = target(QUEUE, json!({}));
    for action in [
        "CreateSchedule",
        "UpdateSchedule",
        "GetSchedule",
        "DeleteSchedule",
        "ListSchedules",
        "CreateScheduleGroup",
        "GetScheduleGroup",
        "DeleteScheduleGroup",
        "ListScheduleGroups",
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
    ] {
        let denied: &'static str = Box::leak(format!("scheduler:{action}").into_boxed_str());
        *server.policies.denied.lock() = Some(denied);
        let answer = match action {
            "CreateSchedule" => server.create("s", "rate(1 hour)", &hourly).await,
            "UpdateSchedule" => server.update("s", "rate(1 hour)", &hourly, json!({})).await,
            "GetSchedule" => server.get("/schedules/s").await,
            "DeleteSchedule" => server.delete("/schedules/s").await,
            "ListSchedules" => server.get("/schedules").await,
            "CreateScheduleGroup" => server.post("/schedule-groups/g", &json!({})).await,
            "GetScheduleGroup" => server.get("/schedule-groups/g").await,
            "DeleteScheduleGroup" => server.delete("/schedule-groups/g").await,
            "ListScheduleGroups" => server.get("/schedule-groups").await,
            "TagResource" => {
                let tags = json!({ "Tags": [{ "Key": "a", "Value": "b" }] });
                server.post(&format!("/tags/{group}"), &tags).await
            }
            "UntagResource" => server.delete(&format!("/tags/{group}?TagKeys=a")).await,
            _ => server.get(&format!("/tags/{group}")).await,
        };
        answer.refused(403, "AccessDeniedException", &format!("no {denied}"));
    }
}
