//! ListMessageMoveTasks: the latest tasks of a dead-letter queue, the newest first.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::limits::MOVE_TASKS_LISTED_MAX;
use crate::op::source_url;
use crate::record::{TaskRecord, TaskStatus};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    source_arn: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    results: Vec<Task>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: &'static str,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_messages_per_second: Option<u32>,
    approximate_number_of_messages_moved: u64,
    approximate_number_of_messages_to_move: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    started_timestamp: i64,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let source = input.source_arn.ok_or(SqsError::Missing("SourceArn"))?;
    let found = sqs.authorize(&ctx, "sqs:ListMessageMoveTasks", Some(source_url(&ctx, &source)?.as_str()));
    let queue = match found {
        Err(SqsError::NoSuchQueue) => {
            return Err(SqsError::NotFound(
                "The resource that you specified for the SourceArn parameter doesn't exist.",
            ));
        }
        found => found?,
    };
    let max = input.max_results.unwrap_or(1);
    if !(1..=MOVE_TASKS_LISTED_MAX).contains(&max) {
        return Err(SqsError::value(max, "MaxResults", "Must be >= 1 and <= 10, if provided."));
    }
    let results = sqs.tasks.of(queue.id).into_iter().take(max as usize).map(|task| shown(task, &queue.arn)).collect();
    Ok(Output { results })
}

fn shown(task: TaskRecord, source: &hearth_types::Arn) -> Task {
    let is_running = task.status == TaskStatus::Running;
    Task {
        // Only what can be cancelled has a handle.
        task_handle: is_running.then(|| crate::move_task::handle(&task.id, source)),
        status: task.status.as_str(),
        source_arn: task.source_arn,
        destination_arn: task.destination_arn,
        max_number_of_messages_per_second: task.messages_per_second,
        approximate_number_of_messages_moved: task.moved,
        approximate_number_of_messages_to_move: task.to_move,
        failure_reason: task.failure,
        started_timestamp: task.started_at_ms,
    }
}
