//! The CodeGames hub, as its partners meet it, on both databases.
//!
//! Reading order: the set-up below, [`calls`] (every answer), [`stock`] (the last keys, many buyers), [`throttle`] (guessed passwords),
//! [`secrets`] (what is at rest), [`import`] (the command line).

mod calls;
mod stock;
mod throttle;
mod secrets;
mod import;
mod examples;

use std::io::Write;
use std::process::{Output, Stdio};

use purser::identity::password;
use serde_json::{Value, json};

use super::client::{Call, Response};
use crate::e2e::process::purser;
use crate::e2e::stage::{Base, Stage};

pub const PASSWORD: &str = "strong_password";
pub const KEYS_SECRET: &str = "what the gift-card keys are sealed with, known to nobody";

/// One party with two partners, who pay from accounts of their own.
pub fn parties() -> String {
    parties_with(&password::hash(PASSWORD).expect("a hash"), KEYS_SECRET)
}

pub fn parties_with(hash: &str, keys_secret: &str) -> String {
    format!(
        r#"
[parties.acme]
currencies = ["EUR"]
player_tokens = "trusted"
[parties.acme.codegames]
path = "/api/v1"
currency = "KZT"
keys_secret = "{keys_secret}"
[[parties.acme.codegames.users]]
login = "cc_user"
password_hash = "{hash}"
player = "cc_user"
[[parties.acme.codegames.users]]
login = "rival"
password_hash = "{hash}"
player = "rival-pays"
"#
    )
}

/// What is in stock: seven of the seed's card, one of another.
pub fn offers() -> Value {
    let keys: Vec<String> = (1..=7).map(|number| format!("XBBRF-MR09R-NX8V{number}")).collect();
    json!([
        { "id": 562, "name": "Card", "price": "956.30", "currency": "KZT", "keys": keys },
        { "id": "last-one", "name": "Rare card", "price": 100, "currency": "KZT", "keys": ["ONLY-ONE"] },
        { "id": "sold-out", "name": "No card", "price": 1, "currency": "KZT", "keys": [] },
    ])
}

pub async fn open(base: Base) -> Stage {
    let stage = Stage::open(base, &parties()).await;
    stage.add_player("acme", "cc_user").await;
    stage.deposit("acme", "cc_user", "10000", "KZT").await;
    import(&stage, &offers()).await;
    stage
}

/// Imports offers that must be taken; answers with what the program says.
pub async fn import(stage: &Stage, offers: &Value) -> Value {
    let ran = try_import(stage, &offers.to_string()).await;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).expect("JSON")
}

pub async fn try_import(stage: &Stage, text: &str) -> Output {
    let mut command = purser(&stage.config(), &["offers", "import", "--json", "--party", "acme", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let text = text.to_owned();
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("purser runs");
        // One that has ended over the first bytes reads no more.
        let _ = child.stdin.take().expect("its input").write_all(text.as_bytes());
        child.wait_with_output().expect("purser ends")
    });
    running.await.expect("a thread")
}

pub async fn sign_in(stage: &Stage, login: &str) -> String {
    let sent = json!({ "login": login, "password": PASSWORD });
    let response = Call::new("POST", "/api/v1/auth/sign-in").json(&sent).send(stage).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["token"].as_str().expect("a token").to_owned()
}

pub async fn call(stage: &Stage, token: &str, operation: &str, body: &Value) -> Response {
    let path = format!("/api/v1/partner/product-offers/{operation}");
    Call::new("POST", path).bearer(token).json(body).send(stage).await
}

/// The status and code of an answer, which is well-formed: `"201"`, or `"409 PRODUCT_OFFER_OUT_OF_STOCK"`.
pub fn code(response: &Response) -> String {
    assert_eq!(response.header("content-type"), "application/json", "{}", response.text());
    if response.status < 400 {
        return response.status.to_string();
    }
    let body = response.json();
    let members = body.as_object().expect("an object");
    assert_eq!(members.keys().collect::<Vec<_>>(), ["code", "message"]);
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()));
    format!("{} {}", response.status, body["code"].as_str().expect("a code"))
}

/// A purchase at the seed's price.
pub fn pay(offer: &str, txn: &str) -> Value {
    let price = if offer == "562" { json!(956.3) } else { json!("100.00") };
    json!({ "id": offer, "price": price, "currency": "KZT", "txnId": txn })
}
