//! The table, and the same as JSON.

use std::time::Duration;

use serde::Serialize;

use crate::mode::Run;
use crate::processor::Spent;

/// One run's figures.
pub struct Measured {
    pub orders: usize,
    pub took: Duration,
    pub spent: Spent,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.orders as f64 / self.took.as_secs_f64()
    }

    fn us_each(&self, time: Option<Duration>) -> Option<f64> {
        Some(time?.as_secs_f64() * 1e6 / self.orders as f64)
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
    /// Processor time for one order, microseconds.
    consumer_us: Option<f64>,
    broker_us: Option<f64>,
    postgres_us: Option<f64>,
    /// Kilobytes written to the disk for one order, by the consumer and Postgres.
    written_kb: Option<f64>,
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
                let each = |of: fn(&Spent) -> Option<Duration>| {
                    let known: Vec<f64> = rounds.iter().filter_map(|run| run.us_each(of(&run.spent))).collect();
                    (!known.is_empty()).then(|| median(known.into_iter()))
                };
                let consumer_us = each(|spent| spent.consumer);
                let (broker_us, postgres_us) = (each(|spent| spent.broker), each(|spent| spent.postgres));
                let written = rounds.iter().filter_map(|run| Some(run.spent.written? as f64 / run.orders as f64 / 1e3));
                let written: Vec<f64> = written.collect();
                let written_kb = (!written.is_empty()).then(|| median(written.into_iter()));
                let orders = rounds.first().map_or(0, |run| run.orders);
                Row {
                    what,
                    orders,
                    per_second,
                    median: median_rate,
                    ratio: median_rate / first,
                    consumer_us,
                    broker_us,
                    postgres_us,
                    written_kb,
                }
            })
            .collect()
    }

    pub fn print(&self) {
        println!(
            "{:<32} {:>7} {:>9} {:>13} {:>6} {:>12} {:>10} {:>12} {:>11}",
            "", "orders", "a second", "range", "ratio", "consumer us", "broker us", "postgres us", "written kB"
        );
        for row in self.rows() {
            let low = row.per_second.iter().copied().fold(f64::INFINITY, f64::min);
            let high = row.per_second.iter().copied().fold(0.0, f64::max);
            let range = format!("{low:.0}-{high:.0}");
            let us = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.1}"));
            let [consumer, broker, postgres, written] =
                [row.consumer_us, row.broker_us, row.postgres_us, row.written_kb].map(us);
            let Row { what, orders, median, ratio, .. } = row;
            println!(
                "{what:<32} {orders:>7} {median:>9.0} {range:>13} {ratio:>6.2} {consumer:>12} {broker:>10} {postgres:>12} \
                 {written:>11}"
            );
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
