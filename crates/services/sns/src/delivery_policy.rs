//! How often and how fast HTTP endpoints are told: delivery policies of topics and subscriptions. Pure.
//! Source: SNS developer guide, "Amazon SNS message delivery retries", "Creating an HTTP/S delivery policy".
//!
//! The guide shows the four backoff functions in a picture, without formulas; ours rise from the least to the greatest delay
//! in the order that the picture shows.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::SnsError;
use crate::limits::{DELAY_S_MAX, HTTP_RETRIES_MAX, HTTP_RETRY_S_MAX};

const POLICY: &str = "DeliveryPolicy";
const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";
/// What `headerContentType` may be. Source: as above; the second list is for raw delivery.
const CONTENT_TYPES: [&str; 2] = ["text/plain", "application/json"];
const RAW_CONTENT_TYPES: [&str; 6] =
    ["text/css", "text/csv", "text/html", "text/xml", "application/octet-stream", "application/xml"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backoff {
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

/// `healthyRetryPolicy`. Delays in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Retries {
    min_delay_target: u32,
    max_delay_target: u32,
    num_retries: u32,
    num_max_delay_retries: u32,
    num_no_delay_retries: u32,
    num_min_delay_retries: u32,
    backoff_function: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Backoff::Linear,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Throttle {
    max_receives_per_second: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    header_content_type: String,
}

/// What a subscription is set to; `sicklyRetryPolicy` and `guaranteed` are shown by the real service, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct OfSubscription {
    healthy_retry_policy: Option<Retries>,
    sickly_retry_policy: Option<Nothing>,
    throttle_policy: Option<Throttle>,
    request_policy: Option<Request>,
    guaranteed: Option<Never>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct OfTopic {
    default_healthy_retry_policy: Option<Retries>,
    default_sickly_retry_policy: Option<Nothing>,
    default_throttle_policy: Option<Throttle>,
    default_request_policy: Option<Request>,
    disable_subscription_overrides: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicDocument {
    http: OfTopic,
}

/// A member that must be null.
#[derive(Clone, Debug, PartialEq, Deserialize)]
enum Nothing {}

/// A member that must be false.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "bool")]
struct Never;

impl TryFrom<bool> for Never {
    type Error = &'static str;

    fn try_from(is: bool) -> Result<Self, &'static str> {
        if is { Err("guaranteed is not to be had") } else { Ok(Self) }
    }
}

/// What holds for a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeliveryPolicy {
    retries: Retries,
    throttle: Option<Throttle>,
    request: Option<Request>,
    is_final: bool,
}

fn refuse<T>(reason: impl std::fmt::Display) -> Result<T, SnsError> {
    Err(SnsError::parameter(format!("{POLICY}: {reason}")))
}

impl DeliveryPolicy {
    /// A topic's.
    ///
    /// # Errors
    /// [`SnsError::Parameter`].
    pub(crate) fn of_topic(text: &str) -> Result<Self, SnsError> {
        let TopicDocument { http } = serde_json::from_str(text).or_else(refuse)?;
        let policy = Self {
            retries: http.default_healthy_retry_policy.unwrap_or_default(),
            throttle: http.default_throttle_policy,
            request: http.default_request_policy,
            is_final: http.disable_subscription_overrides,
        };
        policy.check(false)?;
        Ok(policy)
    }

    /// A subscription's, where it leaves its topic's.
    ///
    /// # Errors
    /// [`SnsError::Parameter`].
    pub(crate) fn over(&self, text: &str, is_raw: bool) -> Result<Self, SnsError> {
        let own: OfSubscription = serde_json::from_str(text).or_else(refuse)?;
        let policy = Self {
            retries: own.healthy_retry_policy.unwrap_or_else(|| self.retries.clone()),
            throttle: own.throttle_policy.or_else(|| self.throttle.clone()),
            request: own.request_policy.or_else(|| self.request.clone()),
            is_final: false,
        };
        policy.check(is_raw)?;
        Ok(if self.is_final { self.clone() } else { policy })
    }

    fn check(&self, is_raw: bool) -> Result<(), SnsError> {
        let retries = &self.retries;
        let (min, max) = (retries.min_delay_target, retries.max_delay_target);
        if !(1..=DELAY_S_MAX).contains(&min) || !(min..=DELAY_S_MAX).contains(&max) {
            return refuse("minDelayTarget is from 1 to maxDelayTarget, and that at most 3600");
        }
        if retries.num_retries > HTTP_RETRIES_MAX {
            return refuse("numRetries is at most 100");
        }
        let Some(_) = retries.backoff_retries() else {
            return refuse(
                "numRetries is at least the sum of numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries",
            );
        };
        let total_s: f64 = (1..=retries.num_retries).filter_map(|retry| retries.pause_s(retry)).sum();
        if total_s > HTTP_RETRY_S_MAX {
            return refuse("all retries together take at most 3600 seconds");
        }
        if self.throttle.as_ref().is_some_and(|throttle| throttle.max_receives_per_second == 0) {
            return refuse("maxReceivesPerSecond is at least 1");
        }
        if let Some(Request { header_content_type }) = &self.request {
            let kind = header_content_type.split(';').next().unwrap_or_default().trim();
            let is_known = CONTENT_TYPES.contains(&kind) || (is_raw && RAW_CONTENT_TYPES.contains(&kind));
            if !is_known || !header_content_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                return refuse(format_args!("headerContentType: {header_content_type}"));
            }
        }
        Ok(())
    }

    /// Before a retry, the first being 1, milliseconds; `None`: no more.
    pub(crate) fn pause_ms(&self, retry: u32) -> Option<u64> {
        self.retries.pause_s(retry).map(|pause_s| (pause_s * 1_000.0).round() as u64)
    }

    /// Between two deliveries, milliseconds.
    pub(crate) fn interval_ms(&self) -> Option<u64> {
        self.throttle.as_ref().map(|throttle| 1_000_u64.div_ceil(u64::from(throttle.max_receives_per_second.max(1))))
    }

    pub(crate) fn content_type(&self) -> &str {
        self.request.as_ref().map_or(CONTENT_TYPE, |request| &request.header_content_type)
    }

    fn request(&self) -> Value {
        json!({ "headerContentType": self.content_type() })
    }

    /// `EffectiveDeliveryPolicy` of a topic, as the real service shows it.
    pub(crate) fn shown_of_topic(&self) -> String {
        let mut http = json!({
            "defaultHealthyRetryPolicy": self.retries,
            "disableSubscriptionOverrides": self.is_final,
            "defaultRequestPolicy": self.request(),
        });
        if let Some(throttle) = &self.throttle {
            http["defaultThrottlePolicy"] = json!(throttle);
        }
        json!({ "http": http }).to_string()
    }

    /// The same, of a subscription.
    pub(crate) fn shown_of_subscription(&self) -> String {
        json!({
            "healthyRetryPolicy": self.retries,
            "sicklyRetryPolicy": null,
            "throttlePolicy": self.throttle,
            "requestPolicy": self.request(),
            "guaranteed": false,
        })
        .to_string()
    }
}

impl Retries {
    /// Of the third phase; `None`: the others are more than all.
    fn backoff_retries(&self) -> Option<u32> {
        let others = [self.num_no_delay_retries, self.num_min_delay_retries, self.num_max_delay_retries];
        others.into_iter().try_fold(self.num_retries, u32::checked_sub)
    }

    fn pause_s(&self, retry: u32) -> Option<f64> {
        let (min, max) = (f64::from(self.min_delay_target), f64::from(self.max_delay_target));
        let mut left = retry.checked_sub(1)?;
        let phases = [
            (self.num_no_delay_retries, None),
            (self.num_min_delay_retries, Some(min)),
            (self.backoff_retries()?, None),
            (self.num_max_delay_retries, Some(max)),
        ];
        for (phase, (retries, pause_s)) in phases.into_iter().enumerate() {
            if left < retries {
                let is_backoff = phase == 2;
                return Some(pause_s.unwrap_or(if is_backoff { self.backoff_s(left, retries) } else { 0.0 }));
            }
            left -= retries;
        }
        None
    }

    /// Of the backoff phase's retries, the pause before that one, counted from 0.
    fn backoff_s(&self, number: u32, retries: u32) -> f64 {
        let (min, max) = (f64::from(self.min_delay_target), f64::from(self.max_delay_target));
        if retries < 2 {
            return min;
        }
        let (i, last) = (f64::from(number), f64::from(retries - 1));
        match self.backoff_function {
            Backoff::Linear => min + (max - min) * i / last,
            Backoff::Arithmetic => min + (max - min) * i * (i + 1.0) / (last * (last + 1.0)),
            Backoff::Geometric => min * (max / min).powf(i / last),
            Backoff::Exponential => min + (max - min) * (i.exp2() - 1.0) / (last.exp2() - 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses_s(policy: &DeliveryPolicy) -> Vec<u64> {
        (1..).map_while(|retry| policy.pause_ms(retry)).map(|pause_ms| pause_ms / 1_000).collect()
    }

    fn own(text: &str) -> Result<DeliveryPolicy, SnsError> {
        DeliveryPolicy::default().over(text, false)
    }

    /// Source: SNS developer guide, "Step 4: Set the delivery policy": three retries, 20 seconds apart.
    #[test]
    fn without_a_policy_three_retries_come_20_seconds_apart() {
        assert_eq!(pauses_s(&DeliveryPolicy::default()), [20, 20, 20]);
    }

    /// The developer guide's example: 3 at once, 2 after a second, 10 between, 35 after a minute.
    #[test]
    fn the_four_phases_come_one_after_the_other() {
        let text = r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":60,"numRetries":50,"numNoDelayRetries":3,
            "numMinDelayRetries":2,"numMaxDelayRetries":35,"backoffFunction":"exponential"},
            "throttlePolicy":{"maxReceivesPerSecond":10},"requestPolicy":{"headerContentType":"application/json"}}"#;
        let policy = own(text).expect("a policy");
        let pauses = pauses_s(&policy);
        assert_eq!((&pauses[..5], &pauses[15..]), (&[0, 0, 0, 1, 1][..], &[60; 35][..]));
        assert_eq!((pauses[5], pauses[14]), (1, 60));
        assert!(pauses[5..15].is_sorted());
        assert_eq!((policy.interval_ms(), policy.content_type()), (Some(100), "application/json"));
    }

    #[test]
    fn steeper_functions_stay_lower_for_longer() {
        let middle = |function: &str| {
            let text = format!(
                r#"{{"healthyRetryPolicy":{{"minDelayTarget":1,"maxDelayTarget":100,"numRetries":11,
                "backoffFunction":"{function}"}}}}"#
            );
            pauses_s(&own(&text).expect("a policy"))[5]
        };
        let middles = ["exponential", "geometric", "arithmetic", "linear"].map(middle);
        assert!(middles.is_sorted() && middles[0] < middles[3], "{middles:?}");
    }

    #[test]
    fn a_topic_sets_what_its_subscriptions_do_not_and_may_have_the_last_word() {
        let topic = |last| {
            let text = format!(
                r#"{{"http":{{"defaultHealthyRetryPolicy":{{"numRetries":5}},"disableSubscriptionOverrides":{last}}}}}"#
            );
            DeliveryPolicy::of_topic(&text).expect("a policy")
        };
        let own = r#"{"healthyRetryPolicy":{"numRetries":1}}"#;
        assert_eq!(pauses_s(&topic(false)).len(), 5);
        assert_eq!(pauses_s(&topic(false).over("{}", false).expect("a policy")).len(), 5);
        assert_eq!(pauses_s(&topic(false).over(own, false).expect("a policy")).len(), 1);
        assert_eq!(pauses_s(&topic(true).over(own, false).expect("a policy")).len(), 5);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "nonsense",
            r#"{"unknown":1}"#,
            r#"{"sicklyRetryPolicy":{}}"#,
            r#"{"guaranteed":true}"#,
            r#"{"healthyRetryPolicy":{"numRetries":101}}"#,
            r#"{"healthyRetryPolicy":{"numRetries":2,"numNoDelayRetries":3}}"#,
            r#"{"healthyRetryPolicy":{"minDelayTarget":0}}"#,
            r#"{"healthyRetryPolicy":{"minDelayTarget":30,"maxDelayTarget":29}}"#,
            r#"{"healthyRetryPolicy":{"maxDelayTarget":3601}}"#,
            r#"{"healthyRetryPolicy":{"backoffFunction":"cubic"}}"#,
            r#"{"healthyRetryPolicy":{"minDelayTarget":60,"maxDelayTarget":60,"numRetries":61}}"#,
            r#"{"throttlePolicy":{"maxReceivesPerSecond":0}}"#,
            r#"{"requestPolicy":{"headerContentType":"text/html"}}"#,
        ] {
            assert!(matches!(own(text), Err(SnsError::Parameter(_))), "{text}");
        }
        assert!(DeliveryPolicy::of_topic("{}").is_err());
        assert!(own(r#"{"sicklyRetryPolicy":null,"guaranteed":false}"#).is_ok());
    }
}
