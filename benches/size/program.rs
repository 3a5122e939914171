//! The real program as a child process, and what it takes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::time::sleep;

use crate::history::{CURRENCY, GAME, PARTY};
use crate::ledger::Ledger;

/// The unit of `/proc` (`getconf CLK_TCK` is 100).
const TICK: Duration = Duration::from_millis(10);

/// Between two looks at a process: what it grows by at the very end may be missed.
const LOOK: Duration = Duration::from_millis(5);

/// What a run took.
pub struct Measured {
    pub took: Duration,
    /// User and system time.
    pub processor: Duration,
    /// The most that was resident at any time. `None` where it is not only the program's.
    pub peak_kib: Option<u64>,
}

pub struct Program {
    path: PathBuf,
    config: PathBuf,
    output: PathBuf,
}

impl Program {
    /// This checkout's, or another.
    pub fn of(ledger: &Ledger, other: Option<&Path>) -> Self {
        let directory = ledger.directory.path();
        let path = other.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_purser")), Path::to_owned);
        let (config, output) = (directory.join("purser.toml"), directory.join("output"));
        Self { path, config, output }
    }

    pub fn config(url: &str) -> String {
        format!(
            "[database]\nurl = \"{url}\"\n[amqp]\nurl = \"\"\n[http]\nlisten = \"\"\n\
             [parties.{PARTY}]\ncurrencies = [\"{CURRENCY}\"]\ngames = [\"{GAME}\"]\nplayer_tokens = \"trusted\"\n"
        )
    }

    /// Runs it to its end: what it took, and what it wrote unless that went `into` a file.
    pub async fn run(&self, arguments: &[&str], into: Option<File>) -> anyhow::Result<(Measured, String)> {
        let is_kept = into.is_none();
        let stdout = into.map_or_else(|| File::create(&self.output), Ok)?;
        let began = Instant::now();
        let mut child = Command::new(&self.path)
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout)
            .spawn()
            .context("cannot start purser")?;
        let (mut peak_kib, mut processor) = (0, Duration::ZERO);
        // One that has ended keeps its times until it is waited for, but not its memory.
        while let Some((spent, has_ended)) = times(child.id()) {
            processor = spent;
            if has_ended {
                break;
            }
            peak_kib = peak(child.id()).unwrap_or(0).max(peak_kib);
            sleep(LOOK).await;
        }
        let took = began.elapsed();
        let status = child.wait()?;
        let written = if is_kept { fs::read_to_string(&self.output)? } else { String::new() };
        ensure!(status.success(), "purser {} ended with {status}: {written}", arguments.join(" "));
        Ok((Measured { took, processor, peak_kib: Some(peak_kib) }, written))
    }
}

/// Processor time so far, and whether the process has ended (proc_pid_stat(5): fields 3, 14 and 15).
pub fn times(process: u32) -> Option<(Duration, bool)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some((TICK * (ticks(11)? + ticks(12)?), *fields.first()? == "Z"))
}

fn peak(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
