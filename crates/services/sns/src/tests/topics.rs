//! Topics: made, listed, set, tagged, deleted; and that each operation asks.

use serde_json::{Value, json};

use super::{QUEUE, Server, TOPIC};

const ATTRIBUTE: &str = "Attributes.entry.1";

#[tokio::test(start_paused = true)]
async fn a_topic_is_made_once_and_told_by_its_arn() {
    let server = Server::start().await;
    let (key, value) = (format!("{ATTRIBUTE}.key"), format!("{ATTRIBUTE}.value"));
    let asked = [
        ("Name", "t"),
        (key.as_str(), "DisplayName"),
        (value.as_str(), "News"),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
    ];
    for _ in 0..2 {
        assert_eq!(server.call("CreateTopic", &asked).await.ok().one("TopicArn"), TOPIC);
    }
    assert_eq!(server.call("CreateTopic", &[("Name", "t")]).await.ok().one("TopicArn"), TOPIC);
    let other = [("Name", "t"), (key.as_str(), "DisplayName"), (value.as_str(), "Olds")];
    server
        .call("CreateTopic", &other)
        .await
        .invalid("Attributes Reason: Topic already exists with different attributes");
    let other = [("Name", "t"), ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "w")];
    server.call("CreateTopic", &other).await.invalid("Tags Reason: Topic already exists with different tags");
    let server = server.crash().await;
    assert_eq!(server.call("ListTopics", &[]).await.ok().all("TopicArn"), [TOPIC]);
    let attributes = server.call("GetTopicAttributes", &[("TopicArn", TOPIC)]).await.ok().map();
    assert_eq!((attributes["DisplayName"].as_str(), attributes["Owner"].as_str()), ("News", "000000000000"));
}

/// Source: SNS developer guide, "Example cases for Amazon SNS access control".
#[tokio::test(start_paused = true)]
async fn a_new_topic_has_the_documented_policy_and_counts_its_subscriptions() {
    let server = Server::topic().await;
    let arn = server.subscribe("sqs", QUEUE, &[]).await;
    server.subscribe("sqs", &format!("{QUEUE}2"), &[]).await;
    server.call("Unsubscribe", &[("SubscriptionArn", &arn)]).await.ok();
    let attributes = server.call("GetTopicAttributes", &[("TopicArn", TOPIC)]).await.ok().map();
    let counts = ["Confirmed", "Pending", "Deleted"].map(|which| attributes[&format!("Subscriptions{which}")].clone());
    assert_eq!(counts, ["1", "0", "1"]);
    let policy: Value = serde_json::from_str(&attributes["Policy"]).expect("JSON");
    let statement = &policy["Statement"][0];
    assert_eq!((&policy["Version"], &policy["Id"]), (&json!("2008-10-17"), &json!("__default_policy_ID")));
    assert_eq!((&statement["Principal"], &statement["Resource"]), (&json!({"AWS": "*"}), &json!(TOPIC)));
    assert_eq!(statement["Condition"], json!({"StringEquals": {"AWS:SourceOwner": "000000000000"}}));
}

#[tokio::test(start_paused = true)]
async fn attributes_are_set_one_by_one() {
    let server = Server::topic().await;
    let set = async |name: &str, value: &str| {
        let members = [("TopicArn", TOPIC), ("AttributeName", name), ("AttributeValue", value)];
        server.call("SetTopicAttributes", &members).await
    };
    set("DisplayName", "News").await.ok();
    set("DisplayName", &"x".repeat(101)).await.invalid("DisplayName");
    set("Nonsense", "1").await.invalid("AttributeName");
    set("KmsMasterKeyId", "alias/aws/sns").await.invalid("KmsMasterKeyId is not supported by Hearth");
    set("SQSSuccessFeedbackSampleRate", "50").await.invalid("SQSSuccessFeedbackSampleRate is not supported by Hearth");
    // As Terraform does.
    set("SQSSuccessFeedbackSampleRate", "0").await.ok();
    set("SignatureVersion", "2").await.ok();
    let scope = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}"#;
    set("Policy", scope).await.invalid("Policy statement action out of service scope!");
    let attributes = server.call("GetTopicAttributes", &[("TopicArn", TOPIC)]).await.ok().map();
    assert_eq!(attributes["DisplayName"], "News");
}

#[tokio::test(start_paused = true)]
async fn permissions_are_statements_of_the_policy() {
    let server = Server::topic().await;
    let grant = [
        ("TopicArn", TOPIC),
        ("Label", "l"),
        ("AWSAccountId.member.1", "111111111111"),
        ("ActionName.member.1", "Publish"),
    ];
    server.call("AddPermission", &grant).await.ok();
    server.call("AddPermission", &grant).await.invalid("Statement already exists");
    let policy = async || {
        let attributes = server.call("GetTopicAttributes", &[("TopicArn", TOPIC)]).await.ok().map();
        serde_json::from_str::<Value>(&attributes["Policy"]).expect("JSON")
    };
    let expected = json!({
        "Sid": "l", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "SNS:Publish", "Resource": TOPIC,
    });
    assert_eq!(policy().await["Statement"][1], expected);
    let bad = [grant[0], ("Label", "m"), grant[2], ("ActionName.member.1", "NonExistingAction")];
    server.call("AddPermission", &bad).await.invalid("Policy statement action out of service scope!");
    server.call("RemovePermission", &grant[..2]).await.ok();
    assert_eq!(policy().await["Statement"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(start_paused = true)]
async fn tags_come_and_go() {
    let server = Server::topic().await;
    let tags = [
        ("ResourceArn", TOPIC),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "1"),
        ("Tags.member.2.Key", "b"),
        ("Tags.member.2.Value", "2"),
    ];
    server.call("TagResource", &tags).await.ok();
    server.call("UntagResource", &[("ResourceArn", TOPIC), ("TagKeys.member.1", "a")]).await.ok();
    let listed = server.call("ListTagsForResource", &[("ResourceArn", TOPIC)]).await.ok();
    assert_eq!((listed.all("Key"), listed.all("Value")), (vec!["b".to_owned()], vec!["2".to_owned()]));
    let twice = [tags[0], tags[1], tags[2], ("Tags.member.2.Key", "a"), tags[4]];
    server.call("TagResource", &twice).await.invalid("Duplicated keys are not allowed.");
    let nowhere = format!("{TOPIC}2");
    let missing = server.call("ListTagsForResource", &[("ResourceArn", &nowhere)]).await;
    missing.refused(404, "ResourceNotFound", "Resource does not exist");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_takes_its_subscriptions_along() {
    let server = Server::topic().await;
    let arn = server.subscribe("sqs", QUEUE, &[]).await;
    for _ in 0..2 {
        server.call("DeleteTopic", &[("TopicArn", TOPIC)]).await.ok();
    }
    let server = server.crash().await;
    let gone = server.call("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await;
    gone.refused(404, "NotFound", "Subscription does not exist");
    let gone = server.call("Publish", &[("TopicArn", TOPIC), ("Message", "x")]).await;
    gone.refused(404, "NotFound", "Topic does not exist");
    assert_eq!(server.call("ListSubscriptions", &[]).await.ok().all("SubscriptionArn").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn lists_go_on_page_by_page() {
    let server = Server::topic().await;
    let mut made = vec!["t".to_owned()];
    for number in 0..120 {
        made.push(format!("t{number:03}"));
        server.call("CreateTopic", &[("Name", &made[number + 1])]).await.ok();
        server.subscribe("sqs", &format!("{QUEUE}{number}"), &[]).await;
    }
    let first = server.call("ListTopics", &[]).await.ok();
    let rest = server.call("ListTopics", &[("NextToken", &first.one("NextToken"))]).await.ok();
    let names: Vec<String> = [first.all("TopicArn"), rest.all("TopicArn")].concat();
    assert_eq!(names.iter().map(|arn| arn.rsplit(':').next().expect("a name")).collect::<Vec<_>>(), made);
    assert_eq!((first.all("TopicArn").len(), rest.all("NextToken").len()), (100, 0));
    for operation in ["ListSubscriptions", "ListSubscriptionsByTopic"] {
        let of = |token: &str| [("TopicArn", TOPIC.to_owned()), ("NextToken", token.to_owned())];
        let ask = async |token: &str| {
            let members = of(token);
            let members: Vec<(&str, &str)> = members.iter().map(|(name, value)| (*name, value.as_str())).collect();
            server.call(operation, &members).await.ok()
        };
        let first = ask("").await;
        let rest = ask(&first.one("NextToken")).await;
        let mut endpoints = [first.all("Endpoint"), rest.all("Endpoint")].concat();
        assert_eq!((first.all("Endpoint").len(), endpoints.len()), (100, 120), "{operation}");
        endpoints.sort();
        endpoints.dedup();
        assert_eq!(endpoints.len(), 120, "{operation}: each once");
    }
    server.call("ListTopics", &[("NextToken", "?")]).await.invalid("NextToken");
}

#[tokio::test(start_paused = true)]
async fn each_operation_asks_about_its_topic_before_anything_else() {
    let server = Server::topic().await;
    let arn = server.subscribe("sqs", QUEUE, &[]).await;
    let subscription = [("SubscriptionArn", arn.as_str())];
    let operations: [(&'static str, &[(&str, &str)]); 14] = [
        ("sns:GetTopicAttributes", &[("TopicArn", TOPIC)]),
        ("sns:SetTopicAttributes", &[("TopicArn", TOPIC)]),
        ("sns:AddPermission", &[("TopicArn", TOPIC)]),
        ("sns:RemovePermission", &[("TopicArn", TOPIC)]),
        ("sns:DeleteTopic", &[("TopicArn", TOPIC)]),
        ("sns:ListSubscriptionsByTopic", &[("TopicArn", TOPIC)]),
        ("sns:Publish", &[("TopicArn", TOPIC)]),
        ("sns:Subscribe", &[("TopicArn", TOPIC)]),
        ("sns:TagResource", &[("ResourceArn", TOPIC)]),
        ("sns:UntagResource", &[("ResourceArn", TOPIC)]),
        ("sns:ListTagsForResource", &[("ResourceArn", TOPIC)]),
        ("sns:Unsubscribe", &subscription),
        ("sns:GetSubscriptionAttributes", &subscription),
        ("sns:SetSubscriptionAttributes", &subscription),
    ];
    for (action, members) in operations {
        *server.policies.denied.lock() = Some(action);
        server.policies.asked.lock().clear();
        let answer = server.call(&action[4..], members).await;
        answer.refused(403, "AuthorizationError", &format!("no {action}"));
        assert_eq!(server.policies.asked.lock().clone(), [format!("{action} {TOPIC} by its policy")]);
    }
    for action in ["sns:ListTopics", "sns:ListSubscriptions"] {
        *server.policies.denied.lock() = Some(action);
        server.call(&action[4..], &[]).await.refused(403, "AuthorizationError", &format!("no {action}"));
    }
    *server.policies.denied.lock() = Some("sns:CreateTopic");
    server.call("CreateTopic", &[("Name", "n")]).await.refused(403, "AuthorizationError", "no sns:CreateTopic");
}
