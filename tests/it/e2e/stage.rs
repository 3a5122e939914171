//! All that one test needs: a virtual host, a database, a configuration, and Purser serving with it.

use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use purser::ledger::Party;
use purser::storage::Database;
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Serving, purser};
use super::services::{Addresses, PostgresDatabase, Vhost, free_port};
use crate::patience::until;

/// A party whose provider is trusted with plain player ids.
pub const ACME: &str = r#"
[ledger]
ordering_grace = "600ms"
[parties.acme]
currencies = ["CHF", "EUR"]
games = ["wallstroulette", "weekendforex"]
player_tokens = "trusted"
[parties.acme.limits.EUR]
max_bet = 1000
max_stake_per_day = 2500
"#;

/// The databases that every scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Sqlite,
    Postgres,
}

/// Plays a scene on both databases, side by side.
pub async fn on_both(scene: impl AsyncFn(Base)) {
    tokio::join!(scene(Base::Sqlite), scene(Base::Postgres));
}

/// One test's world. Fields are dropped in this order: Purser first, then what it used.
pub struct Stage {
    pub serving: Option<Serving>,
    pub vhost: Vhost,
    pub database: Database,
    pub postgres: Option<PostgresDatabase>,
    http: SocketAddr,
    directory: TempDir,
    /// Ports in the configuration, and those that stand before them.
    detours: Vec<(u16, u16)>,
    /// The configuration, but for database, HTTP and the broker's address; it may begin with more of `[amqp]`.
    parties: String,
    /// The words of a program that starts Purser; empty where nothing does.
    pub starter: Vec<String>,
    /// More of the broker's address.
    amqp_query: &'static str,
}

impl Stage {
    /// Starts Purser with these parties, on the shared services, and waits until it is ready.
    pub async fn open(base: Base, parties: &str) -> Self {
        let mut stage = Self::prepare(base, parties, &Addresses::shared()).await;
        stage.serve();
        stage.until_ready().await;
        stage
    }

    /// Everything but the start.
    pub async fn prepare(base: Base, parties: &str, addresses: &Addresses) -> Self {
        let directory = TempDir::new().expect("a directory");
        let vhost = addresses.vhost().await;
        let (database, postgres) = match base {
            Base::Sqlite => (Database::Sqlite(directory.path().join("purser.db")), None),
            Base::Postgres => {
                let database = addresses.database().await;
                (Database::Postgres(database.url()), Some(database))
            }
        };
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let stage = Self {
            serving: None,
            vhost,
            database,
            postgres,
            http,
            directory,
            detours: vec![],
            parties: parties.to_owned(),
            starter: vec![],
            amqp_query: "",
        };
        stage.configure(&stage.config(), http);
        stage
    }

    /// A second stage on the same database, with a virtual host of its own.
    pub async fn another_vhost(&self, addresses: &Addresses) -> Self {
        let (vhost, database) = (addresses.vhost().await, self.database.clone());
        let directory = TempDir::new().expect("a directory");
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let stage = Self {
            serving: None,
            vhost,
            database,
            postgres: None,
            http,
            directory,
            detours: vec![],
            parties: self.parties.clone(),
            starter: vec![],
            amqp_query: "",
        };
        stage.configure(&stage.config(), http);
        stage
    }

    /// A second Purser on the same database and the same queues.
    pub fn another_process(&self, name: &str) -> Serving {
        self.another_process_at(name).0
    }

    /// A second Purser on the same database and the same queues, and where it answers HTTP.
    pub fn another_process_at(&self, name: &str) -> (Serving, SocketAddr) {
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config = self.file(name).with_extension("toml");
        self.configure(&config, http);
        (Serving::start(&config, &self.file(name).with_extension("log")), http)
    }

    /// From now on another Purser is asked over HTTP; returns the one before.
    pub fn ask_at(&mut self, http: SocketAddr) -> SocketAddr {
        std::mem::replace(&mut self.http, http)
    }

    /// Replaces the parties, for the next start.
    pub fn reconfigure(&mut self, parties: &str) {
        parties.clone_into(&mut self.parties);
        self.configure(&self.config(), self.http);
    }

    fn configure(&self, file: &Path, http: SocketAddr) {
        let database = match &self.database {
            Database::Sqlite(path) => format!("sqlite://{}", path.display()),
            Database::Postgres(url) => url.clone(),
        };
        let (amqp, query, parties) = (self.vhost.amqp_url(), self.amqp_query, &self.parties);
        let config = format!(
            "[database]\nurl = \"{database}\"\n[http]\nlisten = \"{http}\"\n[amqp]\nurl = \"{amqp}{query}\"\n{parties}"
        );
        let config = self.detours.iter().fold(config, |config, (port, before)| {
            config.replace(&format!("127.0.0.1:{port}/"), &format!("127.0.0.1:{before}/"))
        });
        std::fs::write(file, config).expect("a configuration file");
    }

    /// The port of the broker.
    pub fn amqp_port(&self) -> u16 {
        port(&self.vhost.amqp_url())
    }

    /// The port of Postgres, where that is the database.
    pub fn postgres_port(&self) -> Option<u16> {
        self.postgres.as_ref().map(|postgres| port(&postgres.url()))
    }

    /// Lets Purser, but not the test, reach the services through other ports, from its next start on. The port of
    /// Postgres has no meaning for SQLite.
    pub fn go_through(&mut self, amqp: u16, postgres: Option<u16>) {
        self.detours = [(self.amqp_port(), amqp)].into_iter().chain(self.postgres_port().zip(postgres)).collect();
        self.configure(&self.config(), self.http);
    }

    /// Names several of something where the configuration names one, from the next start on.
    pub fn replace_in_config(&self, one: &str, by: &str) {
        let text = std::fs::read_to_string(self.config()).expect("a configuration file");
        assert!(text.contains(one), "{one}: {text}");
        std::fs::write(self.config(), text.replace(one, by)).expect("a configuration file");
    }

    /// Says more in the broker's address.
    pub fn add_to_amqp_url(&mut self, query: &'static str) {
        self.amqp_query = query;
        self.configure(&self.config(), self.http);
    }

    /// The address that Purser answers HTTP at.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    pub fn config(&self) -> PathBuf {
        self.file("purser.toml")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts Purser.
    pub fn serve(&mut self) {
        self.serving = Some(Serving::start_under(&self.starter, &self.config(), &self.file("purser.log")));
    }

    /// What all of this stage's Pursers have logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("purser.log")).expect("the log")
    }

    pub async fn until_ready(&mut self) {
        until("purser is ready", async || {
            assert!(self.is_alive(), "purser has ended: {}", self.log());
            self.is_ready().await
        })
        .await;
    }

    pub fn is_alive(&mut self) -> bool {
        self.serving.as_mut().is_some_and(Serving::is_alive)
    }

    /// Status and report of `/readyz`; `None` where nobody listens.
    pub async fn readyz(&self) -> Option<(u16, Value)> {
        self.get("/readyz").await
    }

    pub async fn is_ready(&self) -> bool {
        self.readyz().await.is_some_and(|(status, _)| status == 200)
    }

    /// Whether `/readyz` is not ready, and says this of the broker or database.
    pub async fn readyz_says(&self, what: &str, says: &str) -> bool {
        let report = self.readyz().await;
        report.is_some_and(|(status, report)| {
            status == 503 && report[what].as_str().is_some_and(|text| text.contains(says))
        })
    }

    /// Drains Purser, which must succeed.
    pub async fn stop(&mut self) {
        let status = self.serving.take().expect("it serves").terminate().await;
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let response = reqwest::get(self.url(path)).await.ok()?;
        let status = response.status().as_u16();
        let body = response.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&body).expect("JSON")))
    }

    /// Runs a command of the program.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = purser(&self.config(), arguments);
        tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("purser runs")
    }

    /// Runs a command that must succeed; answers with its standard output.
    pub async fn done(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert!(ran.status.success(), "purser {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("UTF-8")
    }

    /// The same, with something on its standard input.
    pub async fn done_with(&self, arguments: &[&str], input: &str) -> String {
        let ran = self.run_with(arguments, input).await;
        assert!(ran.status.success(), "purser {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("UTF-8")
    }

    /// Runs a command with something on its standard input.
    pub async fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = purser(&self.config(), arguments);
        let mut given = tempfile::tempfile().expect("a file");
        given.write_all(input.as_bytes()).and_then(|()| given.rewind()).expect("written");
        command.stdin(given);
        tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("purser runs")
    }

    pub async fn add_player(&self, party: &str, player: &str) {
        self.done(&["player", "add", "--party", party, "--player", player]).await;
    }

    /// Puts money into the real account, in major units.
    pub async fn deposit(&self, party: &str, player: &str, amount: &str, currency: &str) {
        let (party, player) = (["--party", party], ["--player", player]);
        let money = ["--amount", amount, "--currency", currency];
        self.done(&[&["deposit"], party.as_slice(), &player, &money].concat()).await;
    }

    /// Recomputes the whole ledger; panics with what is wrong.
    pub async fn audit(&self) {
        let audited = self.run(&["audit"]).await;
        assert!(audited.status.success(), "{}", String::from_utf8_lossy(&audited.stdout));
    }

    /// A real balance, minor units, as the command line tells it.
    pub async fn balance(&self, party: &str, player: &str, currency: &str) -> i64 {
        let (party, player) = (["--party", party], ["--player", player]);
        let arguments = [&["balance", "--json", "--currency", currency], party.as_slice(), &player].concat();
        let lines: Value = serde_json::from_str(&self.done(&arguments).await).expect("JSON");
        let is_default = |line: &&Value| line["bucket"] == "real" && line["wallet"] == "";
        let line = lines.as_array().expect("lines").iter().find(is_default).expect("a real account");
        line["balance_minor"].as_i64().expect("a number")
    }
}

fn port(url: &str) -> u16 {
    url::Url::parse(url).expect("a URL").port().expect("a port")
}

pub fn party(name: &str) -> Party {
    Party::parse(name).expect("a party")
}
