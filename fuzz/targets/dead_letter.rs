#![no_main]
//! Dead letters as an operator looks at them and puts them back: whatever headers they have.

use lapin::message::BasicGetMessage;
use libfuzzer_sys::fuzz_target;
use purser::transport::amqp::dead::{DeadLetter, alive};
use purser_fuzz::message::read;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, delivery)) = read(bytes) else { return };
    let letter = DeadLetter::of(BasicGetMessage { delivery, message_count: 0 });
    let _ = (letter.id(), letter.reason(), letter.error(), letter.queue(), letter.died_at(), letter.body());
    for (name, value) in letter.described() {
        assert!(!name.eq_ignore_ascii_case("authorization") || value == "(hidden)", "a token is shown");
    }
    let again = alive(&letter, "copies");
    let headers = again.headers().clone().expect("headers");
    assert!(headers.inner().keys().all(|name| !name.as_str().starts_with("x-death")));
});
