#![no_main]
//! Key sets, and the PEM files that stand in their place.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use purser::config::{Jwt, JwtKey, SignatureDigest};
use purser::identity::{SignatureKey, TokenVerifier};
use purser_fuzz::party::SETTING;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| SETTING.directory.join("keys"));

/// None of them is a key's, but each looks up what it names.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let token = SETTING.token("alice");
    let rest = token.split_once('.').map_or("", |(_, rest)| rest);
    // The headers {"alg":"RS256","kid":"1"}, and ES256, EdDSA, HS256 likewise.
    let headers = ["eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ", "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ"];
    let others = ["eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ", "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ"];
    headers.iter().chain(&others).map(|header| format!("{header}.{rest}")).collect()
});

fuzz_target!(|bytes: &[u8]| {
    fs::write(&*FILE, bytes).expect("written");
    let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let path = FILE.clone();
    let key = if is_json { JwtKey::JwksFile(path) } else { JwtKey::PublicKeyFile(path) };
    let jwt = Jwt { key, private_key_file: None, issuer: None, audience: None, require_exp: true };
    if let Ok(verifier) = TokenVerifier::open(&SETTING.party, &jwt) {
        for token in TOKENS.iter() {
            let _ = verifier.verify_now(token);
        }
    }
    if !is_json {
        let _ = SignatureKey::open(&FILE, SignatureDigest::Sha1);
    }
});
