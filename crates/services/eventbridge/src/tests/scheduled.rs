//! Rules with a schedule. The event: EventBridge user guide, "Creating a scheduled rule (legacy)".

use serde_json::json;

use super::{QUEUE, Server};

async fn scheduled(server: &Server, expression: &str) {
    server.ok("PutRule", json!({"Name": "r", "ScheduleExpression": expression})).await;
    let targets = json!([{"Id": "t", "Arn": QUEUE}]);
    assert_eq!(server.ok("PutTargets", json!({"Rule": "r", "Targets": targets})).await["FailedEntryCount"], 0);
}

async fn minutes(server: &Server, minutes: u64) {
    for _ in 0..minutes {
        server.pass(60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_comes_first_when_its_period_has_passed() {
    let server = Server::start().await;
    scheduled(&server, "rate(5 minutes)").await;
    minutes(&server, 4).await;
    assert!(server.receivers.sent_to(QUEUE).is_empty());
    minutes(&server, 2).await;
    minutes(&server, 5).await;
    let bodies = server.receivers.sent_to(QUEUE);
    assert_eq!(bodies.len(), 2);
    let event: serde_json::Value = serde_json::from_str(&bodies[0]).expect("JSON");
    assert_eq!((&event["source"], &event["detail-type"]), (&json!("aws.events"), &json!("Scheduled Event")));
    assert_eq!(event["resources"], json!(["arn:aws:events:us-east-1:000000000000:rule/r"]));
    assert_eq!((&event["detail"], &event["account"]), (&json!({}), &json!("000000000000")));
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_shown_with_its_schedule_and_may_have_a_pattern_too() {
    let server = Server::start().await;
    let rule =
        json!({"Name": "r", "ScheduleExpression": "cron(0 12 * * ? *)", "EventPattern": r#"{"source":["my.app"]}"#});
    server.ok("PutRule", rule).await;
    let shown = server.ok("DescribeRule", json!({"Name": "r"})).await;
    assert_eq!(
        (&shown["ScheduleExpression"], &shown["EventPattern"]),
        (&json!("cron(0 12 * * ? *)"), &json!(r#"{"source":["my.app"]}"#))
    );
    let listed = server.ok("ListRules", json!({})).await;
    assert_eq!(listed["Rules"][0]["ScheduleExpression"], "cron(0 12 * * ? *)");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_schedule_of_a_rule_is_refused_in_the_recorded_words() {
    let server = Server::start().await;
    for expression in ["rate(1 minutes)", "rate(5 minute)", "at(2030-01-01T00:00:00)", "cron(0 1 * * * *)", "x"] {
        let rule = json!({"Name": "r", "ScheduleExpression": expression});
        server.refused("PutRule", rule, "ValidationException", "Parameter ScheduleExpression is not valid.").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_or_deleted_comes_no_more_and_counts_from_when_it_is_on_again() {
    let server = Server::start().await;
    scheduled(&server, "rate(5 minutes)").await;
    minutes(&server, 3).await;
    server.ok("DisableRule", json!({"Name": "r"})).await;
    minutes(&server, 10).await;
    server.ok("EnableRule", json!({"Name": "r"})).await;
    minutes(&server, 4).await;
    assert!(server.receivers.sent_to(QUEUE).is_empty());
    // To say the same again changes nothing.
    scheduled(&server, "rate(5 minutes)").await;
    minutes(&server, 2).await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 1);
    server.ok("RemoveTargets", json!({"Rule": "r", "Ids": ["t"]})).await;
    server.ok("DeleteRule", json!({"Name": "r"})).await;
    minutes(&server, 20).await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_nothing_and_loses_nothing() {
    let server = Server::start().await;
    scheduled(&server, "rate(5 minutes)").await;
    minutes(&server, 6).await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 1);
    let server = server.crash().await;
    minutes(&server, 3).await;
    assert!(server.receivers.sent_to(QUEUE).is_empty(), "the receivers of this life");
    minutes(&server, 2).await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 1);
}
