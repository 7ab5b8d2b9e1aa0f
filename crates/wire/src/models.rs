//! The tables that ship with Hearth, written by `cargo xtask models`.

use std::sync::{Arc, LazyLock};

use crate::model::Model;
use crate::protocol::{JsonVersion, Protocol};

macro_rules! model {
    ($(#[$doc:meta])* $name:ident, $file:literal $(, $protocol:expr)?) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// Never in a build whose tests have passed: the table is part of the program.
        #[must_use]
        pub fn $name() -> Arc<Model> {
            static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| match model!(@parse include_str!($file) $(, $protocol)?) {
                Ok(model) => Arc::new(model),
                Err(error) => panic!("{}: {error}", $file),
            });
            MODEL.clone()
        }
    };
    (@parse $text:expr) => { Model::parse($text) };
    (@parse $text:expr, $protocol:expr) => { Model::parse_in($text, $protocol) };
}

model!(
    /// AWS Lambda, 2015-03-31.
    lambda,
    "../models/lambda.json"
);
model!(
    /// AWS Identity and Access Management, 2010-05-08.
    iam,
    "../models/iam.json"
);
model!(
    /// Amazon CloudWatch Logs, 2014-03-28.
    logs,
    "../models/logs.json"
);
model!(
    /// Amazon Simple Queue Service, 2012-11-05.
    sqs,
    "../models/sqs.json"
);
model!(
    /// The same in its older, query form.
    sqs_query,
    "../models/sqs-query.json"
);
model!(
    /// Amazon Simple Notification Service, 2010-03-31.
    sns,
    "../models/sns.json"
);
model!(
    /// Amazon EventBridge, 2015-10-07.
    events,
    "../models/events.json"
);
model!(
    /// Amazon EventBridge Scheduler, 2021-06-30.
    scheduler,
    "../models/scheduler.json"
);
model!(
    /// AWS Security Token Service, 2011-06-15.
    sts,
    "../models/sts.json"
);

model!(
    /// Amazon CloudWatch, 2010-08-01, in the protocol its table names: smithy-rpc-v2-cbor.
    cloudwatch,
    "../models/cloudwatch.json"
);
model!(
    /// The same in awsJson 1.0.
    cloudwatch_json,
    "../models/cloudwatch.json",
    Protocol::AwsJson(JsonVersion::V1_0)
);
model!(
    /// The same in its oldest, query form.
    cloudwatch_query,
    "../models/cloudwatch.json",
    Protocol::Query
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        assert_eq!(lambda().operations().count(), 91);
        assert_eq!(iam().operations().count(), 180);
        assert_eq!(sts().operations().count(), 11);
        assert_eq!(logs().operations().count(), 118);
        assert_eq!(sqs().operations().count(), 23);
        assert_eq!(sqs_query().operations().count(), 23);
        assert_eq!(sns().operations().count(), 42);
        assert_eq!(cloudwatch().operations().count(), 59);
        assert_eq!(cloudwatch().protocol(), Protocol::RpcCbor);
        assert_eq!(cloudwatch_query().protocol(), Protocol::Query);
        assert_eq!(events().operations().count(), 57);
        assert_eq!(scheduler().operations().count(), 12);
        assert_eq!(lambda().signing_name(), "lambda");
        assert_eq!(iam().api_version(), "2010-05-08");
        assert_eq!(sts().xml_namespace(), Some("https://sts.amazonaws.com/doc/2011-06-15/"));
    }

    #[test]
    fn every_pattern_compiles() {
        for model in [lambda(), iam(), sts(), logs(), sqs(), sqs_query(), sns(), cloudwatch(), events(), scheduler()] {
            for shape in model.shapes() {
                if let Some(pattern) = &shape.pattern {
                    assert!(pattern.compiled().is_some(), "{}: {}", shape.name, pattern.text);
                }
            }
        }
    }
}
