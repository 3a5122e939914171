#![no_main]
//! Player tokens: any text, and any header and claims with a good signature.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;
use purser::identity::claimed_home;
use purser_fuzz::party::{NOW, SETTING};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

// A header and claims, an empty line between them, are signed; anything else is a token as it is.
fuzz_target!(|bytes: &[u8]| {
    let token = match bytes.windows(2).position(|two| two == b"\n\n") {
        Some(at) => signed(&bytes[..at], &bytes[at + 2..]),
        None => String::from_utf8_lossy(bytes).into_owned(),
    };
    let _ = claimed_home(&token);
    if let Ok(verified) = SETTING.verifier.verify_now(&token) {
        for moment in [i64::MIN, 0, NOW, i64::MAX] {
            let _ = verified.time_claims_at(moment);
        }
        assert_eq!(SETTING.verifier.verify_now(&token).expect("cached"), verified);
    }
});

fn signed(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", BASE64.encode(signature))
}
