//! GetBucketNotificationConfiguration, PutBucketNotificationConfiguration: who is told of what, once each of them has shown
//! that it takes it.

use hearth_types::random;
use s3s::dto::{
    FilterRule, GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    LambdaFunctionConfiguration, NotificationConfigurationFilter, PutBucketNotificationConfigurationInput,
    PutBucketNotificationConfigurationOutput, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};

use crate::error::S3Error;
use crate::notification::{Kind, Notifications, Rule, check};
use crate::request::{Call, On};

pub(crate) async fn get(
    call: Call,
    input: GetBucketNotificationConfigurationInput,
) -> Result<GetBucketNotificationConfigurationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketNotification", on, &[])?;
    let rules = &bucket.record.notifications.rules;
    let of = |kind: Kind| rules.iter().filter(move |rule| rule.kind == kind);
    let events = |rule: &Rule| rule.events.iter().map(|event| event.clone().into()).collect();
    let functions: Vec<_> = of(Kind::Function)
        .map(|rule| LambdaFunctionConfiguration {
            events: events(rule),
            filter: shown_filter(rule),
            id: Some(rule.id.clone()),
            lambda_function_arn: rule.to.clone(),
        })
        .collect();
    let queues: Vec<_> = of(Kind::Queue)
        .map(|rule| QueueConfiguration {
            events: events(rule),
            filter: shown_filter(rule),
            id: Some(rule.id.clone()),
            queue_arn: rule.to.clone(),
        })
        .collect();
    let topics: Vec<_> = of(Kind::Topic)
        .map(|rule| TopicConfiguration {
            events: events(rule),
            filter: shown_filter(rule),
            id: Some(rule.id.clone()),
            topic_arn: rule.to.clone(),
        })
        .collect();
    Ok(GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: bucket.record.notifications.event_bridge.then(Default::default),
        lambda_function_configurations: (!functions.is_empty()).then_some(functions),
        queue_configurations: (!queues.is_empty()).then_some(queues),
        topic_configurations: (!topics.is_empty()).then_some(topics),
    })
}

fn shown_filter(rule: &Rule) -> Option<NotificationConfigurationFilter> {
    let rules: Vec<FilterRule> = rule
        .filter
        .iter()
        .map(|(name, value)| FilterRule { name: Some(name.clone().into()), value: Some(value.clone()) })
        .collect();
    (!rules.is_empty())
        .then_some(NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules: Some(rules) }) })
}

pub(crate) async fn put(
    call: Call,
    input: PutBucketNotificationConfigurationInput,
) -> Result<PutBucketNotificationConfigurationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:PutBucketNotification", on, &[])?;
    let wanted = input.notification_configuration;
    let new_id = |id: Option<String>| id.filter(|id| !id.is_empty()).unwrap_or_else(|| random::uuid(&*s3.random));
    let mut rules = Vec::new();
    for rule in wanted.lambda_function_configurations.into_iter().flatten() {
        let events = rule.events.iter().map(|event| event.as_ref().to_owned()).collect();
        let (id, filter) = (new_id(rule.id), read_filter(rule.filter));
        rules.push(Rule { id, kind: Kind::Function, to: rule.lambda_function_arn, events, filter });
    }
    for rule in wanted.queue_configurations.into_iter().flatten() {
        let events = rule.events.iter().map(|event| event.as_ref().to_owned()).collect();
        let (id, filter) = (new_id(rule.id), read_filter(rule.filter));
        rules.push(Rule { id, kind: Kind::Queue, to: rule.queue_arn, events, filter });
    }
    for rule in wanted.topic_configurations.into_iter().flatten() {
        let events = rule.events.iter().map(|event| event.as_ref().to_owned()).collect();
        let (id, filter) = (new_id(rule.id), read_filter(rule.filter));
        rules.push(Rule { id, kind: Kind::Topic, to: rule.topic_arn, events, filter });
    }
    check(&rules)?;
    let known = |rule: &Rule| bucket.record.notifications.rules.contains(rule);
    if !input.skip_destination_validation.unwrap_or(false) {
        for rule in rules.iter().filter(|rule| !known(rule)) {
            s3.probe(&ctx, &bucket, rule).await?;
        }
    }
    let notifications = Notifications { event_bridge: wanted.event_bridge_configuration.is_some(), rules };
    s3.edit_bucket(&input.bucket, |record| {
        record.notifications = notifications;
        Ok(())
    })
    .await?;
    Ok(PutBucketNotificationConfigurationOutput::default())
}

fn read_filter(filter: Option<NotificationConfigurationFilter>) -> Vec<(String, String)> {
    let rules = filter.and_then(|filter| filter.key).and_then(|key| key.filter_rules).unwrap_or_default();
    let read = |rule: FilterRule| {
        (rule.name.map(|name| name.as_str().to_owned()).unwrap_or_default(), rule.value.unwrap_or_default())
    };
    rules.into_iter().map(read).collect()
}
