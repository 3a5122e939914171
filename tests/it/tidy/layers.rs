//! What each module may name of the crate, and that docs/ARCHITECTURE.md says the same.

use std::fs;
use std::path::Path;

use super::Source;

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
            "storage::RetryBudget",
            "storage::RetriedWork",
            "storage::NextTry",
            "redaction",
        ],
    ),
    ("admin", &["ledger", "config", "clock", "dialects::egpp", "storage", "redaction"]),
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
            "storage::sessions",
            "storage::letter_plans",
            "tls",
            "wallet",
            "redaction",
        ],
    ),
    ("config", &["ledger"]),
    ("clock", &["ledger"]),
    ("redaction", &[]),
    ("metrics", &[]),
    ("telemetry", &["config::Telemetry", "metrics", "redaction"]),
    ("tls", &[]),
    ("conformance", &[]),
];

/// Modules that put things together and may name everything.
const UNBOUND: &[&str] = &["app", "cli", "lib", "main", "provider"];

/// What the file's module may name; `None` where it may name everything.
fn layer(source: &Source) -> Option<&'static [&'static str]> {
    let first = source.module().split('/').next().unwrap_or_default();
    LAYERS.iter().find(|(module, _)| *module == first).map(|(_, allowed)| *allowed)
}

/// Every path into the crate that a text names, braces multiplied out: `storage::Store`, `ledger::orders::Stake`.
fn crate_paths(code: &str) -> Vec<String> {
    paths_into("crate::", code)
}

/// The same for whoever calls the crate otherwise.
fn paths_into(name: &str, code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(name) {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_') {
            tree(&mut code[at + name.len()..].chars().peekable(), "", &mut paths);
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

/// The module that a file of the library is: `storage::history` for `src/storage/history/mod.rs`.
fn module_path(source: &Source) -> String {
    let inside = source.path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")).unwrap_or_default();
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    if inside == "lib" { String::new() } else { inside.replace('/', "::") }
}

/// Those within are public still, whoever names them.
const PUBLIC_THROUGHOUT: &str = "transport::amqp";

/// What nobody outside needs is not public, so that the compiler says what nobody inside needs either.
#[test]
fn every_public_module_is_named_from_outside() {
    let outside = Source::all(&["tests", "benches", "fuzz"]);
    let mut named: Vec<String> = outside.iter().flat_map(|source| paths_into("purser::", &source.code())).collect();
    named.push("cli::main".to_owned());
    let mut wrong = Vec::new();
    for source in Source::all(&["src"]) {
        let parent = module_path(&source);
        if parent == PUBLIC_THROUGHOUT {
            continue;
        }
        for line in source.code().lines() {
            let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) else { continue };
            let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}::{name}") };
            if !named.iter().any(|named| is_within(named, &path)) {
                wrong.push(path);
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_module_names_only_what_its_layer_may() {
    let mut wrong = Vec::new();
    for source in Source::all(&["src"]).iter().filter(|source| !source.is_tests()) {
        let Some(allowed) = layer(source) else {
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
