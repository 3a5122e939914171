//! The sections of the HTTP dialects: what a party's partners need beyond its currencies and tokens.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rust_decimal::Decimal;
use url::Url;

use super::error::ConfigError;
use super::jwt::MIN_HMAC_SECRET_BYTES;
use super::secret::Secret;
use super::section::{Section, Setting};
use crate::ledger::account::Bucket;
use crate::ledger::ids::{Currency, PlayerId};
use crate::ledger::money;

/// EGPP over REST: keys of the provider's own, beside the player's token.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    pub api_keys: Vec<Secret>,
}

#[derive(Debug, Clone)]
pub struct QuickPlay {
    pub path: String,
    pub partner: String,
    pub public_key_file: PathBuf,
    pub digest: SignatureDigest,
    pub currency: Currency,
}

/// The digest within QuickPlay's RSA signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureDigest {
    Sha1,
    Sha256,
}

#[derive(Debug, Clone)]
pub struct BalanceService {
    pub path: String,
    /// None: answered on this machine only, and not through a proxy.
    pub api_keys: Vec<Secret>,
    pub currency_ids: BTreeMap<i32, Currency>,
    /// What one unit of a currency is worth in GBP.
    pub gbp_rates: BTreeMap<Currency, Decimal>,
    pub spend_order: Vec<Bucket>,
}

#[derive(Debug, Clone)]
pub struct GoPlay {
    pub path: String,
    pub currency: Currency,
    /// From the cheapest to the dearest, which is also from the lowest to the highest.
    pub vip: Vec<VipLevel>,
    pub clients: Vec<OauthClient>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipLevel {
    pub name: String,
    pub price_minor: i64,
}

#[derive(Debug, Clone)]
pub struct OauthClient {
    pub id: String,
    pub secret: Secret,
    /// Matched exactly, as text.
    pub redirect_uris: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct CodeGames {
    pub path: String,
    pub currency: Currency,
    /// Encrypts gift-card keys at rest.
    pub keys_secret: Secret,
    pub users: Vec<CodeGamesUser>,
}

#[derive(Debug, Clone)]
pub struct CodeGamesUser {
    pub login: String,
    /// Argon2id, in PHC form.
    pub password_hash: Secret,
    /// The account that pays.
    pub player: PlayerId,
}

pub(super) fn rest(mut section: Section) -> Result<Rest, ConfigError> {
    let api_keys = api_keys(&mut section)?;
    section.finish()?;
    Ok(Rest { api_keys })
}

pub(super) fn quickplay(mut section: Section) -> Result<QuickPlay, ConfigError> {
    let config = QuickPlay {
        path: path(&mut section)?,
        partner: filled(section.require("partner")?)?,
        public_key_file: filled(section.require("public_key_file")?)?.into(),
        digest: digest(section.require("digest")?)?,
        currency: section.require("currency")?.named(Currency::parse)?,
    };
    section.finish()?;
    Ok(config)
}

fn digest(setting: Setting) -> Result<SignatureDigest, ConfigError> {
    setting.parsed("must be \"sha1\" or \"sha256\"", |text| match text {
        "sha1" => Some(SignatureDigest::Sha1),
        "sha256" => Some(SignatureDigest::Sha256),
        _ => None,
    })
}

pub(super) fn balance_service(mut section: Section, warnings: &mut Vec<String>) -> Result<BalanceService, ConfigError> {
    let config = BalanceService {
        path: path(&mut section)?,
        api_keys: api_keys(&mut section)?,
        currency_ids: section.section("currency_ids")?.map_or(Ok(BTreeMap::new()), currency_ids)?,
        gbp_rates: section.section("gbp_rates")?.map_or(Ok(BTreeMap::new()), gbp_rates)?,
        spend_order: spend_order(&mut section)?,
    };
    let unrated = |currency: &&Currency| currency.as_str() != "GBP" && !config.gbp_rates.contains_key(*currency);
    for currency in config.currency_ids.values().filter(unrated) {
        warnings.push(format!("{} has no gbp_rates for {currency}", section.place().key));
    }
    section.finish()?;
    Ok(config)
}

fn currency_ids(section: Section) -> Result<BTreeMap<i32, Currency>, ConfigError> {
    let mut currencies = BTreeMap::new();
    for (id, setting) in section.entries() {
        let number = id.parse::<i32>().map_err(|_| setting.place.wrong("must have a whole number for its key"))?;
        let place = setting.place.clone();
        let currency = setting.named(Currency::parse)?;
        if currencies.values().any(|known| *known == currency) {
            return Err(place.wrong(format!("names {currency} again")));
        }
        currencies.insert(number, currency);
    }
    Ok(currencies)
}

fn gbp_rates(section: Section) -> Result<BTreeMap<Currency, Decimal>, ConfigError> {
    let mut rates = BTreeMap::new();
    for (code, setting) in section.entries() {
        let currency = Currency::parse(&code).map_err(|error| setting.place.wrong(error.to_string()))?;
        let rate = setting.parsed("must be a decimal number in quotes such as \"0.8571\", above zero", |text| {
            Decimal::from_str_exact(text).ok().filter(|rate| *rate > Decimal::ZERO)
        })?;
        rates.insert(currency, rate);
    }
    Ok(rates)
}

fn spend_order(section: &mut Section) -> Result<Vec<Bucket>, ConfigError> {
    let mut order = Vec::new();
    for setting in section.list("spend_order")? {
        let place = setting.place.clone();
        let bucket = setting.parsed("must be \"real\", \"bonus\" or \"ring_fenced\"", |text| {
            Bucket::parse(text).filter(|bucket| *bucket != Bucket::GbtBonus)
        })?;
        if order.contains(&bucket) {
            return Err(place.wrong(format!("names {} again", bucket.as_str())));
        }
        order.push(bucket);
    }
    Ok(if order.is_empty() { vec![Bucket::RingFenced, Bucket::Real, Bucket::Bonus] } else { order })
}

pub(super) fn goplay(mut section: Section, exponent: &dyn Fn(Currency) -> u32) -> Result<GoPlay, ConfigError> {
    let currency = section.require("currency")?.named(Currency::parse)?;
    let config = GoPlay {
        path: path(&mut section)?,
        currency,
        vip: section.section("vip")?.map_or(Ok(Vec::new()), |section| vip(section, exponent(currency)))?,
        clients: clients(&mut section)?,
    };
    section.finish()?;
    Ok(config)
}

fn vip(section: Section, exponent: u32) -> Result<Vec<VipLevel>, ConfigError> {
    let place = section.place().clone();
    let mut levels = Vec::new();
    for (name, setting) in section.entries() {
        let problem = format!("must be a price in quotes such as \"10.00\", above zero, of at most {exponent} places");
        let price_minor = setting.parsed(&problem, |text| {
            money::parse_decimal(text, exponent).ok().filter(|price_minor| *price_minor > 0)
        })?;
        levels.push(VipLevel { name, price_minor });
    }
    levels.sort_by_key(|level| level.price_minor);
    match levels.windows(2).find(|pair| pair[0].price_minor == pair[1].price_minor) {
        Some(pair) => {
            Err(place.wrong(format!("has one price for {} and {}: which is higher?", pair[0].name, pair[1].name)))
        }
        None => Ok(levels),
    }
}

fn clients(section: &mut Section) -> Result<Vec<OauthClient>, ConfigError> {
    let mut clients: Vec<OauthClient> = Vec::new();
    for setting in section.list("clients")? {
        let mut section = setting.section()?;
        let id = filled(section.require("id")?)?;
        if clients.iter().any(|client| client.id == id) {
            return Err(section.place().wrong("has the id of a client before it"));
        }
        let secret = section.secret("secret")?.ok_or_else(|| section.place().wrong("needs a secret or secret_file"))?.1;
        let redirect_uris =
            section.list("redirect_uris")?.into_iter().map(redirect_uri).collect::<Result<Vec<_>, _>>()?;
        if redirect_uris.is_empty() {
            return Err(section.place().wrong("needs at least one of redirect_uris"));
        }
        section.finish()?;
        clients.push(OauthClient { id, secret, redirect_uris });
    }
    Ok(clients)
}

fn redirect_uri(setting: Setting) -> Result<String, ConfigError> {
    setting.parsed("must be an absolute address without a fragment", |text| {
        Url::parse(text).ok().filter(|url| url.fragment().is_none()).map(|_| text.to_owned())
    })
}

pub(super) fn codegames(mut section: Section, warnings: &mut Vec<String>) -> Result<CodeGames, ConfigError> {
    let keys_secret = section.secret("keys_secret")?.ok_or_else(|| {
        section.place().wrong("needs keys_secret or keys_secret_file: gift-card keys are never stored in the clear")
    })?;
    let (place, bytes) = (&section.place().key, keys_secret.1.expose().len());
    if bytes < MIN_HMAC_SECRET_BYTES {
        warnings.push(format!(
            "{place}.keys_secret has {bytes} bytes; {MIN_HMAC_SECRET_BYTES} random ones cannot be guessed"
        ));
    }
    let config = CodeGames {
        path: path(&mut section)?,
        currency: section.require("currency")?.named(Currency::parse)?,
        keys_secret: keys_secret.1,
        users: users(&mut section)?,
    };
    section.finish()?;
    Ok(config)
}

fn users(section: &mut Section) -> Result<Vec<CodeGamesUser>, ConfigError> {
    let mut users: Vec<CodeGamesUser> = Vec::new();
    for setting in section.list("users")? {
        let mut section = setting.section()?;
        let login = filled(section.require("login")?)?;
        if users.iter().any(|user| user.login == login) {
            return Err(section.place().wrong("has the login of a user before it"));
        }
        let password_hash =
            section.require("password_hash")?.parsed("must be an Argon2id hash starting with $argon2id$", |text| {
                text.starts_with("$argon2id$").then(|| Secret::new(text))
            })?;
        let player = section.require("player")?.named(PlayerId::parse)?;
        section.finish()?;
        users.push(CodeGamesUser { login, password_hash, player });
    }
    Ok(users)
}

fn api_keys(section: &mut Section) -> Result<Vec<Secret>, ConfigError> {
    section.list("api_keys")?.into_iter().map(|setting| filled(setting).map(Secret::new)).collect()
}

fn filled(setting: Setting) -> Result<String, ConfigError> {
    setting.parsed("must not be empty", |text| (!text.is_empty()).then(|| text.to_owned()))
}

/// Where a dialect's routes begin: nothing, or segments that need no escaping.
fn path(section: &mut Section) -> Result<String, ConfigError> {
    let problem = "must be empty, or start with / and not end with one, of letters, digits and - . _ ~";
    section.require("path")?.parsed(problem, |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
        let fits = text.split('/').skip(1).all(|segment| !segment.is_empty() && segment.chars().all(plain));
        (text.is_empty() || (text.starts_with('/') && fits)).then(|| text.to_owned())
    })
}
