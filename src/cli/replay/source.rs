//! The records of an export, read on a thread of its own while those before them are applied.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use tokio::sync::mpsc;

use super::preview::{Preview, PreviewError};
use crate::cli::journal::line::{self, LineError};
use crate::cli::journal::seal;
use crate::ledger::Party;
use crate::ledger::recorded::Recorded;

/// The longest line that is read, in bytes: a command that stocks offers holds every key of a file (`purser offers
/// import`), sealed.
pub const MAX_LINE: u64 = 64 * 1024 * 1024;

/// Batches that are read ahead.
const AHEAD: usize = 2;

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("line {line}: {source}")]
    Unread { line: u64, source: io::Error },
    #[error("line {line} is longer than {MAX_LINE} bytes")]
    TooLong { line: u64 },
    #[error("line {line} {source}")]
    Malformed { line: u64, source: LineError },
    #[error("line {line} is of party {party}, which is not configured")]
    Stranger { line: u64, party: Party },
}

/// Records that are applied together.
pub struct RecordBatch {
    pub records: Vec<Recorded>,
    /// Bytes that were read up to here.
    pub read: u64,
}

/// Where records come from: a file that is gone through twice.
pub struct RecordSource {
    /// Bytes.
    pub length: u64,
    file: File,
}

impl RecordSource {
    /// Opens a file; `-` is standard input, which is kept in a file without a name meanwhile.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = if path == Path::new("-") {
            let mut kept = tempfile::tempfile()?;
            io::copy(&mut io::stdin().lock(), &mut kept)?;
            kept
        } else {
            File::open(path)?
        };
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Self { length, file })
    }

    /// Goes through all of it once, before anything is done.
    pub fn preview(&mut self, preview: Preview) -> Result<Preview, PreviewError> {
        self.file.rewind()?;
        preview.of(BufReader::new(&self.file))
    }

    /// Reads batches of `size` records of `parties`. What was read before an error comes before it.
    pub fn batches(
        mut self,
        parties: BTreeSet<Party>,
        size: usize,
    ) -> io::Result<mpsc::Receiver<Result<RecordBatch, SourceError>>> {
        self.file.rewind()?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let mut reading = Reading { reader: BufReader::new(self.file), parties, line: 0, read: 0 };
        tokio::task::spawn_blocking(move || {
            loop {
                let (records, error) = reading.batch(size);
                let is_last = records.len() < size;
                // Nobody listens any more where the replay has failed.
                if !records.is_empty() && sender.blocking_send(Ok(RecordBatch { records, read: reading.read })).is_err()
                {
                    return;
                }
                if let Some(error) = error {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
                if is_last {
                    return;
                }
            }
        });
        Ok(receiver)
    }
}

struct Reading {
    reader: BufReader<File>,
    parties: BTreeSet<Party>,
    /// The last line that was read.
    line: u64,
    read: u64,
}

impl Reading {
    fn batch(&mut self, size: usize) -> (Vec<Recorded>, Option<SourceError>) {
        let mut records = Vec::new();
        while records.len() < size {
            match self.next() {
                Ok(Some(recorded)) => records.push(recorded),
                Ok(None) => break,
                Err(error) => return (records, Some(error)),
            }
        }
        (records, None)
    }

    fn next(&mut self) -> Result<Option<Recorded>, SourceError> {
        let mut text = Vec::new();
        loop {
            text.clear();
            self.line += 1;
            let line = self.line;
            let reading = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut text);
            let length = reading.map_err(|source| SourceError::Unread { line, source })?;
            if length == 0 {
                return Ok(None);
            }
            self.read += length as u64;
            if length as u64 == MAX_LINE && !text.ends_with(b"\n") {
                return Err(SourceError::TooLong { line });
            }
            // A seal was looked at before; here it holds no record.
            if text.iter().all(u8::is_ascii_whitespace) || seal::is_seal(&text) {
                continue;
            }
            let recorded = line::read(&text).map_err(|source| SourceError::Malformed { line, source })?;
            let party = &recorded.keyed.command.party;
            if !self.parties.contains(party) {
                return Err(SourceError::Stranger { line, party: party.clone() });
            }
            return Ok(Some(recorded));
        }
    }
}
