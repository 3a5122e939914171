//! The program as a process of its own, with its log in a file.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::patience::until;

/// Log lines shown of a test that fails.
const SHOWN: usize = 40;

/// Another build of the program to test, where this is set: an optimized one, say.
const BINARY: &str = "PURSER_TEST_BINARY";

/// `purser` with these arguments, in the directory of its configuration, and with nothing of the environment that could
/// change what it does.
pub fn purser(config: &Path, arguments: &[&str]) -> Command {
    purser_under(&[], config, arguments)
}

/// The same, started by another program: its words, the last of which takes a command line and becomes it.
fn purser_under(starter: &[String], config: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os(BINARY).unwrap_or_else(|| env!("CARGO_BIN_EXE_purser").into());
    let mut command = match starter {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command.arg("--config").arg(config).args(arguments);
    command.current_dir(config.parent().expect("a directory")).stdin(Stdio::null());
    command.env_remove("RUST_LOG").env_remove("PURSER_CONFIG").env_remove("RUST_MIN_STACK");
    command
}

/// The most memory that a process has had at one time, in bytes; `None` where it has ended.
pub fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024)
}

/// A running `purser serve`; killed when it is dropped.
pub struct Serving {
    child: Child,
    log: PathBuf,
    /// What was in the log before.
    logged: usize,
}

impl Serving {
    /// Starts it; its log is added to the file `log`.
    pub fn start(config: &Path, log: &Path) -> Self {
        Self::start_under(&[], config, log)
    }

    /// The same, started by another program.
    pub fn start_under(starter: &[String], config: &Path, log: &Path) -> Self {
        let logged = std::fs::read(log).map_or(0, |log| log.len());
        let file: File = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let mut command = purser_under(starter, config, &["serve"]);
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("purser starts");
        Self { child, log: log.to_owned(), logged }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has come so far that it would drain when it is told to end.
    pub fn serves(&self) -> bool {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[self.logged..]).contains("INFO serving")
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{name}");
    }

    /// Waits until it ends.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("purser ends", async || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        })
        .await;
        status.expect("a status")
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Lets the peak of its memory be measured anew.
    pub fn forget_peak(&self) {
        const RESET_PEAK: &str = "5";
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), RESET_PEAK).expect("forgotten");
    }

    /// The most memory that it has had at one time, in bytes.
    pub fn peak(&self) -> u64 {
        peak_of(self.child.id()).expect("it lives")
    }

    /// SIGKILL: no chance to finish anything.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("a status");
    }

    /// SIGTERM; answers with the exit status.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
            eprintln!("--- the last of {}\n{last}", self.log.display());
        }
    }
}
