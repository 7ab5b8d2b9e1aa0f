//! Schedules and groups as they are shown. Defaults: EventBridge Scheduler API reference, GetSchedule.

use serde_json::{Value, json};

use super::{FUNCTION, QUEUE, ROLE, Server, target};

fn names(list: &Value) -> Vec<String> {
    let text = |item: &Value| item["Name"].as_str().expect("a name").to_owned();
    list.as_array().expect("a list").iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_schedule_is_shown_with_what_it_is_set_to_and_the_documented_defaults() {
    let server = Server::start().await;
    let made = server.create("s", "rate(1 hour)", &target(FUNCTION, json!({}))).await.ok();
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s";
    assert_eq!(made, json!({ "ScheduleArn": arn }));
    let now = 1_768_232_232;
    let policy = json!({ "MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185 });
    assert_eq!(
        server.get("/schedules/s").await.ok(),
        json!({
            "Arn": arn, "Name": "s", "GroupName": "default", "State": "ENABLED",
            "ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": { "Mode": "OFF" }, "ActionAfterCompletion": "NONE",
            "CreationDate": now, "LastModificationDate": now,
            "Target": { "Arn": FUNCTION, "RoleArn": ROLE, "RetryPolicy": policy },
        })
    );
    server.pass(5).await;
    let more = json!({
        "Description": "d", "State": "DISABLED", "StartDate": now + 60, "EndDate": now + 90_000,
        "ScheduleExpressionTimezone": "Europe/Berlin", "ActionAfterCompletion": "DELETE",
        "FlexibleTimeWindow": { "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15 },
    });
    let policy = json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60 });
    let queue =
        target(QUEUE, json!({ "Input": "i", "RetryPolicy": policy, "DeadLetterConfig": { "Arn": super::DEAD } }));
    assert_eq!(server.update("s", "cron(0 0 * * ? *)", &queue, more.clone()).await.ok(), json!({ "ScheduleArn": arn }));
    let mut shown = server.get("/schedules/s").await.ok();
    for (name, value) in more.as_object().expect("a map") {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert_eq!((&shown["Target"], &shown["CreationDate"]), (&queue, &json!(now)));
    assert_eq!(shown["LastModificationDate"], json!(f64::from(now) + 5.001));
    // What is not said is as if it were new.
    server.update("s", "cron(0 0 * * ? *)", &queue, json!({})).await.ok();
    shown = server.get("/schedules/s").await.ok();
    assert_eq!((shown.get("Description"), shown.get("StartDate")), (None, None));
    assert_eq!((&shown["State"], &shown["ActionAfterCompletion"]), (&json!("ENABLED"), &json!("NONE")));
}

#[tokio::test(start_paused = true)]
async fn the_same_request_again_answers_the_same() {
    let server = Server::start().await;
    let (hourly, token) = (target(QUEUE, json!({})), json!({ "ClientToken": "t" }));
    server.create_with("s", "rate(1 hour)", &hourly, token.clone()).await.ok();
    server.create_with("s", "rate(1 hour)", &hourly, token.clone()).await.ok();
    for (expression, token) in [("rate(2 hours)", "t"), ("rate(1 hour)", "u")] {
        let other = server.create_with("s", expression, &hourly, json!({ "ClientToken": token })).await;
        other.refused(409, "ConflictException", "Schedule s already exists.");
    }
    server.post("/schedule-groups/g", &token).await.ok();
    server.post("/schedule-groups/g", &token).await.ok();
    for _ in 0..2 {
        server.delete("/schedules/s?clientToken=d").await.ok();
        server.delete("/schedule-groups/g?clientToken=d").await.ok();
    }
    let gone = server.delete("/schedules/s?clientToken=e").await;
    gone.refused(404, "ResourceNotFoundException", "Schedule s does not exist.");
}

#[tokio::test(start_paused = true)]
async fn lists_go_on_page_by_page_and_show_what_is_asked_for() {
    let server = Server::start().await;
    server.post("/schedule-groups/g", &json!({})).await.ok();
    server.post("/schedule-groups/ga", &json!({})).await.ok();
    for (group, name, state) in [
        ("default", "a1", "ENABLED"),
        ("default", "a2", "DISABLED"),
        ("default", "b", "ENABLED"),
        ("g", "a3", "ENABLED"),
    ] {
        let more = json!({ "GroupName": group, "State": state });
        server.create_with(name, "rate(1 hour)", &target(QUEUE, json!({})), more).await.ok();
    }
    let all = server.get("/schedules").await.ok();
    assert_eq!(names(&all["Schedules"]), ["a1", "a2", "b", "a3"]);
    assert_eq!((&all["Schedules"][3]["GroupName"], all.get("NextToken")), (&json!("g"), None));
    assert_eq!(all["Schedules"][0]["Target"], json!({ "Arn": QUEUE }));
    let (mut found, mut path) = (Vec::new(), "/schedules?MaxResults=3".to_owned());
    loop {
        let page = server.get(&path).await.ok();
        found.extend(names(&page["Schedules"]));
        let Some(token) = page["NextToken"].as_str() else { break };
        path = format!("/schedules?MaxResults=3&NextToken={token}");
    }
    assert_eq!(found, names(&all["Schedules"]));
    for (query, expected) in [
        ("ScheduleGroup=g", vec!["a3"]),
        ("NamePrefix=a", vec!["a1", "a2", "a3"]),
        ("State=DISABLED", vec!["a2"]),
        ("ScheduleGroup=default&NamePrefix=a&State=ENABLED", vec!["a1"]),
    ] {
        let found = server.get(&format!("/schedules?{query}")).await.ok();
        assert_eq!(names(&found["Schedules"]), expected, "{query}");
    }
    let groups = server.get("/schedule-groups?MaxResults=2").await.ok();
    assert_eq!(names(&groups["ScheduleGroups"]), ["default", "g"]);
    let token = groups["NextToken"].as_str().expect("a token");
    let rest = server.get(&format!("/schedule-groups?NextToken={token}")).await.ok();
    assert_eq!(names(&rest["ScheduleGroups"]), ["ga"]);
    let some = server.get("/schedule-groups?NamePrefix=ga").await.ok();
    assert_eq!(names(&some["ScheduleGroups"]), ["ga"]);
    let wrong = server.get("/schedules?NextToken=%3F").await;
    wrong.refused(400, "ValidationException", "Invalid NextToken.");
}

#[tokio::test(start_paused = true)]
async fn a_group_has_tags_and_takes_its_schedules_along() {
    let server = Server::start().await;
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g";
    let tags_of = format!("/tags/{}", arn.replace('/', "%2F"));
    let made = server.post("/schedule-groups/g", &json!({ "Tags": [{ "Key": "a", "Value": "1" }] })).await.ok();
    assert_eq!(made, json!({ "ScheduleGroupArn": arn }));
    let now = 1_768_232_232;
    assert_eq!(
        server.get("/schedule-groups/g").await.ok(),
        json!({ "Arn": arn, "Name": "g", "State": "ACTIVE", "CreationDate": now, "LastModificationDate": now })
    );
    let tags = json!({ "Tags": [{ "Key": "a", "Value": "2" }, { "Key": "b", "Value": "3" }] });
    server.post(&tags_of, &tags).await.ok();
    assert_eq!(server.get(&tags_of).await.ok(), tags);
    server.delete(&format!("{tags_of}?TagKeys=a&TagKeys=c")).await.ok();
    assert_eq!(server.get(&tags_of).await.ok(), json!({ "Tags": [{ "Key": "b", "Value": "3" }] }));
    let in_group = json!({ "GroupName": "g" });
    server.create_with("s", "rate(1 hour)", &target(QUEUE, json!({})), in_group).await.ok();
    server.get("/schedules/s?groupName=g").await.ok();
    let server = server.crash_for(1).await;
    server.get("/schedules/s?groupName=g").await.ok();
    server.delete("/schedule-groups/g").await.ok();
    server.get("/schedules/s?groupName=g").await.refused(
        404,
        "ResourceNotFoundException",
        "Schedule s does not exist.",
    );
    assert_eq!(server.get("/schedule-groups/default").await.ok()["State"], "ACTIVE");
}
