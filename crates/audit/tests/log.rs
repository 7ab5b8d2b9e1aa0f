//! What is recorded is read, whatever happens to files and servers in between.

use hearth_audit::reader::{self, Reader};
use hearth_audit::{Audit, Line};
use hearth_ports::{AuditLog as _, AuditRecord, Verdict};

const KEEP: u64 = 1 << 30;

fn record(time_ms: i64) -> AuditRecord {
    AuditRecord {
        time_ms,
        request_id: "r".into(),
        principal: "arn:aws:iam::123456789012:user/u".to_owned(),
        access_key_id: Some("AKIA".into()),
        source_ip: [127, 0, 0, 1].into(),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        resource: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        verdict: Verdict::Denied,
        because: "no identity-based policy".to_owned(),
    }
}

fn times(lines: &[Line]) -> Vec<i64> {
    lines
        .iter()
        .map(|line| match line {
            Line::Decision(record) => record.time_ms,
            Line::Lost { .. } => -1,
        })
        .collect()
}

#[test]
fn records_of_two_lives_are_read_in_their_order() {
    let directory = tempfile::tempdir().expect("a directory");
    for life in [1_000, 2_000] {
        let audit = Audit::open(directory.path(), KEEP).expect("opens");
        (0..3).for_each(|n| audit.record(record(life + n)));
        audit.close();
    }
    let mut reader = Reader::new(directory.path());
    let lines = reader::last(&mut reader, 100, |_| true).expect("readable");
    assert_eq!(times(&lines), [1_000, 1_001, 1_002, 2_000, 2_001, 2_002]);
    assert_eq!(lines[0], Line::Decision(record(1_000)), "every member comes back");
    assert!(reader::last(&mut reader, 100, |_| true).expect("readable").is_empty(), "each line is read once");
}

#[test]
fn a_line_that_a_crash_cut_hides_no_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let audit = Audit::open(directory.path(), KEEP).expect("opens");
    audit.record(record(5));
    audit.close();
    let file =
        std::fs::read_dir(directory.path()).expect("a directory").next().expect("a file").expect("a file").path();
    let mut bytes = std::fs::read(&file).expect("readable");
    bytes.extend_from_slice(b"{\"timeMs\":6,\"requ");
    std::fs::write(&file, bytes).expect("writable");
    let audit = Audit::open(directory.path(), KEEP).expect("opens");
    audit.record(record(7));
    audit.close();
    let lines = reader::last(&mut Reader::new(directory.path()), 100, |_| true).expect("readable");
    assert_eq!(times(&lines), [5, 7]);
}

#[test]
fn the_oldest_records_make_room_for_new_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    // Three files' worth of records; room for two files.
    let audit = Audit::open(directory.path(), 33 << 20).expect("opens");
    let padding = "x".repeat(8_000);
    for n in 0..6_000 {
        audit.record(AuditRecord { because: padding.clone(), ..record(n) });
        if n % 1_000 == 0 {
            // Slower than the queue is long.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    audit.close();
    let lines = times(&reader::last(&mut Reader::new(directory.path()), 10_000, |_| true).expect("readable"));
    assert_eq!(lines.last(), Some(&5_999));
    assert!(lines[0] > 0, "the first file is gone");
    assert!(lines.is_sorted() && lines.len() > 2_000, "{}", lines.len());
}

#[test]
fn what_cannot_be_taken_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let audit = Audit::open(directory.path(), KEEP).expect("opens");
    let total = 400_000;
    (0..total).for_each(|n| audit.record(record(n)));
    audit.close();
    let lines = reader::last(&mut Reader::new(directory.path()), usize::MAX, |_| true).expect("readable");
    let written = lines.iter().filter(|line| matches!(line, Line::Decision(_))).count() as i64;
    let lost: u64 = lines.iter().map(|line| if let Line::Lost { lost, .. } = line { *lost } else { 0 }).sum();
    assert_eq!(written + i64::try_from(lost).expect("small"), total);
}
