//! The examples in `schemas/balance_service`, played in their order against a server; and the schemas, which are what
//! the program says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use purser::dialects::balance_service::call::Method;
use purser::dialects::balance_service::document;
use serde_json::{Value, json};

use super::{OTHER, PARTIES, USER, fund, fund_of};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::client::Call;

/// Set it to write the schemas anew.
const UPDATE: &str = "PURSER_WRITE_SCHEMAS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/balance_service")
}

/// The documents as they stand in the folder.
fn documents() -> BTreeMap<String, Value> {
    let id = |name: &str| format!("https://purser.example/schemas/balance_service/{name}.json");
    let with_id = |(name, schema): (String, Value)| {
        let mut document = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": id(&name) });
        for (key, value) in schema.as_object().expect("an object") {
            document[key] = value.clone();
        }
        (name, document)
    };
    document::schemas().into_iter().map(with_id).collect()
}

#[test]
fn the_schemas_are_those_of_the_types_that_decode() {
    for (name, document) in documents() {
        let path = folder().join(format!("{name}.json"));
        if std::env::var_os(UPDATE).is_some() {
            let text = serde_json::to_string_pretty(&document).expect("JSON");
            fs::write(&path, format!("{text}\n")).expect("written");
        }
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let written: Value = serde_json::from_slice(&text).expect("JSON");
        assert!(written == document, "{name} has changed: run this test with {UPDATE}=1");
        jsonschema::meta::validate(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn examples() -> Vec<(String, Value)> {
    let entries = fs::read_dir(folder().join("examples")).expect("examples");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_slice(&fs::read(path).expect("an example")).expect("JSON"))
    };
    paths.iter().map(read).collect()
}

/// Puts transaction numbers in the place of the names that the examples give them.
fn filled(value: &Value, known: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::String(text) => known.get(text).unwrap_or(value).clone(),
        Value::Array(values) => values.iter().map(|value| filled(value, known)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), filled(value, known))).collect(),
        other => other.clone(),
    }
}

/// Learns the number of a transaction that is named for the first time.
fn learn(expected: &Value, answer: &Value, known: &mut BTreeMap<String, Value>) {
    let member = "bet365_games_transaction_id";
    let (name, number) = (&expected["result"][member], &answer["result"][member]);
    if let (Some(name), true) = (name.as_str(), number.is_i64()) {
        known.entry(name.to_owned()).or_insert_with(|| number.clone());
    }
}

async fn open(base: Base) -> Stage {
    let stage = Stage::open(base, PARTIES).await;
    for (user, currency) in [(USER, "GBP"), (OTHER, "USD")] {
        let user = user.to_string();
        stage.done(&["player", "add", "--party", "acme", "--player", &user, "--currency", currency]).await;
    }
    for (bucket, amount) in [("real", "10"), ("ring_fenced", "2"), ("gbt_bonus", "7.50")] {
        fund(&stage, bucket, amount).await;
    }
    fund_of(&stage, OTHER, "USD", "real", "100").await;
    let user = USER.to_string();
    let deposit = ["deposit", "--party", "acme", "--player", &user, "--currency", "GBP", "--product", "4"];
    stage.done(&[deposit.as_slice(), &["--amount", "1058002.32"]].concat()).await;
    stage
}

async fn play(stage: &Stage, example: &Value, known: &mut BTreeMap<String, Value>) -> (Value, Value) {
    let (request, reply) = (&example["request"], &example["reply"]);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut call = Call::new(&text(&request["method"]), text(&request["path"]));
    for (name, value) in request["headers"].as_object().expect("headers") {
        call = call.header(name, text(value));
    }
    let body = filled(&request["body"], known);
    let answer = call.body(body.to_string()).send(stage).await;
    learn(&reply["body"], &answer.json(), known);
    assert_eq!(json!(answer.status), reply["status"]);
    assert_eq!(answer.json(), filled(&reply["body"], known));
    (body, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_answered_as_it_says_and_as_the_schemas_allow() {
    let compiled: BTreeMap<String, jsonschema::Validator> = documents()
        .into_iter()
        .map(|(name, document)| (name, jsonschema::validator_for(&document).expect("a schema")))
        .collect();
    on_both(async |base| {
        let stage = open(base).await;
        let mut known = BTreeMap::new();
        for (name, example) in examples() {
            println!("{name}");
            let (body, answer) = play(&stage, &example, &mut known).await;
            let named = Method::ALL.into_iter().map(Method::name).find(|method| body["method"] == *method);
            if let Some(method) = named {
                let is_wrong = |kind: &str, value: &Value| {
                    compiled[&format!("{method}-{kind}")].validate(value).err().map(|error| error.to_string())
                };
                assert_eq!(is_wrong("res", &answer), None, "{name}: {answer}");
                if !answer["result"].is_null() {
                    assert_eq!(is_wrong("req", &body), None, "{name}: {body}");
                }
            }
        }
        stage.audit().await;
    })
    .await;
}

#[test]
fn every_method_and_every_code_that_can_be_provoked_has_an_example() {
    let examples = examples();
    let codes: BTreeSet<i64> =
        examples.iter().filter_map(|(_, example)| example["reply"]["body"]["error"]["code"].as_i64()).collect();
    // 1002 and 1008 are faults of ours, and 401 is another party's.
    assert_eq!(Vec::from_iter(codes), [1, 2, 3, 4, 5, 6, 7, 1001, 1004, 1005, 1006, 1007, 1009, 1010, 1011]);
    for method in Method::ALL {
        let has_one = examples.iter().any(|(_, example)| {
            example["request"]["path"] == format!("/api/{}", method.name())
                && !example["reply"]["body"]["result"].is_null()
        });
        assert!(has_one, "{}", method.name());
    }
}
