//! One line of an export: a command and its outcome (`schemas/journal/line.json`).

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::admin::shown::moment as written;
use crate::ledger::recorded::Recorded;
use crate::ledger::{Command, Outcome, Party};

/// The version of the format. A program that writes lines which an older one could misunderstand counts it up.
const FORMAT: u32 = 1;

/// Numbers above it are nobody's: a ledger that took one would soon run out of them.
const LAST_NUMBER: i64 = 1 << 62;

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    seq: i64,
    at: String,
    party: &'a Party,
    kept: bool,
    key: Uuid,
    command: &'a Command,
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "format")]
    _format: u32,
    seq: i64,
    at: String,
    party: Party,
    kept: bool,
    key: Uuid,
    command: Command,
    outcome: Outcome,
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// Why a line is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("is not a line of an export: {0}")]
    Shape(String),
    #[error("is of format {0}, and this program reads format {FORMAT}: use the program that wrote it, or a newer one")]
    Format(u32),
    #[error("has a number that is none: {0}")]
    Number(i64),
    #[error("says {field} {says}, and its command {command}")]
    Disagrees { field: &'static str, says: String, command: String },
}

/// Writes a line, its end included.
pub fn write(out: &mut impl Write, recorded: &Recorded) -> io::Result<()> {
    let command = &recorded.keyed.command;
    let written = Written {
        format: FORMAT,
        seq: recorded.seq,
        at: written(command.at),
        party: &command.party,
        kept: recorded.kept,
        key: recorded.keyed.key.uuid(),
        command,
        outcome: recorded.outcome,
    };
    serde_json::to_writer(&mut *out, &written)?;
    out.write_all(b"\n")
}

/// Reads a line. What it says twice must agree.
pub fn read(text: &[u8]) -> Result<Recorded, LineError> {
    let shape = |error: serde_json::Error| LineError::Shape(error.to_string());
    let Versioned { format } = serde_json::from_slice(text).map_err(shape)?;
    if format != FORMAT {
        return Err(LineError::Format(format));
    }
    let Read { seq, at, party, kept, key, command, outcome, .. } = serde_json::from_slice(text).map_err(shape)?;
    let keyed = command.keyed();
    let (at_of, key_of) = (written(keyed.command.at), keyed.key.uuid());
    let twice = [
        ("party", party.to_string(), keyed.command.party.to_string()),
        ("at", at, at_of),
        ("key", key.to_string(), key_of.to_string()),
    ];
    for (field, says, command) in twice {
        if says != command {
            return Err(LineError::Disagrees { field, says, command });
        }
    }
    let recorded = Recorded { seq, kept, keyed, outcome }.with_number();
    let numbers = [Some(seq), recorded.number()];
    match numbers.into_iter().flatten().find(|number| !(1..=LAST_NUMBER).contains(number)) {
        Some(number) => Err(LineError::Number(number)),
        None => Ok(recorded),
    }
}
