//! A new ledger for each run: a database of its own with funded players, and the check afterwards.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use purser::clock;
use purser::config::{Jwt, JwtKey, Secret};
use purser::identity;
use purser::ledger::command::{Act, Cash, Command, OpenPlayer};
use purser::ledger::player::Profile;
use purser::ledger::{Amount, Currency, Outcome, Party, PlayerId, Pocket};
use purser::sequencer::direct;
use purser::storage::{Database, audit};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::mode::Mode;

pub const CURRENCY: &str = "CHF";
pub const GAME: &str = "wallstroulette";

/// Minor units of each bet.
pub const STAKE: i64 = 100;

/// Minor units that each player starts with: enough for every bet of a run.
const MONEY: i64 = 1_000_000_000;

/// Signs the players' tokens: a benchmark's, so no secret.
pub const HMAC_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Players created together.
const CHUNK: usize = 250;

pub struct Ledger {
    database: Database,
    /// Where Postgres keeps it: the server's own database, and the name of this one.
    postgres: Option<(String, String)>,
    pub directory: TempDir,
}

pub fn party() -> Party {
    Party::parse("bench").expect("a valid name")
}

pub fn player_name(number: usize) -> String {
    format!("player-{number:06}")
}

/// A token for each player where the mode has tokens.
pub fn tokens(mode: Mode, players: usize) -> anyhow::Result<Vec<String>> {
    if !mode.has_tokens() {
        return Ok(Vec::new());
    }
    let key = JwtKey::HmacSecret(Secret::new(HMAC_SECRET));
    let jwt = Jwt { key, private_key_file: None, issuer: None, audience: None, require_exp: true };
    let (now, day) = (clock::now().0 / 1_000_000, Duration::from_secs(24 * 60 * 60));
    let token = |player| Ok(identity::mint(&jwt, &PlayerId::parse(&player_name(player))?, &party(), now, day)?);
    (0..players).map(token).collect()
}

impl Ledger {
    pub async fn create(mode: Mode, pg_url: &str, players: usize) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("purser-bench-").tempdir()?;
        let (database, postgres) = match mode {
            Mode::Sqlite => (Database::Sqlite(directory.path().join("purser.db")), None),
            Mode::Broker => return Ok(Self { database: Database::Sqlite("".into()), postgres: None, directory }),
            Mode::Postgres | Mode::PostgresTokens | Mode::Naive1 | Mode::Naive16 | Mode::Naive64 => {
                let name = format!("purser_bench_{}", SystemTime::UNIX_EPOCH.elapsed()?.as_millis());
                execute(pg_url, &format!("CREATE DATABASE {name}")).await?;
                let mut url = url::Url::parse(pg_url)?;
                url.set_path(&name);
                (Database::Postgres(url.into()), Some((pg_url.to_owned(), name)))
            }
        };
        let ledger = Self { database, postgres, directory };
        ledger.database.migrate().await?;
        ledger.invite(players).await?;
        Ok(ledger)
    }

    pub fn url(&self) -> String {
        match &self.database {
            Database::Sqlite(path) => format!("sqlite://{}", path.display()),
            Database::Postgres(url) => url.clone(),
        }
    }

    async fn invite(&self, players: usize) -> anyhow::Result<()> {
        let mut writer = self.database.writer()?;
        let all: Vec<usize> = (0..players).collect();
        for chunk in all.chunks(CHUNK) {
            let commands = chunk.iter().map(|number| invitation(*number)).collect::<anyhow::Result<Vec<_>>>()?;
            let outcomes = direct::apply_all(&mut writer, commands.into_iter().flatten().collect()).await?;
            let refused = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Refused(_)));
            ensure!(refused.is_none(), "an invitation was refused: {refused:?}");
        }
        Ok(())
    }

    /// Every order is there, and the audit finds nothing wrong.
    pub async fn check(&self, mode: Mode, orders: usize) -> anyhow::Result<()> {
        let orders = i64::try_from(orders)?;
        if mode.is_purser() {
            let report = self.database.query(audit::run).await?;
            ensure!(report.findings.is_empty(), "the audit found: {:?}", report.findings);
            ensure!(report.orders == orders, "{} orders in the ledger, {orders} sent", report.orders);
        }
        if mode.is_naive() {
            let client = connect(&self.url()).await?;
            let placed: i64 = client.query_one("SELECT count(*) FROM orders", &[]).await?.get(0);
            let staked: i64 = client.query_one("SELECT sum(staked)::bigint FROM accounts", &[]).await?.get(0);
            ensure!((placed, staked) == (orders, orders * STAKE), "{placed} orders, {staked} staked");
        }
        Ok(())
    }

    pub async fn drop(self) -> anyhow::Result<()> {
        if let Some((pg_url, name)) = self.postgres {
            execute(&pg_url, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        }
        Ok(())
    }
}

fn invitation(number: usize) -> anyhow::Result<[Command; 2]> {
    let player = PlayerId::parse(&player_name(number))?;
    let currency = Currency::parse(CURRENCY)?;
    let profile = Profile { home_currency: currency, username: None, nickname: None, email: None, gender: None };
    let cash = Cash {
        player: player.clone(),
        pocket: Pocket::real(currency),
        amount: Amount::new(MONEY)?,
        key: format!("bench-{player}").into(),
    };
    let command = |act| Command { party: party(), at: clock::now(), correlation: None, act };
    Ok([command(Act::OpenPlayer(OpenPlayer { player, profile })), command(Act::Deposit(cash))])
}

pub async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("cannot reach Postgres")?;
    tokio::spawn(connection);
    Ok(client)
}

async fn execute(url: &str, sql: &str) -> anyhow::Result<()> {
    Ok(connect(url).await?.batch_execute(sql).await?)
}
