//! QuickPlay's partner wallet, as QuickPlay meets it: signed calls to a real `purser serve`, on both databases.
//!
//! Reading order: [`signer`] (keys and signatures, made by openssl), [`script`] (a player's transactions as text), then
//! the scenarios.

pub mod signer;
mod script;
mod codes;
mod transactions;
mod races;
mod signatures;
mod examples;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::client::{Call, Response, now};
use crate::e2e::stage::{Base, Stage};
use signer::Signer;

const SECRET: &[u8] = b"a secret of well over thirty-two bytes, shared with nobody";

/// What is sent, signed, and to whom.
pub struct QuickPlay {
    pub stage: Stage,
    pub signer: Signer,
}

/// A party with the seed's player: 100 euros, and a name.
pub async fn open(base: Base) -> QuickPlay {
    let signer = Signer::shared();
    let stage = Stage::open(base, &parties(&signer)).await;
    stage.done(&["player", "add", "--party", "acme", "--player", "555", "--username", "Testuser"]).await;
    stage.deposit("acme", "555", "100", "EUR").await;
    QuickPlay { stage, signer }
}

pub fn parties(signer: &Signer) -> String {
    format!(
        r#"
[parties.acme]
currencies = ["EUR", "CHF"]
[parties.acme.jwt]
hmac_secret = "{}"
[parties.acme.quickplay]
path = "/quickplay"
partner = "acme-partner"
public_key_file = "{}"
digest = "sha256"
currency = "EUR"
"#,
        String::from_utf8_lossy(SECRET),
        signer.public_key().display()
    )
}

/// A player's token that expires in so many seconds.
pub fn token(player: &str, seconds: i64) -> String {
    sign(&json!({ "sub": player, "party": "acme", "exp": now() + seconds }), SECRET)
}

pub fn sign(claims: &Value, secret: &[u8]) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret)).expect("a token")
}

impl QuickPlay {
    /// Sends `data`, with a good signature over the body.
    pub async fn call(&self, operation: &str, data: &Value) -> Response {
        self.send(operation, json!({ "data": data }).to_string()).await
    }

    /// Sends a body as it is, with a good signature.
    pub async fn send(&self, operation: &str, body: impl Into<Vec<u8>>) -> Response {
        self.signed(operation, body).send(&self.stage).await
    }

    pub fn signed(&self, operation: &str, body: impl Into<Vec<u8>>) -> Call {
        let body = body.into();
        let signature = self.signer.sign(&body, "sha256");
        Call::new("POST", format!("/quickplay/{operation}"))
            .header("content-type", "application/json")
            .header("x-quickplay-signature", signature)
            .body(body)
    }

    /// A transaction of the seed's player's that lacks nothing.
    pub fn transaction(kind: i32, id: &str) -> Value {
        json!({
            "partner": "acme-partner", "token": token("555", 3600), "user_id": "555", "type": kind, "amount": 10,
            "contest_id": "contest", "transaction_id": id, "reference": "none",
        })
    }
}

/// The code of a refusal, which is well-formed; 0 for a success.
pub fn code(response: &Response) -> u64 {
    let body = response.json();
    assert_eq!(response.header("content-type"), "application/json");
    if response.status == 200 {
        let user = body["data"].as_object().expect("data");
        assert_eq!(user.keys().collect::<Vec<_>>(), ["balance", "id", "username"]);
        assert!(user["id"].is_string() && user["balance"].is_number() && user["username"].is_string(), "{body}");
        return 0;
    }
    assert_eq!(response.status, 400, "{body}");
    let code = body["error"]["code"].as_u64().expect("a code");
    let messages = [
        "Invalid partner name provided",
        "Invalid token provided",
        "Invalid user provided",
        "Insufficient user funds",
        "Invalid message signature",
        "User login token has been expired",
        "Transaction refused",
    ];
    let message = messages[usize::try_from(code).expect("small") - 1];
    assert_eq!(body, json!({ "error": { "code": code, "message": message } }));
    code
}
