//! The store on disk: rotation, packing, crash and damage.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use super::*;
use crate::Damage;

async fn with_lines(config: LogsConfig, count: usize) -> Server {
    let server = Server::with(config).await;
    for number in 0..count {
        server.say("s", &format!("line {number:03} {}", "x".repeat(100)));
        let _ = server.texts().await;
    }
    server
}

#[tokio::test]
async fn everything_is_there_after_a_restart_also_without_the_summaries() {
    let server = with_lines(small_segments(), 100).await;
    let before = server.texts_after("g", 0).await;
    assert_eq!(before.len(), 100);
    server.packed().await;
    assert!(server.files("seg").len() > 3, "rotation by size");

    let again = server.restart(small_segments()).await;
    assert_eq!(again.logs.damage(), []);
    assert_eq!(again.texts_after("g", 0).await, before);
    again.logs.close();
    for path in again.files("idx") {
        fs::remove_file(path).expect("deleted");
    }
    let again = again.restart(small_segments()).await;
    assert_eq!(again.texts_after("g", 0).await, before);
    again.say("s", "later");
    let after = again.texts_after("g", before[99].0).await;
    assert!(after.len() == 1 && after[0].0 > before[99].0, "sequences go on upwards");
}

#[tokio::test]
async fn packed_segments_are_smaller_and_read_the_same() {
    let server = with_lines(small_segments(), 60).await;
    let lines: usize = server.texts().await.iter().map(String::len).sum();
    server.packed().await;
    let (packed, newest) = {
        let index = server.logs.index.read();
        let packed: u64 = index.sealed().map(|segment| segment.summary.bytes).sum();
        (packed, index.newest().map_or(0, |segment| segment.summary.bytes))
    };
    assert!(packed * 3 < lines as u64, "{packed} of {lines}");
    let on_disk: u64 = server.files("seg").iter().map(|path| fs::metadata(path).expect("there").len()).sum();
    assert_eq!(on_disk, packed + newest);
    // The last summary may still be on its way.
    server.until("nothing is left over", || server.files("tmp").is_empty()).await;
    let texts = server.texts().await;
    assert_eq!(texts.len(), 60);
    assert!(texts.is_sorted());
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_reported_and_written_over() {
    let server = with_lines(LogsConfig::default(), 1).await;
    server.logs.close();
    let path = server.files("seg").remove(0);
    let intact_bytes = fs::metadata(&path).expect("there").len();
    OpenOptions::new().append(true).open(&path).expect("opens").write_all(b"HLR2\x40\0\0\0torn").expect("written");

    let again = server.restart(LogsConfig::default()).await;
    assert_eq!(again.logs.damage(), [Damage { path: path.clone(), offset: intact_bytes, bytes: 12, torn_tail: true }]);
    assert_eq!(fs::metadata(&path).expect("there").len(), intact_bytes);
    again.say("s", "after the crash");
    assert_eq!(again.texts().await[1], "after the crash");
    assert_eq!(again.restart(LogsConfig::default()).await.logs.damage(), []);
}

#[tokio::test]
async fn a_flipped_bit_costs_its_own_record_and_is_reported() {
    let server = with_lines(LogsConfig::default(), 3).await;
    server.logs.close();
    let path = server.files("seg").remove(0);
    let mut bytes = fs::read(&path).expect("readable");
    let at = bytes.windows(8).position(|window| window == b"line 001").expect("stored as is");
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("written");

    let again = server.restart(LogsConfig::default()).await;
    assert_eq!(again.logs.damage().len(), 1);
    assert!(!again.logs.damage()[0].torn_tail);
    let texts = again.texts().await;
    assert_eq!(texts.len(), 2);
    assert!(texts[0].starts_with("line 000") && texts[1].starts_with("line 002"));
}

#[tokio::test]
async fn damage_in_a_packed_segment_costs_its_block_when_it_is_read() {
    let server = with_lines(small_segments(), 60).await;
    server.packed().await;
    server.logs.close();
    let (first, count) = {
        let index = server.logs.index.read();
        let segment = index.sealed().next().expect("sealed");
        let block = segment.summary.blocks.values().flatten().next().expect("a block");
        (segment.path.clone(), block.last_sequence - block.first_sequence + 1)
    };
    let mut bytes = fs::read(&first).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&first, bytes).expect("written");
    let again = server.restart(small_segments()).await;
    assert_eq!(again.texts().await.len() as u64, 60 - count);
}

#[tokio::test]
async fn what_a_crash_left_half_packed_is_thrown_away() {
    let server = with_lines(small_segments(), 30).await;
    server.packed().await;
    let before = server.texts().await;
    server.logs.close();
    fs::write(server.files("seg")[0].with_extension("tmp"), b"half").expect("written");
    let again = server.restart(small_segments()).await;
    assert!(again.files("tmp").is_empty());
    assert_eq!(again.texts().await, before);
}

#[tokio::test]
async fn the_oldest_segments_go_when_the_total_is_passed() {
    let config = LogsConfig { segment_bytes_max: 2_000, total_bytes_max: 1_000, ..LogsConfig::default() };
    let server = Server::with(config).await;
    for number in 0..200_u32 {
        // Texts that compress badly.
        let noise: String =
            (0..100).map(|at| char::from(b'!' + ((number * 7 + at * at * number) % 90) as u8)).collect();
        server.say("s", &format!("line {number} {noise}"));
        let _ = server.texts().await;
    }
    server.packed().await;
    let total = || server.logs.index.read().bytes();
    server.until("room was made", || total() <= 1_000 + 2_000).await;
    let read = server.texts().await;
    assert!(!read.is_empty() && read.len() < 150, "{}", read.len());
    assert!(read.last().expect("some").starts_with("line 199 "));
    assert_eq!(server.restart(config).await.texts().await, read);
}

#[tokio::test]
async fn an_old_segment_is_sealed_though_it_is_small() {
    let server = with_lines(LogsConfig::default(), 2).await;
    server.clock.advance(DAY_MS);
    server.say("s", "a day later");
    let _ = server.texts().await;
    server.packed().await;
    server.until("sealed", || server.logs.index.read().sealed().count() == 1).await;
    assert_eq!(server.texts().await.len(), 3);
}
