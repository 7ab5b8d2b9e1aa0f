//! What one run measured, beside the goals: a table for people and lines of JSON for programs.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::cold::Cold;
use super::server::Memory;
use crate::BenchError;
use crate::floor::FLOOR;
use crate::null_runtime::Client;
use crate::report::Measurement;

#[derive(Default)]
pub(super) struct Summary {
    rows: Vec<Row>,
    cold: Vec<Value>,
    memory: Option<Value>,
    notes: Vec<String>,
    has_failed: bool,
}

struct Row {
    bench: &'static str,
    what: String,
    cores: &'static str,
    connections: usize,
    p50_us: f64,
    p99_us: f64,
    rate: f64,
    json: Value,
}

/// What is wanted of a figure.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_reached(self, measured: f64) -> bool {
        match self {
            Self::AtMost(most) => measured <= most,
            Self::AtLeast(least) => measured >= least,
        }
    }
}

struct Verdict {
    what: String,
    measured: f64,
    unit: &'static str,
    goal: Goal,
}

impl Summary {
    pub(super) fn add(&mut self, bench: &'static str, mut measurement: Measurement) {
        let json = measurement.json(bench);
        self.rows.push(Row {
            bench,
            cores: measurement.cores,
            connections: measurement.connections,
            p50_us: Measurement::percentile_us(&measurement.latencies, 0.5),
            p99_us: Measurement::percentile_us(&measurement.latencies, 0.99),
            rate: measurement.rate(),
            what: measurement.what,
            json,
        });
    }

    pub(super) fn cold(&mut self, cold: Cold) {
        let at = |sorted: &[Duration], share| Measurement::percentile_us(sorted, share) / 1e3;
        self.cold.push(json!({
            "bench": "cold", "what": cold.what, "starts": cold.first_answer.len(),
            "p50_ms": at(&cold.first_answer, 0.5), "max_ms": at(&cold.first_answer, 1.0),
            "bare_p50_ms": at(&cold.bare_start, 0.5),
        }));
    }

    pub(super) fn memory(&mut self, memory: &Memory) {
        self.memory =
            Some(json!({ "bench": "memory", "server_mib": memory.server_mib, "helpers_mib": memory.helpers_mib }));
    }

    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Something could not be measured that should have been.
    pub(super) fn fail(&mut self, note: String) {
        self.has_failed = true;
        self.note(note);
    }

    /// # Errors
    /// If anything failed; a goal that was not reached is no failure.
    pub(super) fn result(&self) -> Result<(), BenchError> {
        let failed = || BenchError::Other("some rows are missing: see above".to_owned());
        if self.has_failed { Err(failed()) } else { Ok(()) }
    }

    pub(super) fn json_lines(&self) -> String {
        let verdicts = self.verdicts();
        let goals = verdicts.iter().map(|verdict| {
            let (is_most, goal) = match verdict.goal {
                Goal::AtMost(most) => (true, most),
                Goal::AtLeast(least) => (false, least),
            };
            json!({
                "bench": "goal", "what": verdict.what, "measured": verdict.measured, "unit": verdict.unit,
                "goal": goal, "at_most": is_most, "reached": verdict.goal.is_reached(verdict.measured),
            })
        });
        let rows = self.rows.iter().map(|row| row.json.clone());
        let rest = self.cold.iter().chain(&self.memory).cloned();
        rows.chain(rest).chain(goals).map(|line| format!("{line}\n")).collect()
    }

    pub(super) fn print(&self) {
        println!("Latency with 1 connection, µs; requests per second with 1, 8 and 32 connections\n");
        println!("{}\n", self.rows_table());
        if !self.cold.is_empty() {
            println!("{}\n", self.cold_table());
        }
        println!("{}", self.goals_table());
        for note in &self.notes {
            println!("{note}");
        }
    }

    fn rows_table(&self) -> Table {
        let mut table = new_table(&["", "cores", "p50", "p99", "1 →/s", "8 →/s", "32 →/s"]);
        for row in self.rows.iter().filter(|row| row.connections == 1) {
            let rate = |connections| {
                self.find(row.bench, &row.what, row.cores, connections)
                    .map_or_else(String::new, |row| format!("{:.0}", row.rate))
            };
            let what = match row.bench {
                "floor" => row.what.clone(),
                "null-runtime" => format!("null Runtime API: {}", row.what),
                _ => format!("Invoke: {}", row.what),
            };
            let numbers =
                [format!("{:.1}", row.p50_us), format!("{:.1}", row.p99_us), rate(1), rate(8), rate(32)].map(right);
            table.add_row([Cell::new(what), Cell::new(row.cores)].into_iter().chain(numbers));
        }
        table
    }

    fn cold_table(&self) -> Table {
        let mut table = new_table(&["cold start, no pool, ms", "p50", "max", "bare program p50", "starts"]);
        for cold in &self.cold {
            let number = |name: &str| right(format!("{:.1}", cold[name].as_f64().unwrap_or(f64::NAN)));
            let starts = right(cold["starts"].to_string());
            let what = Cell::new(cold["what"].as_str().unwrap_or_default());
            table.add_row([what, number("p50_ms"), number("max_ms"), number("bare_p50_ms"), starts]);
        }
        table
    }

    fn goals_table(&self) -> Table {
        let mut table = new_table(&["goal", "measured", "wanted", ""]);
        for Verdict { what, measured, unit, goal } in self.verdicts() {
            let wanted = match goal {
                Goal::AtMost(most) => format!("≤ {} {unit}", plain(most)),
                Goal::AtLeast(least) => format!("≥ {} {unit}", plain(least)),
            };
            let verdict = if goal.is_reached(measured) { "reached" } else { "not reached" };
            table.add_row([
                Cell::new(what),
                right(format!("{} {unit}", plain(measured))),
                right(wanted),
                Cell::new(verdict),
            ]);
        }
        table
    }

    /// The goals that this run can judge.
    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let mut judge = |what: String, measured: Option<f64>, unit, goal| {
            if let Some(measured) = measured {
                verdicts.push(Verdict { what, measured, unit, goal });
            }
        };
        for client in Client::ALL {
            let (title, is_own) = (client.title(), client != Client::Stock);
            let added_us = |of: fn(&Row) -> f64| {
                let around = self.find("floor", FLOOR, "one", 1)?.p50_us;
                let client = self.find("null-runtime", title, "one", 1)?.p50_us;
                Some(of(self.find("invoke", title, "one", 1)?) - around - client)
            };
            let most = if is_own { 5.0 } else { 20.0 };
            judge(format!("added, one core: {title}"), added_us(|row| row.p50_us), "µs", Goal::AtMost(most));
            judge(format!("added, p99, one core: {title}"), added_us(|row| row.p99_us), "µs", Goal::AtMost(100.0));
            let ratio = self
                .find("invoke", title, "two", 1)
                .and_then(|row| Some(row.p50_us / self.find("floor", FLOOR, "two", 1)?.p50_us));
            if is_own {
                judge(format!("p50, two cores: {title}"), ratio, "× echo", Goal::AtMost(1.5));
            }
            let least = if is_own { 30_000.0 } else { 20_000.0 };
            let best = [8, 32].into_iter().filter_map(|connections| self.find("invoke", title, "two", connections));
            let best = best.map(|row| row.rate).reduce(f64::max);
            judge(format!("throughput, two cores: {title}"), best, "/s", Goal::AtLeast(least));
        }
        for cold in &self.cold {
            let what = format!("cold, over the bare program: {}", cold["what"].as_str().unwrap_or_default());
            let over = cold["p50_ms"].as_f64().zip(cold["bare_p50_ms"].as_f64()).map(|(cold, bare)| cold - bare);
            judge(what, over, "ms", Goal::AtMost(5.0));
        }
        let idle = self.memory.as_ref().and_then(|memory| memory["server_mib"].as_f64());
        judge("resident memory of the idle server".to_owned(), idle, "MiB", Goal::AtMost(15.0));
        verdicts
    }

    fn find(&self, bench: &str, what: &str, cores: &str, connections: usize) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.bench == bench && row.what == what && row.cores == cores && row.connections == connections)
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// With a decimal where it matters.
fn plain(value: f64) -> String {
    if value.abs() >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(what: &str, cores: &'static str, latency_us: u64) -> Measurement {
        Measurement {
            what: what.to_owned(),
            cores,
            connections: 1,
            asked_rate: None,
            elapsed: Duration::from_secs(1),
            latencies: vec![Duration::from_micros(latency_us); 10],
        }
    }

    #[test]
    fn what_the_platform_adds_is_what_echo_and_client_do_not_explain() {
        let mut summary = Summary::default();
        let title = Client::Python.title();
        summary.add("floor", measured(FLOOR, "one", 17));
        summary.add("null-runtime", measured(title, "one", 20));
        summary.add("invoke", measured(title, "one", 41));
        let verdicts = summary.verdicts();
        let added =
            verdicts.iter().find(|verdict| verdict.what == format!("added, one core: {title}")).expect("judged");
        assert!((added.measured - 4.0).abs() < 1e-6, "{}", added.measured);
        assert!(added.goal.is_reached(added.measured));
    }

    #[test]
    fn a_goal_without_its_figures_is_not_judged() {
        let mut summary = Summary::default();
        summary.add("invoke", measured(Client::Node.title(), "two", 41));
        assert!(summary.verdicts().is_empty());
    }
}
