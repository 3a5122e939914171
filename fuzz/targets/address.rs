#![no_main]
//! Addresses of databases and brokers: read or refused, and no password is repeated.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use purser::config::{Config, Environment};
use purser::storage::postgres::Address;
use purser_fuzz::party::SETTING;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| SETTING.directory.join("addresses.toml"));

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let said = Address::parse(text).err().unwrap_or_default();
    assert!(!said.contains("H1DD3N"), "{said}");
    // A text that TOML can hold as it is.
    if text.contains(['\'', '\n', '\r']) {
        return;
    }
    for section in ["amqp", "database"] {
        fs::write(&*FILE, format!("[{section}]\nurl = '{text}'\n")).expect("written");
        let said = match Config::load_from(Some(&FILE), &Environment::new()) {
            Ok(config) => config.warnings.join("\n") + &config.amqp.addresses_in(None).join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("H1DD3N"), "{said}");
    }
});
