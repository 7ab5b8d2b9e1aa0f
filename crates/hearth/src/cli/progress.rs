//! A progress bar on standard error, for work that takes long; nothing where that is no terminal.

use std::time::Duration;

use hearth_backup::Progress;
use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// For work of which only what has arrived so far can be told.
    pub(super) fn arriving(what: &str) -> Self {
        let bar = Self::new();
        bar.0.set_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} {spinner} {bytes} {elapsed}") {
            bar.0.set_style(style);
        }
        bar
    }

    /// So much by now.
    pub(super) fn arrived(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    /// Takes the bar away: what follows is the result.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Layer by layer.
impl hearth_images::Progress for Bar {
    fn layer(&self, number: usize, of: usize, bytes: u64) {
        self.begin("layer", bytes);
        self.0.set_message(format!("layer {number} of {of}"));
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Progress for Bar {
    fn begin(&self, what: &'static str, bytes: u64) {
        self.0.reset();
        self.0.set_message(what);
        let template = if bytes > 0 {
            self.0.set_length(bytes);
            "{msg} {wide_bar} {bytes}/{total_bytes} {eta}"
        } else {
            "{msg} {spinner} {elapsed}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}
