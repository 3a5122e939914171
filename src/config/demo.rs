//! The party for a first look, and the secret that signs its players' tokens.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Config;
use super::effective::Effective;
use super::jwt::{Jwt, JwtKey};
use super::party::{PartyAmqp, PartyConfig, PlayerTokens, StakeLimits};
use super::secret::Secret;
use super::server::DatabaseUrl;
use crate::ledger::ids::{Currency, Game, LedgerName, Party};

const NAME: &str = "demo";
const CURRENCIES: [&str; 6] = ["CHF", "EUR", "GBP", "USD", "BTC", "ETH"];
const GAMES: [&str; 5] = ["wallstroulette", "wallstbaccarat", "weekendforex", "weekendbinary", "roulettefx"];
/// In minor units.
const MAX_BET_CHF: i64 = 1_000_000;
const SECRET_FILE: &str = "purser-demo.secret";
/// As long as the digest that it keys.
const SECRET_BYTES: usize = 32;

/// The demo party, as yet without anything to check its tokens with.
pub(super) fn parties() -> BTreeMap<Party, PartyConfig> {
    let config = PartyConfig {
        currencies: CURRENCIES.into_iter().filter_map(|code| Currency::parse(code).ok()).collect(),
        games: GAMES.into_iter().filter_map(|name| Game::parse(name).ok()).collect(),
        player_tokens: PlayerTokens::Required,
        ledger: LedgerName::default_ledger(),
        is_sandbox: false,
        jwt: None,
        limits: limits(),
        amqp: PartyAmqp::default(),
        rest: None,
        quickplay: None,
        balance_service: None,
        goplay: None,
        codegames: None,
    };
    Party::parse(NAME).map(|party| BTreeMap::from([(party, config)])).unwrap_or_default()
}

/// The same as settings, as if a file had them. The secret is none: it is kept in a file of its own.
pub(super) fn settings() -> Vec<Effective> {
    let of = |key: &str, value: serde_json::Value| Effective {
        key: format!("parties.{NAME}.{key}"),
        value,
        origin: "default".to_owned(),
    };
    vec![
        of("currencies", CURRENCIES.into()),
        of("games", GAMES.into()),
        of("limits.CHF.max_bet", MAX_BET_CHF.into()),
        of("player_tokens", "required".into()),
    ]
}

/// One limit, so that a first look meets it: no single bet above CHF 10,000.
fn limits() -> BTreeMap<Currency, StakeLimits> {
    let limits = StakeLimits { max_bet: Some(MAX_BET_CHF), max_stake_per_day: None };
    Currency::parse("CHF").map(|currency| BTreeMap::from([(currency, limits)])).unwrap_or_default()
}

/// The demo party's signing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoSecret {
    pub path: PathBuf,
    pub is_there: bool,
}

impl Config {
    /// The same as [`Self::ensure_demo_secret`] where the file is there; where it is not, none is made.
    pub fn find_demo_secret(&mut self) -> io::Result<Option<DemoSecret>> {
        if !self.is_demo {
            return Ok(None);
        }
        let path = secret_path(&self.database.url);
        let found = read(&path).map_err(|error| about(&path, &error))?;
        let is_there = found.is_some();
        if let Some(secret) = found {
            self.use_demo_secret(&secret);
        }
        Ok(Some(DemoSecret { path, is_there }))
    }

    /// Gives the demo party its signing secret, from the file beside the database, and makes that file on the first run.
    /// Returns its path where the demo party is in use. Processes that start at once agree on one secret.
    pub fn ensure_demo_secret(&mut self) -> io::Result<Option<PathBuf>> {
        if !self.is_demo {
            return Ok(None);
        }
        let path = secret_path(&self.database.url);
        let secret = read_or_create(&path).map_err(|error| about(&path, &error))?;
        self.use_demo_secret(&secret);
        Ok(Some(path))
    }

    fn use_demo_secret(&mut self, secret: &Secret) {
        for party in self.parties.values_mut() {
            let key = JwtKey::HmacSecret(secret.clone());
            party.jwt = Some(Jwt { key, private_key_file: None, issuer: None, audience: None, require_exp: true });
        }
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the demo party's secret {}: {error}", path.display()))
}

fn secret_path(database: &DatabaseUrl) -> PathBuf {
    match database {
        DatabaseUrl::Sqlite(file) => file.with_file_name(SECRET_FILE),
        DatabaseUrl::Postgres(_) => PathBuf::from(SECRET_FILE),
    }
}

fn read_or_create(path: &Path) -> io::Result<Secret> {
    if let Some(secret) = read(path)? {
        return Ok(secret);
    }
    let temporary = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    let published = write_secret(&temporary).and_then(|()| publish(&temporary, path));
    let removed = fs::remove_file(&temporary);
    published?;
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    // Another process may have been first: what is in place now is what both use.
    read(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

fn read(path: &Path) -> io::Result<Option<Secret>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match text.trim_end() {
        secret if secret.len() >= SECRET_BYTES => Ok(Some(Secret::new(secret))),
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "is damaged; delete it, and the next start makes a new one"))
        }
    }
}

fn write_secret(path: &Path) -> io::Result<()> {
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>());
    let mut file = create_private(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

/// A new file that its owner alone may read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A link appears whole or not at all and never replaces one that is there. Few file systems have no links; there a
/// rename must do, which two processes could both succeed at in the same instant.
fn publish(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => fs::rename(temporary, path),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    fn demo_in(directory: &Path) -> Config {
        parse(&format!("database.url = \"sqlite://{}/purser.db\"", directory.display())).unwrap()
    }

    fn hmac_secret(config: &Config) -> String {
        match &config.parties.values().next().unwrap().jwt.as_ref().unwrap().key {
            JwtKey::HmacSecret(secret) => secret.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn processes_that_start_at_once_agree_on_one_secret() {
        let directory = tempfile::tempdir().unwrap();
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let start = || {
                let mut config = demo_in(directory.path());
                config.ensure_demo_secret().unwrap();
                hmac_secret(&config)
            };
            let starting: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0] && secret.len() == 43));
        let files: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, [SECRET_FILE]);
    }

    #[cfg(unix)]
    #[test]
    fn the_secret_is_kept_beside_the_database_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = demo_in(directory.path()).ensure_demo_secret().unwrap().unwrap();
        assert_eq!(path, directory.path().join(SECRET_FILE));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_is_only_looked_for_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SECRET_FILE);
        let mut config = demo_in(directory.path());
        assert_eq!(config.find_demo_secret().unwrap(), Some(DemoSecret { path: path.clone(), is_there: false }));
        assert!(!path.exists() && config.parties.values().all(|party| party.jwt.is_none()));
        let mut first = demo_in(directory.path());
        first.ensure_demo_secret().unwrap();
        assert_eq!(config.find_demo_secret().unwrap(), Some(DemoSecret { path, is_there: true }));
        assert_eq!(hmac_secret(&config), hmac_secret(&first));
    }

    #[test]
    fn a_damaged_secret_is_named_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(SECRET_FILE), "short").unwrap();
        let error = demo_in(directory.path()).ensure_demo_secret().unwrap_err().to_string();
        assert!(error.contains(SECRET_FILE) && error.contains("delete it"), "{error}");
    }

    #[test]
    fn without_the_demo_party_no_file_is_made() {
        let mut config = parse("[parties.acme]\ncurrencies = [\"CHF\"]\nplayer_tokens = \"trusted\"").unwrap();
        assert!(config.ensure_demo_secret().unwrap().is_none());
    }
}
