//! Tables for people and JSON for machines.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Prints a value as one line of JSON.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(value).map_err(io::Error::other)?;
    writeln!(io::stdout(), "{text}")
}

/// Prints one line.
pub fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Prints rows under a heading, columns aligned; numbers (as the last columns mostly are) to the right.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut table = Table::new(heading);
    rows.iter().cloned().try_for_each(|row| table.add(row))?;
    table.finish()
}

/// Rows whose widths the columns are made for; any number may follow.
const MEASURED: usize = 1000;

/// A table of any length, printed as it grows.
pub struct Table {
    /// The heading, and rows that are not printed yet.
    rows: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl Table {
    pub fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()], widths: None }
    }

    pub fn add(&mut self, row: Vec<String>) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.len() > MEASURED { self.print() } else { Ok(()) }
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.print()
    }

    fn print(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let widths = self.widths.get_or_insert_with(|| widths(&rows));
        let mut out = io::stdout().lock();
        for row in rows {
            let cells = row.iter().zip(&*widths).map(|(cell, width)| aligned(cell, *width));
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

/// A progress bar on standard error, where that is a terminal.
pub fn progress_bar(length: u64, of_what: &str) -> ProgressBar {
    let terminal = io::stderr().is_terminal();
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let template = format!("{{bar:40}} {{pos}}/{{len}} {of_what}  {{per_sec}}  {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(length), target).with_style(style)
}

/// A count of what has been done, where nobody knows how much there is: on standard error, where that is a terminal.
pub fn counter(of_what: &str) -> ProgressBar {
    let terminal = io::stderr().is_terminal();
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let template = format!("{{spinner}} {{pos}} {of_what}  {{per_sec}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, target).with_style(style)
}

fn aligned(cell: &str, width: usize) -> String {
    let is_number = cell.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
}
