//! Tokens and keys that are drawn at random.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;

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
