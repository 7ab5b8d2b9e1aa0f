//! The store as its ports show it: order, waiting, overflow, rotation, retention, crash and damage.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use hearth_types::{AccountId, ManualClock, Partition, Region, RequestId, Scope};
use tempfile::TempDir;

use super::*;

pub(crate) fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) }
}

pub(crate) fn event(text: &str) -> LogEvent {
    LogEvent { timestamp_ms: 1_768_232_232_000, message: text.to_owned().into() }
}

fn context() -> RequestContext {
    RequestContext::service(&scope(), "lambda.amazonaws.com", RequestId::from("r"))
}

fn open(directory: &TempDir, config: LogsConfig) -> Arc<Logs> {
    Logs::open_with(directory.path(), Arc::new(ManualClock::at(0)), config).expect("opens")
}

fn small_segments() -> LogsConfig {
    LogsConfig { segment_bytes_max: 2_000, ..LogsConfig::default() }
}

async fn texts_after(logs: &Logs, group: &str, after_sequence: u64) -> Vec<(u64, String)> {
    let query = LogQuery { group: group.to_owned(), after_sequence, limit: usize::MAX };
    let events = logs.read(&context(), &query).await;
    events.into_iter().map(|event| (event.sequence, String::from_utf8_lossy(&event.message).into_owned())).collect()
}

async fn texts(logs: &Logs, group: &str) -> Vec<String> {
    texts_after(logs, group, 0).await.into_iter().map(|(_, text)| text).collect()
}

fn files(directory: &TempDir, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.path()).expect("readable");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

#[tokio::test]
async fn a_group_is_read_in_order_of_arrival_and_apart_from_others() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, LogsConfig::default());
    logs.append(&context(), "a", "s1", vec![event("1"), event("2")]);
    logs.append(&context(), "b", "s1", vec![event("other group")]);
    logs.append(&context(), "a", "s2", vec![event("3")]);
    let read = texts_after(&logs, "a", 0).await;
    assert_eq!(read.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(texts_after(&logs, "a", read[1].0).await, [read[2].clone()]);
    let mut elsewhere = context();
    elsewhere.region = Region::from("eu-west-1");
    let query = LogQuery { group: "a".to_owned(), after_sequence: 0, limit: 9 };
    assert_eq!(logs.read(&elsewhere, &query).await, [], "regions are separate worlds");
}

#[tokio::test]
async fn a_limit_pages_through_everything_once() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, small_segments());
    for number in 0..500 {
        logs.append(&context(), if number % 3 == 0 { "noise" } else { "a" }, "s", vec![event(&format!("{number}"))]);
    }
    let (mut seen, mut after_sequence) = (Vec::new(), 0);
    loop {
        let page = logs.read(&context(), &LogQuery { group: "a".to_owned(), after_sequence, limit: 7 }).await;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7);
        after_sequence = last.sequence;
        seen.extend(page.iter().map(|event| String::from_utf8_lossy(&event.message).parse::<u32>().expect("a number")));
    }
    assert_eq!(seen, (0..500).filter(|number| number % 3 != 0).collect::<Vec<u32>>());
}

#[tokio::test]
async fn waiting_ends_when_the_group_gets_something_and_not_before() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, LogsConfig::default());
    let started = std::time::Instant::now();
    logs.wait(&context(), "a", 0, 30).await;
    assert!(started.elapsed() >= Duration::from_millis(30));
    let waiting = tokio::spawn({
        let logs = Arc::clone(&logs);
        async move { logs.wait(&context(), "a", 0, 20_000).await }
    });
    logs.append(&context(), "b", "s", vec![event("another group")]);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(!waiting.is_finished());
    logs.append(&context(), "a", "s", vec![event("this one")]);
    waiting.await.expect("no panic");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_overfull_queue_tells_how_much_it_dropped() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, LogsConfig { queue_bytes_max: 2_000, ..LogsConfig::default() });
    for _ in 0..50 {
        logs.append(&context(), "a", "s", vec![event(&"x".repeat(300))]);
    }
    // The line about the loss comes with the batch that follows it.
    let kept = texts(&logs, "a").await;
    let (lines, told): (Vec<_>, Vec<_>) = kept.into_iter().partition(|text| text.starts_with('x'));
    let dropped: usize = told
        .iter()
        .map(|line| line.strip_prefix("LOGS_DROPPED Records: ").and_then(|rest| rest.split('\t').next()).expect(line))
        .map(|number| number.parse::<usize>().expect("a number"))
        .sum();
    assert!(dropped > 0);
    assert_eq!(lines.len() + dropped, 50);
}

#[tokio::test]
async fn everything_is_there_after_a_restart_also_without_the_summaries() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, small_segments());
    for number in 0..100 {
        logs.append(&context(), "a", "s", vec![event(&format!("line {number} {}", "x".repeat(100)))]);
        let _ = texts(&logs, "a").await;
    }
    let before = texts_after(&logs, "a", 0).await;
    assert_eq!(before.len(), 100);
    logs.close();
    assert!(files(&directory, "log").len() > 3, "rotation by size");
    assert!(files(&directory, "idx").len() > 3);

    let again = open(&directory, small_segments());
    assert_eq!(again.damage(), []);
    assert_eq!(texts_after(&again, "a", 0).await, before);
    again.close();

    for path in files(&directory, "idx") {
        fs::remove_file(path).expect("deleted");
    }
    let again = open(&directory, small_segments());
    assert_eq!(texts_after(&again, "a", 0).await, before);
    again.append(&context(), "a", "s", vec![event("later")]);
    let after = texts_after(&again, "a", before[99].0).await;
    assert!(after.len() == 1 && after[0].0 > before[99].0, "sequences go on upwards");
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_reported_and_written_over() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, LogsConfig::default());
    logs.append(&context(), "a", "s", vec![event("kept")]);
    logs.close();
    let path = files(&directory, "log").remove(0);
    let intact_bytes = fs::metadata(&path).expect("there").len();
    OpenOptions::new().append(true).open(&path).expect("opens").write_all(b"HLF1\x40\0\0\0torn").expect("written");

    let again = open(&directory, LogsConfig::default());
    assert_eq!(again.damage(), [Damage { path: path.clone(), offset: intact_bytes, bytes: 12, torn_tail: true }]);
    assert_eq!(fs::metadata(&path).expect("there").len(), intact_bytes);
    again.append(&context(), "a", "s", vec![event("after the crash")]);
    assert_eq!(texts(&again, "a").await, ["kept", "after the crash"]);
    again.close();
    assert_eq!(open(&directory, LogsConfig::default()).damage(), []);
}

#[tokio::test]
async fn a_flipped_bit_costs_its_own_record_and_is_reported() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, LogsConfig::default());
    for text in ["first", "second", "third"] {
        logs.append(&context(), "a", "s", vec![event(text)]);
        let _ = texts(&logs, "a").await;
    }
    logs.close();
    let path = files(&directory, "log").remove(0);
    let mut bytes = fs::read(&path).expect("readable");
    let at = bytes.windows(6).position(|window| window == b"second").expect("stored as is");
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("written");

    let again = open(&directory, LogsConfig::default());
    assert_eq!(again.damage().len(), 1);
    assert!(!again.damage()[0].torn_tail);
    assert_eq!(texts(&again, "a").await, ["first", "third"]);
}

#[tokio::test]
async fn damage_in_a_sealed_segment_is_stepped_over_when_it_is_read() {
    let directory = TempDir::new().expect("temp dir");
    let logs = open(&directory, small_segments());
    for number in 0..60 {
        logs.append(&context(), "a", "s", vec![event(&format!("line {number:02} {}", "x".repeat(100)))]);
        let _ = texts(&logs, "a").await;
    }
    logs.close();
    let path = files(&directory, "log").remove(0);
    let mut bytes = fs::read(&path).expect("readable");
    let at = bytes.windows(7).position(|window| window == b"line 01").expect("in the first segment");
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("written");

    let again = open(&directory, small_segments());
    let read = texts(&again, "a").await;
    assert_eq!(read.len(), 59);
    assert!(!read.iter().any(|text| text.starts_with("line 01")));
}

#[tokio::test]
async fn the_oldest_segments_go_when_the_total_is_passed() {
    let directory = TempDir::new().expect("temp dir");
    let config = LogsConfig { segment_bytes_max: 2_000, total_bytes_max: 8_000, ..LogsConfig::default() };
    let logs = open(&directory, config);
    for number in 0..200 {
        logs.append(&context(), "a", "s", vec![event(&format!("line {number} {}", "x".repeat(100)))]);
        let _ = texts(&logs, "a").await;
    }
    let total: u64 = files(&directory, "log").iter().map(|path| fs::metadata(path).expect("there").len()).sum();
    assert!(total <= 8_000 + 2_000, "{total}");
    let read = texts(&logs, "a").await;
    assert!(read.len() > 20 && read.len() < 80, "{}", read.len());
    assert!(read.last().expect("some").starts_with("line 199 "));
    logs.close();
    assert_eq!(texts(&open(&directory, config), "a").await, read);
}
