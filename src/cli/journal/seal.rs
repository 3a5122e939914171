//! The last line of an export: how many lines stand before it, and a digest of them.
//!
//! Without a key it finds out accidents: a file that was cut off, or lost lines on its way. With a key (an HMAC) it finds
//! out whoever changed it and does not have the key: a deposit slipped in would make money.

use std::io::{self, Write};
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ledger::recorded::Recorded;

/// The shortest key, in bytes: as long as its digest's half.
const SHORTEST_KEY: usize = 16;

/// How a seal begins, which no command's line does.
const BEGINNING: &[u8] = b"{\"seal\":";

/// Why a key file is none.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("--key-file {path}: {source}")]
    Unread { path: String, source: io::Error },
    #[error("--key-file {path} holds {length} bytes; a key has at least {SHORTEST_KEY}")]
    Short { path: String, length: usize },
}

/// Why a file is not what an export wrote.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error(
        "has no last line that says how many commands it holds: it was cut off, or an older purser wrote it (`--unsealed` takes it as it is)"
    )]
    Missing,
    #[error("ends with a line that cannot be read: {0}")]
    Shape(String),
    #[error("holds {found} commands, and says that it holds {said}")]
    Count { said: u64, found: u64 },
    #[error("is not what was exported: its digest is another one")]
    Digest,
    #[error("was sealed with a key: name it by --key-file")]
    KeyMissing,
    #[error("was sealed without a key, and --key-file names one")]
    KeyUnused,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seal: Seal,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    commands: u64,
    /// SHA-256 of all lines before it, or HMAC-SHA256 with the key; hexadecimal.
    digest: String,
    keyed: bool,
}

enum Digesting {
    Plain(Sha256),
    Keyed(Box<Hmac<Sha256>>),
}

/// What stands before the seal, as it goes by.
pub struct Sealing {
    commands: u64,
    digest: Digesting,
}

impl Sealing {
    /// With the key of a file, where one is named. White space around it does not count.
    pub fn begin(key_file: Option<&Path>) -> Result<Self, KeyFileError> {
        let Some(file) = key_file else {
            return Ok(Self { commands: 0, digest: Digesting::Plain(Sha256::new()) });
        };
        let path = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|source| KeyFileError::Unread { path: path.clone(), source })?;
        let key = bytes.trim_ascii();
        let short = || KeyFileError::Short { path: path.clone(), length: key.len() };
        if key.len() < SHORTEST_KEY {
            return Err(short());
        }
        let hmac = Hmac::new_from_slice(key).map_err(|_| short())?;
        Ok(Self { commands: 0, digest: Digesting::Keyed(Box::new(hmac)) })
    }

    /// Takes a line, its end included.
    pub fn take(&mut self, line: &[u8]) {
        self.commands += 1;
        match &mut self.digest {
            Digesting::Plain(digest) => digest.update(line),
            Digesting::Keyed(digest) => digest.update(line),
        }
    }

    /// Writes a command's line.
    pub fn write(&mut self, out: &mut impl Write, recorded: &Recorded) -> io::Result<()> {
        let mut line = Vec::new();
        super::line::write(&mut line, recorded)?;
        self.take(&line);
        out.write_all(&line)
    }

    /// Writes the last line.
    pub fn finish(self, out: &mut impl Write) -> io::Result<()> {
        let (commands, keyed) = (self.commands, matches!(self.digest, Digesting::Keyed(_)));
        let digest = match self.digest {
            Digesting::Plain(digest) => written(&digest.finalize()),
            Digesting::Keyed(digest) => written(&digest.finalize().into_bytes()),
        };
        serde_json::to_writer(&mut *out, &Line { seal: Seal { commands, digest, keyed } })?;
        out.write_all(b"\n")
    }

    /// Compares what went by with the last line; `None` where there was none.
    pub fn check(self, last: Option<&[u8]>) -> Result<(), SealError> {
        let Line { seal } = serde_json::from_slice(last.ok_or(SealError::Missing)?)
            .map_err(|error| SealError::Shape(error.to_string()))?;
        if seal.commands != self.commands {
            return Err(SealError::Count { said: seal.commands, found: self.commands });
        }
        let holds = match self.digest {
            Digesting::Plain(_) if seal.keyed => return Err(SealError::KeyMissing),
            Digesting::Keyed(_) if !seal.keyed => return Err(SealError::KeyUnused),
            Digesting::Plain(digest) => written(&digest.finalize()) == seal.digest,
            // Compared in a time that does not tell how much of it is right.
            Digesting::Keyed(digest) => digest.verify_slice(&bytes(&seal.digest)).is_ok(),
        };
        if holds { Ok(()) } else { Err(SealError::Digest) }
    }
}

/// Whether a line is an export's last.
pub fn is_seal(line: &[u8]) -> bool {
    line.starts_with(BEGINNING)
}

fn written(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is no hexadecimal is no digest either.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(lines: &[&[u8]], key: Option<&Path>) -> Vec<u8> {
        let mut sealing = Sealing::begin(key).unwrap();
        lines.iter().for_each(|line| sealing.take(line));
        let mut out = Vec::new();
        sealing.finish(&mut out).unwrap();
        assert!(is_seal(&out));
        out
    }

    fn check(lines: &[&[u8]], last: Option<&[u8]>, key: Option<&Path>) -> Result<(), SealError> {
        let mut sealing = Sealing::begin(key).unwrap();
        lines.iter().for_each(|line| sealing.take(line));
        sealing.check(last)
    }

    #[test]
    fn a_seal_fits_its_own_lines_only() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
        std::fs::write(&one, "sixteen bytes and more\n").unwrap();
        std::fs::write(&other, "another key that is long enough").unwrap();
        let lines: [&[u8]; 2] = [b"a\n", b"b\n"];
        let (plain, keyed) = (sealed(&lines, None), sealed(&lines, Some(&one)));
        let changed: [&[u8]; 2] = [b"a\n", b"c\n"];
        let cases = [
            (check(&lines, Some(&plain), None), Ok(())),
            (check(&lines, Some(&keyed), Some(&one)), Ok(())),
            (check(&lines, None, None), Err(SealError::Missing)),
            (check(&lines[..1], Some(&plain), None), Err(SealError::Count { said: 2, found: 1 })),
            (check(&changed, Some(&plain), None), Err(SealError::Digest)),
            (check(&changed, Some(&keyed), Some(&one)), Err(SealError::Digest)),
            (check(&lines, Some(&keyed), Some(&other)), Err(SealError::Digest)),
            (check(&lines, Some(&keyed), None), Err(SealError::KeyMissing)),
            (check(&lines, Some(&plain), Some(&one)), Err(SealError::KeyUnused)),
        ];
        for (number, (is, ought)) in cases.into_iter().enumerate() {
            assert_eq!(is, ought, "case {number}");
        }
    }
}
