//! The conformance catalogue: each file as its schema says, each clause a sentence of the published documentation.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use purser::conformance::Catalogue;
use purser::conformance::catalogue::{Case, CaseStep, Message};
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("schemas/conformance")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

fn read(path: &Path) -> Value {
    toml::from_str(&fs::read_to_string(path).expect("a file")).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_file_is_as_its_schema_says_and_part_of_the_catalogue() {
    let schema = fs::read(root().join("schemas/conformance/catalogue.json")).expect("a schema");
    let schema: Value = serde_json::from_slice(&schema).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let catalogue = Catalogue::load().expect("a catalogue");
    let known: BTreeSet<&str> = catalogue.cases.iter().map(|case| case.id.as_str()).collect();
    for path in files() {
        let file = read(&path);
        let errors: Vec<String> =
            validator.iter_errors(&file).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        for case in file["case"].as_array().into_iter().flatten() {
            assert!(known.contains(case["id"].as_str().expect("an id")), "{} is not built in", path.display());
        }
        for rule in file["rule"].as_object().into_iter().flat_map(|rules| rules.keys()) {
            assert!(catalogue.rules.contains_key(rule), "{} is not built in", path.display());
        }
    }
    for spoilt in [json!({ "document": "README.md" }), json!({ "document": "docs/INTEGRATING.md", "case": [{}] })] {
        assert!(!validator.is_valid(&spoilt), "{spoilt}");
    }
}

/// What stands under a heading, blanks and line ends alike.
fn section(document: &str, heading: &str) -> String {
    let text = fs::read_to_string(root().join(document)).expect("a document");
    let is_heading = |line: &&str| line.starts_with('#');
    let mut lines =
        text.lines().skip_while(|line| !(is_heading(line) && line.trim_start_matches('#').trim() == heading));
    assert!(lines.next().is_some(), "{document} has no section {heading}");
    let section: Vec<&str> = lines.take_while(|line| !is_heading(line)).collect();
    section.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_clause_is_a_sentence_of_the_documentation() {
    let catalogue = Catalogue::load().expect("a catalogue");
    let clauses = catalogue.cases.iter().map(|case| (&case.id, &case.clause)).chain(&catalogue.rules);
    for (whose, clause) in clauses {
        let stands = section(&clause.document, &clause.section);
        assert!(
            stands.contains(&clause.sentence),
            "{whose}: not in {}, {}: {}",
            clause.document,
            clause.section,
            clause.sentence
        );
    }
}

/// The codes that a case's steps await.
fn codes(case: &Case) -> Vec<&String> {
    let of = |step| match step {
        &CaseStep::Ask(Message { ref expect, .. }) | &CaseStep::Copies(Message { ref expect, .. }) => {
            expect.code.iter().collect()
        }
        CaseStep::Reply(awaited) => awaited.expect.code.iter().collect(),
        _ => Vec::new(),
    };
    case.step.iter().flat_map(of).collect()
}

#[test]
fn every_code_is_awaited_by_some_case_over_the_queues() {
    let catalogue = Catalogue::load().expect("a catalogue");
    let awaited: BTreeSet<&String> = catalogue.cases.iter().flat_map(codes).collect();
    for code in ["200", "201", "400", "401", "403", "491", "492", "493", "494", "495", "496", "500"] {
        assert!(awaited.contains(&code.to_owned()), "no case awaits {code}");
    }
}

/// The tables of codes in the dialects' documents: the catalogue's file, the table's first line, the column of the codes, and
/// those that no case asks for, since no partner can bring them about by himself.
const CODES: [(&str, &str, usize, &[&str]); 6] = [
    ("balance-service", "| code | means | do |", 0, &["1002", "1008"]),
    ("quickplay", "| code | message | when | what to do |", 0, &[]),
    ("codegames", "| status | code | when | what to do |", 1, &["INSUFFICIENT_FUNDS", "TOO_MANY_REQUESTS"]),
    ("goplay", "| `error` | means | do |", 0, &["access_denied", "server_error"]),
    ("goplay", "| status, `error` | means | do |", 0, &["503", "temporarily_unavailable"]),
    ("goplay", "| status | means | do |", 0, &["403", "503"]),
];

/// The codes in one column of a document's table: numbers, and names in backticks.
fn documented(document: &str, first_line: &str, column: usize) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/dialects").join(document)).expect("a document");
    let (_, table) = text.split_once(&format!("\n{first_line}\n")).expect("a table");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').nth(column + 1).expect("a cell").replace("(ours)", ""));
    let codes = cells.flat_map(|cell| cell.split([',', ' ', '`']).map(str::to_owned).collect::<Vec<_>>());
    codes.filter(|code| !code.is_empty()).collect()
}

/// Every status, value and parameter that a file's cases await.
fn awaited(file: &Value) -> BTreeSet<String> {
    let steps = file["case"].as_array().into_iter().flatten().flat_map(|case| case["step"].as_array()).flatten();
    let expected = steps.flat_map(|step| ["code", "at", "location"].map(|member| &step["expect"][member]));
    let values = expected.flat_map(|member| match member {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    values.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

#[test]
fn every_code_of_a_partners_table_is_awaited_or_known_not_to_be() {
    for (dialect, first_line, column, unasked) in CODES {
        let codes = documented(&format!("{}.md", dialect.replace('-', "_")), first_line, column);
        let awaited = awaited(&read(&root().join(format!("schemas/conformance/{dialect}.toml"))));
        let missing: Vec<&String> = codes.difference(&awaited).collect();
        assert_eq!(missing, unasked, "{dialect}: {first_line}");
        assert!(codes.len() > 3, "{dialect}: {codes:?}");
    }
}
