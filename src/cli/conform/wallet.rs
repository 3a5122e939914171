//! `purser conform wallet`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::money::Money;
use super::partners::PartnerOptions;
use super::reports::{self, ReportFiles};
use crate::app;
use crate::cli::{CommandFailure, Ended, usage};
use crate::config::{self, Config, JwtKey, PartyConfig, PlayerTokens, Secret, format_duration};
use crate::conformance::catalogue::{Catalogue, SpokenDialect};
use crate::conformance::http::HttpWallet;
use crate::conformance::judge::Selection;
use crate::conformance::report::{ConformanceVerdict, JudgedCase, Subject};
use crate::conformance::tokens::{PartyClaims, Signer, TokenMaker};
use crate::conformance::wire::Queues;
use crate::conformance::{self, ConformanceReport, PartyTerms, Wallet};
use crate::ledger::Party;
use crate::transport::amqp::admission::own_user;
use crate::transport::amqp::{AmqpSettings, BrokerNodes, connection};

/// Every reader of JSON can hold it.
pub(super) const MAX_SEED: u64 = (1 << 53) - 1;

#[derive(Args)]
pub struct Judging {
    /// The party whose queues are asked.
    #[arg(long)]
    party: String,
    /// The wallet's broker (default: `amqp.url`).
    #[arg(long, value_name = "URL", env = "AMQP_URL", hide_env_values = true)]
    amqp: Option<String>,
    /// Where the wallet answers HTTP; without it, only the queues are judged.
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// Default: amqp, and with --http rest. The others as the party's configuration has them.
    #[arg(long, value_delimiter = ',')]
    dialect: Vec<Way>,
    /// These cases alone.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    money: Money,
    #[command(flatten)]
    partners: PartnerOptions,
    /// Players to create, and cases at once.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=200))]
    at_once: u16,
    /// Of the players' money (default: the party's first).
    #[arg(long)]
    currency: Option<String>,
    /// Default: the party's first.
    #[arg(long)]
    game: Option<String>,
    /// A currency and the most that one bet in it may be, in minor units: EUR=1000
    #[arg(long, value_name = "CURRENCY=MINOR")]
    limit: Option<String>,
    /// How long the wallet lets a result wait for its bet (default: `ledger.ordering_grace`).
    #[arg(long, value_parser = config::parse_duration)]
    grace: Option<Duration>,
    /// The party is a sandbox, with its test players.
    #[arg(long)]
    sandbox: bool,
    /// The secret that signs the players' tokens (HS256).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["jwt_key_file", "trusted"])]
    jwt_secret_file: Option<PathBuf>,
    /// The private key that signs them (PEM: RSA, P-256 or Ed25519).
    #[arg(long, value_name = "FILE", conflicts_with = "trusted")]
    jwt_key_file: Option<PathBuf>,
    #[arg(long)]
    jwt_kid: Option<String>,
    #[arg(long)]
    jwt_issuer: Option<String>,
    #[arg(long)]
    jwt_audience: Option<String>,
    /// The wallet takes a plain playerId; nobody shows a token.
    #[arg(long)]
    trusted: bool,
    /// The provider's key, for the header x-api-key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// How the names of reply queues have to begin.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    reply_prefix: String,
    /// How long a reply is waited for.
    #[arg(long, default_value = "15s", value_parser = config::parse_duration)]
    timeout: Duration,
    /// Decides amounts and rounds (default: a new one).
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=MAX_SEED))]
    seed: Option<u64>,
    #[command(flatten)]
    reports: ReportFiles,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    Amqp,
    Rest,
    BalanceService,
    Quickplay,
    Goplay,
    Codegames,
}

impl Way {
    fn dialect(self) -> SpokenDialect {
        match self {
            Self::Amqp => SpokenDialect::Amqp,
            Self::Rest => SpokenDialect::Rest,
            Self::BalanceService => SpokenDialect::BalanceService,
            Self::Quickplay => SpokenDialect::Quickplay,
            Self::Goplay => SpokenDialect::Goplay,
            Self::Codegames => SpokenDialect::Codegames,
        }
    }
}

impl Judging {
    /// Whatever keeps the wallet from being judged is status 2.
    pub async fn run(self, config: Config) -> Ended {
        reports::ended(Subject::Wallet, self.verdict(config).await)
    }

    async fn verdict(&self, mut config: Config) -> Result<ConformanceVerdict, CommandFailure> {
        if config.parties.keys().any(|party| party.as_str() == self.party) {
            config.ensure_demo_secret()?;
        }
        let report = self.report(&config, Catalogue::load()?, &self.selection()).await?;
        self.reports.write(&report)?;
        reports::sum_up(&report)?;
        Ok(report.verdict())
    }

    async fn report(
        &self,
        config: &Config,
        catalogue: Catalogue,
        selection: &Selection,
    ) -> Result<ConformanceReport, CommandFailure> {
        let party = Party::parse(&self.party).map_err(|error| usage(format!("--party {error}")))?;
        let ours = config.parties.get(&party);
        selection.of(&catalogue)?;
        let terms = self.terms(config, ours)?;
        let tokens = self.tokens(ours)?;
        let http = self.http(ours)?;
        let settings = self.broker(config, &party)?;
        let connection = connection::connect(&settings).await;
        let connection = connection.map_err(|error| usage(format!("cannot reach the broker: {error}")))?;
        let players = self.money.players(config, &self.party, &terms.currency, self.at_once).await?;
        let (user, reply_prefix) = (own_user(&settings), self.reply_prefix.clone());
        let queues = Queues { party: self.party.clone(), user, reply_prefix };
        let partners = self.partners.partners(config, ours, &terms.currency, &players)?;
        let wallet = Arc::new(Wallet { connection, queues, http, tokens, partners, terms });
        eprintln!("judging the wallet of party {party}, seed {}", wallet.terms.seed);
        let told = |case: &JudgedCase| {
            if let Err(error) = reports::tell(case) {
                tracing::debug!(%error, "nobody reads what is printed");
            }
        };
        let judging = conformance::judge(Arc::clone(&wallet), Arc::new(catalogue), selection, players, told);
        let report = judging.await?;
        // It has said what it knows; a broker that is gone does not mind.
        let _ = wallet.connection.close(200, "bye".into()).await;
        Ok(report)
    }

    fn selection(&self) -> Selection {
        let dialects = match self.dialect.as_slice() {
            [] if self.http.is_some() => SpokenDialect::TRADING.to_vec(),
            [] => vec![SpokenDialect::Amqp],
            ways => ways.iter().map(|way| way.dialect()).collect(),
        };
        Selection { dialects, only: self.only.clone() }
    }

    fn broker(&self, config: &Config, party: &Party) -> Result<AmqpSettings, CommandFailure> {
        let configured = app::broker(config, party);
        let mut settings = configured.ok_or_else(|| usage("there is no broker: --amqp, or amqp.url"))?;
        if let Some(url) = &self.amqp {
            settings.nodes = BrokerNodes::new(vec![Secret::new(url.as_str())]);
        }
        Ok(settings)
    }

    fn terms(&self, config: &Config, ours: Option<&PartyConfig>) -> Result<PartyTerms, CommandFailure> {
        let first = || ours.and_then(|party| party.currencies.first()).map(|currency| currency.as_str().to_owned());
        let currency = self.currency.clone().or_else(first);
        let game = || ours.and_then(|party| party.games.first()).map(|game| game.as_str().to_owned());
        let game = self.game.clone().or_else(game);
        Ok(PartyTerms {
            currency: currency.ok_or_else(|| usage("--currency is missing: which money do the players have?"))?,
            game: game.ok_or_else(|| usage("--game is missing: what do they play?"))?,
            limit: self.limit(ours)?,
            grace: self.grace.unwrap_or(config.ledger.ordering_grace),
            patience: self.timeout,
            is_sandbox: self.sandbox || ours.is_some_and(|party| party.is_sandbox),
            seed: self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
            again: self.again(),
        })
    }

    fn limit(&self, ours: Option<&PartyConfig>) -> Result<Option<(String, i64)>, CommandFailure> {
        let Some(given) = &self.limit else {
            let limits = ours.into_iter().flat_map(|party| &party.limits);
            let mut most =
                limits.filter_map(|(currency, limits)| Some((currency.as_str().to_owned(), limits.max_bet?)));
            return Ok(most.next());
        };
        let limit = given.split_once('=').and_then(|(currency, most)| Some((currency.to_owned(), most.parse().ok()?)));
        limit.map(Some).ok_or_else(|| usage("--limit must be like EUR=1000"))
    }

    fn tokens(&self, ours: Option<&PartyConfig>) -> Result<TokenMaker, CommandFailure> {
        let jwt = ours.and_then(|party| party.jwt.as_ref());
        let claims = PartyClaims {
            party: self.party.clone(),
            issuer: self.jwt_issuer.clone().or_else(|| jwt?.issuer.clone()),
            audience: self.jwt_audience.clone().or_else(|| jwt?.audience.clone()),
            key_id: self.jwt_kid.clone(),
        };
        let is_trusted = || ours.is_some_and(|party| party.player_tokens == PlayerTokens::Trusted);
        let signer = match (&self.jwt_secret_file, &self.jwt_key_file) {
            (Some(path), _) => Some(Signer::secret(text(path)?.trim_end_matches(['\r', '\n']).as_bytes())),
            (None, Some(path)) => Some(signer(path)?),
            (None, None) if self.trusted || is_trusted() => None,
            (None, None) => match jwt.map(|jwt| (&jwt.key, &jwt.private_key_file)) {
                Some((JwtKey::HmacSecret(secret), _)) => Some(Signer::secret(secret.expose().as_bytes())),
                Some((_, Some(path))) => Some(signer(path)?),
                _ => return Err(usage("who signs the tokens? --jwt-secret-file, --jwt-key-file or --trusted")),
            },
        };
        Ok(TokenMaker::new(signer, claims))
    }

    fn http(&self, ours: Option<&PartyConfig>) -> Result<Option<HttpWallet>, CommandFailure> {
        let Some(base) = &self.http else { return Ok(None) };
        let configured = || ours?.rest.as_ref()?.api_keys.first().map(|key| key.expose().to_owned());
        let key = match &self.api_key_file {
            Some(path) => Some(text(path)?.trim().to_owned()),
            None => configured(),
        };
        Ok(Some(HttpWallet::new(base, key, self.timeout)?))
    }

    /// The line that judges this wallet again. Addresses may hold a password, so the broker's comes from the environment.
    fn again(&self) -> String {
        let mut line = format!("purser conform wallet --party {}", self.party);
        let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let grace = self.grace.map(format_duration);
        let options = [
            ("--amqp", self.amqp.as_ref().map(|_| String::new())),
            ("--http", self.http.clone()),
            ("--currency", self.currency.clone()),
            ("--game", self.game.clone()),
            ("--limit", self.limit.clone()),
            ("--grace", grace),
            ("--jwt-secret-file", file(&self.jwt_secret_file)),
            ("--jwt-key-file", file(&self.jwt_key_file)),
            ("--jwt-kid", self.jwt_kid.clone()),
            ("--jwt-issuer", self.jwt_issuer.clone()),
            ("--jwt-audience", self.jwt_audience.clone()),
            ("--api-key-file", file(&self.api_key_file)),
            ("--reply-prefix", Some(self.reply_prefix.clone()).filter(|prefix| !prefix.is_empty())),
        ];
        for (name, value) in options.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let value = if name == "--amqp" { "\"$AMQP_URL\"".to_owned() } else { quoted(&value) };
            line += &format!(" {name} {value}");
        }
        for (name, is_on) in [("--sandbox", self.sandbox), ("--trusted", self.trusted)] {
            line += &if is_on { format!(" {name}") } else { String::new() };
        }
        format!("{line}{} {}", self.partners.again(), self.money.again())
    }
}

pub(super) fn text(path: &Path) -> Result<String, CommandFailure> {
    std::fs::read_to_string(path).map_err(|error| usage(format!("cannot read {}: {error}", path.display())))
}

pub(super) fn signer(path: &Path) -> Result<Signer, CommandFailure> {
    Signer::pem(text(path)?.as_bytes()).map_err(|error| usage(format!("{}: {error}", path.display())))
}

/// One word for a shell.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
