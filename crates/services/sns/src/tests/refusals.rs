//! What is refused, in the words recorded from the real service; what Hearth alone refuses, in its own.

use super::{FUNCTION, QUEUE, Server, TOPIC};

type Members<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(start_paused = true)]
async fn names_and_arns() {
    let server = Server::topic().await;
    let long = "x".repeat(257);
    for name in ["", "a/b", "a b", "a.b", &long] {
        server.call("CreateTopic", &[("Name", name)]).await.invalid("Topic Name");
    }
    let arns: [(&str, &str); 6] = [
        ("", "TopicArn Reason: no value for required parameter"),
        ("t", "TopicArn Reason: An ARN must have at least 6 elements, not 1"),
        ("arn:aws", "TopicArn Reason: An ARN must have at least 6 elements, not 2"),
        ("arn:aws:sns:us-east-1:000000000000", "TopicArn Reason: An ARN must have at least 6 elements, not 5"),
        ("arn:aws:sns:eu-west-1:000000000000:t", "TopicArn"),
        ("arn:aws:sqs:us-east-1:000000000000:t", "TopicArn"),
    ];
    for (arn, reason) in arns {
        for operation in ["GetTopicAttributes", "DeleteTopic", "Publish", "ListSubscriptionsByTopic"] {
            server.call(operation, &[("TopicArn", arn)]).await.invalid(reason);
        }
    }
    let subscriptions = [
        ("", "SubscriptionArn Reason: no value for required parameter"),
        ("s", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
        ("arn:aws:sns:us-east-1:000000000000", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 5"),
        ("arn:aws:sns:us-east-1:000000000000:t:x", "SubscriptionId"),
    ];
    for (arn, reason) in subscriptions {
        for operation in ["Unsubscribe", "GetSubscriptionAttributes", "SetSubscriptionAttributes"] {
            server.call(operation, &[("SubscriptionArn", arn)]).await.invalid(reason);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_hearth_has_not() {
    let server = Server::topic().await;
    let attribute = |name| [("Name", "n"), ("Attributes.entry.1.key", name), ("Attributes.entry.1.value", "x")];
    for name in ["KmsMasterKeyId", "ArchivePolicy", "SQSFailureFeedbackRoleArn"] {
        let reason = format!("Attributes Reason: {name} is not supported by Hearth");
        server.call("CreateTopic", &attribute(name)).await.invalid(&reason);
    }
    server
        .call("CreateTopic", &attribute("Nonsense"))
        .await
        .invalid("Attributes Reason: Invalid attribute name: Nonsense");
    let protection = [("Name", "n"), ("DataProtectionPolicy", "{}")];
    server.call("CreateTopic", &protection).await.invalid("DataProtectionPolicy is not supported by Hearth");
    for protocol in ["email", "email-json", "sms", "application", "firehose"] {
        let answer = server.try_subscribe(protocol, "somewhere", &[]).await;
        answer.invalid(&format!("Hearth does not deliver by this protocol: {protocol}"));
    }
    let foreign = server.try_subscribe("lambda", "arn:aws:lambda:us-east-1:111111111111:function:f", &[]).await;
    foreign.invalid("A subscription of another account's function is not supported by Hearth");
    let version = [("TopicArn", TOPIC), ("AttributeName", "SignatureVersion"), ("AttributeValue", "1")];
    server.call("SetTopicAttributes", &version).await.invalid("SignatureVersion 1 is not supported by Hearth");
    let phone = [("PhoneNumber", "+1a234"), ("Message", "x")];
    server.call("Publish", &phone).await.invalid("PhoneNumber Reason: +1a234 is not valid to publish to");
    let device = [("TargetArn", "arn:aws:sns:us-east-1:000000000000:endpoint/ADM/a/b"), ("Message", "x")];
    server.call("Publish", &device).await.invalid("TargetArn Reason: No endpoint found for the target arn specified");
}

#[tokio::test(start_paused = true)]
async fn subscriptions() {
    let server = Server::topic().await;
    let raw = "RawMessageDelivery";
    let redrive = "RedrivePolicy";
    let table: [(&str, &str, Members<'_>, &str); 11] = [
        ("test-protocol", QUEUE, &[], "Amazon SNS does not support this protocol string: test-protocol"),
        ("sqs", "not-an-arn", &[], "SQS endpoint ARN"),
        ("sqs", FUNCTION, &[], "SQS endpoint ARN"),
        ("lambda", QUEUE, &[], "Lambda endpoint ARN"),
        (
            "sqs",
            "arn:aws:sqs:us-east-1:000000000000:q.fifo",
            &[],
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ),
        ("sqs", QUEUE, &[("InvalidKey", "x")], "Attributes Reason: AttributeName"),
        ("sqs", QUEUE, &[("ReplayPolicy", "x")], "Attributes Reason: ReplayPolicy is not supported by Hearth"),
        (
            "sqs",
            QUEUE,
            &[(raw, "wrongvalue")],
            "Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false.",
        ),
        (
            "lambda",
            FUNCTION,
            &[(raw, "true")],
            "Attributes Reason: Delivery protocol [lambda] does not support raw message delivery.",
        ),
        (
            "sqs",
            QUEUE,
            &[(redrive, r#"{"deadLetterTargetArn":"nowhere"}"#)],
            "Attributes Reason: RedrivePolicy: deadLetterTargetArn is an invalid arn",
        ),
        (
            "sqs",
            QUEUE,
            &[("FilterPolicy", r#"{"a":["b"],"c":["d"],"e":["f"],"g":["h"],"i":["j"],"k":["l"]}"#)],
            "Attributes Reason: FilterPolicy: Filter policy can not have more than 5 keys",
        ),
    ];
    for (protocol, endpoint, attributes, reason) in table {
        server.try_subscribe(protocol, endpoint, attributes).await.invalid(reason);
    }
    let arn = server.subscribe("sqs", QUEUE, &[]).await;
    let values = [
        ("invalidAttr", "x", "AttributeName"),
        (raw, "", "RawMessageDelivery: Invalid value []. Must be true or false."),
        (raw, "test-ValUe", "RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false."),
        (redrive, r#"{"deadLetterTargetArn":"x"}"#, "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        (
            redrive,
            "{invalidjson}",
            "RedrivePolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to \
             start field name\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, \
             column: 2]",
        ),
        (
            "FilterPolicyScope",
            "RandomValue",
            "FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes",
        ),
        (
            "FilterPolicy",
            r#"{"key_a":"value_one"}"#,
            "FilterPolicy: \"key_a\" must be an object or an array\n at [Source: (String)\"{\"key_a\":\"value_one\"}\"; \
             line: 1, column: 11]",
        ),
        (
            "FilterPolicy",
            "{invalidjson}",
            "FilterPolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start \
             field name\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: \
             2]",
        ),
    ];
    for (name, value, reason) in values {
        let members = [("SubscriptionArn", arn.as_str()), ("AttributeName", name), ("AttributeValue", value)];
        server.call("SetSubscriptionAttributes", &members).await.invalid(reason);
    }
}

#[tokio::test(start_paused = true)]
async fn messages() {
    let server = Server::topic().await;
    let long = "x".repeat(262_145);
    let table: [(Members<'_>, &str); 8] = [
        (&[("Message", "")], "Empty message"),
        (&[("Message", &long)], "Message too long"),
        (&[("Message", "m"), ("Subject", "")], "Subject"),
        (&[("Message", "m"), ("Subject", "a\nb")], "Subject"),
        (&[("Message", "m"), ("MessageStructure", "json")], "Message Structure - JSON message body failed to parse"),
        (
            &[("Message", "{}"), ("MessageStructure", "json")],
            "Message Structure - No default entry in JSON message body",
        ),
        (&[("Message", "m"), ("MessageStructure", "xml")], "MessageStructure"),
        (
            &[("Message", "m"), ("MessageDeduplicationId", "d")],
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for \
             this topic type",
        ),
    ];
    for (members, reason) in table {
        server.call("Publish", &[&[("TopicArn", TOPIC)], members].concat()).await.invalid(reason);
    }
    // Exactly as long as it may be.
    server.publish(&long[1..]).await;
}

#[tokio::test(start_paused = true)]
async fn message_attributes() {
    let server = Server::topic().await;
    let long = "x".repeat(257);
    let (s, n, b) = ("DataType", "StringValue", "BinaryValue");
    let empty = |kind| {
        format!(
            "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type \
             '{kind}'."
        )
    };
    let field = |kind, field| format!("The message attribute 'attr1' with type '{kind}' must use field '{field}'.");
    let text: Members<'_> = &[(s, "String"), (n, "v")];
    let table: [(&str, Members<'_>, String); 12] = [
        (&long, text, "Length of message attribute name must be less than 256 bytes.".to_owned()),
        (
            "a^b",
            text,
            "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include \
             alphanumeric characters, hyphens, underscores, or dots."
                .to_owned(),
        ),
        (".a", text, "Invalid message attribute name starting with character '.' was found.".to_owned()),
        ("a.", text, "Invalid message attribute name ending with character '.' was found.".to_owned()),
        ("a..b", text, "Message attribute name can not have successive '.' character.".to_owned()),
        (
            "attr1",
            &[(s, "Stringprefixed"), (n, "v")],
            "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
                .to_owned(),
        ),
        ("attr1", &[(s, "Binary"), (b, "")], empty("Binary")),
        ("attr1", &[(s, "String"), (n, "")], empty("String")),
        ("attr1", &[(s, "Binary"), (n, "v")], field("Binary", "Binary")),
        ("attr1", &[(s, "Number"), (b, "AAA=")], field("Number", "String")),
        ("attr1", &[(s, "String"), (b, "AAA=")], field("String", "String")),
        ("attr1", &[(s, "Number"), (n, "x")], "Could not cast message attribute 'attr1' value to number.".to_owned()),
    ];
    for (name, value, reason) in table {
        let mut members = vec![
            ("TopicArn".to_owned(), TOPIC),
            ("Message".to_owned(), "m"),
            ("MessageAttributes.entry.1.Name".to_owned(), name),
        ];
        members.extend(value.iter().map(|(part, value)| (format!("MessageAttributes.entry.1.Value.{part}"), *value)));
        let members: Vec<(&str, &str)> = members.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        server.call("Publish", &members).await.refused(400, "ParameterValueInvalid", &reason);
    }
    let untyped = [
        ("TopicArn", TOPIC),
        ("Message", "m"),
        ("MessageAttributes.entry.1.Name", "attr1"),
        ("MessageAttributes.entry.1.Value.StringValue", "v"),
    ];
    let null = |place: &str| {
        format!(
            "1 validation error detected: Value null at '{place}messageAttributes.attr1.member.dataType' failed to \
             satisfy constraint: Member must not be null"
        )
    };
    server.call("Publish", &untyped).await.refused(400, "ValidationError", &null(""));
    let untyped = [
        ("TopicArn", TOPIC),
        ("PublishBatchRequestEntries.member.1.Id", "1"),
        ("PublishBatchRequestEntries.member.1.Message", "m"),
        ("PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Name", "attr1"),
        ("PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Value.StringValue", "v"),
    ];
    let place = "publishBatchRequestEntries.1.member.";
    server.call("PublishBatch", &untyped).await.refused(400, "ValidationError", &null(place));
}

#[tokio::test(start_paused = true)]
async fn batches() {
    let server = Server::topic().await;
    let batch = async |entries: &[(&str, &str)]| {
        let mut members = vec![("TopicArn".to_owned(), TOPIC)];
        for (number, (id, message)) in (1..).zip(entries) {
            members.push((format!("PublishBatchRequestEntries.member.{number}.Id"), id));
            members.push((format!("PublishBatchRequestEntries.member.{number}.Message"), message));
        }
        let members: Vec<(&str, &str)> = members.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        server.call("PublishBatch", &members).await
    };
    let long = "a".repeat(81);
    let half = "x".repeat(131_073);
    let ids: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let eleven: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "m")).collect();
    let id = "The Id of a batch entry in the batch request";
    let table: [(Members<'_>, &str, String); 6] = [
        (&[], "EmptyBatchRequest", "The batch request doesn't contain any entries.".to_owned()),
        (
            &eleven,
            "TooManyEntriesInBatchRequest",
            "The batch request contains more entries than permissible.".to_owned(),
        ),
        (
            &[("1", "m"), ("1", "m")],
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.".to_owned(),
        ),
        (
            &[("message.id", "m")],
            "InvalidBatchEntryId",
            format!("{id} contains an impermissible character: message.id"),
        ),
        (&[(&long, "m")], "InvalidBatchEntryId", format!("{id} is too long: {long}")),
        (
            &[("1", &half), ("2", &half)],
            "BatchRequestTooLong",
            "The length of all the messages put together is more than the limit.".to_owned(),
        ),
    ];
    for (entries, code, reason) in table {
        batch(entries).await.refused(400, code, &reason);
    }
}
