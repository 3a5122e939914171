#![no_main]
//! Configuration files and variables: understood or refused, and no secret is repeated.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use purser::config::{Config, Environment};
use purser_fuzz::party::SETTING;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| SETTING.directory.join("fuzzed.toml"));

// Lines before the first empty one that name a variable are the environment; the rest is the file.
fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut environment = Environment::new();
    for line in text.lines().take_while(|line| line.starts_with("PURSER__")) {
        if let Some((name, value)) = line.split_once('=') {
            environment.insert(name.to_owned(), value.to_owned());
        }
    }
    let file: Vec<&str> = text.lines().skip_while(|line| line.starts_with("PURSER__")).collect();
    fs::write(&*FILE, file.join("\n")).expect("written");
    if let Ok(config) = Config::load_from(Some(&FILE), &environment) {
        assert!(!config.parties.is_empty());
        assert!(!format!("{config:?}").contains("H1DD3N"), "a secret is shown");
    }
});
