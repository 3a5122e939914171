//! Tokens of every kind against every kind of key.

mod arbitrary;
mod key_sets;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::rejection::MAX_TOKEN_BYTES;
use super::*;
use crate::config::{Jwt, JwtKey, Secret};
use crate::ledger::ids::{Party, PlayerId};

const SECRET: &str = "a secret of thirty-two characters";

/// Far beyond the moments that the tests judge tokens at.
const FAR_OFF: i64 = 4_000_000_000;

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
    let mut claims = claims.clone();
    if let Some(claims) = claims.as_object_mut() {
        // What is not about its end holds.
        claims.entry("exp").or_insert(json!(FAR_OFF));
    }
    jsonwebtoken::encode(&header, &claims, key).unwrap()
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
    Jwt { key, private_key_file: None, issuer: None, audience: None, require_exp: true }
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
fn a_token_without_an_end_is_taken_only_where_that_is_configured() {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    for (claims, is_endless) in [
        (json!({"sub": "alice"}), true),
        (json!({"sub": "alice", "exp": null}), true),
        (json!({"sub": "alice", "exp": 100}), false),
    ] {
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        let strict = player(verifier(&hmac()).verify_now(&token));
        assert_eq!(strict, if is_endless { Err(Rejection::Endless) } else { as_alice() }, "{claims}");
        let lax = Jwt { require_exp: false, ..hmac() };
        assert_eq!(player(verifier(&lax).verify_now(&token)), as_alice(), "{claims}");
    }
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
