//! What precedes and what follows an attempt at an asynchronous invocation. Pure.
//!
//! Source: Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation": a function
//! error is retried twice, after one and after two minutes; throttles and system errors do not count as attempts and are
//! retried with back-off from one second to five minutes for up to six hours. Retries and age are the defaults. With a
//! reserved concurrency of 0 no attempt is made ("Configuring reserved concurrency").

use hearth_delivery::{Tries, retry};
use hearth_ports::{EventTerms, InvokeError};
use hearth_types::Millis;

/// How an attempt ended, as far as the next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempted {
    Succeeded,
    /// The function ran and failed, timed out or crashed.
    FunctionError,
    /// No function ran, and a later attempt may find it otherwise: throttled, not ready, a fault of the platform.
    NotRun,
    /// No function ran and none ever will for this event: the function, version or alias is gone.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Requeue { after: Millis },
    Drop { condition: DropCondition },
    Done,
}

/// Names as in destination records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropCondition {
    RetriesExhausted,
    EventAgeExceeded,
    FunctionGone,
    /// Its reserved concurrency is 0: events are not even tried.
    FunctionOff,
}

/// Why an event that is due is not tried any more. `age`: since it was accepted.
pub(crate) fn before_attempt(terms: &EventTerms, is_off: bool, age: Millis) -> Option<DropCondition> {
    if is_off {
        return Some(DropCondition::FunctionOff);
    }
    (age > terms.age_max).then_some(DropCondition::EventAgeExceeded)
}

impl Attempted {
    pub(crate) fn of_error(error: &InvokeError) -> Self {
        match error {
            InvokeError::FunctionNotFound { .. } | InvokeError::RecursiveLoop => Self::Gone,
            InvokeError::NotReady { .. }
            | InvokeError::Throttled { .. }
            | InvokeError::AccessDenied { .. }
            | InvokeError::InvalidRuntime { .. }
            | InvokeError::InvalidRequestContent { .. }
            | InvokeError::PayloadTooLarge { .. }
            | InvokeError::DiskFull
            | InvokeError::Internal { .. } => Self::NotRun,
        }
    }
}

/// `tries`: the attempt included. `age`: since the event was accepted.
pub(crate) fn after_attempt(attempted: Attempted, tries: Tries, terms: &EventTerms, age: Millis) -> Follow {
    let pause = match attempted {
        Attempted::Succeeded => return Follow::Done,
        Attempted::Gone => return Follow::Drop { condition: DropCondition::FunctionGone },
        Attempted::FunctionError if tries.failed > terms.retries_max => None,
        Attempted::FunctionError => retry::FUNCTION_ERROR.pause(tries.failed),
        Attempted::NotRun => retry::NOT_RUN.pause(tries.not_run),
    };
    let Some(after) = pause else { return Follow::Drop { condition: DropCondition::RetriesExhausted } };
    if age.0 + after.0 > terms.age_max.0 {
        return Follow::Drop { condition: DropCondition::EventAgeExceeded };
    }
    Follow::Requeue { after }
}

#[cfg(test)]
mod tests {
    use hearth_ports::ThrottleReason;

    use super::*;

    #[test]
    fn what_follows_is_as_documented() {
        use Attempted::{FunctionError, Gone, NotRun, Succeeded};
        use DropCondition::{EventAgeExceeded, FunctionGone, RetriesExhausted};
        let requeue = |seconds| Follow::Requeue { after: Millis::from_secs(seconds) };
        let drop = |condition| Follow::Drop { condition };
        let table = [
            (Succeeded, 0, 0, 0, Follow::Done),
            (Succeeded, 2, 30, 21_600, Follow::Done),
            (FunctionError, 1, 0, 0, requeue(60)),
            (FunctionError, 2, 0, 61, requeue(120)),
            (FunctionError, 3, 0, 200, drop(RetriesExhausted)),
            // Throttles in between do not use up a retry.
            (FunctionError, 1, 40, 3_600, requeue(60)),
            (FunctionError, 1, 0, 21_541, drop(EventAgeExceeded)),
            (NotRun, 0, 1, 0, requeue(1)),
            (NotRun, 0, 2, 1, requeue(2)),
            (NotRun, 0, 3, 3, requeue(4)),
            (NotRun, 0, 9, 255, requeue(256)),
            (NotRun, 0, 10, 511, requeue(300)),
            (NotRun, 2, 4_000_000_000, 600, requeue(300)),
            (NotRun, 0, 12, 21_300, requeue(300)),
            (NotRun, 0, 12, 21_301, drop(EventAgeExceeded)),
            (Gone, 0, 0, 0, drop(FunctionGone)),
        ];
        for (attempted, failed, not_run, age_s, want) in table {
            let got =
                after_attempt(attempted, Tries { failed, not_run }, &EventTerms::default(), Millis::from_secs(age_s));
            assert_eq!(got, want, "{attempted:?} failed {failed} not run {not_run} age {age_s}");
        }
    }

    #[test]
    fn retries_and_age_are_what_was_set() {
        use Attempted::{FunctionError, NotRun};
        let drop = |condition| Follow::Drop { condition };
        let requeue = |seconds| Follow::Requeue { after: Millis::from_secs(seconds) };
        let terms = |retries_max, seconds| EventTerms {
            retries_max,
            age_max: Millis::from_secs(seconds),
            ..EventTerms::default()
        };
        let table = [
            (FunctionError, 1, terms(0, 21_600), 0, drop(DropCondition::RetriesExhausted)),
            (FunctionError, 1, terms(1, 21_600), 0, requeue(60)),
            (FunctionError, 2, terms(1, 21_600), 60, drop(DropCondition::RetriesExhausted)),
            (FunctionError, 1, terms(2, 60), 1, drop(DropCondition::EventAgeExceeded)),
            (FunctionError, 1, terms(2, 61), 1, requeue(60)),
            (NotRun, 0, terms(0, 60), 59, requeue(1)),
            (NotRun, 0, terms(0, 60), 60, drop(DropCondition::EventAgeExceeded)),
        ];
        for (attempted, failed, terms, age_s, want) in table {
            let attempts = Tries { failed, not_run: u32::from(attempted == NotRun) };
            let got = after_attempt(attempted, attempts, &terms, Millis::from_secs(age_s));
            assert_eq!(got, want, "{attempted:?} failed {failed} {terms:?} age {age_s}");
        }
    }

    #[test]
    fn what_is_too_old_or_for_a_function_that_is_off_is_not_tried() {
        let terms = EventTerms { age_max: Millis::from_secs(60), ..EventTerms::default() };
        let before = |is_off, seconds| before_attempt(&terms, is_off, Millis::from_secs(seconds));
        assert_eq!(before(false, 60), None);
        assert_eq!(before(false, 61), Some(DropCondition::EventAgeExceeded));
        assert_eq!(before(true, 0), Some(DropCondition::FunctionOff));
    }

    #[test]
    fn only_a_missing_function_ends_an_event_at_once() {
        let throttled = InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded };
        assert_eq!(Attempted::of_error(&throttled), Attempted::NotRun);
        assert_eq!(Attempted::of_error(&InvokeError::FunctionNotFound { arn: "a".to_owned() }), Attempted::Gone);
    }
}
