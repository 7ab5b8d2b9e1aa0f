//! What becomes of a batch: which messages are done with, and which come back. Pure.
//!
//! Source: Lambda developer guide, "Handling errors for an SQS event source in Lambda" (partial batch responses, and the
//! back-off of failed invocations); the matrix of answers is recorded.

use std::collections::HashSet;
use std::time::Duration;

use hearth_ports::InvokeError;
use serde_json::Value;

use crate::limits::{THROTTLE_WAIT, THROTTLE_WAIT_MAX};

/// A message of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) id: &'a str,
    /// Of a FIFO queue.
    pub(crate) group: Option<&'a str>,
}

/// How the invocation ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended<'a> {
    /// With that answer.
    Returned(&'a [u8]),
    /// The function failed, or did not run.
    Failed,
}

/// By their place in the batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// To be deleted.
    pub(crate) done: Vec<usize>,
    /// Left alone: visible again after their time-out.
    pub(crate) returned: Vec<usize>,
}

/// `reports`: whether the function names the messages that failed. What stands behind the first failed message of its
/// group comes back with it, so that the group stays in order.
pub(crate) fn settle(batch: &[Member<'_>], ended: Ended<'_>, reports: bool) -> Settlement {
    let failed = match ended {
        Ended::Failed => None,
        Ended::Returned(_) if !reports => Some(HashSet::new()),
        Ended::Returned(answer) => failures(answer, batch),
    };
    let Some(failed) = failed else {
        return Settlement { done: Vec::new(), returned: (0..batch.len()).collect() };
    };
    let mut settlement = Settlement::default();
    let mut blocked = HashSet::new();
    for (at, member) in batch.iter().enumerate() {
        let is_behind = member.group.is_some_and(|group| blocked.contains(group));
        if is_behind || failed.contains(member.id) {
            blocked.extend(member.group);
            settlement.returned.push(at);
        } else {
            settlement.done.push(at);
        }
    }
    settlement
}

/// The ids of messages that failed; `None`: all did.
fn failures(answer: &[u8], batch: &[Member<'_>]) -> Option<HashSet<String>> {
    let answer: Value = match answer {
        [] => Value::Null,
        answer => serde_json::from_slice(answer).ok()?,
    };
    let named = match &answer {
        Value::Null => return Some(HashSet::new()),
        Value::String(text) if text.is_empty() => return Some(HashSet::new()),
        Value::Object(members) => members.get("batchItemFailures").unwrap_or(&Value::Null),
        _ => return None,
    };
    let named = match named {
        Value::Null => return Some(HashSet::new()),
        Value::Array(named) => named,
        _ => return None,
    };
    let in_batch = |id: &&str| batch.iter().any(|member| member.id == *id);
    named.iter().map(|item| item.get("itemIdentifier")?.as_str().filter(in_batch).map(str::to_owned)).collect()
}

/// What to do when no function ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Try again a little later, for as long as the messages are invisible.
    Again,
    /// The messages come back by themselves.
    Return,
}

pub(crate) const fn after_error(error: &InvokeError) -> Follow {
    match error {
        InvokeError::Throttled { .. } | InvokeError::NotReady { .. } | InvokeError::Internal { .. } => Follow::Again,
        InvokeError::FunctionNotFound { .. }
        | InvokeError::InvalidRequestContent { .. }
        | InvokeError::PayloadTooLarge { .. }
        | InvokeError::RecursiveLoop
        | InvokeError::AccessDenied { .. }
        | InvokeError::InvalidRuntime { .. }
        | InvokeError::DiskFull => Follow::Return,
    }
}

/// How long to wait before the next attempt; `None` when the function could no longer end while the messages are
/// invisible. `attempts`: how often it did not run before.
pub(crate) fn wait(attempts: u32, now_ms: i64, last_start_ms: i64) -> Option<Duration> {
    let wait = THROTTLE_WAIT.saturating_mul(1 << attempts.min(16)).min(THROTTLE_WAIT_MAX);
    let at_ms = now_ms.saturating_add_unsigned(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    (at_ms <= last_start_ms).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [Member<'static>; 3] =
        [Member { id: "a", group: None }, Member { id: "b", group: None }, Member { id: "c", group: None }];

    fn settled(answer: &str, reports: bool) -> (Vec<usize>, Vec<usize>) {
        let Settlement { done, returned } = settle(&IDS, Ended::Returned(answer.as_bytes()), reports);
        (done, returned)
    }

    #[test]
    fn every_answer_has_its_outcome() {
        let all: Vec<usize> = vec![0, 1, 2];
        let table: &[(&str, &[usize])] = &[
            // All is well.
            ("null", &[]),
            ("", &[]),
            ("{}", &[]),
            (r#""""#, &[]),
            (r#"{"batchItemFailures": []}"#, &[]),
            (r#"{"batchItemFailures": null}"#, &[]),
            (r#"{"statusCode": 200}"#, &[]),
            // Some failed.
            (r#"{"batchItemFailures": [{"itemIdentifier": "b"}]}"#, &[1]),
            (r#"{"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "a"}]}"#, &[0, 2]),
            (r#"{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}"#, &[1]),
            // Nobody knows which: all failed.
            (r#"{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "z"}]}"#, &all),
            (r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#, &all),
            (r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#, &all),
            (r#"{"batchItemFailures": [{"itemIdentifier": 1}]}"#, &all),
            (r#"{"batchItemFailures": [{"foo": "a"}]}"#, &all),
            (r#"{"batchItemFailures": [{"foo": null}]}"#, &all),
            (r#"{"batchItemFailures": ["a"]}"#, &all),
            (r#"{"batchItemFailures": "a"}"#, &all),
            (r#"{"batchItemFailures": {"itemIdentifier": "a"}}"#, &all),
            (r#"{"batchItemFailures""#, &all),
            (r#""a""#, &all),
            ("true", &all),
            ("[]", &all),
            ("not JSON", &all),
        ];
        for (answer, returned) in table {
            let done: Vec<usize> = (0..3).filter(|at| !returned.contains(at)).collect();
            assert_eq!(settled(answer, true), (done, returned.to_vec()), "{answer}");
            // Who has not said that it reports failures is not read.
            assert_eq!(settled(answer, false), (all.clone(), vec![]), "{answer}");
        }
        for reports in [false, true] {
            assert_eq!(settle(&IDS, Ended::Failed, reports), Settlement { done: vec![], returned: all.clone() });
        }
    }

    #[test]
    fn what_stands_behind_a_failure_of_its_group_comes_back_with_it() {
        let of = |id, group| Member { id, group: Some(group) };
        let batch = [of("a", "1"), of("b", "2"), of("c", "1"), of("d", "2"), of("e", "1")];
        let answer = br#"{"batchItemFailures": [{"itemIdentifier": "c"}]}"#;
        let settlement = settle(&batch, Ended::Returned(answer), true);
        assert_eq!(settlement, Settlement { done: vec![0, 1, 3], returned: vec![2, 4] });
    }

    #[test]
    fn a_throttled_batch_is_tried_again_while_it_is_invisible_and_no_longer() {
        assert_eq!(wait(0, 0, 60_000), Some(Duration::from_secs(1)));
        assert_eq!(wait(3, 0, 60_000), Some(Duration::from_secs(8)));
        assert_eq!(wait(40, 0, 60_000), Some(Duration::from_secs(30)));
        assert_eq!(wait(0, 59_000, 60_000), Some(Duration::from_secs(1)));
        assert_eq!(wait(0, 59_001, 60_000), None);
        assert_eq!(wait(0, 0, -5), None);
    }
}
