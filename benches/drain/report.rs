//! The table, and the same as JSON.

use std::time::Duration;

use serde::Serialize;

use crate::mode::Run;

/// One run's figures.
pub struct Measured {
    pub orders: usize,
    pub took: Duration,
    /// Processor time of the consumer, where it is a process of its own.
    pub cpu: Option<Duration>,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.orders as f64 / self.took.as_secs_f64()
    }

    fn cpu_us(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / self.orders as f64)
    }
}

/// The figures of all rounds, by what was measured.
#[derive(Default)]
pub struct Results(Vec<(String, Vec<Measured>)>);

#[derive(Serialize)]
struct Row<'a> {
    what: &'a str,
    orders: usize,
    /// Orders a second in each round.
    per_second: Vec<f64>,
    median: f64,
    /// The median as a share of the first row's.
    ratio: f64,
    /// Processor time of the consumer for one order, microseconds.
    cpu_us: Option<f64>,
}

impl Results {
    pub fn take(&mut self, run: &Run, measured: Measured) {
        let name = run.to_string();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rounds)) => rounds.push(measured),
            None => self.0.push((name, vec![measured])),
        }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let first = self.0.first().map_or(1.0, |(_, rounds)| median(rounds.iter().map(Measured::per_second)));
        self.0
            .iter()
            .map(|(what, rounds)| {
                let per_second: Vec<f64> = rounds.iter().map(Measured::per_second).collect();
                let median_rate = median(per_second.iter().copied());
                let cpu: Vec<f64> = rounds.iter().filter_map(Measured::cpu_us).collect();
                let cpu_us = (!cpu.is_empty()).then(|| median(cpu.iter().copied()));
                let orders = rounds.first().map_or(0, |run| run.orders);
                Row { what, orders, per_second, median: median_rate, ratio: median_rate / first, cpu_us }
            })
            .collect()
    }

    pub fn print(&self) {
        println!("{:<40} {:>8} {:>9} {:>17} {:>6} {:>8}", "", "orders", "a second", "range", "ratio", "CPU us");
        for row in self.rows() {
            let low = row.per_second.iter().copied().fold(f64::INFINITY, f64::min);
            let high = row.per_second.iter().copied().fold(0.0, f64::max);
            let (range, cpu) = (format!("{low:.0}-{high:.0}"), row.cpu_us.map(|us| format!("{us:.1}")));
            let Row { what, orders, median, ratio, .. } = row;
            println!("{what:<40} {orders:>8} {median:>9.0} {range:>17} {ratio:>6.2} {:>8}", cpu.unwrap_or_default());
        }
    }

    pub fn print_json(&self) -> serde_json::Result<()> {
        println!("{}", serde_json::to_string_pretty(&self.rows())?);
        Ok(())
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
