#![no_main]
//! Moments of the command line.

use libfuzzer_sys::fuzz_target;
use purser::cli::journal::moment;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = moment::parse(text);
});
