//! The rules of the house that no other tool checks: layering, words, sizes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module's files may name of the crate; itself always, but a dialect no other dialect.
const LAYERS: &[(&str, &[&str])] = &[
    ("ledger", &[]),
    (
        "dialects",
        &[
            "ledger",
            "identity",
            "config",
            "dialects::http",
            "wallet::DecidedCommand",
            "wallet::SharedWallet",
            "wallet::WalletError",
            "wallet::WalletPort",
        ],
    ),
    ("identity", &["ledger", "config"]),
    ("storage", &["ledger", "identity::grants", "identity::pkce", "tls"]),
    (
        "wallet",
        &[
            "ledger",
            "metrics",
            "telemetry",
            "config::Secret",
            "identity::grants",
            "storage::Store",
            "storage::StoreError",
            "storage::Balances",
            "storage::BalanceKey",
            "storage::Reader",
        ],
    ),
    ("admin", &["ledger", "config", "clock", "dialects::egpp", "storage"]),
    (
        "transport",
        &[
            "admin",
            "dialects",
            "ledger",
            "clock",
            "metrics",
            "telemetry",
            "identity::operators",
            "identity::throttle",
            "config::Config",
            "config::Network",
            "config::PartyConfig",
            "config::Role",
            "config::Secret",
            "storage::Reader",
            "storage::StoreError",
            "storage::voids",
            "storage::queries",
            "storage::trail",
            "tls",
            "wallet",
        ],
    ),
    ("config", &["ledger"]),
    ("clock", &["ledger"]),
    ("metrics", &[]),
    ("telemetry", &["config::Telemetry", "metrics"]),
    ("tls", &[]),
    ("conformance", &[]),
];

/// Modules that put things together and may name everything.
const UNBOUND: &[&str] = &["app", "cli", "lib", "main", "provider"];

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

    /// What the file's module may name; `None` where it may name everything.
    fn layer(&self) -> Option<&'static [&'static str]> {
        let first = self.module().split('/').next().unwrap_or_default();
        LAYERS.iter().find(|(module, _)| *module == first).map(|(_, allowed)| *allowed)
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

/// Every path into the crate that a text names, braces multiplied out: `storage::Store`, `ledger::orders::Stake`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_') {
            tree(&mut code[at + "crate::".len()..].chars().peekable(), "", &mut paths);
        }
    }
    paths
}

/// Reads one path, or one `{…}` of several.
fn tree(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, prefix: &str, into: &mut Vec<String>) {
    let mut path = prefix.to_owned();
    while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
        path.push(c);
    }
    if rest.next_if_eq(&'{').is_none() {
        into.push(path);
        return;
    }
    loop {
        while rest.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        if rest.next_if_eq(&'}').is_some() || rest.peek().is_none() {
            return;
        }
        tree(rest, &path, into);
        // `as` renames, which does not change what is named.
        while rest.next_if(|c| !matches!(c, ',' | '}')).is_some() {}
    }
}

fn is_within(path: &str, allowed: &str) -> bool {
    path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn paths_are_read_with_their_braces() {
    let code = "use crate::{a::B, c::{self, d::E as F, g}};\nlet x = crate::h::I::new();\nuse other_crate::no;";
    assert_eq!(crate_paths(code), ["a::B", "c::self", "c::d::E", "c::g", "h::I::new"]);
}

#[test]
fn every_module_names_only_what_its_layer_may() {
    let mut wrong = Vec::new();
    for source in Source::all(&["src"]).iter().filter(|source| !source.is_tests()) {
        let Some(allowed) = source.layer() else {
            assert!(UNBOUND.contains(&source.module()), "{} has no layer", source.path);
            continue;
        };
        let own = source.module().replace('/', "::");
        for path in crate_paths(&source.code()) {
            if !is_within(&path, &own) && !allowed.iter().any(|allowed| is_within(&path, allowed)) {
                wrong.push(format!("{} names crate::{path}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
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

/// The table of modules in docs/ARCHITECTURE.md: each module that the layers bind, and what it may import, braces
/// multiplied out.
fn documented_layers() -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md");
    let text = fs::read_to_string(path).expect("a map");
    let (_, modules) = text.split_once("\n## Modules\n").expect("a chapter about modules");
    let chapter = modules.split("\n## ").next().unwrap_or_default();
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [module, _, imports] = cells[..] else { panic!("not three cells: {row}") };
        let quoted = imports.split('`').skip(1).step_by(2);
        let mut paths = Vec::new();
        quoted.for_each(|path| tree(&mut path.chars().peekable(), "", &mut paths));
        paths.sort();
        (module.trim_end_matches('`').to_owned(), paths)
    };
    rows.map(row).filter(|(module, _)| !UNBOUND.iter().any(|unbound| module.starts_with(unbound))).collect()
}

#[test]
fn the_documented_layers_are_those_that_are_checked() {
    let sorted = |allowed: &[&str]| {
        let mut paths: Vec<String> = allowed.iter().map(|path| (*path).to_owned()).collect();
        paths.sort();
        paths
    };
    let mut checked: Vec<_> = LAYERS.iter().map(|(module, allowed)| ((*module).to_owned(), sorted(allowed))).collect();
    let mut documented = documented_layers();
    checked.sort();
    documented.sort();
    assert_eq!(documented, checked);
}
