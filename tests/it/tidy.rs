//! The rules of the house that no other tool checks: [`layers`], words, sizes.

mod layers;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the pure core must not contain.
const IMPURE: &[&str] = &[
    "f32",
    "f64",
    ".unwrap()",
    ".expect(",
    "panic!",
    "unreachable!",
    "SystemTime",
    "Instant",
    "async",
    "tokio",
    "rand",
    "std::fs",
    "std::net",
    "std::env",
    "thread",
];

/// What no file may contain.
const BANNED: &[&str] = &["#[allow(", "#![allow(", "todo!", "unimplemented!", "dbg!(", "#[ignore"];

/// Words that say nothing about what a file holds.
const EMPTY_WORDS: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "service", "types", "misc"];

/// The one file of the tests that may sleep. (A simulation's time goes by without anybody waiting for it.)
const PATIENT: &str = "tests/it/patience.rs";

/// Lines of a file under `src`, tests apart.
const MAX_LINES: usize = 400;

/// A source file, by its path from the root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn all(folders: &[&str]) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths: Vec<PathBuf> = Vec::new();
        folders.iter().for_each(|folder| rust_files(&root.join(folder), &mut paths));
        paths.sort();
        let read = |path: &PathBuf| Self {
            path: path.strip_prefix(root).expect("within the root").to_string_lossy().into_owned(),
            text: fs::read_to_string(path).expect("a source file"),
        };
        paths.iter().map(read).collect()
    }

    /// The program's own code: no comments, and nothing from the file's tests on.
    fn code(&self) -> String {
        let program = self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        uncommented(program)
    }

    fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.starts_with("tests/")
    }

    /// The module that the file belongs to: `ledger`, and for a dialect `dialects/egpp`.
    fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or_default();
        let depth = if inside.starts_with("dialects/") && inside != "dialects/mod.rs" { 1 } else { 0 };
        let end = inside.match_indices(['/', '.']).nth(depth).map_or(inside.len(), |(at, _)| at);
        &inside[..end]
    }
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn uncommented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Relative paths must not be a way around the layers.
#[test]
fn nobody_climbs_out_of_a_module() {
    for source in Source::all(&["src"]).iter().filter(|source| !source.is_tests()) {
        let climbs = source.code().contains("super::super::");
        assert!(!climbs, "{} climbs with super::super", source.path);
    }
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for source in Source::all(&["src/ledger"]).iter().filter(|source| !source.is_tests()) {
        let code = source.code();
        for word in IMPURE {
            wrong.extend(finds(&code, word).then(|| format!("{} contains {word}", source.path)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Money moves by postings and in no other way: nothing else sets a balance, or builds a house account to move it from.
#[test]
fn only_a_posting_moves_money() {
    let sources = Source::all(&["src"]);
    let those_with = |words: &[&str]| {
        let with = |source: &&Source| words.iter().any(|word| source.code().contains(word));
        sources.iter().filter(with).map(|source| source.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(those_with(&[".balance = ", ".balance += ", ".balance -= "]), ["src/ledger/posting.rs"]);
    assert_eq!(those_with(&["Transfer {"]), ["src/ledger/posting.rs"]);
    // The audit asks by which accounts a row may be named.
    let houses = ["src/ledger/account.rs", "src/ledger/posting.rs", "src/storage/audit/names.rs"];
    assert_eq!(those_with(&["HouseAccount {"]), houses);
}

/// Whether a word stands in the code by itself, not as a part of another.
fn finds(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_part) && word.starts_with(is_part);
        let after = code[at + word.len()..].chars().next().is_some_and(is_part) && word.ends_with(is_part);
        !before && !after
    })
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    let mut wrong = Vec::new();
    for source in Source::all(&["src", "tests", "benches"]) {
        if source.path == "tests/it/tidy.rs" {
            continue;
        }
        let code = uncommented(&source.text);
        let banned = BANNED.iter().filter(|word| code.contains(**word));
        wrong.extend(banned.map(|word| format!("{} contains {word}", source.path)));
        if source.is_tests() && source.path != PATIENT && (code.contains("sleep(") || code.contains("sleep_ms(")) {
            wrong.push(format!("{} sleeps: see {PATIENT}", source.path));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A word means one thing in the whole program.
#[test]
fn no_public_type_name_is_there_twice() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in Source::all(&["src"]) {
        for line in source.code().lines() {
            if let Some(name) = public_type(line.trim_start()) {
                places.entry(name.to_owned()).or_default().push(source.path.clone());
            }
        }
    }
    assert!(places.len() > 500, "types are found: {}", places.len());
    places.retain(|_, places| places.len() > 1);
    assert_eq!(places, BTreeMap::new());
}

/// The name of the type that a line declares for others.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub")?;
    let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
    let mut words = rest.split([' ', '<', '(', ';', '{', '=', ':']).filter(|word| !word.is_empty());
    let is_type = matches!(words.next()?, "struct" | "enum" | "trait" | "type");
    // A macro has no name yet.
    words.next().filter(|name| is_type && !name.starts_with('$'))
}

#[test]
fn files_are_named_for_what_they_hold() {
    for source in Source::all(&["src", "tests", "benches"]) {
        // Dialects are called what their seeds are called.
        let path = source.path.replace("balance_service", "");
        let words = path.split(['/', '.', '_', '-']);
        for word in words {
            assert!(!EMPTY_WORDS.contains(&word), "{}: what is a {word}?", source.path);
        }
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    for source in Source::all(&["src"]).iter().filter(|source| !source.is_tests()) {
        let lines = source.text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines: is it two?", source.path);
    }
}

/// Schemas are executed by their examples (`schemas.rs`), so each has some; and none names a schema that is not.
#[test]
fn every_schema_has_examples_and_every_example_a_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/v1.0");
    let names = |folder: PathBuf| -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".json")).collect()
    };
    let (schemas, examples) = (names(root.clone()), names(root.join("examples")));
    let stems: Vec<&str> = schemas.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    for stem in stems.iter().filter(|stem| !stem.ends_with("-definitions")) {
        let has_some = examples.iter().any(|example| example.starts_with(&format!("{stem}.")));
        assert!(has_some, "{stem} has no example");
    }
    for example in &examples {
        let has_one = stems.iter().any(|stem| example.starts_with(&format!("{stem}.")));
        assert!(has_one, "{example} is of no schema");
    }
}

/// Dependencies that no source names, and why they are there.
const UNNAMED: &[&str] = &[
    // Its feature compiles SQLite into the program; Diesel names it.
    "libsqlite3-sys",
];

#[test]
fn every_dependency_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = toml::from_str(&manifest).expect("TOML");
    let in_program: String = Source::all(&["src"]).iter().map(|source| uncommented(&source.text)).collect();
    let in_tests: String = Source::all(&["tests", "benches"]).iter().map(|source| uncommented(&source.text)).collect();
    let everywhere = in_program.clone() + &in_tests;
    for (table, code) in [("dependencies", &in_program), ("dev-dependencies", &everywhere)] {
        let dependencies = manifest[table].as_table().expect("a table");
        for name in dependencies.keys().filter(|name| !UNNAMED.contains(&name.as_str())) {
            let path = format!("{}::", name.replace('-', "_"));
            let import = format!("use {};", name.replace('-', "_"));
            assert!(finds(code, &path) || code.contains(&import), "nothing names {name} of [{table}]");
        }
    }
}
