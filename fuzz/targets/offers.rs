#![no_main]
//! Files of offers: read or refused, and no key is repeated in the refusal.

use libfuzzer_sys::fuzz_target;
use purser::cli::offers::file;
use purser::ledger::Currency;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match file::read(text, Currency::parse("KZT").expect("a currency"), 2) {
        Ok(listed) => assert!(listed.iter().all(|listed| listed.offer.price.minor() > 0)),
        Err(problem) => assert!(!problem.contains("SECRET"), "{problem}"),
    }
});
