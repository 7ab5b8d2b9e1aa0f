//! The limits of SNS, in one table. Source: AWS General Reference, "Amazon SNS endpoints and quotas", unless noted.

/// A message with its attributes, and all messages of a batch together, bytes. Source: SNS API reference, Publish.
pub(crate) const MESSAGE_BYTES_MAX: usize = 262_144;
/// Messages of one batch. Source: SNS API reference, PublishBatch.
pub(crate) const BATCH_ENTRIES_MAX: usize = 10;
/// Of a batch entry's id, characters. Source: as above.
pub(crate) const BATCH_ID_MAX: usize = 80;
/// Characters. Source: SNS API reference, Publish.
pub(crate) const SUBJECT_MAX: usize = 100;
/// Characters. Source: SNS API reference, CreateTopic.
pub(crate) const TOPIC_NAME_MAX: usize = 256;
/// Characters. Source: SNS API reference, SetTopicAttributes.
pub(crate) const DISPLAY_NAME_MAX: usize = 100;
/// A message attribute's name, characters. Source: SNS developer guide, "Amazon SNS message attributes".
pub(crate) const ATTRIBUTE_NAME_MAX: usize = 256;
/// Message attributes that raw delivery hands on to a queue. Source: SNS developer guide, "Amazon SNS raw message
/// delivery".
pub(crate) const RAW_ATTRIBUTES_MAX: usize = 10;
/// A message group's id, characters. Source: SNS API reference, Publish.
pub(crate) const GROUP_ID_MAX: usize = 128;
/// A deduplication id, characters. Source: SNS API reference, Publish.
pub(crate) const DEDUPLICATION_ID_MAX: usize = 128;
/// How long a message's deduplication id is remembered, milliseconds of the service clock. Source: SNS developer guide,
/// "Amazon SNS message deduplication for FIFO topics".
pub(crate) const DEDUPLICATION_MS: i64 = 5 * 60 * 1_000;
/// How names of FIFO topics and FIFO queues end. Source: SNS API reference, CreateTopic.
pub(crate) const FIFO_SUFFIX: &str = ".fifo";
/// Subscriptions of a FIFO topic.
pub(crate) const FIFO_SUBSCRIPTIONS_MAX: usize = 100;
pub(crate) const TOPICS_MAX: usize = 100_000;
/// Subscriptions of one topic: Hearth's own bound. They are all in memory, and each publish looks at all of them.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 100_000;
/// Tags of one topic.
pub(crate) const TAGS_MAX: usize = 50;
/// Topics or subscriptions of one page of a list. Source: SNS API reference, ListTopics.
pub(crate) const LIST_PAGE: usize = 100;
/// Filter policies of one topic. Source, with the next two: SNS developer guide, "Filter policy constraints".
pub(crate) const FILTERS_MAX: usize = 200;
/// Keys of a filter policy.
pub(crate) const FILTER_KEYS_MAX: usize = 5;
/// Combinations of a filter policy's values.
pub(crate) const FILTER_COMBINATIONS_MAX: u64 = 150;
/// Bytes.
pub(crate) const FILTER_BYTES_MAX: usize = 262_144;
/// Of a value that a filter policy compares numbers with, either side of 0.
pub(crate) const FILTER_NUMBER_MAX: f64 = 1e9;
/// An endpoint, characters. Source: SNS API reference, Subscribe.
pub(crate) const ENDPOINT_MAX: usize = 2_048;

/// A delay between attempts at an HTTP endpoint, seconds. Source, with the next two: SNS developer guide, "Creating an
/// HTTP/S delivery policy".
pub(crate) const DELAY_S_MAX: u32 = 3_600;
pub(crate) const HTTP_RETRIES_MAX: u32 = 100;
/// All delays together, seconds.
pub(crate) const HTTP_RETRY_S_MAX: f64 = 3_600.0;
/// How long a token confirms, milliseconds of the service clock. Source: SNS API reference, ConfirmSubscription.
pub(crate) const TOKEN_MS: i64 = 2 * 24 * 60 * 60 * 1_000;

/// Attempts at HTTP endpoints at the same time, and at one of them: a slow one leaves room for others.
pub(crate) const HTTP_ATTEMPTS_MAX: usize = 128;
pub(crate) const HTTP_ATTEMPTS_OF_ONE_MAX: usize = 16;
/// Deliveries that wait for their turn at a throttled endpoint, known in memory.
pub(crate) const PACED_MAX: usize = 10_000;
/// Attempts at deliveries to queues and functions at the same time, and at dead letters.
pub(crate) const ATTEMPTS_MAX: usize = 64;
/// Deliveries of one publish that are staged in memory before they are accepted, bytes, about.
pub(crate) const STAGED_BYTES_MAX: usize = 4 << 20;
