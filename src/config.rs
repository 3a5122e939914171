//! Configuration: built-in defaults, then one TOML file, then the environment; typed, and every bound named.
//!
//! The file is the one that `--config` or `PURSER_CONFIG` names, else `./purser.toml` where there is one. A variable
//! `PURSER__SECTION__KEY` sets `section.key`, with a list or an inline table written as in TOML. Relative paths, of
//! key files and of the database, count from the working directory, whichever layer gives them. An empty text is the
//! same as none. Any secret may be in a file of its own: `admin_token_file` instead of `admin_token`, and so on.
//!
//! Nothing is opened here but the configuration file and the files that hold secrets.

mod amqp;
mod approvals;
mod demo;
mod dialects;
mod duration;
mod effective;
mod error;
mod files;
mod hosts;
mod jwt;
mod layers;
mod ledgers;
mod network;
mod operators;
mod party;
mod secret;
mod section;
mod server;
mod telemetry;

use std::collections::BTreeMap;
use std::path::Path;

pub use amqp::{Amqp, LeaderLocator, QueueType};
pub use approvals::ApprovalRules;
pub use demo::DemoSecret;
pub(crate) use dialects::goplay;
pub use dialects::{BalanceService, CodeGames, CodeGamesUser, GoPlay, OauthClient, QuickPlay, Rest, SignatureDigest};
pub use duration::{InvalidDuration, format_duration, parse_duration};
pub use effective::Effective;
pub use error::{ConfigError, SettingPlace};
pub use files::SecretFile;
pub use jwt::{Jwt, JwtKey, MIN_HMAC_SECRET_BYTES};
pub use layers::Environment;
pub use network::Network;
pub use operators::{MIN_TOKEN, Operator, OperatorTokenHash, Role, WeakToken, check_token};
pub use party::{PartyAmqp, PartyConfig, PlayerTokens, StakeLimits};
pub use secret::Secret;
pub use server::{DatabaseSettings, DatabaseUrl, HttpSettings, Ledger, Shutdown};
pub use telemetry::Telemetry;

use crate::ledger::ids::{Currency, LedgerName, Party};
use crate::ledger::money;
use party::Reading;
use section::Section;

/// Decimal places of a currency that nothing is known of; no party has such a one.
const DEFAULT_EXPONENT: u32 = 2;

/// First segments of paths that no dialect may have.
const OPERATORS_OWN: [&str; 2] = ["admin", "console"];

#[derive(Debug, Clone)]
pub struct Config {
    pub database: DatabaseSettings,
    /// Those beside the ledger of `database`.
    pub ledgers: BTreeMap<LedgerName, DatabaseSettings>,
    pub amqp: Amqp,
    pub http: HttpSettings,
    pub ledger: Ledger,
    pub shutdown: Shutdown,
    /// Who may look at the ledger and act on it by hand, the one of `http.admin_token` included.
    pub operators: Vec<Operator>,
    /// What one person alone may not move by hand.
    pub approvals: ApprovalRules,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// Exponents of token currencies, by currency.
    pub currencies: BTreeMap<Currency, u32>,
    /// Never empty.
    pub parties: BTreeMap<Party, PartyConfig>,
    /// Whether no party is configured and the demo party stands in.
    pub is_demo: bool,
    /// What is allowed and unwise, one sentence each; never a secret.
    pub warnings: Vec<String>,
    /// What of the configuration's files nobody else should be able to read.
    pub secret_files: Vec<SecretFile>,
    /// Every setting by name, without secrets.
    pub effective: Vec<Effective>,
}

impl Config {
    /// Reads the process's configuration; `explicit` is the value of `--config`.
    pub fn load(explicit: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(explicit, &layers::process_environment()?)
    }

    /// The same, with an environment of the caller's.
    pub fn load_from(explicit: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let file = layers::read_file(explicit, environment)?;
        let file = file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
        let merged = layers::merge(file, environment)?;
        let secret_files = files::secret_files(&merged, file.map(|(path, _)| path));
        let mut effective = effective::effective(&merged, file.map(|(path, _)| path));
        let config = Self::read(Section::root(merged)?)?;
        if config.is_demo {
            effective.extend(demo::settings());
        }
        Ok(Self { secret_files, effective, ..config })
    }

    fn read(mut root: Section) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let currencies = root.section("currencies")?.map_or(Ok(BTreeMap::new()), server::currencies)?;
        let exponent = |currency| exponent_of(&currencies, currency);
        let mut reading = Reading { exponent: &exponent, warnings: &mut warnings };
        let parties =
            root.section("parties")?.map_or(Ok(BTreeMap::new()), |parties| party::parties(parties, &mut reading))?;
        let is_demo = parties.is_empty();
        let http = server::http(root.require("http")?.section()?)?;
        let mut config = Self {
            database: server::database(root.require("database")?.section()?)?,
            ledgers: root.section("ledgers")?.map_or(Ok(BTreeMap::new()), ledgers::ledgers)?,
            amqp: amqp::amqp(root.require("amqp")?.section()?)?,
            operators: operators::operators(root.list("operators")?, http.admin_token.as_ref())?,
            http,
            approvals: approvals::approvals(root.require("approvals")?.section()?)?,
            telemetry: telemetry::telemetry(root.require("telemetry")?.section()?)?,
            ledger: server::ledger(root.require("ledger")?.section()?)?,
            shutdown: server::shutdown(root.require("shutdown")?.section()?)?,
            currencies,
            parties: if is_demo { demo::parties() } else { parties },
            is_demo,
            warnings,
            secret_files: Vec::new(),
            effective: Vec::new(),
        };
        root.finish()?;
        config.check_currencies()?;
        config.check_ledgers()?;
        config.check_thresholds()?;
        config.check_paths()?;
        config.warn();
        Ok(config)
    }

    /// Decimal places of a currency's minor unit: the configured ones, else the standard's.
    pub fn exponent(&self, currency: Currency) -> u32 {
        exponent_of(&self.currencies, currency)
    }

    /// Money needs to know how many decimal places its minor unit has.
    fn check_currencies(&self) -> Result<(), ConfigError> {
        for (party, config) in &self.parties {
            let known = |currency: Currency| {
                self.currencies.contains_key(&currency) || money::standard_exponent(currency).is_some()
            };
            if let Some(token) = config.all_currencies().find(|currency| !known(*currency)) {
                let own = if config.currencies.contains(&token) { ".currencies" } else { "" };
                let place = SettingPlace { key: format!("parties.{party}{own}"), origin: None };
                return Err(place.wrong(format!(
                    "names {token}, which is not in ISO 4217: say how many decimal places it has, [currencies.{token}] exponent = 2"
                )));
            }
        }
        Ok(())
    }

    /// A threshold in a currency that nobody has money in is a slip, and would hold nothing back.
    fn check_thresholds(&self) -> Result<(), ConfigError> {
        let used =
            |currency: &Currency| self.parties.values().any(|party| party.all_currencies().any(|c| c == *currency));
        match self.approvals.threshold.keys().find(|currency| !used(currency)) {
            Some(currency) => {
                let place = SettingPlace { key: format!("approvals.threshold.{currency}"), origin: None };
                Err(place.wrong("is for a currency that no party has"))
            }
            None => Ok(()),
        }
    }

    /// Two dialects under one path would answer each other's calls.
    fn check_paths(&self) -> Result<(), ConfigError> {
        let mut taken: BTreeMap<&str, String> = BTreeMap::new();
        for (party, config) in &self.parties {
            for (dialect, path) in config.paths() {
                let key = format!("parties.{party}.{dialect}.path");
                let first = path.split('/').nth(1).unwrap_or_default();
                if OPERATORS_OWN.contains(&first) {
                    let place = SettingPlace { key, origin: None };
                    return Err(place.wrong(format!("begins with /{first}, which is the operators' own")));
                }
                if let Some(other) = taken.get(path) {
                    let place = SettingPlace { key, origin: None };
                    return Err(place.wrong(format!("equals {other}; give each dialect of each party its own")));
                }
                taken.insert(path, key);
            }
        }
        Ok(())
    }

    fn warn(&mut self) {
        if usize::from(self.amqp.prefetch) < self.ledger.max_batch {
            self.warnings
                .push("amqp.prefetch is below ledger.max_batch, so that no batch will ever be full".to_owned());
        }
        if self.amqp.urls.is_empty() && self.http.listen.is_some() {
            self.warnings.push(
                "amqp.url is empty: results and cancels over HTTP wait ledger.ordering_grace for their bet, and for none that lies in a queue; where other processes read the parties' queues, a cancel here that gives up has its bet refused there".to_owned(),
            );
        }
        let database = Some("database.url".to_owned()).filter(|_| self.database.url.is_exposed());
        let exposed = self.ledgers.iter().filter(|(_, settings)| settings.url.is_exposed());
        let ledgers: Vec<String> = exposed.map(|(name, _)| format!("ledgers.{name}.url")).collect();
        for what in self.amqp.exposed().into_iter().chain(database).chain(ledgers) {
            self.warnings.push(format!(
                "{what} goes to another machine without TLS: who is on the way can read secrets and move money"
            ));
        }
        if let Some(weak) = self.http.admin_token.as_ref().and_then(|token| check_token(token.expose()).err()) {
            self.warnings.push(format!("http.admin_token {weak}: whoever guesses it can move money"));
        }
        self.warn_of_shared_keys();
        if self.amqp.is_nameless() {
            self.warnings.push(
                "amqp.user is missing where a certificate is the login: `purser dead redrive` cannot tell what was answered, and a party with amqp_users refuses what it puts back".to_owned(),
            );
        }
        for (party, config) in &self.parties {
            if config.balance_service.as_ref().is_some_and(|service| service.api_keys.is_empty()) {
                self.warnings.push(format!(
                    "parties.{party}.balance_service.api_keys is empty: every caller on this machine can move money, and through a proxy there that leaves no header everybody is one"
                ));
            }
            let open = config.jwt.is_some() && config.rest.as_ref().is_none_or(|rest| rest.api_keys.is_empty());
            if open && self.http.listen.is_some() {
                self.warnings.push(format!(
                    "parties.{party}.rest.api_keys is empty: over HTTP, whoever holds a player's token can place and settle that player's bets"
                ));
            }
        }
    }
}

impl Config {
    /// A token that does not name its party is good for each that has its key and issuer.
    fn warn_of_shared_keys(&mut self) {
        let signed = self.parties.iter().filter_map(|(party, config)| Some((party, config.jwt.as_ref()?)));
        let signed: Vec<_> = signed.collect();
        for (index, (party, jwt)) in signed.iter().enumerate() {
            for (other, others) in &signed[index + 1..] {
                if jwt.key == others.key && jwt.issuer == others.issuer {
                    self.warnings.push(format!(
                        "parties.{party}.jwt and parties.{other}.jwt have one key and one issuer: a token without a `party` \
                         claim is good for a player of that name in both; give each an issuer or a key of its own"
                    ));
                }
            }
        }
    }
}

/// Decimal places of a currency's minor unit: the configured ones, else the standard's.
pub(crate) fn exponent_of(configured: &BTreeMap<Currency, u32>, currency: Currency) -> u32 {
    configured.get(&currency).copied().or_else(|| money::standard_exponent(currency)).unwrap_or(DEFAULT_EXPONENT)
}

#[cfg(test)]
mod tests;
