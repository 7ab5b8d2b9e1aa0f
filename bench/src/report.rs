//! Latencies to a table row and a JSON line.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::json;

/// One measurement.
pub(crate) struct Measurement {
    pub(crate) what: String,
    pub(crate) cores: &'static str,
    pub(crate) connections: usize,
    /// Requests per second that were asked for; `None` in a closed loop.
    pub(crate) asked_rate: Option<f64>,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Vec<Duration>,
}

impl Measurement {
    /// Requests answered per second.
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The measurement as one line of JSON. Sorts.
    pub(crate) fn json(&mut self, bench: &str) -> serde_json::Value {
        self.latencies.sort_unstable();
        let at = |share| round(Self::percentile_us(&self.latencies, share));
        json!({
            "bench": bench, "what": self.what, "cores": self.cores, "connections": self.connections,
            "p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99), "p999_us": at(0.999),
            "requests_per_second": round(self.rate()), "requests": self.latencies.len(), "asked_rate": self.asked_rate,
        })
    }

    /// The latency that `share` (0 to 1) of all requests stayed within, in microseconds.
    pub(crate) fn percentile_us(sorted: &[Duration], share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let at = rank.clamp(1, sorted.len().max(1)) - 1;
        sorted.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }
}

/// Prints all measurements.
pub(crate) fn print(bench: &str, measurements: Vec<Measurement>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["", "cores", "connections", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "requests/s", "requests"]);
    let mut lines = Vec::new();
    for mut one in measurements {
        one.latencies.sort_unstable();
        let at = |share| Measurement::percentile_us(&one.latencies, share);
        let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
        let rate = one.rate();
        let mut row = vec![Cell::new(&one.what), Cell::new(one.cores)];
        let numbers = [
            one.connections.to_string(),
            format!("{p50:.1}"),
            format!("{p90:.1}"),
            format!("{p99:.1}"),
            format!("{p999:.1}"),
            format!("{rate:.0}"),
            one.latencies.len().to_string(),
        ];
        row.extend(numbers.map(|text| Cell::new(text).set_alignment(CellAlignment::Right)));
        table.add_row(row);
        lines.push(one.json(bench));
    }
    println!("{table}");
    for line in lines {
        println!("{line}");
    }
}

pub(crate) fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

pub(crate) fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        for (share, want) in [(0.5, 50.0), (0.99, 99.0), (0.999, 100.0), (1.0, 100.0), (0.0, 1.0)] {
            let got = Measurement::percentile_us(&sorted, share);
            assert!((got - want).abs() < 1e-6, "{share}: {got}");
        }
    }
}
