//! May the function's role write its log? Without leave there is no log, and the function runs all the same.
//!
//! Source: Lambda developer guide, "Sending Lambda function logs to CloudWatch Logs" (permissions).

use std::sync::Arc;

use hearth_ports::{Access, Authorizer};
use hearth_types::{Arn, RequestContext};
use parking_lot::Mutex;

/// An answer is asked for again after this long, even if no policy has changed: conditions may look at the time.
const KEPT_MS: i64 = 60_000;

pub(crate) struct LogPermission {
    authorizer: Arc<dyn Authorizer>,
    group: Arn,
    stream: Arn,
    answer: Mutex<Option<Answer>>,
}

#[derive(Clone, Copy)]
struct Answer {
    revision: u64,
    at_ms: i64,
    allowed: bool,
    /// Whether it was about making the group, too.
    with_group: bool,
}

impl LogPermission {
    pub(crate) fn new(authorizer: Arc<dyn Authorizer>, context: &RequestContext, group: &str, stream: &str) -> Self {
        let arn = |resource: String| Arn {
            partition: context.partition.as_str().to_owned(),
            service: "logs".to_owned(),
            region: context.region.as_str().to_owned(),
            account: context.account.as_str().to_owned(),
            resource,
        };
        Self {
            authorizer,
            // What users give leave for is `…:log-group:NAME:*`, as DescribeLogGroups shows the ARN.
            group: arn(format!("log-group:{group}:log-stream:")),
            stream: arn(format!("log-group:{group}:log-stream:{stream}")),
            answer: Mutex::new(None),
        }
    }

    /// `makes_group`: whether the next line makes the log group, too.
    pub(crate) fn allows(&self, context: &RequestContext, now_ms: i64, makes_group: impl Fn() -> bool) -> bool {
        let revision = self.authorizer.revision();
        let mut answer = self.answer.lock();
        let kept = answer.filter(|kept| kept.revision == revision && now_ms - kept.at_ms < KEPT_MS);
        let with_group = match kept {
            Some(kept) if kept.with_group || !kept.allowed => return kept.allowed,
            // Somebody may have deleted the group since.
            Some(kept) if !makes_group() => return kept.allowed,
            Some(_) => true,
            None => makes_group(),
        };
        let result = self.ask(context, with_group);
        if let Err(message) = &result {
            tracing::warn!(message, "a function's log is not written");
        }
        *answer = Some(Answer { revision, at_ms: now_ms, allowed: result.is_ok(), with_group });
        result.is_ok()
    }

    fn ask(&self, context: &RequestContext, makes_group: bool) -> Result<(), String> {
        let ask = |action, resource| {
            self.authorizer.authorize(context, &Access::new(action, resource)).map_err(|denied| denied.message)
        };
        if makes_group {
            ask("logs:CreateLogGroup", &self.group)?;
        }
        // The stream is new with each environment.
        ask("logs:CreateLogStream", &self.stream)?;
        ask("logs:PutLogEvents", &self.stream)
    }
}

#[cfg(test)]
mod tests {
    use hearth_ports::Denied;
    use hearth_types::RequestId;

    use super::*;
    use crate::testing::scope;

    /// Denies what it is told to.
    #[derive(Default)]
    struct Policies {
        denied: Mutex<Vec<&'static str>>,
        asked: Mutex<Vec<String>>,
        revision: std::sync::atomic::AtomicU64,
    }

    impl Authorizer for Policies {
        fn authorize(&self, _: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
            self.asked.lock().push(format!("{} {}", access.action, access.resource));
            let is_denied = self.denied.lock().contains(&access.action);
            if is_denied { Err(Denied { message: String::new() }) } else { Ok(()) }
        }

        fn revision(&self) -> u64 {
            self.revision.load(std::sync::atomic::Ordering::Relaxed)
        }
    }

    fn permission() -> (Arc<Policies>, LogPermission, RequestContext) {
        let policies = Arc::<Policies>::default();
        let context = RequestContext::service(&scope(), "test", RequestId::from("r"));
        (policies.clone(), LogPermission::new(policies, &context, "/aws/lambda/f", "s"), context)
    }

    #[test]
    fn each_of_the_three_actions_is_needed_and_the_group_only_once() {
        for denied in ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"] {
            let (policies, permission, context) = permission();
            policies.denied.lock().push(denied);
            assert!(!permission.allows(&context, 0, || true), "{denied}");
            let (policies, permission, context) = self::permission();
            policies.denied.lock().push(denied);
            assert_eq!(permission.allows(&context, 0, || false), denied == "logs:CreateLogGroup", "{denied}");
        }
    }

    #[test]
    fn the_resources_are_those_of_cloudwatch_logs() {
        let (policies, permission, context) = permission();
        assert!(permission.allows(&context, 0, || true));
        let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
        assert_eq!(
            *policies.asked.lock(),
            [
                format!("logs:CreateLogGroup {group}:log-stream:"),
                format!("logs:CreateLogStream {group}:log-stream:s"),
                format!("logs:PutLogEvents {group}:log-stream:s"),
            ]
        );
    }

    #[test]
    fn a_group_that_has_been_deleted_is_asked_for_again() {
        let (policies, permission, context) = permission();
        policies.denied.lock().push("logs:CreateLogGroup");
        assert!(permission.allows(&context, 0, || false));
        assert!(!permission.allows(&context, 1, || true));
    }

    #[test]
    fn an_answer_is_kept_until_a_policy_changes_or_a_minute_is_over() {
        let (policies, permission, context) = permission();
        let asked = || policies.asked.lock().len();
        assert!(permission.allows(&context, 0, || false));
        let once = asked();
        assert!(permission.allows(&context, KEPT_MS - 1, || false));
        assert_eq!(asked(), once);
        assert!(permission.allows(&context, KEPT_MS, || false));
        assert_eq!(asked(), 2 * once);
        policies.revision.store(1, std::sync::atomic::Ordering::Relaxed);
        policies.denied.lock().push("logs:PutLogEvents");
        assert!(!permission.allows(&context, KEPT_MS + 1, || false));
    }
}
