//! Handlers on a wallet in memory, and decoders on any bytes.

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::handler::QuickPlayHandler;
use super::wire;
use crate::config::{Jwt, JwtKey, SignatureDigest};
use crate::dialects::http::{Failure, HandlerError, PartyNote, Request};
use crate::identity::{SignatureKey, TokenVerifier};
use crate::ledger::command::Timestamp;
use crate::ledger::{Currency, Party};
use crate::wallet::memory::MemoryWallet;

fn openssl(directory: &Path, arguments: &[&str]) {
    let ran = Process::new("openssl").args(arguments).current_dir(directory).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A handler whose players' keys are at an address where nobody answers, and a body with its signature.
fn unreachable_keys(body: &str) -> (Arc<QuickPlayHandler>, Request) {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    openssl(at, &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", "key.pem"]);
    openssl(at, &["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
    std::fs::write(at.join("body"), body).unwrap();
    openssl(at, &["dgst", "-sha1", "-sign", "key.pem", "-out", "signature", "body"]);
    openssl(at, &["base64", "-A", "-in", "signature", "-out", "base64"]);
    let signature = std::fs::read_to_string(at.join("base64")).unwrap();
    let party = Party::parse("acme").unwrap();
    let key = JwtKey::JwksUrl("http://127.0.0.1:1/keys".parse().unwrap());
    let jwt = Jwt { key, private_key_file: None, issuer: None, audience: None, require_exp: true };
    let handler = QuickPlayHandler {
        party: party.clone(),
        partner: "p".to_owned(),
        currency: Currency::parse("EUR").unwrap(),
        exponent: 2,
        currencies: std::collections::BTreeMap::new(),
        signer: SignatureKey::open(&at.join("public.pem"), SignatureDigest::Sha1).unwrap(),
        verifier: TokenVerifier::open(&party, &jwt).unwrap(),
    };
    (Arc::new(handler), request(body.as_bytes(), signature.trim()))
}

fn request(body: &[u8], signature: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("x-quickplay-signature", HeaderValue::from_str(signature).unwrap());
    Request {
        method: Method::POST,
        path: String::new(),
        parameters: Vec::new(),
        query: String::new(),
        headers,
        body: body.to_vec(),
        at: Timestamp(0),
        correlation: "test".into(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        is_local: true,
        whose: PartyNote::default(),
    }
}

#[tokio::test]
async fn keys_that_nobody_can_fetch_are_not_the_players_fault() {
    // {"alg":"HS256","typ":"JWT"}.{"sub":"alice"}, signed with whatever.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.AAAA";
    let (handler, request) = unreachable_keys(&json!({"data": {"token": token}}).to_string());
    let answer = handler.auth(Arc::new(MemoryWallet::default()), request).await;
    assert!(matches!(answer, Err(HandlerError::Failed(Failure::Unavailable))), "{answer:?}");
}

fn json_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "-?[0-9]{0,30}\\.?[0-9]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::from))
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoders_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire::signed_data(&body);
        prop_assert!(wire::read::<wire::Auth>(&body).is_err() || serde_json::from_slice::<Value>(&body).is_ok());
        let _ = wire::read::<wire::UserDetails>(&body);
        let _ = wire::read::<wire::TransactionCall>(&body).map(|sent| sent.parsed(2));
    }

    #[test]
    fn what_is_moved_is_never_negative(
        kind in 0..5_i32,
        amount in json_like(),
        contest in json_like(),
        name in json_like(),
        reference in json_like(),
    ) {
        let body = json!({"data": {
            "type": kind, "amount": amount, "contest_id": contest, "transaction_id": name, "reference": reference,
        }});
        let Ok(sent) = wire::read::<wire::TransactionCall>(body.to_string().as_bytes()) else { return Ok(()) };
        let Ok(transaction) = sent.parsed(2) else { return Ok(()) };
        use crate::ledger::transactions::Change;
        match transaction.change {
            Change::Stake { total: amount, external: 0, .. } | Change::Win { amount } | Change::Refund { amount, currency: None } => {
                prop_assert!(amount >= 0);
            }
            Change::Rollback { name } => prop_assert!(name.starts_with("quickplay:")),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
