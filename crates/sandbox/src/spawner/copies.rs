//! Copies of runtime processes that wait, for slots that would have to start their own. On a machine that does not let
//! processes be copied none are tried any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::process::Pid;

use super::zygote::{Destination, Zygote};
use crate::runtimes::Root;

/// Copies of a root that fail in a row before no more are tried.
const FAILURES_MAX: u32 = 3;

pub(super) struct Copies {
    /// Roots whose interpreter needs `LD_LIBRARY_PATH`.
    library_path: BTreeSet<Root>,
    zygotes: BTreeMap<Root, Zygote>,
    /// In a row.
    failures: BTreeMap<Root, u32>,
    note: Option<String>,
}

impl Copies {
    pub(super) fn new(library_path: BTreeSet<Root>) -> Self {
        Self { library_path, zygotes: BTreeMap::new(), failures: BTreeMap::new(), note: None }
    }

    /// Puts one into a slot; its number there, or `None` where there is nothing to copy, or not yet. After an error the
    /// slot is of no use any more.
    pub(super) fn put(
        &mut self,
        root: Root,
        namespace: BorrowedFd<'_>,
        destination: &Destination<'_>,
    ) -> io::Result<Option<i32>> {
        if self.failures.get(&root).is_some_and(|failures| *failures >= FAILURES_MAX) {
            return Ok(None);
        }
        let Some(zygote) = self.zygotes.get_mut(&root) else {
            match Zygote::start(root, self.library_path.contains(&root), namespace) {
                Ok(zygote) => self.zygotes.extend(zygote.map(|zygote| (root, zygote))),
                // The slot can do without.
                Err(error) => self.failed(root, &error),
            }
            return Ok(None);
        };
        let copied = zygote.copy(destination);
        match &copied {
            Ok(None) => {}
            Ok(Some(_)) => drop(self.failures.remove(&root)),
            Err(error) => {
                self.zygotes.remove(&root);
                self.failed(root, error);
            }
        }
        copied
    }

    fn failed(&mut self, root: Root, error: &io::Error) {
        let failures = self.failures.entry(root).or_default();
        *failures += 1;
        if *failures == FAILURES_MAX {
            self.note = Some(format!(
                "no process of {root:?} is copied any more, cold starts beyond the pool take longer: {error}"
            ));
        }
    }

    /// What has happened since that somebody should know.
    pub(super) fn note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// A process has ended. One that is copied has no reason to, nor to stop when it is not made to.
    pub(super) fn ended(&mut self, process: Pid) {
        self.zygotes.retain(|_, zygote| !zygote.is(process));
    }
}
