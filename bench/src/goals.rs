//! What was wanted of a figure, and whether it was reached.

use comfy_table::{Cell, Table};
use serde_json::{Value, json};

use crate::report::{new_table, right};

/// What is wanted of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn is_reached(self, measured: f64) -> bool {
        match self {
            Self::AtMost(most) => measured <= most,
            Self::AtLeast(least) => measured >= least,
        }
    }
}

pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
}

impl Verdict {
    pub(crate) fn json(&self) -> Value {
        let (is_most, goal) = match self.goal {
            Goal::AtMost(most) => (true, most),
            Goal::AtLeast(least) => (false, least),
        };
        json!({
            "bench": "goal", "what": self.what, "measured": self.measured, "unit": self.unit, "goal": goal,
            "at_most": is_most, "reached": self.goal.is_reached(self.measured),
        })
    }
}

pub(crate) fn table(verdicts: &[Verdict]) -> Table {
    let mut table = new_table(&["goal", "measured", "wanted", ""]);
    for Verdict { what, measured, unit, goal } in verdicts {
        let wanted = match goal {
            Goal::AtMost(most) => format!("≤ {} {unit}", plain(*most)),
            Goal::AtLeast(least) => format!("≥ {} {unit}", plain(*least)),
        };
        let verdict = if goal.is_reached(*measured) { "reached" } else { "not reached" };
        table.add_row([
            Cell::new(what),
            right(format!("{} {unit}", plain(*measured))),
            right(wanted),
            Cell::new(verdict),
        ]);
    }
    table
}

/// With a decimal where it matters.
fn plain(value: f64) -> String {
    if value.abs() >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
