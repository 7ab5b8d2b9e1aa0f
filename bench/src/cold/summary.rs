//! What was measured of cold starts, beside the goals: tables for people and lines of JSON for programs.

use std::time::Duration;

use comfy_table::{Cell, Table};
use serde_json::{Value, json};

use super::Density;
use super::crowd::Crowd;
use super::freeze::Freezing;
use super::starts::{Pool, Starts};
use super::steady::{PER_SECOND, Steady};
use crate::goals::{self, Goal, Verdict};
use crate::memory::Slots;
use crate::null_runtime::Client;
use crate::report::{Measurement, new_table, right};

/// The crowd that the goal is about.
const CROWD_OF_GOAL: u32 = 200;

/// What a server at rest took.
pub(super) struct Memory {
    /// Less memory available than before it started, MiB.
    pub(super) taken_mib: f64,
    pub(super) server_resident_mib: f64,
    pub(super) slots: Slots,
}

#[derive(Default)]
pub(super) struct Summary {
    /// Rows of percentiles.
    starts: Vec<[String; 7]>,
    /// What, value, what stands beside it.
    figures: Vec<[String; 3]>,
    verdicts: Vec<Verdict>,
    json: Vec<Value>,
    notes: Vec<String>,
    has_failed: bool,
}

impl Summary {
    pub(super) fn starts(&mut self, client: Client, starts: Starts) {
        let Starts { pool, first_answer, bare_start, not_full } = starts;
        let pool_text = if pool == Pool::Full { "pool" } else { "no pool" };
        let title = title(client);
        let p50 = self.percentiles(title, pool_text, &first_answer, &bare_start);
        let bare = at_ms(&bare_start, 0.5);
        let (what, measured, most) = match pool {
            Pool::Full => (format!("cold start from the pool, p50: {title}"), p50, goal_ms(client)),
            Pool::Off => (format!("cold start without, over the bare program, p50: {title}"), p50 - bare, 5.0),
        };
        self.verdicts.push(Verdict { what, measured, unit: "ms", goal: Goal::AtMost(most) });
        if not_full > 0 {
            self.note(format!("{title}: the pool did not get full before {not_full} of {} starts", first_answer.len()));
        }
    }

    pub(super) fn steady(&mut self, steady: &Steady) {
        let seconds = steady.asked_for.as_secs();
        let what = format!("Python, {PER_SECOND} a second for {seconds} s");
        self.percentiles(&what, "pool", &steady.first_answer, &steady.bare_start);
        if steady.warm > 0 {
            self.note(format!("{what}: {} requests found an environment and do not count", steady.warm));
        }
    }

    /// Gives p50, ms.
    fn percentiles(&mut self, what: &str, pool: &str, first: &[Duration], bare: &[Duration]) -> f64 {
        let figures = [at_ms(first, 0.5), at_ms(first, 0.99), at_ms(bare, 0.5), at_ms(bare, 0.99)];
        let [p50, p99, bare_p50, bare_p99] = figures;
        let [a, b, c, d] = figures.map(|figure| format!("{figure:.1}"));
        self.starts.push([what.to_owned(), pool.to_owned(), a, b, c, d, first.len().to_string()]);
        self.json.push(json!({
            "bench": "cold", "what": what, "pool": pool, "p50_ms": p50, "p99_ms": p99, "bare_p50_ms": bare_p50,
            "bare_p99_ms": bare_p99, "starts": first.len(),
        }));
        p50
    }

    pub(super) fn crowd(&mut self, pool: &'static str, crowd: &Crowd, bare: Duration) {
        let Crowd { asked, environments, last_answer, median_answer } = *crowd;
        let [last, median, bare] = [last_answer, median_answer, bare].map(|duration| duration.as_secs_f64() * 1e3);
        self.figure(
            format!("0 → {environments} Python environments, {pool}: last answer"),
            format!("{last:.0} ms"),
            format!("median {median:.0} ms; {asked} bare interpreters at once {bare:.0} ms"),
            json!({
                "bench": "crowd", "pool": pool, "asked": asked, "environments": environments, "last_ms": last,
                "median_ms": median, "bare_ms": bare,
            }),
        );
        if environments < asked {
            self.fail(format!("FAILED {asked} at once, {pool}: only {environments} environments, some served twice"));
        } else if asked == CROWD_OF_GOAL && pool == "pool" {
            let what = format!("0 → {asked} Python environments from the default pool");
            self.verdicts.push(Verdict { what, measured: last, unit: "ms", goal: Goal::AtMost(400.0) });
        }
    }

    pub(super) fn pool(&mut self, with: &Memory, without: &Memory) {
        let Slots { count, proportional_mib } = with.slots;
        let taken = with.taken_mib - without.taken_mib;
        self.figure(
            format!("default pool at rest, {count} slots"),
            format!("{taken:.0} MiB"),
            format!("of available memory; its processes' proportional share is {proportional_mib:.0} MiB"),
            json!({ "bench": "pool", "slots": count, "taken_mib": taken, "proportional_mib": proportional_mib }),
        );
        let (idle, with) = (without.server_resident_mib, with.server_resident_mib);
        self.figure(
            "idle server, resident".to_owned(),
            format!("{idle:.1} MiB"),
            format!("with the default pool {with:.1} MiB"),
            json!({ "bench": "idle", "server_mib": idle, "server_with_pool_mib": with }),
        );
    }

    pub(super) fn density(&mut self, density: &Density) {
        let Density { environments, taken_mib, proportional_mib } = *density;
        let each = |mib: f64| mib / f64::from(environments.max(1));
        let (taken, proportional) = (each(taken_mib), each(proportional_mib));
        self.figure(
            format!("one of {environments} idle Python environments"),
            format!("{taken:.1} MiB"),
            format!("of available memory; its processes' proportional share is {proportional:.1} MiB"),
            json!({
                "bench": "density", "environments": environments, "taken_mib": taken, "proportional_mib": proportional,
            }),
        );
    }

    pub(super) fn freezing(&mut self, freezing: &Freezing) {
        let Freezing { client, how, was_frozen, freeze, thaw } = freezing;
        let us = |sorted: &[Duration], share| Measurement::percentile_us(sorted, share);
        let [freeze_p50, freeze_p99] = [0.5, 0.99].map(|share| us(freeze, share));
        let [thaw_p50, thaw_p99] = [0.5, 0.99].map(|share| us(thaw, share));
        let title = title(*client);
        self.figure(
            format!("freeze, thaw by {how}: {title}"),
            format!("{freeze_p50:.0}, {thaw_p50:.0} µs"),
            format!("p99 {freeze_p99:.0}, {thaw_p99:.0} µs"),
            json!({
                "bench": "freeze", "what": title, "how": how, "freeze_p50_us": freeze_p50, "freeze_p99_us": freeze_p99,
                "thaw_p50_us": thaw_p50, "thaw_p99_us": thaw_p99,
            }),
        );
        if !was_frozen {
            self.fail(format!("FAILED freezing, {title}: the server had not frozen the idle environment"));
        }
    }

    fn figure(&mut self, what: String, value: String, beside: String, json: Value) {
        self.figures.push([what, value, beside]);
        self.json.push(json);
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Something could not be measured that should have been.
    pub(super) fn fail(&mut self, note: String) {
        self.has_failed = true;
        self.note(note);
    }

    /// Is anything missing that should have been measured? A goal that was not reached is no failure.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn json_lines(&self) -> String {
        let goals = self.verdicts.iter().map(Verdict::json);
        self.json.iter().cloned().chain(goals).map(|line| format!("{line}\n")).collect()
    }

    pub(super) fn print(&self) {
        println!("Cold starts: request to answer, ms; beside them the bare program from start to exit\n");
        println!("{}\n", self.starts_table());
        let mut table = new_table(&["", "measured", ""]);
        for [what, value, beside] in &self.figures {
            table.add_row([Cell::new(what), right(value.clone()), Cell::new(beside)]);
        }
        println!("{table}\n\n{}", goals::table(&self.verdicts));
        for note in &self.notes {
            println!("{note}");
        }
    }

    fn starts_table(&self) -> Table {
        let mut table = new_table(&["", "", "p50", "p99", "bare p50", "bare p99", "starts"]);
        for [what, pool, numbers @ ..] in &self.starts {
            let numbers = numbers.iter().cloned().map(right);
            table.add_row([Cell::new(what), Cell::new(pool)].into_iter().chain(numbers));
        }
        table
    }
}

const fn title(client: Client) -> &'static str {
    match client {
        Client::Stock => "native",
        Client::Small => "native, small client",
        Client::Python => "Python",
        Client::Node => "Node.js",
    }
}

/// What a start from the pool may take at the median.
const fn goal_ms(client: Client) -> f64 {
    match client {
        Client::Stock | Client::Small => 1.5,
        Client::Python => 2.0,
        Client::Node => 2.5,
    }
}

fn at_ms(sorted: &[Duration], share: f64) -> f64 {
    Measurement::percentile_us(sorted, share) / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(pool: Pool, answer_ms: u64, bare_ms: u64) -> Starts {
        let of = |ms| vec![Duration::from_millis(ms); 10];
        Starts { pool, first_answer: of(answer_ms), bare_start: of(bare_ms), not_full: 0 }
    }

    #[test]
    fn a_start_from_the_pool_is_judged_by_itself_and_one_without_by_the_bare_program() {
        let mut summary = Summary::default();
        summary.starts(Client::Python, starts(Pool::Full, 3, 10));
        summary.starts(Client::Python, starts(Pool::Off, 14, 10));
        let reached: Vec<bool> =
            summary.verdicts.iter().map(|verdict| verdict.goal.is_reached(verdict.measured)).collect();
        assert_eq!(reached, [false, true]);
    }

    #[test]
    fn a_crowd_that_shared_environments_is_no_crowd() {
        let mut summary = Summary::default();
        let time = Duration::from_millis(100);
        let crowd = Crowd { asked: 200, environments: 199, last_answer: time, median_answer: time };
        summary.crowd("pool", &crowd, time);
        assert!(summary.has_failed() && summary.verdicts.is_empty());
    }
}
