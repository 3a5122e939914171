//! Key sets in a file and behind an address, which change while tokens come in.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::identity::ring::{FETCH_AT_MOST_EVERY, MAX_AGE, STAT_AT_MOST_EVERY};

#[test]
fn a_key_sets_members_are_pinned_each_to_its_own_algorithm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    let [rsa, ec, ed] = pairs();
    let oct = json!({"kty": "oct", "kid": "oct", "k": "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBjaGFyYWN0ZXJz"});
    let mut encryption = rsa.jwk("encryption");
    encryption["use"] = json!("enc");
    let mut pss = rsa.jwk("pss");
    pss["alg"] = json!("PS256");
    let unknown = json!({"kty": "AKP", "kid": "unknown"});
    let with_ops = |kid: &str, allowed: Value| {
        let mut jwk = rsa.jwk(kid);
        jwk["key_ops"] = allowed;
        jwk
    };
    let (wrapping, verifying) =
        (with_ops("wrapping", json!(["encrypt", "wrapKey"])), with_ops("ops", json!(["sign", "verify"])));
    let mut keys = vec![rsa.jwk("rsa"), ec.jwk("ec"), ed.jwk("ed"), ed.jwk("ed-2"), oct, encryption, pss, unknown];
    keys.extend([wrapping, verifying]);
    write_keys(&path, &keys);
    let verifier = verifier(&jwt(JwtKey::JwksFile(path)));
    let passed: Vec<String> = verifier.passed_over().into_iter().map(|passed| passed.name).collect();
    assert_eq!(passed, ["encryption", "pss", "unknown", "wrapping"]);
    let claims = json!({"sub": "alice"});
    let hmac_key = EncodingKey::from_secret(SECRET.as_bytes());
    let cases = [
        (rsa.sign(Some("rsa"), &claims), as_alice()),
        (ec.sign(Some("ec"), &claims), as_alice()),
        (ed.sign(Some("ed-2"), &claims), as_alice()),
        (sign(Algorithm::HS256, Some("oct"), &claims, &hmac_key), as_alice()),
        (rsa.sign(Some("ops"), &claims), as_alice()),
        (ec.sign(None, &claims), as_alice()),
        (rsa.sign(Some("wrapping"), &claims), Err(Rejection::UnknownKey)),
        (ed.sign(None, &claims), Err(Rejection::AmbiguousKey)),
        (rsa.sign(Some("ec"), &claims), Err(Rejection::Algorithm)),
        (sign(Algorithm::HS256, Some("rsa"), &claims, &hmac_key), Err(Rejection::Algorithm)),
        (rsa.sign(Some("encryption"), &claims), Err(Rejection::UnknownKey)),
        (rsa.sign(Some("pss"), &claims), Err(Rejection::UnknownKey)),
        (rsa.sign(Some("gone"), &claims), Err(Rejection::UnknownKey)),
    ];
    for (index, (token, expected)) in cases.into_iter().enumerate() {
        assert_eq!(player(verifier.verify_now(&token)), expected, "case {index}");
    }
}

#[test]
fn what_is_no_key_is_passed_over_and_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    let [rsa, ec, _] = pairs();
    let changed = |jwk: &Value, name: &str, value: &str| {
        let mut jwk = jwk.clone();
        jwk[name] = json!(value);
        jwk
    };
    let (rsa, ec) = (rsa.jwk("r"), ec.jwk("e"));
    let mut point = URL_SAFE_NO_PAD.decode(ec["y"].as_str().unwrap()).unwrap();
    point[31] ^= 1;
    let cases = [
        (changed(&rsa, "e", "AQ"), "odd exponent of at least 3"),
        (changed(&rsa, "e", "Ag"), "odd exponent of at least 3"),
        (changed(&rsa, "e", ""), "odd exponent of at least 3"),
        (changed(&rsa, "n", &URL_SAFE_NO_PAD.encode([0xff; 128])), "2048 to 8192 bits"),
        (changed(&rsa, "n", &URL_SAFE_NO_PAD.encode([0xfe; 256])), "RSA key"),
        (changed(&rsa, "n", &URL_SAFE_NO_PAD.encode([[0; 1].as_slice(), &[0xff; 255]].concat())), "RSA key"),
        (changed(&ec, "y", &URL_SAFE_NO_PAD.encode(&point)), "no point on the curve P-256"),
        (changed(&ec, "y", "AAAA"), "no point on the curve P-256"),
        (json!({"kty": "oct", "kid": "o", "k": ""}), "is empty"),
        (json!({"kty": "RSA", "kid": "\u{1b}[2J"}), "key \\u{1b}[2J lacks a part"),
        (json!("RSA"), "key number 1 is no JSON Web Key"),
    ];
    for (member, expected) in cases {
        write_keys(&path, std::slice::from_ref(&member));
        let error =
            TokenVerifier::new(&acme(), &jwt(JwtKey::JwksFile(path.clone()))).err().expect(expected).to_string();
        assert!(error.contains(expected), "{member}\nsays: {error}\n ought: {expected}");
    }
}

#[tokio::test]
async fn a_key_sets_file_is_read_again_when_it_changes_and_for_an_unknown_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    let [_, ec, ed] = pairs();
    write_keys(&path, &[ec.jwk("first")]);
    let verifier = verifier(&jwt(JwtKey::JwksFile(path.clone())));
    let claims = json!({"sub": "alice"});
    let (first, second) = (ec.sign(Some("first"), &claims), ed.sign(Some("second"), &claims));
    let start = Instant::now();
    assert_eq!(player(verifier.verify_at(&first, start)), as_alice());

    write_keys(&path, &[ec.jwk("first"), ed.jwk("second")]);
    assert_eq!(player(verifier.verify_at(&second, start)), Err(Rejection::UnknownKey));
    verifier.refresh_at(start).await;
    assert_eq!(player(verifier.verify_at(&second, start)), as_alice());

    write_keys(&path, &[ed.jwk("second")]);
    assert_eq!(player(verifier.verify_at(&first, start)), as_alice(), "cached, and not looked at again so soon");
    let later = start + STAT_AT_MOST_EVERY;
    assert_eq!(player(verifier.verify_at(&first, later)), Err(Rejection::UnknownKey), "withdrawn");

    std::fs::write(&path, "half of a key se").unwrap();
    assert_eq!(player(verifier.verify_at(&second, later + STAT_AT_MOST_EVERY)), as_alice());
    std::fs::remove_file(&path).unwrap();
    assert_eq!(player(verifier.verify_at(&second, later + 2 * STAT_AT_MOST_EVERY)), as_alice());
}

/// An identity provider on loopback: answers every request with the body of the moment, and counts them.
struct Provider {
    address: SocketAddr,
    answer: Arc<Mutex<(String, usize)>>,
}

impl Provider {
    fn start(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((response(status, body), 0)));
        let served = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = BufReader::new(stream.try_clone().unwrap());
                request.lines().take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
                let mut served = served.lock().unwrap();
                served.1 += 1;
                // A client that has read enough may be gone.
                let _ = stream.write_all(served.0.as_bytes());
            }
        });
        Self { address, answer }
    }

    fn of_keys(keys: &[Value]) -> Self {
        Self::start("200 OK", &json!({ "keys": keys }).to_string())
    }

    fn jwt(&self) -> Jwt {
        jwt(JwtKey::JwksUrl(format!("http://{}/keys", self.address).parse().unwrap()))
    }

    fn now_answers(&self, status: &str, body: &str) {
        self.answer.lock().unwrap().0 = response(status, body);
    }

    fn now_has(&self, keys: &[Value]) {
        self.now_answers("200 OK", &json!({ "keys": keys }).to_string());
    }

    fn requests(&self) -> usize {
        self.answer.lock().unwrap().1
    }
}

fn response(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\nlocation: /elsewhere\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn keys_behind_an_address_are_fetched_at_need_and_not_too_often() {
    let [_, ec, ed] = pairs();
    let provider = Provider::of_keys(&[ec.jwk("first")]);
    let verifier = verifier(&provider.jwt());
    let claims = json!({"sub": "alice"});
    let (first, second) = (ec.sign(Some("first"), &claims), ed.sign(Some("second"), &claims));
    assert_eq!((verifier.has_keys(), provider.requests()), (false, 0));
    assert_eq!(player(verifier.verify(&first).await), as_alice());

    let start = Instant::now();
    provider.now_has(&[ec.jwk("first"), ed.jwk("second")]);
    for _ in 0..20 {
        verifier.refresh_at(start).await;
        assert_eq!(player(verifier.verify_at(&second, start)), Err(Rejection::UnknownKey));
    }
    assert_eq!(provider.requests(), 1);
    let later = start + FETCH_AT_MOST_EVERY;
    tokio::join!(verifier.refresh_at(later), verifier.refresh_at(later), verifier.refresh_at(later));
    assert_eq!(provider.requests(), 2, "one flight for all");
    assert_eq!(player(verifier.verify_at(&second, later)), as_alice());
}

#[tokio::test]
async fn a_withdrawn_key_stops_working_when_the_set_has_grown_old() {
    let [_, ec, ed] = pairs();
    let provider = Provider::of_keys(&[ec.jwk("first"), ed.jwk("second")]);
    let verifier = verifier(&provider.jwt());
    let token = ec.sign(Some("first"), &json!({"sub": "alice"}));
    let start = Instant::now();
    verifier.refresh_if_old(start).await;
    provider.now_has(&[ed.jwk("second")]);
    verifier.refresh_if_old(start + MAX_AGE - Duration::from_secs(1)).await;
    assert_eq!((provider.requests(), player(verifier.verify_now(&token))), (1, as_alice()));
    verifier.refresh_if_old(start + MAX_AGE).await;
    assert_eq!((provider.requests(), player(verifier.verify_now(&token))), (2, Err(Rejection::UnknownKey)));
}

#[tokio::test]
async fn a_failed_fetch_keeps_the_keys_in_use() {
    let [_, ec, _] = pairs();
    let provider = Provider::of_keys(&[ec.jwk("first")]);
    let verifier = verifier(&provider.jwt());
    let token = ec.sign(Some("first"), &json!({"sub": "alice"}));
    let mut now = Instant::now();
    verifier.refresh_at(now).await;
    let huge = format!("{{\"keys\": [], \"padding\": \"{}\"}}", "x".repeat(300 * 1024));
    for (status, body) in [("500 Oh", "{}"), ("200 OK", "<html>"), ("302 Found", "{\"keys\": []}"), ("200 OK", &huge)] {
        let before = provider.requests();
        provider.now_answers(status, body);
        now += MAX_AGE;
        verifier.refresh_if_old(now).await;
        assert_eq!(
            (provider.requests(), player(verifier.verify_at(&token, now))),
            (before + 1, as_alice()),
            "{status}"
        );
    }
    provider.now_answers("200 OK", "{\"keys\": []}");
    verifier.refresh_at(now + FETCH_AT_MOST_EVERY).await;
    assert_eq!(player(verifier.verify_at(&token, now)), Err(Rejection::UnknownKey), "all withdrawn");
}

#[tokio::test]
async fn an_identity_provider_that_is_away_is_not_the_tokens_fault() {
    let [_, ec, _] = pairs();
    let provider = Provider::start("503 Service Unavailable", "");
    let verifier = verifier(&provider.jwt());
    let token = ec.sign(Some("first"), &json!({"sub": "alice"}));
    assert_eq!(player(verifier.verify_now(&token)), Err(Rejection::UnknownKey));
    assert_eq!(player(verifier.verify(&token).await), Err(Rejection::KeysUnavailable));
    assert_eq!(player(verifier.verify(&token).await), Err(Rejection::KeysUnavailable));
    assert_eq!(provider.requests(), 1);
    provider.now_has(&[ec.jwk("first")]);
    verifier.refresh_at(Instant::now() + FETCH_AT_MOST_EVERY).await;
    assert_eq!(player(verifier.verify(&token).await), as_alice());
}

#[tokio::test]
async fn an_opened_verifier_fetches_its_keys_in_the_background() {
    let [_, ec, _] = pairs();
    let provider = Provider::of_keys(&[ec.jwk("first")]);
    let verifier = TokenVerifier::open(&acme(), &provider.jwt()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !verifier.has_keys() && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    assert_eq!(player(verifier.verify_now(&ec.sign(None, &json!({"sub": "alice"})))), as_alice());
}
