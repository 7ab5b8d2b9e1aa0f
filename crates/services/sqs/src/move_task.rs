//! Move tasks: the messages of a dead-letter queue go back where they came from, or elsewhere.
//! Source: SQS API reference, StartMessageMoveTask; texts as recorded.
//!
//! A task is a record: one that runs when the server ends goes on with the next start.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_store::{Key, Mutation, Record as _};
use hearth_types::{Arn, Scope};
use parking_lot::Mutex;

use crate::Sqs;
use crate::dead_letters::Journey;
use crate::engine::{MessageKey, PAGE_SLOTS_MAX};
use crate::error::SqsError;
use crate::limits::{BATCH_ENTRIES_MAX, MOVE_TASKS_LISTED_MAX};
use crate::queue::Queue;
use crate::record::{TaskRecord, TaskStatus, task_key};

/// The tasks there are, by id.
#[derive(Default)]
pub(crate) struct Tasks {
    by_id: Mutex<HashMap<String, TaskRecord>>,
}

impl Tasks {
    /// Of one queue, the newest first.
    pub(crate) fn of(&self, queue: u64) -> Vec<TaskRecord> {
        let by_id = self.by_id.lock();
        let mut tasks: Vec<TaskRecord> = by_id.values().filter(|task| task.queue_id == queue).cloned().collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.started_at_ms));
        tasks
    }

    pub(crate) fn get(&self, id: &str) -> Option<TaskRecord> {
        self.by_id.lock().get(id).cloned()
    }

    pub(crate) fn forget(&self, id: &str) {
        self.by_id.lock().remove(id);
    }

    fn put(&self, task: TaskRecord) {
        self.by_id.lock().insert(task.id.clone(), task);
    }
}

/// `TaskHandle`: the task and its queue, readable by whoever has it.
pub(crate) fn handle(id: &str, source: &Arn) -> String {
    STANDARD.encode(serde_json::json!({ "taskId": id, "sourceArn": source.to_string() }).to_string())
}

/// The task and its queue's ARN.
pub(crate) fn read_handle(handle: &str) -> Option<(String, String)> {
    let parsed: serde_json::Value = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
    Some((parsed["taskId"].as_str()?.to_owned(), parsed["sourceArn"].as_str()?.to_owned()))
}

impl Sqs {
    /// Whether some queue's dead letters come here, or did: such a message is what a task can move.
    pub(crate) fn is_dead_letter_queue(&self, queue: &Queue) -> bool {
        let points_here = |source: &Queue| {
            source.describe().settings.redrive.as_ref().is_some_and(|redrive| redrive.target == queue.arn)
        };
        !self.list(&queue.scope, "", None, 1, points_here).is_empty()
    }

    /// Tasks of an earlier life go on.
    pub(crate) async fn resume_tasks(self: &Arc<Self>) -> Result<(), SqsError> {
        for scope in hearth_store::scopes(&*self.store).await? {
            let mut tasks = Vec::new();
            self.scan(&Key::new(&scope, TaskRecord::KIND), |entry| {
                tasks.push(self.codec.decode_at::<TaskRecord>(&entry.key, &entry.value)?);
                Ok(())
            })
            .await?;
            for task in tasks {
                let is_running = task.status == TaskStatus::Running;
                let source = task.source_arn.parse::<Arn>().ok().and_then(|arn| self.find_arn(&scope, &arn));
                self.tasks.put(task.clone());
                if let Some(source) = source.filter(|source| is_running && source.id == task.queue_id) {
                    tokio::spawn(self.clone().run_task(source, task.id));
                }
            }
        }
        Ok(())
    }

    /// Starts a task and answers its id.
    ///
    /// # Errors
    /// [`SqsError::Invalid`] when one runs, or the store's.
    pub(crate) async fn start_task(
        self: &Arc<Self>,
        source: &Arc<Queue>,
        destination: Option<&Arc<Queue>>,
        messages_per_second: Option<u32>,
    ) -> Result<String, SqsError> {
        let task = {
            let _writer = self.writer.lock().await;
            if self.tasks.of(source.id).iter().any(|task| task.status == TaskStatus::Running) {
                return Err(SqsError::invalid(
                    "There is already a task running. Only one active task is allowed for a source queue arn at a given \
                     time.",
                ));
            }
            let task = TaskRecord {
                id: hearth_types::random::uuid(&*self.random),
                queue_id: source.id,
                source_arn: source.arn.to_string(),
                destination_arn: destination.map(|queue| queue.arn.to_string()),
                messages_per_second,
                started_at_ms: self.wall.now_ms(),
                to_move: source.live().engine.counts().visible as u64,
                moved: 0,
                status: TaskStatus::Running,
                failure: None,
            };
            self.save_task(&source.scope, &task).await?;
            task
        };
        self.drop_old_tasks(source).await?;
        tokio::spawn(self.clone().run_task(source.clone(), task.id.clone()));
        Ok(task.id)
    }

    /// Stops a task that runs; answers how many messages it has moved. `None` when there is no such task, or it is over.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn cancel_task(&self, scope: &Scope, id: &str) -> Result<Option<u64>, SqsError> {
        let _writer = self.writer.lock().await;
        let Some(task) = self.tasks.get(id).filter(|task| task.status == TaskStatus::Running) else { return Ok(None) };
        self.save_task(scope, &TaskRecord { status: TaskStatus::Cancelled, ..task.clone() }).await?;
        Ok(Some(task.moved))
    }

    async fn save_task(&self, scope: &Scope, task: &TaskRecord) -> Result<(), SqsError> {
        let put = self.put_at(task_key(scope, task.queue_id, &task.id), task)?;
        self.commit(scope, vec![put]).await?;
        self.tasks.put(task.clone());
        Ok(())
    }

    async fn drop_old_tasks(&self, source: &Queue) -> Result<(), SqsError> {
        let old = self.tasks.of(source.id).into_iter().skip(MOVE_TASKS_LISTED_MAX as usize);
        let keys = old.map(|task| {
            self.tasks.forget(&task.id);
            Mutation::Delete(task_key(&source.scope, source.id, &task.id))
        });
        self.commit(&source.scope, keys.collect()).await
    }

    async fn run_task(self: Arc<Self>, source: Arc<Queue>, id: String) {
        let mut ending = self.ending.subscribe();
        loop {
            let running = self.tasks.get(&id).filter(|task| task.status == TaskStatus::Running && !source.is_deleted());
            let Some(task) = running else { return };
            // What the server's end interrupts goes on with its next start.
            if *ending.borrow_and_update() {
                return;
            }
            let pause = match self.move_some(&source, &task).await {
                Ok(0) => {
                    self.finish_task(&source, &id, TaskStatus::Completed, None).await;
                    return;
                }
                Ok(moved) => {
                    self.note_moved(&id, moved);
                    let rate = u64::from(task.messages_per_second.unwrap_or(crate::limits::MOVE_RATE_MAX as u32));
                    Duration::from_millis(1_000 * moved / rate.max(1))
                }
                Err(error) => {
                    let reason = error.told();
                    self.finish_task(&source, &id, TaskStatus::Failed, Some(reason)).await;
                    return;
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ending.changed() => {}
            }
        }
    }

    fn note_moved(&self, id: &str, moved: u64) {
        if let Some(task) = self.tasks.by_id.lock().get_mut(id) {
            task.moved += moved;
        }
    }

    async fn finish_task(&self, source: &Queue, id: &str, status: TaskStatus, failure: Option<String>) {
        let _writer = self.writer.lock().await;
        let Some(task) = self.tasks.get(id).filter(|task| task.status == TaskStatus::Running) else { return };
        if source.is_deleted() {
            return;
        }
        if let Err(error) = self.save_task(&source.scope, &TaskRecord { status, failure, ..task }).await {
            tracing::warn!(%error, "the end of a move task could not be written: it goes on with the next start");
        }
    }

    /// Moves the next few messages; answers how many.
    async fn move_some(self: &Arc<Self>, source: &Arc<Queue>, task: &TaskRecord) -> Result<u64, SqsError> {
        let rate = task.messages_per_second.map_or(BATCH_ENTRIES_MAX, |rate| rate as usize);
        let leaving: Vec<MessageKey> = {
            let (mut live, now) = (source.live(), self.now());
            let expired = live.engine.tick(now);
            if !expired.is_empty() {
                self.expire(source, expired);
            }
            live.engine.lift(rate.min(PAGE_SLOTS_MAX))
        };
        let moved = leaving.len() as u64;
        // A task of its own: what leaves must arrive, whatever becomes of this one.
        let (this, source, task) = (self.clone(), source.clone(), task.clone());
        let work = tokio::spawn(async move {
            let outcome = this.move_these(&source, &task, leaving.clone()).await;
            if outcome.is_err() {
                source.live().engine.stay(&leaving, this.now());
            }
            outcome
        });
        work.await.unwrap_or_else(|error| Err(SqsError::Internal(error.to_string())))?;
        Ok(moved)
    }

    async fn move_these(
        self: &Arc<Self>,
        source: &Arc<Queue>,
        task: &TaskRecord,
        leaving: Vec<MessageKey>,
    ) -> Result<(), SqsError> {
        let mut by_target: Vec<(Arc<Queue>, Vec<MessageKey>)> = Vec::new();
        for key in leaving {
            let target = match &task.destination_arn {
                Some(arn) => arn.parse::<Arn>().ok(),
                None => self.origin_of(source, key).await?,
            };
            let target = target.and_then(|arn| self.find_arn(&source.scope, &arn));
            let target =
                target.ok_or(SqsError::NotFound("The queue that a message is to be moved to does not exist."))?;
            match by_target.iter_mut().find(|(known, _)| known.id == target.id) {
                Some((_, keys)) => keys.push(key),
                None => by_target.push((target, vec![key])),
            }
        }
        for (target, keys) in by_target {
            self.transfer(source, &target, keys, Journey::Back).await?;
        }
        Ok(())
    }
}
