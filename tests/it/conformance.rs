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
