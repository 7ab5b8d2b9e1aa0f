//! Files: whole, durable, and never other than what was written.

use std::os::unix::fs::FileExt as _;

use hearth_types::OsRandom;

use super::*;
use crate::BlobHold;
use crate::limits::FILE_BUFFER_BYTES;

fn files() -> (tempfile::TempDir, BlobFiles) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let files = BlobFiles::open(&dir.path().join("objects"), Arc::new(OsRandom)).expect("opens");
    (dir, files)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

async fn write(files: &BlobFiles, content: &[u8], piece: usize) -> FileId {
    let mut writer = files.create().await.expect("creates");
    for piece in content.chunks(piece) {
        writer.write(piece).await.expect("writes");
    }
    assert_eq!(writer.length(), content.len() as u64);
    writer.finish().await.expect("finishes")
}

async fn read(files: &BlobFiles, id: FileId, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
    let mut reader = files.read(id, offset, length);
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await? {
        assert!(piece.len() <= FILE_BUFFER_BYTES);
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[tokio::test]
async fn any_part_of_a_file_is_what_was_written_there() {
    let (_dir, files) = files();
    for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, FILE_BUFFER_BYTES, 3 * FILE_BUFFER_BYTES + 7] {
        let content = content(length);
        let id = write(&files, &content, 10_007).await;
        let points = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, FILE_BUFFER_BYTES + 3, length];
        for from in points.into_iter().filter(|from| *from <= length) {
            for to in points.into_iter().filter(|to| *to >= from && *to <= length) {
                let found = read(&files, id, from as u64, (to - from) as u64).await.expect("reads");
                assert!(found == content[from..to], "{from}..{to} of {length}");
            }
        }
    }
}

#[tokio::test]
async fn a_changed_or_missing_byte_is_damage_and_never_data() {
    let (_dir, files) = files();
    let id = write(&files, &content(200_000), 65_536).await;
    let path = files.0.path(id);
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opens");
    file.write_at(b"X", 70_000).expect("writes");
    assert!(read(&files, id, 0, 65_536).await.is_ok(), "its first block is whole");
    assert!(matches!(read(&files, id, 65_536, 10).await, Err(StoreError::Damaged(_))));
    file.set_len(1_000).expect("cuts");
    assert!(matches!(read(&files, id, 0, 10).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn what_was_not_finished_is_nowhere() {
    let (dir, files) = files();
    let mut writer = files.create().await.expect("creates");
    writer.write(&content(FILE_BUFFER_BYTES)).await.expect("writes");
    drop(writer);
    assert_eq!(files.list().await, Ok(vec![]));
    let mut left = files.create().await.expect("creates");
    left.write(b"half").await.expect("writes");
    std::mem::forget(left);
    drop(files);
    let files = BlobFiles::open(&dir.path().join("objects"), Arc::new(OsRandom)).expect("opens again");
    assert_eq!(files.list().await, Ok(vec![]));
    assert_eq!(fs::read_dir(dir.path().join("objects/tmp")).expect("lists").count(), 0);
}

#[tokio::test]
async fn a_link_outlives_what_it_was_made_from() {
    let (_dir, files) = files();
    let id = write(&files, b"abc", 10).await;
    let other = files.link(id).await.expect("links");
    assert_ne!(id, other);
    files.delete(vec![id]).await.expect("deletes");
    assert_eq!(files.list().await, Ok(vec![other]));
    assert_eq!(read(&files, other, 0, 3).await, Ok(b"abc".to_vec()));
}

#[tokio::test]
async fn a_file_that_is_read_or_held_goes_afterwards() {
    let (dir, files) = files();
    let id = write(&files, b"abc", 10).await;
    let mut reader = files.read(id, 0, 3);
    files.delete(vec![id]).await.expect("is deferred");
    assert_eq!(reader.next().await, Ok(Some(bytes::Bytes::from_static(b"abc"))));
    drop(reader);
    let hold = BlobHold::take(&dir.path().join("objects")).expect("held");
    files.sweep().await.expect("is deferred");
    assert_eq!(files.list().await, Ok(vec![id]));
    drop(hold);
    files.sweep().await.expect("deletes");
    assert_eq!(files.list().await, Ok(vec![]));
}
