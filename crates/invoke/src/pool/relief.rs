//! What has to end when environments hold more memory than they should, in spite of the ledger's care: a function that
//! was seen to need little needs much, or the rest of the machine does. Or when the disk is nearly full.
//!
//! Idle environments go first, the least recently used before others. Only when the environments themselves are over
//! their limit those follow that run, the youngest use first: it has lost least, and its caller is told to come again.
//! All this happens below the hard limit at which the kernel would choose.

use super::{Observed, Occupant, Pool};

/// What to end now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Relief<E, S> {
    pub(crate) idle: Vec<E>,
    /// Environments in the middle of an invocation.
    pub(crate) running: Vec<S>,
}

impl<E: Occupant, W> Pool<E, W> {
    /// Takes note of what the machine says, and answers what has to end for it.
    pub(crate) fn observe(&mut self, observed: Observed) -> Relief<E, E::Signal> {
        // What it really holds nobody has asked; an equal part of everything is the best guess for what has outgrown its
        // charge.
        let part_mib = observed.held_mib / self.environments.max(1) as u64;
        let shortage = self.ledger.observe(observed);
        let mut freed_mib = 0;
        let mut candidates = Vec::new();
        if shortage.mib > 0 || !self.ledger.has_disk() {
            let mut is_first = !self.ledger.has_disk();
            candidates = self.candidates(|_| false);
            candidates.retain(|idle| {
                // How much disk it frees nobody knows: one at each look.
                let is_needed = std::mem::take(&mut is_first) || freed_mib < shortage.mib;
                freed_mib += if is_needed { idle.charged_mib } else { 0 };
                is_needed
            });
        }
        let idle = self.evict(candidates);
        let mut running = Vec::new();
        for busy in self.busy.values_mut().rev() {
            if freed_mib >= shortage.own_mib {
                break;
            }
            // Who has been told already is about to end.
            freed_mib += busy.charged_mib.max(part_mib);
            running.extend(busy.signal.take());
        }
        Relief { idle, running }
    }
}
