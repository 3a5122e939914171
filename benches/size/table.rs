//! The figures as a table.

use crate::Place;
use crate::program::Measured;

#[derive(Default)]
pub struct Table {
    ledgers: Vec<String>,
    rows: Vec<[String; 6]>,
}

const MIB: f64 = 1024.0;

impl Table {
    /// What the rows that follow are of.
    pub fn of(&mut self, ledger: &str) {
        if !self.ledgers.iter().any(|known| known == ledger) {
            self.ledgers.push(ledger.to_owned());
        }
    }

    pub fn add(&mut self, place: Place, what: &str, measured: &Measured, commands: u64) {
        let seconds = measured.took.as_secs_f64();
        let row = [
            place.name().to_owned(),
            what.to_owned(),
            format!("{seconds:.1}"),
            format!("{:.1}", measured.processor.as_secs_f64()),
            format!("{:.0}", commands as f64 / seconds),
            measured.peak_kib.map_or("-".to_owned(), |kib| format!("{:.0}", kib as f64 / MIB)),
        ];
        eprintln!("{}", row.join("  "));
        self.rows.push(row);
    }

    /// Prints it as the documentation holds it.
    pub fn print(&self) {
        for ledger in &self.ledgers {
            println!("{ledger}");
        }
        println!(
            "\n| database | what | seconds | processor s | commands a second | peak MiB |\n|---|---|---|---|---|---|"
        );
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}
