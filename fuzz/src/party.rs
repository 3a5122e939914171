//! One party that speaks every dialect, its keys made when the process begins.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use purser::config::{Config, Environment};
use purser::dialects::http::{Dialect, Mount, MountContext, PartyContext};
use purser::identity::password::PasswordChecker;
use purser::identity::{self, TokenVerifier};
use purser::ledger::{Party, PlayerId};

pub const PARTY: &str = "acme";

/// Whom the examples in `schemas/` are about.
pub const PLAYERS: [&str; 4] = ["alice", "555", "1030979", "cc_user"];

/// 2026-11-20, when everything happens.
pub const NOW: i64 = 1_795_132_800;

/// The password of everybody.
pub const PASSWORD: &str = "strong_password";

/// Its hash, a cheap one: comparing shall not take the fuzzer's time.
pub const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$DHzw2Bd8E3vmMrOSg4lWZA$D7KnSjKAcIbKDcak3rK10Ej3hsJJDhrHNvpNP6jMosI";

const CONFIG: &str = r#"
[parties.acme]
currencies = ["CHF", "EUR"]
games = ["wallstroulette"]
[parties.acme.limits.CHF]
max_bet = 100000
[parties.acme.jwt]
hmac_secret = "0123456789abcdef0123456789abcdef"
[parties.acme.rest]
api_keys = ["provider-key"]
[parties.acme.quickplay]
path = "/quickplay"
partner = "acme"
public_key_file = "@directory/quickplay.pem"
digest = "sha256"
currency = "EUR"
[parties.acme.balance_service]
path = "/api"
api_keys = []
currency_ids = { 1 = "GBP", 2 = "EUR", 3 = "USD" }
gbp_rates = { EUR = "0.8571", USD = "0.78183" }
[parties.acme.goplay]
path = ""
currency = "CHF"
vip = { standard = "10.00", gold = "25.00" }
[[parties.acme.goplay.clients]]
id = "vip-shop"
secret = "secret"
redirect_uris = ["https://shop.example/back?keep=1", "shop:/back", "http://[::1]:9000/"]
[parties.acme.codegames]
path = "/api/v1"
currency = "KZT"
keys_secret = "0123456789abcdef0123456789abcdef"
[[parties.acme.codegames.users]]
login = "cc_user"
password_hash = "@password_hash"
player = "cc_user"
"#;

pub struct Setting {
    pub config: Config,
    pub party: Party,
    pub verifier: Arc<TokenVerifier>,
    pub directory: PathBuf,
    signer: KeyPair,
}

pub static SETTING: LazyLock<Setting> = LazyLock::new(|| Setting::open().expect("a party"));

impl Setting {
    fn open() -> anyhow::Result<Self> {
        // Left behind where the process is killed, which is how fuzzers end.
        let directory = std::env::temp_dir().join(format!("purser-fuzz-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let signer = KeyPair::generate(KeySize::Rsa2048)?;
        let public = STANDARD.encode(signer.public_key().as_ref());
        let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", lines(&public));
        fs::write(directory.join("quickplay.pem"), pem)?;
        let path = directory.join("purser.toml");
        let config = CONFIG.replace("@directory", &directory.to_string_lossy());
        fs::write(&path, config.replace("@password_hash", PASSWORD_HASH))?;
        let config = Config::load_from(Some(&path), &Environment::new())?;
        let party = Party::parse(PARTY)?;
        let jwt = config.parties[&party].jwt.clone().ok_or_else(|| anyhow::anyhow!("no key"))?;
        let verifier = TokenVerifier::open(&party, &jwt)?;
        Ok(Self { config, party, verifier, directory, signer })
    }

    /// A dialect's mounts.
    pub fn mounts(&self, dialect: &Dialect) -> Vec<Mount> {
        let settings = &self.config.parties[&self.party];
        let of_party = PartyContext { party: &self.party, settings, verifier: Some(Arc::clone(&self.verifier)) };
        let passwords = PasswordChecker::default();
        let host = MountContext { config: &self.config, parties: vec![of_party], passwords };
        (dialect.mounts)(&host).unwrap_or_else(|error| panic!("{}: {error}", dialect.name))
    }

    /// A token of a player's that is good for an hour from [`NOW`].
    pub fn token(&self, player: &str) -> String {
        let jwt = self.config.parties[&self.party].jwt.as_ref().expect("a key");
        let player = PlayerId::parse(player).expect("a player");
        identity::mint(jwt, &player, &self.party, NOW, Duration::from_secs(3600)).expect("a token")
    }

    /// QuickPlay's signature of a body.
    pub fn signature(&self, body: &[u8]) -> String {
        let mut signature = vec![0; self.signer.public_modulus_len()];
        self.signer.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature).expect("signed");
        STANDARD.encode(signature)
    }
}

/// PEM's lines of 64 characters.
fn lines(text: &str) -> String {
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    lines.join("\n")
}
