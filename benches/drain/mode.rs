//! The ways of draining that are compared.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};
use tokio::task::JoinHandle;

use crate::ledger::Ledger;
use crate::purser::Purser;
use crate::{Arguments, backlog, echo, naive};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// `purser serve` on Postgres; plain player ids are trusted.
    Postgres,
    /// The same with a signed token in each message.
    PostgresTokens,
    /// `purser serve` on SQLite.
    Sqlite,
    /// Consume, publish a reply, confirm, ack; in batches as Purser does, and with no ledger.
    Broker,
    /// One transaction per message on Postgres, one message at a time.
    Naive1,
    Naive16,
    Naive64,
}

impl Mode {
    pub const ALL: [Self; 7] =
        [Self::Postgres, Self::Broker, Self::PostgresTokens, Self::Sqlite, Self::Naive1, Self::Naive16, Self::Naive64];

    pub fn is_purser(self) -> bool {
        matches!(self, Self::Postgres | Self::PostgresTokens | Self::Sqlite)
    }

    pub fn is_naive(self) -> bool {
        self.at_once().is_some()
    }

    /// How many messages a naive consumer handles at the same time.
    fn at_once(self) -> Option<u16> {
        match self {
            Self::Naive1 => Some(1),
            Self::Naive16 => Some(16),
            Self::Naive64 => Some(64),
            Self::Postgres | Self::PostgresTokens | Self::Sqlite | Self::Broker => None,
        }
    }

    pub fn has_tokens(self) -> bool {
        self == Self::PostgresTokens
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::PostgresTokens => "postgres-tokens",
            Self::Sqlite => "sqlite",
            Self::Broker => "broker",
            Self::Naive1 => "naive1",
            Self::Naive16 => "naive16",
            Self::Naive64 => "naive64",
        })
    }
}

/// Whether `serve` keeps the index of histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum History {
    On,
    Off,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// Whether operators look on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Console {
    On,
    Off,
}

impl fmt::Display for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// One mode, and which program where it is Purser.
pub struct Run {
    pub mode: Mode,
    /// None: the one that was built with this benchmark.
    pub program: Option<PathBuf>,
    /// Off where it is not Purser.
    pub history: History,
    /// Off where it is not Purser.
    pub console: Console,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mode.fmt(f)?;
        if self.mode.is_purser() && self.history == History::Off {
            f.write_str(" without history")?;
        }
        if self.console == Console::On {
            f.write_str(" under browsers")?;
        }
        match &self.program {
            Some(path) => write!(f, " by {}", path.display()),
            None => Ok(()),
        }
    }
}

/// Whoever drains the queue.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Consumer {
    Purser(Box<Purser>),
    /// Runs inside the benchmark, on a connection and channels of its own.
    Task(Connection, [Channel; 2], JoinHandle<anyhow::Result<()>>),
}

pub async fn start(run: &Run, arguments: &Arguments, ledger: &Ledger) -> anyhow::Result<Consumer> {
    if run.mode.is_purser() {
        return Ok(Consumer::Purser(Box::new(Purser::start(run, &arguments.amqp_url, ledger)?)));
    }
    let connection = backlog::connect(&arguments.amqp_url).await?;
    let (requests, replies) = (connection.create_channel().await?, connection.create_channel().await?);
    replies.confirm_select(ConfirmSelectOptions::default()).await?;
    let channels = [requests.clone(), replies.clone()];
    let task = match run.mode.at_once() {
        Some(at_once) => tokio::spawn(naive::run(requests, replies, ledger.url(), at_once)),
        None => tokio::spawn(echo::run(requests, replies)),
    };
    Ok(Consumer::Task(connection, channels, task))
}

impl Consumer {
    pub fn process(&self) -> u32 {
        match self {
            Self::Purser(purser) => purser.process(),
            Self::Task(..) => std::process::id(),
        }
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Purser(purser) => purser.stop().await,
            Self::Task(connection, _channels, task) => {
                // The drained queue leaves it waiting for more; an error would have ended it before.
                if task.is_finished() {
                    task.await??;
                } else {
                    task.abort();
                }
                Ok(connection.close(200, "drained".into()).await?)
            }
        }
    }
}
