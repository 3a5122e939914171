//! Judging the dialects for partners with `purser conform wallet`: ours conform on both databases, and one that is configured
//! otherwise than its partner believes does not.

use std::process::Output;

use purser::identity::password;
use serde_json::{Value, json};

use super::goplay::partner::{PASSWORD, REDIRECT, SECRET, tokens_of};
use super::quickplay::signer::Signer;
use crate::e2e::stage::{Base, Stage, on_both};

const HUB_PASSWORD: &str = "the hub's own password, to be hidden";
const KEY: &str = "the partner's own key, to be hidden";

const DIALECTS: [&str; 2] = ["--dialect", "balance-service,quickplay,goplay,codegames"];

/// A party that speaks them all, and takes signatures with SHA-256.
fn parties(signer: &Signer) -> String {
    format!(
        r#"
[currencies.GPT]
exponent = 2
[parties.acme]
currencies = ["EUR", "GPT", "KZT"]
games = ["wallstroulette"]
jwt = {{ hmac_secret = "a secret of well over thirty-two bytes, shared with nobody" }}
[parties.acme.balance_service]
path = "/api"
api_keys = ["{KEY}"]
currency_ids = {{ 2 = "EUR", 7 = "KZT" }}
gbp_rates = {{ EUR = "0.8571" }}
[parties.acme.quickplay]
path = "/quickplay"
partner = "acme-partner"
public_key_file = "{}"
digest = "sha256"
currency = "EUR"
[parties.acme.goplay]
path = ""
currency = "GPT"
vip = {{ gold = "25.00" }}
[[parties.acme.goplay.clients]]
id = "vip-shop"
secret = "{SECRET}"
redirect_uris = ["{REDIRECT}"]
[parties.acme.codegames]
path = "/hub"
currency = "KZT"
keys_secret = "what the gift-card keys are sealed with, known to nobody"
[[parties.acme.codegames.users]]
login = "cc_user"
password_hash = "{}"
player = "cc_user"
"#,
        signer.public_key().display(),
        password::hash(HUB_PASSWORD).expect("a hash"),
    )
}

/// Purser with what partners need: somebody who has signed in, somebody who pays, and an offer.
async fn open(base: Base, parties: &str) -> Stage {
    let stage = Stage::open(base, parties).await;
    stage.done_with(&["player", "add", "--party", "acme", "--player", "alice", "--password-stdin"], PASSWORD).await;
    stage.add_player("acme", "cc_user").await;
    stage.deposit("acme", "cc_user", "10000", "KZT").await;
    let offers = json!([{ "id": 562, "name": "Card", "price": "956.30", "currency": "KZT", "keys": ["KEY-1", "KEY-2", "KEY-3"] }]);
    stage.done_with(&["offers", "import", "--party", "acme", "-"], &offers.to_string()).await;
    let (token, _) = tokens_of(&stage, "alice", &[]).await;
    for (file, secret) in [("goplay.token", token.as_str()), ("hub.password", HUB_PASSWORD)] {
        std::fs::write(stage.file(file), secret).expect("a file");
    }
    stage
}

async fn judged(stage: &Stage, signer: &Signer, dialects: &[&str]) -> (Output, Value) {
    let report = stage.file("report.json");
    let files = [signer.private_key(), stage.file("goplay.token"), stage.file("hub.password"), report.clone()];
    let [key, token, hub, json] = files.each_ref().map(|path| path.to_str().expect("a path"));
    let partners = ["--quickplay-key-file", key, "--goplay-token-file", token, "--codegames-password-file", hub];
    let others = ["--codegames-offer", "562", "--fund", "--json", json, "--http", &stage.url("")];
    let judge = ["conform", "wallet", "--party", "acme"];
    let ran = stage.run(&[judge.as_slice(), dialects, &partners, &others].concat()).await;
    let report = std::fs::read(report).map_or(Value::Null, |json| serde_json::from_slice(&json).expect("JSON"));
    (ran, report)
}

fn told(ran: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_dialects_conform() {
    let signer = Signer::shared();
    on_both(async |base| {
        let stage = open(base, &parties(&signer)).await;
        let (ran, report) = judged(&stage, &signer, &DIALECTS).await;
        assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
        let counts = &report["counts"];
        assert_eq!((counts["passed"].as_u64(), counts["skipped"].as_u64()), (Some(28), Some(0)), "{counts}");
        // Again, with other ids: one more key is sold.
        let (ran, _) = judged(&stage, &signer, &DIALECTS).await;
        assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_with_sha_1_are_made_and_judged_too() {
    let signer = Signer::shared();
    let with_sha1 = parties(&signer).replace("digest = \"sha256\"", "digest = \"sha1\"");
    on_both(async |base| {
        let stage = open(base, &with_sha1).await;
        let (ran, report) = judged(&stage, &signer, &["--dialect", "quickplay"]).await;
        assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
        let counts = &report["counts"];
        assert_eq!((counts["passed"].as_u64(), counts["skipped"].as_u64()), (Some(8), Some(0)), "{counts}");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_who_believes_otherwise_is_told_the_clause_and_no_secret() {
    let signer = Signer::shared();
    let stage = open(Base::Sqlite, &parties(&signer)).await;
    // What is served stays as it was.
    for (one, by) in
        [("partner = \"acme-partner\"", "partner = \"another\""), ("2 = \"EUR\", 7 = \"KZT\"", "3 = \"EUR\"")]
    {
        stage.replace_in_config(one, by);
    }
    let (ran, report) = judged(&stage, &signer, &["--dialect", "quickplay,balance-service"]).await;
    assert_eq!(ran.status.code(), Some(1), "{}", told(&ran));
    for text in [told(&ran), report.to_string()] {
        assert!(text.contains("The same `transaction_id` with the same data gets the same answer"), "{text}");
        assert!(text.contains("`is_new: false`") && text.contains("(hidden)"), "{text}");
        assert!(!text.contains(KEY) && !text.contains("eyJ"), "a secret is shown: {text}");
    }
    // A signature with another digest is none.
    stage.replace_in_config("digest = \"sha256\"", "digest = \"sha1\"");
    let (ran, _) = judged(&stage, &signer, &["--dialect", "quickplay", "--only", "qp-user"]).await;
    assert_eq!(ran.status.code(), Some(1), "{}", told(&ran));
    assert!(told(&ran).contains("Invalid message signature"), "{}", told(&ran));
    // What a dialect lacks is said.
    stage.replace_in_config("currency = \"EUR\"", "currency = \"KZT\"");
    let (ran, report) = judged(&stage, &signer, &["--dialect", "quickplay"]).await;
    assert_eq!((ran.status.code(), &report["counts"]["passed"]), (Some(2), &0.into()), "{}", told(&ran));
    assert!(told(&ran).contains("[quickplay]"), "{}", told(&ran));
}
