#![no_main]
//! Dead letters as an operator looks at them and puts them back: whatever headers they have.

use libfuzzer_sys::fuzz_target;
use purser::transport::amqp::dead::{DeadLetter, alive};
use purser_fuzz::message::read;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, delivery)) = read(bytes) else { return };
    let letter = DeadLetter::of(delivery);
    let _ = (letter.id(), letter.reason(), letter.error(), letter.queue(), letter.died_at(), letter.body());
    for (name, value) in letter.described() {
        assert!(!name.eq_ignore_ascii_case("authorization") || value == "(hidden)", "a token is shown");
    }
    let again = alive(&letter, "copies", Some("purser"));
    let headers = again.headers().clone().expect("headers");
    for name in ["x-death", "x-first-death-reason", "x-last-death-queue", "x-delivery-count", "x-purser-reason"] {
        assert!(!headers.contains_key(name), "what is put back is still dead: {name}");
    }
});
