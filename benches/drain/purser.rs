//! The real program as a child process.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context as _, ensure};

use crate::ledger::{CURRENCY, GAME, HMAC_SECRET, Ledger};
use crate::mode::{History, Run};

pub struct Purser {
    child: Child,
    log: PathBuf,
    /// Where it answers HTTP.
    pub url: String,
}

/// The operator's who looks on: a benchmark's, so no secret.
pub const TOKEN: &str = "an-operators-token-of-a-benchmark-42";

impl Purser {
    pub fn start(run: &Run, amqp_url: &str, ledger: &Ledger) -> anyhow::Result<Self> {
        let directory = ledger.directory.path();
        let (config, log) = (directory.join("purser.toml"), directory.join("purser.log"));
        let party = if run.mode.has_tokens() {
            format!("player_tokens = \"required\"\n[parties.bench.jwt]\nhmac_secret = \"{HMAC_SECRET}\"\n")
        } else {
            "player_tokens = \"trusted\"\n".to_owned()
        };
        // Said only where it is off: another program may not know it.
        let history = if run.history == History::Off { "[ledger]\nhistory = false\n" } else { "" };
        let http = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let text = format!(
            "[database]\nurl = \"{}\"\n[amqp]\nurl = \"{amqp_url}\"\n[http]\nlisten = \"{http}\"\n\
             admin_token = \"{TOKEN}\"\n\
             {history}[parties.bench]\ncurrencies = [\"{CURRENCY}\"]\ngames = [\"{GAME}\"]\n{party}",
            ledger.url()
        );
        std::fs::write(&config, text)?;
        let program = run.program.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_purser")));
        let mut command = Command::new(&program);
        command.arg("--config").arg(&config).arg("serve").stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log, url: format!("http://{http}") })
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Lets it drain and exit.
    pub async fn stop(self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let mut child = self.child;
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        ensure!(status.success(), "purser ended with {status}:\n{log}");
        // What it says before it serves is about its configuration.
        let complains = log.split_once("serving").is_none_or(|(_, log)| log.contains("WARN") || log.contains("ERROR"));
        ensure!(!complains, "purser complained:\n{log}");
        Ok(())
    }
}
