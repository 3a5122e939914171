//! One party: its currencies and games, how its players are recognised, and the dialects that it speaks.

use std::collections::BTreeMap;

use super::dialects::{self, BalanceService, CodeGames, GoPlay, QuickPlay, Rest};
use super::error::ConfigError;
use super::jwt::{self, Jwt};
use super::section::{Section, Setting};
use crate::ledger::ids::{Currency, Game, LedgerName, Party};

#[derive(Debug, Clone)]
pub struct PartyConfig {
    /// At least one; the first is a new player's home currency.
    pub currencies: Vec<Currency>,
    pub games: Vec<Game>,
    pub player_tokens: PlayerTokens,
    /// The ledger that its players and money are in.
    pub ledger: LedgerName,
    /// Whether providers practise here: its test players behave as they are named.
    pub is_sandbox: bool,
    /// The demo party's is there once its secret has been ensured.
    pub jwt: Option<Jwt>,
    pub limits: BTreeMap<Currency, StakeLimits>,
    pub amqp: PartyAmqp,
    pub rest: Option<Rest>,
    pub quickplay: Option<QuickPlay>,
    pub balance_service: Option<BalanceService>,
    pub goplay: Option<GoPlay>,
    pub codegames: Option<CodeGames>,
}

impl PartyConfig {
    /// Every currency that the party's players may have money in: its own, and those that its dialects pay in.
    pub fn all_currencies(&self) -> impl Iterator<Item = Currency> {
        let balance_service = self.balance_service.iter().flat_map(|dialect| dialect.currency_ids.values().copied());
        self.currencies
            .iter()
            .copied()
            .chain(self.quickplay.as_ref().map(|dialect| dialect.currency))
            .chain(balance_service)
            .chain(self.goplay.as_ref().map(|dialect| dialect.currency))
            .chain(self.codegames.as_ref().map(|dialect| dialect.currency))
    }

    /// The HTTP dialects in use and where their routes begin.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("quickplay", self.quickplay.as_ref().map(|dialect| dialect.path.as_str())),
            ("balance_service", self.balance_service.as_ref().map(|dialect| dialect.path.as_str())),
            ("goplay", self.goplay.as_ref().map(|dialect| dialect.path.as_str())),
            ("codegames", self.codegames.as_ref().map(|dialect| dialect.path.as_str())),
        ]
        .into_iter()
        .filter_map(|(dialect, path)| path.map(|path| (dialect, path)))
    }
}

/// What holds for the party's queues alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartyAmqp {
    /// The party's own virtual host; none: that of `amqp.url`.
    pub vhost: Option<String>,
    /// The broker's users who may ask; none: whoever can write to the queues.
    pub users: Vec<String>,
    /// Beginnings of the queues that replies may be sent to; none: any that is not Purser's own.
    pub reply_queues: Vec<String>,
}

/// Names of AMQP are short strings.
const MAX_AMQP_NAME: usize = 255;

/// Whether a message over AMQP must prove whose player it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayerTokens {
    Required,
    /// A plain `playerId` is taken on the strength of the machine-to-machine channel.
    Trusted,
}

impl PlayerTokens {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "required" => Some(Self::Required),
            "trusted" => Some(Self::Trusted),
            _ => None,
        }
    }
}

/// What a player may stake in one currency, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StakeLimits {
    pub max_bet: Option<i64>,
    /// Per player and UTC day.
    pub max_stake_per_day: Option<i64>,
}

/// What reading a party needs to know from elsewhere, and what it has to say.
pub(super) struct Reading<'a> {
    pub exponent: &'a dyn Fn(Currency) -> u32,
    pub warnings: &'a mut Vec<String>,
}

pub(super) fn parties(
    section: Section,
    reading: &mut Reading<'_>,
) -> Result<BTreeMap<Party, PartyConfig>, ConfigError> {
    let mut parties = BTreeMap::new();
    for (name, setting) in section.entries() {
        let name = Party::parse(&name).map_err(|error| setting.place.wrong(error.to_string()))?;
        parties.insert(name, party(setting.section()?, reading)?);
    }
    Ok(parties)
}

fn party(mut section: Section, reading: &mut Reading<'_>) -> Result<PartyConfig, ConfigError> {
    let currencies = currencies(&mut section)?;
    let games = section.list("games")?.into_iter().map(|game| game.named(Game::parse)).collect::<Result<_, _>>()?;
    let player_tokens =
        section.require("player_tokens")?.parsed("must be \"required\" or \"trusted\"", PlayerTokens::parse)?;
    let ledger = section.require("ledger")?.named(LedgerName::parse)?;
    let is_sandbox = section.require("sandbox")?.flag()?;
    let jwt = section.section("jwt")?.map(|section| jwt::jwt(section, reading.warnings)).transpose()?;
    if player_tokens == PlayerTokens::Required && jwt.is_none() {
        let place = section.place();
        return Err(place.wrong("needs a [jwt] section to check player tokens with, or player_tokens = \"trusted\""));
    }
    let amqp = party_amqp(&mut section)?;
    let limits = section.section("limits")?.map_or(Ok(BTreeMap::new()), |section| limits(section, &currencies))?;
    let config = PartyConfig {
        currencies,
        games,
        player_tokens,
        ledger,
        is_sandbox,
        jwt,
        limits,
        amqp,
        rest: section.section("rest")?.map(dialects::rest).transpose()?,
        quickplay: section.section("quickplay")?.map(dialects::quickplay::read).transpose()?,
        balance_service: section
            .section("balance_service")?
            .map(|section| dialects::balance_service::read(section, reading.warnings))
            .transpose()?,
        goplay: section
            .section("goplay")?
            .map(|section| dialects::goplay::read(section, reading.exponent))
            .transpose()?,
        codegames: section
            .section("codegames")?
            .map(|section| dialects::codegames::read(section, reading.warnings))
            .transpose()?,
    };
    section.finish()?;
    Ok(config)
}

fn party_amqp(section: &mut Section) -> Result<PartyAmqp, ConfigError> {
    let vhost = section.take("amqp_vhost").map(amqp_name).transpose()?;
    // The two would be lost on the way through a URL.
    if let Some(dots) = vhost.as_deref().filter(|name| matches!(*name, "." | "..")) {
        return Err(section.place().wrong(format!("has amqp_vhost = \"{dots}\", which no URL can name")));
    }
    Ok(PartyAmqp {
        vhost,
        users: amqp_names(section, "amqp_users")?,
        reply_queues: amqp_names(section, "reply_queues")?,
    })
}

/// An empty list is told apart from none: it would let nobody in, or everybody, and nobody could say which.
fn amqp_names(section: &mut Section, key: &str) -> Result<Vec<String>, ConfigError> {
    let Some(setting) = section.take(key) else { return Ok(Vec::new()) };
    let place = setting.place.clone();
    let names = setting.list()?.into_iter().map(amqp_name).collect::<Result<Vec<_>, _>>()?;
    if names.is_empty() {
        return Err(place.wrong("is an empty list; leave it out where it restricts nothing"));
    }
    Ok(names)
}

fn amqp_name(setting: Setting) -> Result<String, ConfigError> {
    let place = setting.place.clone();
    let name = setting.text()?;
    if name.is_empty() || name.len() > MAX_AMQP_NAME || name.chars().any(char::is_control) {
        return Err(place.wrong(format!("must be a name of 1 to {MAX_AMQP_NAME} bytes without control characters")));
    }
    Ok(name)
}

fn currencies(section: &mut Section) -> Result<Vec<Currency>, ConfigError> {
    let listed = section.require("currencies")?;
    let place = listed.place.clone();
    let mut currencies = Vec::new();
    for setting in listed.list()? {
        let place = setting.place.clone();
        let currency = setting.named(Currency::parse)?;
        if currencies.contains(&currency) {
            return Err(place.wrong(format!("names {currency} again")));
        }
        currencies.push(currency);
    }
    if currencies.is_empty() {
        return Err(place.wrong("must name at least one currency"));
    }
    Ok(currencies)
}

fn limits(section: Section, currencies: &[Currency]) -> Result<BTreeMap<Currency, StakeLimits>, ConfigError> {
    let mut limits = BTreeMap::new();
    for (code, setting) in section.entries() {
        let place = setting.place.clone();
        let currency = Currency::parse(&code).ok().filter(|currency| currencies.contains(currency));
        let currency = currency.ok_or_else(|| place.wrong("is for a currency that the party does not have"))?;
        let mut section = setting.section()?;
        let max_bet = section.take("max_bet").map(positive).transpose()?;
        let max_stake_per_day = section.take("max_stake_per_day").map(positive).transpose()?;
        section.finish()?;
        limits.insert(currency, StakeLimits { max_bet, max_stake_per_day });
    }
    Ok(limits)
}

fn positive(setting: Setting) -> Result<i64, ConfigError> {
    setting.integer(1..=i64::MAX)
}
