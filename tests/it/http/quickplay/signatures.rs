//! Signatures: every size and digest that QuickPlay may have, over the body or over `data`, and nothing else.

use serde_json::json;

use super::signer::Signer;
use super::{QuickPlay, SECRET, code, open, parties, token};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::client::Call;

fn party(name: &str, digest: &str, key: &std::path::Path) -> String {
    format!(
        "[parties.{name}]\ncurrencies = [\"EUR\"]\n[parties.{name}.jwt]\n\
         hmac_secret = \"a secret of well over thirty-two bytes, shared with nobody\"\n[parties.{name}.quickplay]\n\
         path = \"/{name}\"\npartner = \"p\"\npublic_key_file = \"{}\"\ndigest = \"{digest}\"\ncurrency = \"EUR\"\n",
        key.display()
    )
}

/// The code that a call for an unknown user gets: 3 where the signature is good, else 5.
async fn answer(stage: &Stage, party: &str, body: &str, signature: Option<String>) -> u64 {
    let call = Call::new("POST", format!("/{party}/user-details")).body(body);
    let call = match signature {
        Some(signature) => call.header("x-quickplay-signature", signature),
        None => call,
    };
    code(&call.send(stage).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_and_digest_verifies_over_the_body_and_over_its_data() {
    let small = Signer::of_bits(1024);
    let large = Signer::shared();
    let parties = [
        ("small-sha1", "sha1", small.public_key(), &small),
        ("small-sha256", "sha256", small.pkcs1(), &small),
        ("large-sha1", "sha1", large.pkcs1(), &large),
        ("large-sha256", "sha256", large.public_key(), &large),
    ];
    let config: Vec<String> = parties.iter().map(|(name, digest, key, _)| party(name, digest, key)).collect();
    let stage = Stage::open(Base::Sqlite, &config.concat()).await;
    let data = "{ \"user_id\" : \"nobody\",\n  \"odd\": 1.50 }";
    let body = format!("{{\"data\":  {data} , \"more\": true}}");
    for (name, digest, _, signer) in parties {
        let other_digest = if digest == "sha1" { "sha256" } else { "sha1" };
        let stranger = if signer.public_key() == large.public_key() { &small } else { &large };
        let good = signer.sign(body.as_bytes(), digest);
        let cases = [
            ("over the body", Some(good.clone()), 3),
            ("over data", Some(signer.sign(data.as_bytes(), digest)), 3),
            ("over data, said otherwise", Some(signer.sign(br#"{"user_id":"nobody","odd":1.5}"#, digest)), 5),
            ("of another digest", Some(signer.sign(body.as_bytes(), other_digest)), 5),
            ("of another key", Some(stranger.sign(body.as_bytes(), digest)), 5),
            ("of another body", Some(signer.sign(b"{\"data\":{}}", digest)), 5),
            ("of nothing", Some(signer.sign(b"", digest)), 5),
            ("not base64", Some("?".repeat(172)), 5),
            ("cut short", Some(good[..good.len() - 4].to_owned()), 5),
            ("too long", Some(good.repeat(20)), 5),
            ("empty", Some(String::new()), 5),
            ("missing", None, 5),
        ];
        for (what, signature, expected) in cases {
            assert_eq!(answer(&stage, name, &body, signature).await, expected, "{name}: {what}");
        }
        let tampered = body.replace("nobody", "alice");
        assert_eq!(answer(&stage, name, &tampered, Some(good)).await, 5, "{name}: tampered with");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_goes_before_everything() {
    on_both(async |base| {
        let quickplay = open(base).await;
        for operation in ["auth", "user-details", "transaction"] {
            for body in ["", "{", "{\"data\": {}}", "{\"data\": {\"partner\": \"other\"}}"] {
                let call = Call::new("POST", format!("/quickplay/{operation}")).body(body);
                let call = call.header("x-quickplay-signature", "AAAA");
                assert_eq!(code(&call.send(&quickplay.stage).await), 5, "{operation} {body}");
            }
        }
        let entry = json!({ "data": super::QuickPlay::transaction(0, "forged") }).to_string();
        let forged = Signer::of_bits(1024).sign(entry.as_bytes(), "sha256");
        let call = Call::new("POST", "/quickplay/transaction").body(entry).header("x-quickplay-signature", forged);
        assert_eq!(code(&call.send(&quickplay.stage).await), 5);
        assert_eq!(quickplay.stage.balance("acme", "555", "EUR").await, 10_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_used_is_named_at_the_start() {
    let signer = Signer::of_bits(1024);
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    };
    let elliptic = directory.path().join("elliptic.pem");
    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let private = super::signer::openssl(&[&["genpkey"], &curve[..]].concat(), b"");
    std::fs::write(&elliptic, super::signer::openssl(&["pkey", "-pubout"], &private)).expect("written");
    let tiny = directory.path().join("tiny.pem");
    let private = super::signer::openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"], b"");
    std::fs::write(&tiny, super::signer::openssl(&["pkey", "-pubout"], &private)).expect("written");
    let cases = [
        (directory.path().join("gone.pem"), "gone.pem"),
        (file("text.pem", "hello"), "text.pem must be a PEM public key of RSA"),
        (elliptic, "elliptic.pem must be a PEM public key of RSA"),
        (tiny, "tiny.pem must be a PEM public key of RSA (1024 to 8192 bits)"),
        (signer.private_key(), "private.pem is a private key"),
        (file("c.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), "openssl x509"),
    ];
    for (key, expected) in cases {
        let parties = party("acme", "sha1", &key);
        let stage = Stage::prepare(Base::Sqlite, &parties, &Addresses::shared()).await;
        let ran = stage.run(&["serve"]).await;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains("parties.acme.quickplay.public_key_file") && said.contains(expected), "{said}");
        let checked = stage.run(&["check"]).await;
        let said = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
        assert!(!checked.status.success() && said.contains(expected), "{said}");
    }
}

/// Whether a token is good nobody can tell; the party's other dialects say so, too.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_keys_of_the_tokens_cannot_be_fetched_callers_are_told_to_ask_again() {
    let signer = Signer::shared();
    let secret = format!("hmac_secret = \"{}\"", String::from_utf8_lossy(SECRET));
    let unreachable = parties(&signer).replace(&secret, "jwks_url = \"http://127.0.0.1:1/keys\"");
    let played = QuickPlay { stage: Stage::open(Base::Sqlite, &unreachable).await, signer };
    let auth = played.call("auth", &json!({ "token": token("555", 3600) })).await;
    let balance =
        Call::new("GET", "/v1/balance/555?currency=EUR").bearer(&token("555", 3600)).send(&played.stage).await;
    for answer in [auth, balance] {
        let waits: Vec<_> = answer.headers.get_all("retry-after").iter().collect();
        assert_eq!((answer.status, waits.len()), (503, 1), "{}", answer.text());
    }
}
