//! Tables for people and JSON for machines.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::ledger::ids::is_printable;

/// Prints a value as one line of JSON. What a terminal or a reader might take for something else is escaped: outside of
/// its strings JSON has no such characters.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(value).map_err(io::Error::other)?;
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if is_printable(c) => escaped.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    writeln!(io::stdout(), "{escaped}")
}

/// Text from outside as people may read it: control, zero-width and direction characters are written out.
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let written = |c: char| if is_printable(c) { c.to_string() } else { c.escape_default().to_string() };
    Cow::Owned(text.chars().map(written).collect())
}

/// Prints one line.
pub fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", safe(text))
}

/// Prints text of several lines, each of them safe.
pub fn lines(text: &str) -> io::Result<()> {
    text.split('\n').try_for_each(line)
}

/// Prints rows under a heading, columns aligned; numbers (as the last columns mostly are) to the right.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut table = Table::new(heading);
    rows.iter().cloned().try_for_each(|row| table.add(row))?;
    table.finish()
}

/// Rows whose widths the columns are made for; any number may follow.
const MEASURED: usize = 1000;

/// Characters that a column is made for, a UUID with a little to spare. A longer cell overflows its column: it moves the
/// rest of its own line, and pads nobody else's.
const MAX_WIDTH: usize = 40;

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
        let mut out = io::stdout().lock();
        self.take_lines().into_iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    /// The rows that are not printed yet, as lines.
    fn take_lines(&mut self) -> Vec<String> {
        let rows = std::mem::take(&mut self.rows);
        let widths = self.widths.get_or_insert_with(|| widths(&rows));
        let line = |row: Vec<String>| {
            let cells = row.iter().zip(&*widths).map(|(cell, width)| aligned(&safe(cell), *width));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        rows.into_iter().map(line).collect()
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| safe(cell).chars().count()).filter(|width| *width <= MAX_WIDTH).max()
    };
    (0..columns).map(|column| width(column).unwrap_or(MAX_WIDTH)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cell_overflows_its_column_and_pads_no_other_line() {
        let (fits, long) = ("x".repeat(MAX_WIDTH), "y".repeat(MAX_WIDTH + 1));
        let cases: [(&[&str], &[&str]); 3] = [
            (&["a", "bc"], &["id  bytes", "a       7", "bc      7"]),
            (&["a", &long], &["id  bytes", "a       7", &format!("{long}      7")]),
            (
                &["a", &fits],
                &[&format!("{:<40}  bytes", "id"), &format!("{:<40}      7", "a"), &format!("{fits}      7")],
            ),
        ];
        for (ids, expected) in cases {
            let mut table = Table::new(&["id", "bytes"]);
            ids.iter().for_each(|id| table.add(vec![(*id).to_owned(), "7".to_owned()]).unwrap());
            assert_eq!(table.take_lines(), expected);
        }
    }

    #[test]
    fn what_people_read_has_no_escape_sequences() {
        assert_eq!(safe("plain é 名"), "plain é 名");
        assert_eq!(safe("\u{1b}[2J\u{9b}31m\u{7f}\r\n\u{202e}x"), "\\u{1b}[2J\\u{9b}31m\\u{7f}\\r\\n\\u{202e}x");
    }
}
