//! Tokens of every kind against every kind of key, and key sets that change while tokens come in.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::rejection::MAX_TOKEN_BYTES;
use super::ring::{FETCH_AT_MOST_EVERY, MAX_AGE, STAT_AT_MOST_EVERY};
use super::*;
use crate::config::{Jwt, JwtKey, Secret};
use crate::ledger::ids::{Party, PlayerId};

const SECRET: &str = "a secret of thirty-two characters";

/// One key pair as PEM files, and what signs with it.
struct Pair {
    directory: tempfile::TempDir,
    algorithm: Algorithm,
}

impl Pair {
    fn generate(algorithm: Algorithm) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let private = directory.path().join("private.pem");
        let kind: &[&str] = match algorithm {
            Algorithm::RS256 => &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Algorithm::ES256 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Algorithm::ES384 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Algorithm::EdDSA => &["ED25519"],
            other => panic!("no key pair for {other:?}"),
        };
        openssl(&[&["genpkey", "-out", text(&private), "-algorithm"], kind].concat());
        openssl(&["pkey", "-in", text(&private), "-pubout", "-out", text(&directory.path().join("public.pem"))]);
        Self { directory, algorithm }
    }

    fn public(&self) -> PathBuf {
        self.directory.path().join("public.pem")
    }

    fn private(&self) -> PathBuf {
        self.directory.path().join("private.pem")
    }

    fn signing_key(&self) -> EncodingKey {
        let pem = std::fs::read(self.private()).unwrap();
        match self.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(&pem),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(&pem),
            _ => EncodingKey::from_ec_pem(&pem),
        }
        .unwrap()
    }

    fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        sign(self.algorithm, kid, claims, &self.signing_key())
    }

    fn jwk(&self, kid: &str) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.signing_key(), self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(kid);
        jwk
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().expect("the tests make their keys with openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Made once: an RSA key takes a while.
fn pairs() -> &'static [Pair; 3] {
    static PAIRS: OnceLock<[Pair; 3]> = OnceLock::new();
    PAIRS.get_or_init(|| [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(Pair::generate))
}

fn sign(algorithm: Algorithm, kid: Option<&str>, claims: &Value, key: &EncodingKey) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn sign_hmac(secret: &str, claims: &Value) -> String {
    sign(Algorithm::HS256, None, claims, &EncodingKey::from_secret(secret.as_bytes()))
}

fn acme() -> Party {
    Party::parse("acme").unwrap()
}

fn alice() -> PlayerId {
    PlayerId::parse("alice").unwrap()
}

fn jwt(key: JwtKey) -> Jwt {
    Jwt { key, private_key_file: None, issuer: None, audience: None }
}

fn hmac() -> Jwt {
    jwt(JwtKey::HmacSecret(Secret::new(SECRET)))
}

fn verifier(jwt: &Jwt) -> TokenVerifier {
    TokenVerifier::new(&acme(), jwt).unwrap()
}

fn player(verified: Result<Verified, Rejection>) -> Result<String, Rejection> {
    verified.map(|verified| verified.player.to_string())
}

fn as_alice() -> Result<String, Rejection> {
    Ok("alice".to_owned())
}

#[test]
fn every_kind_of_key_takes_its_own_tokens_alone() {
    let claims = json!({"sub": "alice"});
    let mut keys = vec![(hmac(), sign_hmac(SECRET, &claims), Algorithm::HS256)];
    for pair in pairs() {
        keys.push((jwt(JwtKey::PublicKeyFile(pair.public())), pair.sign(Some("any"), &claims), pair.algorithm));
    }
    for (jwt, _, own) in &keys {
        let verifier = verifier(jwt);
        for (_, token, algorithm) in &keys {
            let expected = if own == algorithm { as_alice() } else { Err(Rejection::Algorithm) };
            assert_eq!(player(verifier.verify_now(token)), expected, "{algorithm:?} against {own:?}");
        }
    }
}

#[test]
fn a_key_pair_file_checks_what_it_signs() {
    for pair in pairs() {
        let verifier = verifier(&jwt(JwtKey::PublicKeyFile(pair.private())));
        let token = pair.sign(None, &json!({"sub": "alice"}));
        assert_eq!(player(verifier.verify_now(&token)), as_alice(), "{:?}", pair.algorithm);
    }
}

#[test]
fn a_public_key_is_no_hmac_secret_and_none_is_no_algorithm() {
    let claims = json!({"sub": "alice"});
    for pair in pairs() {
        let verifier = verifier(&jwt(JwtKey::PublicKeyFile(pair.public())));
        let pem = std::fs::read_to_string(pair.public()).unwrap();
        assert_eq!(player(verifier.verify_now(&sign_hmac(&pem, &claims))), Err(Rejection::Algorithm));
    }
    // {"alg":"none"} and {"sub":"alice"}, with an empty signature and with none.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9";
    for token in [format!("{unsigned}."), unsigned.to_owned()] {
        assert_eq!(player(verifier(&hmac()).verify_now(&token)), Err(Rejection::Malformed), "{token}");
    }
}

#[test]
fn what_is_changed_or_unreadable_is_rejected() {
    let verifier = verifier(&hmac());
    let token = sign_hmac(SECRET, &json!({"sub": "alice"}));
    let other_claims = sign_hmac("another secret", &json!({"sub": "alice"}));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..Header::default() };
    let critical =
        jsonwebtoken::encode(&critical, &json!({"sub": "alice"}), &EncodingKey::from_secret(SECRET.as_bytes()));
    let cases = [
        (token.clone(), as_alice()),
        (other_claims, Err(Rejection::Signature)),
        (format!("{signed}.AAAA"), Err(Rejection::Signature)),
        (format!("{header}.eyJzdWIiOiJib2IifQ.{signature}"), Err(Rejection::Signature)),
        (format!("{token}="), Err(Rejection::Malformed)),
        (format!("{token}.x"), Err(Rejection::Malformed)),
        (signed.to_owned(), Err(Rejection::Malformed)),
        (sign_hmac(SECRET, &json!(["alice"])), Err(Rejection::Malformed)),
        (critical.unwrap(), Err(Rejection::Malformed)),
        (String::new(), Err(Rejection::Malformed)),
        ("a".repeat(MAX_TOKEN_BYTES + 1), Err(Rejection::TooLong)),
    ];
    for (token, expected) in cases {
        assert_eq!(player(verifier.verify_now(&token)), expected, "{token}");
    }
}

#[test]
fn the_cache_answers_for_nothing_but_the_partys_own_expectations() {
    let token = sign_hmac(SECRET, &json!({"sub": "alice", "iss": "us", "aud": "purser"}));
    let cases = [
        (Some("us"), Some("purser"), as_alice()),
        (Some("them"), Some("purser"), Err(Rejection::Issuer)),
        (Some("us"), Some("other"), Err(Rejection::Audience)),
    ];
    for (issuer, audience, expected) in cases {
        let jwt = Jwt { issuer: issuer.map(str::to_owned), audience: audience.map(str::to_owned), ..hmac() };
        let verifier = verifier(&jwt);
        for attempt in 0..3 {
            assert_eq!(player(verifier.verify_now(&token)), expected, "attempt {attempt}");
        }
    }
}

#[test]
fn an_expired_token_is_verified_and_says_so() {
    let token = sign_hmac(SECRET, &json!({"sub": "alice", "exp": 100, "nbf": 50}));
    let verified = verifier(&hmac()).verify_now(&token).unwrap();
    assert_eq!((verified.not_before, verified.expires), (Some(50), Some(100)));
    assert_eq!(verified.time_claims_at(100), Err(TimeClaim::Expired));
}

#[test]
fn a_tokens_home_can_be_read_before_it_is_checked() {
    let token = sign_hmac("any", &json!({"sub": "alice", "party": "acme", "iss": "us"}));
    let home = Home { party: Some("acme".to_owned()), issuer: Some("us".to_owned()) };
    assert_eq!(claimed_home(&token), Some(home));
    assert_eq!(claimed_home("alice"), None);
}

fn write_keys(path: &Path, keys: &[Value]) {
    std::fs::write(path, json!({ "keys": keys }).to_string()).unwrap();
}

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
    write_keys(&path, &[rsa.jwk("rsa"), ec.jwk("ec"), ed.jwk("ed"), ed.jwk("ed-2"), oct, encryption, pss, unknown]);
    let verifier = verifier(&jwt(JwtKey::JwksFile(path)));
    let claims = json!({"sub": "alice"});
    let hmac_key = EncodingKey::from_secret(SECRET.as_bytes());
    let cases = [
        (rsa.sign(Some("rsa"), &claims), as_alice()),
        (ec.sign(Some("ec"), &claims), as_alice()),
        (ed.sign(Some("ed-2"), &claims), as_alice()),
        (sign(Algorithm::HS256, Some("oct"), &claims, &hmac_key), as_alice()),
        (rsa.sign(None, &claims), as_alice()),
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

#[test]
fn a_file_that_is_no_key_is_named_with_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let p384 = Pair::generate(Algorithm::ES384);
    let small = directory.path().join("small.pem");
    openssl(&["genpkey", "-out", text(&small), "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    let sec1 = directory.path().join("sec1.pem");
    openssl(&["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", text(&sec1)]);
    let certificate = file("certificate.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let cases = [
        (JwtKey::PublicKeyFile(directory.path().join("gone.pem")), "cannot read"),
        (JwtKey::PublicKeyFile(file("text.pem", b"hello")), "text.pem must be a PEM key of RSA"),
        (JwtKey::PublicKeyFile(p384.public()), "public.pem must be a PEM key of RSA"),
        (JwtKey::PublicKeyFile(p384.private()), "private.pem must be a PEM key of RSA"),
        (JwtKey::PublicKeyFile(small), "small.pem must be a PEM key of RSA (2048 bits or more)"),
        (JwtKey::PublicKeyFile(sec1), "openssl pkcs8"),
        (JwtKey::PublicKeyFile(certificate), "openssl x509"),
        (JwtKey::JwksFile(file("set.json", b"{\"keys\": []}")), "set.json must be a JSON Web Key Set"),
        (JwtKey::JwksFile(file("large.json", &[b' '; 300 * 1024])), "large.json"),
        (JwtKey::HmacSecret(Secret::new("")), "the HMAC secret is empty"),
    ];
    for (key, expected) in cases {
        let error = TokenVerifier::new(&acme(), &jwt(key)).err().expect(expected).to_string();
        assert!(error.contains(expected), "says: {error}\n ought: {expected}");
    }
}

#[test]
fn a_minted_token_is_one_that_the_party_takes() {
    let mut configured = vec![hmac()];
    for pair in pairs() {
        let path = pair.directory.path().join("jwks.json");
        write_keys(&path, &[pair.jwk("only")]);
        let private_key_file = Some(pair.private());
        configured
            .push(Jwt { private_key_file: private_key_file.clone(), ..jwt(JwtKey::PublicKeyFile(pair.public())) });
        configured.push(Jwt { private_key_file, ..jwt(JwtKey::JwksFile(path)) });
        configured.push(jwt(JwtKey::PublicKeyFile(pair.private())));
    }
    for jwt in configured {
        let jwt = Jwt { issuer: Some("us".to_owned()), audience: Some("purser".to_owned()), ..jwt };
        let token = mint(&jwt, &alice(), &acme(), 1000, Duration::from_secs(3600)).unwrap();
        let verified = verifier(&jwt).verify_now(&token).unwrap();
        assert_eq!((verified.player, verified.expires), (alice(), Some(4600)), "{jwt:?}");
        assert_eq!(claimed_home(&token).unwrap().party.as_deref(), Some("acme"));
    }
}

#[test]
fn where_no_key_can_sign_the_error_says_what_to_configure() {
    let [rsa, ec, _] = pairs();
    let cases = [
        (jwt(JwtKey::PublicKeyFile(rsa.public())), "set hmac_secret or private_key_file in [parties.acme.jwt]"),
        (jwt(JwtKey::JwksUrl("https://id.example/keys".parse().unwrap())), "set hmac_secret or private_key_file"),
        (
            Jwt { private_key_file: Some(ec.private()), ..jwt(JwtKey::PublicKeyFile(rsa.public())) },
            "private_key_file and public_key_file of party acme are not the two halves",
        ),
    ];
    for (jwt, expected) in cases {
        let error = mint(&jwt, &alice(), &acme(), 0, Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains(expected), "says: {error}\n ought: {expected}");
    }
}

/// Something like the JSON of a token's header or claims.
fn token_part() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "\"none\"",
        "\"HS256\"",
        "\"RS256\"",
        "\"ES256\"",
        "\"EdDSA\"",
        "\"JWT\"",
        "\"alice\"",
        "\"acme\"",
        "null",
        "true",
        "1",
        "-1",
        "1e400",
        "9223372036854775808",
        "[]",
        "{}",
        "[\"purser\"]",
        "\"\\ud800\"",
        "{\"kty\":\"oct\",\"k\":\"\"}",
    ]);
    let name = prop::sample::select(vec![
        "alg", "typ", "kid", "jwk", "jku", "crit", "x5c", "sub", "iss", "aud", "exp", "nbf", "party", "zip", "enc",
    ]);
    prop_oneof![
        4 => prop::collection::vec((name, value), 0..6).prop_map(|pairs| {
            let members: Vec<String> = pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        }),
        1 => "\\PC{0,40}",
    ]
}

fn token_like() -> impl Strategy<Value = String> {
    let encoded = || token_part().prop_map(|json| URL_SAFE_NO_PAD.encode(json));
    prop_oneof![
        4 => (encoded(), encoded(), "[A-Za-z0-9_-]{0,90}").prop_map(|(header, claims, code)| [header, claims, code].join(".")),
        1 => "\\PC{0,120}",
        1 => "[A-Za-z0-9_.=-]{0,120}",
    ]
}

proptest! {
    #[test]
    fn no_token_that_nobody_signed_is_believed(token in token_like()) {
        let _ = claimed_home(&token);
        for jwt in [hmac(), jwt(JwtKey::PublicKeyFile(pairs()[1].public()))] {
            prop_assert!(verifier(&jwt).verify_now(&token).is_err());
        }
    }

    #[test]
    fn no_bit_of_a_token_may_be_changed(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let verifier = verifier(&hmac());
        let token = sign_hmac(SECRET, &json!({"sub": "alice", "exp": 4_102_444_800_u64}));
        let at = at.index(token.len());
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        // The last character's lowest bits are no part of the code, and must be zero.
        prop_assert_eq!(player(verifier.verify_now(&changed)) == as_alice(), changed == token, "{}", changed);
    }

    #[test]
    fn no_file_makes_the_reading_of_keys_panic(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "\\{\"keys\":\\[\\{\"kty\":\"(RSA|EC|OKP|oct)\",\"crv\":\"(P-256|Ed25519|x)\",\"(n|x|k)\":\"[A-Za-z0-9_-]{0,44}\",\"(e|y|kid)\":\"[A-Za-z0-9_-]{0,44}\"\\}\\]\\}".prop_map(String::into_bytes),
        "-----BEGIN (PUBLIC KEY|PRIVATE KEY|RSA PUBLIC KEY|CERTIFICATE)-----\n[A-Za-z0-9+/]{0,120}\n-----END PUBLIC KEY-----\n".prop_map(String::into_bytes),
    ]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let path = || file.path().to_owned();
        for key in [JwtKey::PublicKeyFile(path()), JwtKey::JwksFile(path())] {
            let _ = TokenVerifier::new(&acme(), &jwt(key));
        }
    }
}
