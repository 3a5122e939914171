mod errors;
mod goplay;
mod variables;
mod broker;
mod warnings;

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::ledger::account::Bucket;

const SAMPLE: &str = include_str!("sample.toml");

pub(super) fn parse(toml: &str) -> Result<Config, ConfigError> {
    parse_with(toml, &[])
}

fn parse_with(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Config::read(Section::root(layers::merge(Some((Path::new("test.toml"), toml)), &environment)?)?)
}

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn acme(config: &Config) -> &PartyConfig {
    &config.parties[&Party::parse("acme").unwrap()]
}

#[test]
fn nothing_configured_is_the_demo_party_on_sqlite() {
    let config = parse("").unwrap();
    assert!(config.is_demo);
    assert_eq!(config.database.url, DatabaseUrl::Sqlite(PathBuf::from("purser.db")));
    assert_eq!(config.amqp.address_in(None).unwrap(), "amqp://127.0.0.1:5672/%2f");
    assert_eq!(
        (config.amqp.queue_type, config.amqp.prefetch, config.amqp.delivery_limit),
        (QueueType::Quorum, 2000, 20)
    );
    assert_eq!(config.http.listen.unwrap().to_string(), "127.0.0.1:8080");
    assert!(config.http.admin_token.is_none());
    assert_eq!((config.ledger.max_batch, config.ledger.ordering_grace), (512, Duration::from_secs(2)));
    assert_eq!(config.shutdown.grace, Duration::from_secs(15));
    let (name, demo) = config.parties.first_key_value().unwrap();
    assert_eq!((name.as_str(), demo.currencies.len(), demo.games.len()), ("demo", 6, 5));
    assert_eq!(demo.player_tokens, PlayerTokens::Required);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn the_sample_is_read_whole() {
    let config = parse(SAMPLE).unwrap();
    assert!(!config.is_demo);
    assert_eq!((config.exponent(currency("GPT")), config.exponent(currency("BTC"))), (2, 8));
    let acme = acme(&config);
    assert_eq!(acme.currencies.iter().map(Currency::as_str).collect::<Vec<_>>(), ["CHF", "EUR", "GBP", "BTC", "ETH"]);
    assert_eq!(acme.games.len(), 5);
    let limits = StakeLimits { max_bet: Some(100_000), max_stake_per_day: Some(1_000_000) };
    assert_eq!(acme.limits[&currency("CHF")], limits);
    let jwt = acme.jwt.as_ref().unwrap();
    assert_eq!((jwt.issuer.as_deref(), jwt.audience.as_deref()), (Some("https://id.acme.example"), Some("purser")));
    assert!(matches!(&jwt.key, JwtKey::HmacSecret(secret) if secret.expose() == "…"));
}

#[test]
fn the_samples_dialects_are_typed() {
    let config = parse(SAMPLE).unwrap();
    let acme = acme(&config);
    let quickplay = acme.quickplay.as_ref().unwrap();
    assert_eq!((quickplay.path.as_str(), quickplay.digest), ("/quickplay", SignatureDigest::Sha1));
    let balance_service = acme.balance_service.as_ref().unwrap();
    assert_eq!(balance_service.currency_ids[&3], currency("USD"));
    assert_eq!(balance_service.gbp_rates[&currency("USD")].to_string(), "0.78183");
    assert_eq!(balance_service.spend_order, [Bucket::RingFenced, Bucket::Real, Bucket::Bonus]);
    let codegames = acme.codegames.as_ref().unwrap();
    assert_eq!((codegames.path.as_str(), codegames.users[0].player.as_str()), ("/api/v1", "cc_user"));
}

const TRUSTED: &str = "[parties.acme]\ncurrencies = [\"CHF\", \"EUR\"]\nplayer_tokens = \"trusted\"\n";

#[test]
fn secrets_are_hidden_and_addresses_lose_their_credentials() {
    let toml = SAMPLE
        .replace("sqlite://purser.db", "postgres://user:hunter2@db.example:5432/purser?password=hunter2")
        .replace("admin_token = \"\"", "admin_token = \"hunter2\"")
        .replace("amqp://guest:guest@", "amqps://guest:hunter2@")
        .replace("\"…\"", "\"hunter2\"")
        .replace("$argon2id$…", "$argon2id$hunter2");
    let config = parse(&toml).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    assert_eq!(config.database.url.to_string(), "postgres://db.example:5432/purser");
    assert_eq!(config.amqp.address_in(None).unwrap(), "amqps://127.0.0.1:5672/%2f");
    assert_eq!(acme(&config).codegames.as_ref().unwrap().keys_secret.expose(), "hunter2");
}

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let config = parse("[http]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]").unwrap();
    let networks = ["127.0.0.1", "10.0.0.0/8"].map(|text| Network::parse(text).unwrap());
    assert_eq!(config.http.trusted_proxies, networks);
    let error = parse("[http]\ntrusted_proxies = [\"proxy.example\"]").unwrap_err().to_string();
    assert!(error.contains("http.trusted_proxies[0]") && error.contains("a network such as"), "{error}");
}

#[test]
fn the_public_address_may_have_a_prefix_and_nothing_behind_it() {
    let public_url =
        |text: &str| parse(&format!("[http]\npublic_url = \"{text}\"")).map(|config| config.http.public_url);
    assert_eq!(public_url("").unwrap(), None);
    assert_eq!(public_url("https://ops.example/purser").unwrap().unwrap().path(), "/purser");
    for text in ["ops.example", "ftp://ops.example", "https://ops.example/?a=b", "https://a:b@ops.example", "/purser"] {
        let error = public_url(text).unwrap_err().to_string();
        assert!(error.contains("http.public_url") && error.contains("must be an address such as"), "{error}");
    }
}

#[test]
fn an_absolute_database_path_keeps_its_slash() {
    let config = parse("database.url = \"sqlite:///var/lib/purser/p.db\"").unwrap();
    assert_eq!(config.database.url, DatabaseUrl::Sqlite(PathBuf::from("/var/lib/purser/p.db")));
}

/// So that `config show` tells every setting: what a section asks for stands in its defaults, or is the file of a secret.
#[test]
fn every_setting_of_the_program_has_its_default_written_down() {
    let defaults: toml::Table = toml::from_str(include_str!("defaults.toml")).unwrap();
    for (section, settings) in &defaults {
        let error = parse(&format!("[{section}]\nno_setting = 1")).unwrap_err().to_string();
        let known = error.split_once("known here: ").unwrap_or_else(|| panic!("{error}")).1.split(", ");
        let settings = settings.as_table().unwrap();
        let is_told = |key: &&str| {
            settings.contains_key(*key) || key.strip_suffix("_file").is_some_and(|secret| settings.contains_key(secret))
        };
        assert_eq!(known.filter(|key| !is_told(key)).collect::<Vec<_>>(), Vec::<&str>::new(), "{section}");
    }
}
