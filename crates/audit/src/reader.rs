//! The reading side: lines of the log, oldest first, from a directory that a server may be writing to.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::{Line, files};

/// Reads on from where it stopped, across files.
pub struct Reader {
    directory: PathBuf,
    /// The file read last, and how far.
    file: Option<PathBuf>,
    offset: u64,
}

impl Reader {
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), file: None, offset: 0 }
    }

    /// Hands every whole line that is new to `each`. A line that cannot be read is skipped: a crash cuts the last one.
    ///
    /// # Errors
    /// The directory or a file cannot be read.
    pub fn read_on(&mut self, mut each: impl FnMut(Line)) -> std::io::Result<()> {
        for file in files::list(&self.directory)? {
            match &self.file {
                Some(current) if file.path < *current => continue,
                Some(current) if file.path == *current => {}
                _ => {
                    self.file = Some(file.path.clone());
                    self.offset = 0;
                }
            }
            let mut reader = BufReader::new(File::open(&file.path)?);
            reader.seek(SeekFrom::Start(self.offset))?;
            let mut text = Vec::new();
            loop {
                text.clear();
                let length = reader.read_until(b'\n', &mut text)?;
                if text.last() != Some(&b'\n') {
                    break;
                }
                self.offset += length as u64;
                if let Ok(line) = serde_json::from_slice(&text) {
                    each(line);
                }
            }
        }
        Ok(())
    }
}

/// The last `count` lines that `wanted` picks, oldest first.
///
/// # Errors
/// As [`Reader::read_on`].
pub fn last(reader: &mut Reader, count: usize, wanted: impl Fn(&Line) -> bool) -> std::io::Result<Vec<Line>> {
    let mut kept = VecDeque::new();
    reader.read_on(|line| {
        if wanted(&line) {
            kept.push_back(line);
            if kept.len() > count {
                kept.pop_front();
            }
        }
    })?;
    Ok(kept.into())
}
