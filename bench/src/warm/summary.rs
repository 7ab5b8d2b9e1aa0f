//! What one run measured, beside the goals: a table for people and lines of JSON for programs.

use comfy_table::{Cell, Table};
use serde_json::{Value, json};

use crate::floor::FLOOR;
use crate::goals::{self, Goal, Verdict};
use crate::null_runtime::Client;
use crate::report::{Measurement, new_table, right};
use crate::server::Memory;

#[derive(Default)]
pub(super) struct Summary {
    rows: Vec<Row>,
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

    /// Is anything missing that should have been measured? A goal that was not reached is no failure.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn json_lines(&self) -> String {
        let rows = self.rows.iter().map(|row| row.json.clone());
        let goals = self.verdicts().iter().map(Verdict::json).collect::<Vec<_>>();
        rows.chain(self.memory.clone()).chain(goals).map(|line| format!("{line}\n")).collect()
    }

    pub(super) fn print(&self) {
        println!("Latency with 1 connection, µs; requests per second with 1, 8 and 32 connections\n");
        println!("{}\n", self.rows_table());
        println!("{}", goals::table(&self.verdicts()));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
