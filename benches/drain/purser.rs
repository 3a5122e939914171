//! The real program as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::ledger::{CURRENCY, GAME, HMAC_SECRET, Ledger};
use crate::mode::Run;

/// Clock ticks a second in `/proc` (`getconf CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

pub struct Purser {
    child: Child,
    log: PathBuf,
}

impl Purser {
    pub fn start(run: &Run, amqp_url: &str, ledger: &Ledger) -> anyhow::Result<Self> {
        let directory = ledger.directory.path();
        let (config, log) = (directory.join("purser.toml"), directory.join("purser.log"));
        let party = if run.mode.has_tokens() {
            format!("player_tokens = \"required\"\n[parties.bench.jwt]\nhmac_secret = \"{HMAC_SECRET}\"\n")
        } else {
            "player_tokens = \"trusted\"\n".to_owned()
        };
        let text = format!(
            "[database]\nurl = \"{}\"\n[amqp]\nurl = \"{amqp_url}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [parties.bench]\ncurrencies = [\"{CURRENCY}\"]\ngames = [\"{GAME}\"]\n{party}",
            ledger.url()
        );
        std::fs::write(&config, text)?;
        let program = run.program.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_purser")));
        let mut command = Command::new(&program);
        command.arg("--config").arg(&config).arg("serve").stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Lets it drain and exit; returns the processor time that it took altogether.
    pub async fn stop(self) -> anyhow::Result<Duration> {
        let cpu = cpu_of(self.child.id()).unwrap_or_default();
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let mut child = self.child;
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        ensure!(status.success(), "purser ended with {status}:\n{log}");
        // What it says before it serves is about its configuration.
        let complains = log.split_once("serving").is_none_or(|(_, log)| log.contains("WARN") || log.contains("ERROR"));
        ensure!(!complains, "purser complained:\n{log}");
        Ok(cpu)
    }
}

/// User and system time of a process so far; none where the system has no `/proc`.
fn cpu_of(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // The name may hold anything, but it ends at the last parenthesis; the times are the 14th and 15th fields.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks: u32 = fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}
