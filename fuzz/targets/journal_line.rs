#![no_main]
//! Lines of an export: what is read is written as it was, and can be told apart from what it is not.

use libfuzzer_sys::fuzz_target;
use purser::cli::journal::line;

fuzz_target!(|bytes: &[u8]| {
    let Ok(recorded) = line::read(bytes) else { return };
    let mut written = Vec::new();
    line::write(&mut written, &recorded).expect("written");
    let again = line::read(&written).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)));
    assert_eq!(again, recorded);
});
