//! The worked examples of `docs/dialects`: their commands are run as they stand, against a real `purser serve` with the
//! configuration that stands there, and must print what stands below them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::e2e::process::purser;
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage};

/// The address in the documents, of a Purser that has been told no other.
const ADDRESS: &str = "http://127.0.0.1:8080";

/// Printed after each block of commands.
const END: &str = "--- end of a block ---\n";

/// What a document says of a text that is different each time.
const ANYTHING: char = '…';

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block: its language, and what stands in it.
struct Block {
    language: String,
    text: String,
}

/// The blocks below the heading "A worked example", up to the next heading of its level.
fn worked_example(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join("docs/dialects").join(document)).expect("a document");
    let (_, section) = text.split_once("\n## A worked example\n").expect("a worked example");
    let section = section.split("\n## ").next().unwrap_or_default();
    let fenced = section.split("```").skip(1).step_by(2);
    let blocks = fenced.map(|block| {
        let (language, text) = block.split_once('\n').expect("a line");
        Block { language: language.to_owned(), text: text.to_owned() }
    });
    blocks.collect()
}

/// Whether a line is as the document has it.
fn is_as_documented(documented: &str, line: &str) -> bool {
    let mut parts = documented.split(ANYTHING);
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        let found = if is_last && rest.ends_with(part) { Some(rest.len() - part.len()) } else { rest.find(part) };
        match found {
            Some(place) if place > 0 => rest = &rest[place + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty()
}

/// Runs all commands in one shell; answers with what each block printed.
async fn printed(stage: &Stage, commands: &[&str]) -> Vec<String> {
    let directory = stage.config().parent().expect("a directory").to_owned();
    let program = purser(&stage.config(), &[]).get_program().to_owned();
    let programs = Path::new(&program).parent().expect("a directory").display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").expect("a path"));
    let script: String = commands.iter().map(|block| format!("{block}\nprintf '\\n%s' '{END}'\n")).collect();
    let script = format!("set -euo pipefail\n{}", script.replace(ADDRESS, &stage.url("")));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(directory).env("PATH", path);
    let ran = tokio::task::spawn_blocking(move || shell.output()).await.expect("a thread").expect("bash runs");
    let (out, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{script}\n{out}\n{errors}");
    out.split_terminator(END).map(|block| block.trim().to_owned()).collect()
}

async fn play(document: &str) {
    let blocks = worked_example(document);
    let of = |language: &str| -> Vec<&str> {
        blocks.iter().filter(|block| block.language == language).map(|block| block.text.as_str()).collect()
    };
    let [configuration] = of("toml")[..] else { panic!("{document}: one configuration") };
    let mut stage = Stage::prepare(Base::Sqlite, configuration, &Addresses::shared()).await;
    std::os::unix::fs::symlink(root().join("schemas"), stage.file("schemas")).expect("a link");
    stage.serve();
    stage.until_ready().await;
    let commands = of("sh");
    assert!(commands.len() >= 4, "{document}: {} commands", commands.len());
    let is_printed = |block: &&Block| ["json", "text"].contains(&block.language.as_str());
    let expected: Vec<&Block> = blocks.iter().filter(is_printed).collect();
    let printed = printed(&stage, &commands).await;
    assert_eq!(printed.len(), expected.len(), "{document}: each block of commands has what it prints below it");
    for (block, printed) in expected.iter().zip(&printed) {
        let documented = block.text.trim();
        let is_same = documented.lines().count() == printed.lines().count()
            && documented.lines().zip(printed.lines()).all(|(documented, line)| is_as_documented(documented, line));
        assert!(is_same, "{document}\n--- documented\n{documented}\n--- printed\n{printed}");
    }
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worked_example_of_quickplay_is_as_it_stands() {
    play("quickplay.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worked_example_of_goplay_is_as_it_stands() {
    play("goplay.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worked_example_of_the_balance_service_is_as_it_stands() {
    play("balance_service.md").await;
}

#[test]
fn what_differs_from_a_document_is_seen() {
    for (documented, line, is_same) in [
        (r#"{"a":1}"#, r#"{"a":1}"#, true),
        (r#"{"a":1}"#, r#"{"a":2}"#, false),
        (r#"{"a":1}"#, r#"{"a":1} "#, false),
        ("a…b…c", "a1b2c", true),
        ("a…b…c", "abc", false),
        ("a…", "a1", true),
        ("a…", "a", false),
        ("a…c", "a1c2c", true),
    ] {
        assert_eq!(is_as_documented(documented, line), is_same, "{documented} {line}");
    }
}
