//! A new ledger for each run: a database of its own with funded players, and the check afterwards.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use diesel::connection::SimpleConnection as _;
use purser::clock;
use purser::config::{Jwt, JwtKey, Secret};
use purser::identity;
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{Act, Command};
use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{PlaceBet, Terms};
use purser::ledger::player::Profile;
use purser::ledger::{AccountAct, Amount, Currency, ExternalId, Game, OrderAct, Outcome, Party, PlayerId, Pocket};
use purser::storage::{Database, audit, sqlite};
use purser::wallet::direct;
use tempfile::TempDir;

use crate::Arguments;
use crate::mode::Mode;
use crate::postgres::{self, OwnDatabase};

pub const CURRENCY: &str = "CHF";
pub const GAME: &str = "wallstroulette";

/// Minor units of each bet.
pub const STAKE: i64 = 100;

/// Minor units that each player starts with: enough for every bet of a run.
const MONEY: i64 = 100_000_000_000;

/// Signs the players' tokens: a benchmark's, so no secret.
pub const HMAC_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Commands that are written together.
const CHUNK: usize = 512;

/// Ledgers that were filled once, to begin with copies of them.
#[derive(Default)]
pub struct Filled {
    sqlite: Option<TempDir>,
    postgres: Option<OwnDatabase>,
}

impl Filled {
    pub async fn drop(self) -> anyhow::Result<()> {
        match self.postgres {
            Some(own) => own.drop().await,
            None => Ok(()),
        }
    }
}

const FILE: &str = "purser.db";

pub struct Ledger {
    database: Database,
    postgres: Option<OwnDatabase>,
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
    pub async fn create(mode: Mode, arguments: &Arguments, filled: &mut Filled) -> anyhow::Result<Self> {
        let pg_url = &arguments.pg_url;
        let directory = tempfile::Builder::new().prefix("purser-bench-").tempdir()?;
        let (database, postgres) = match mode {
            Mode::Sqlite => {
                let path = directory.path().join(FILE);
                std::fs::copy(filled.on_sqlite(arguments).await?, &path)?;
                (Database::Sqlite(path), None)
            }
            Mode::Broker => (Database::Sqlite("".into()), None),
            Mode::Postgres | Mode::PostgresTokens => {
                let template = filled.on_postgres(arguments).await?;
                let own = OwnDatabase::create(pg_url, Some(template)).await?;
                (Database::Postgres(own.url.clone()), Some(own))
            }
            Mode::Naive1 | Mode::Naive16 | Mode::Naive64 => {
                let own = OwnDatabase::create(pg_url, None).await?;
                let database = Database::Postgres(own.url.clone());
                fill(&database, arguments.players, 0).await?;
                (database, Some(own))
            }
        };
        Ok(Self { database, postgres, directory })
    }

    pub fn url(&self) -> String {
        match &self.database {
            Database::Sqlite(path) => format!("sqlite://{}", path.display()),
            Database::Postgres(url) => url.clone(),
        }
    }

    /// Every order is there, and the audit finds nothing wrong.
    pub async fn check(&self, mode: Mode, prefilled: usize, orders: usize) -> anyhow::Result<()> {
        let (prefilled, orders) = (i64::try_from(prefilled)?, i64::try_from(orders)?);
        if mode.is_purser() {
            let orders = prefilled + orders;
            let report = self.database.query(audit::run).await?;
            ensure!(report.findings.is_empty(), "the audit found: {:?}", report.findings);
            ensure!(report.orders == orders, "{} orders in the ledger, {orders} expected", report.orders);
        }
        if mode.is_naive() {
            let client = postgres::connect(&self.url()).await?;
            let placed: i64 = client.query_one("SELECT count(*) FROM orders", &[]).await?.get(0);
            let staked: i64 = client.query_one("SELECT sum(staked)::bigint FROM accounts", &[]).await?.get(0);
            ensure!((placed, staked) == (orders, orders * STAKE), "{placed} orders, {staked} staked");
        }
        Ok(())
    }

    pub async fn drop(self) -> anyhow::Result<()> {
        match self.postgres {
            Some(own) => own.drop().await,
            None => Ok(()),
        }
    }
}

impl Filled {
    async fn on_sqlite(&mut self, arguments: &Arguments) -> anyhow::Result<std::path::PathBuf> {
        if self.sqlite.is_none() {
            let directory = tempfile::Builder::new().prefix("purser-bench-").tempdir()?;
            let path = directory.path().join(FILE);
            fill(&Database::Sqlite(path.clone()), arguments.players, arguments.prefilled).await?;
            // Into the file itself, which alone is copied.
            sqlite::connect(&path)?.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
            self.sqlite = Some(directory);
        }
        Ok(self.sqlite.as_ref().context("it was just filled")?.path().join(FILE))
    }

    async fn on_postgres(&mut self, arguments: &Arguments) -> anyhow::Result<&OwnDatabase> {
        if self.postgres.is_none() {
            let own = OwnDatabase::create(&arguments.pg_url, None).await?;
            fill(&Database::Postgres(own.url.clone()), arguments.players, arguments.prefilled).await?;
            // As a server that has been up for a while knows its tables.
            let client = postgres::connect(&own.url).await?;
            // One by one: several statements at once would be a transaction, in which nothing can be vacuumed.
            for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
                client.batch_execute(sql).await?;
            }
            self.postgres = Some(own);
        }
        self.postgres.as_ref().context("it was just filled")
    }
}

/// Makes the tables, players with money, and so many orders, which are decided and written as the program does it.
async fn fill(database: &Database, players: usize, orders: usize) -> anyhow::Result<()> {
    database.migrate().await?;
    let mut writer = database.writer()?;
    let mut commands = Vec::new();
    for number in 0..players {
        commands.extend(invitation(number)?);
    }
    for chunk in commands.chunks(CHUNK) {
        accept(direct::apply_all(&mut writer, chunk.to_vec()).await?)?;
    }
    for first in (0..orders).step_by(CHUNK) {
        let bets = (first..orders.min(first + CHUNK)).map(|order| bet(order, order % players));
        accept(direct::apply_all(&mut writer, bets.collect::<anyhow::Result<_>>()?).await?)?;
    }
    Ok(())
}

fn accept(outcomes: Vec<Outcome>) -> anyhow::Result<()> {
    let refused = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Refused(_)));
    ensure!(refused.is_none(), "refused: {refused:?}");
    Ok(())
}

fn command(act: Act) -> Command {
    Command { party: party(), at: clock::now(), correlation: None, act }
}

fn bet(order: usize, player: usize) -> anyhow::Result<Command> {
    let external_id = ExternalId::parse(&format!("prefilled-{order:012}"))?;
    Ok(command(Act::Order(OrderAct::PlaceBet(PlaceBet {
        player: PlayerId::parse(&player_name(player))?,
        order: OrderKey { game: Game::parse(GAME)?, external_id },
        round: 1,
        stake: Amount::new(STAKE)?,
        pocket: Pocket::real(Currency::parse(CURRENCY)?),
        terms: Terms { game_offered: true, max_bet: None, max_stake_per_day: None },
    }))))
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
    Ok([
        command(Act::Account(AccountAct::OpenPlayer(OpenPlayer { player, profile }))),
        command(Act::Account(AccountAct::Deposit(cash))),
    ])
}
