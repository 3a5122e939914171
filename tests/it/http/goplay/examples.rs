//! The examples in `schemas/goplay`, played in their order against a server; and the schemas, which are what the served
//! document says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::partner::{Page, encode, landing, open, value};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::client::{Call, Response};

/// Set to write the schemas instead of comparing them.
const WRITE: &str = "PURSER_WRITE_SCHEMAS";

/// Texts in braces, and what they stood for when they came by.
type Known = BTreeMap<String, String>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/goplay")
}

/// `{"name", "request": {"method", "path", "query", "headers", "form"}, "reply": {"status", "headers", "body"}}`.
fn examples() -> Vec<(String, Value)> {
    let entries = fs::read_dir(folder().join("examples")).expect("examples");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("an example");
        (path.display().to_string(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}")))
    };
    paths.iter().map(read).collect()
}

fn filled(text: &str, known: &Known) -> String {
    known.iter().fold(text.to_owned(), |text, (name, meant)| text.replace(&format!("{{{name}}}"), meant))
}

/// The texts of an object, with what is known in the place of braces.
fn texts(object: &Value, known: &Known) -> Vec<(String, String)> {
    let none = Map::new();
    let members = object.as_object().unwrap_or(&none).iter();
    members.map(|(name, value)| (name.clone(), filled(value.as_str().expect("a text"), known))).collect()
}

async fn send(stage: &Stage, request: &Value, known: &Known) -> Response {
    let mut path = request["path"].as_str().expect("a path").to_owned();
    if request["query"].is_object() {
        path = format!("{path}?{}", encode(&texts(&request["query"], known)));
    }
    let mut call = Call::new(request["method"].as_str().expect("a method"), path);
    for (name, value) in texts(&request["headers"], known) {
        call = call.header(&name, value);
    }
    if request["form"].is_object() {
        call = call.body(encode(&texts(&request["form"], known)));
    }
    call.send(stage).await
}

/// What later examples may name.
fn learn(expected: &Value, response: &Response, known: &mut Known) {
    if response.header("content-type").starts_with("text/html") {
        let page = Page::read("", response);
        known.insert("ticket".to_owned(), value(&page.fields, "ticket").expect("a ticket"));
        known.insert("cookie".to_owned(), page.cookie);
    }
    if !response.header("location").is_empty() {
        known.extend(value(&landing(response).1, "code").map(|code| ("code".to_owned(), code)));
    }
    for (member, placeholder) in expected["body"].as_object().into_iter().flatten() {
        let name = placeholder.as_str().and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
        if let (Some(name), Value::String(meant)) = (name, &response.json()[member]) {
            known.insert(name.to_owned(), meant.clone());
        }
    }
}

fn compare(file: &str, expected: &Value, response: &Response, known: &Known) {
    assert_eq!(expected["status"], response.status, "{file}: {}", response.text());
    for (name, value) in texts(&expected["headers"], known) {
        assert_eq!(response.header(&name), value, "{file}");
    }
    if let Some(body) = expected.get("body") {
        let body: Value = serde_json::from_str(&filled(&body.to_string(), known)).expect("JSON");
        assert_eq!(response.json(), body, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_answered_as_it_says() {
    on_both(async |base| {
        let stage = open(base).await;
        let mut known = Known::new();
        for (file, example) in examples() {
            let response = send(&stage, &example["request"], &known).await;
            learn(&example["reply"], &response, &mut known);
            compare(&file, &example["reply"], &response, &known);
            fits(&file, &example, &response);
        }
        stage.audit().await;
    })
    .await;
}

/// Which schema a reply keeps to: its operation's own, or one that several share.
fn schema_of_reply(path: &str, status: &str) -> String {
    match status {
        "200" => format!("{}-res", path.rsplit('/').next().expect("a segment")),
        "400" | "401" | "403" if path.starts_with("/oauth/") => "oauth-error-res".to_owned(),
        "400" | "401" | "403" => "partner-error-res".to_owned(),
        _ => "failure-res".to_owned(),
    }
}

/// Requests and replies keep to the schemas in the folder.
fn fits(file: &str, example: &Value, response: &Response) {
    let path = example["request"]["path"].as_str().expect("a path");
    let operation = path.rsplit('/').next().expect("a segment");
    let mut documents = Vec::new();
    if response.header("content-type") == "application/json" {
        documents.push((schema_of_reply(path, &response.status.to_string()), response.json()));
    }
    if example["request"]["form"].is_object() {
        documents.push((format!("{operation}-req"), example["request"]["form"].clone()));
    }
    for (schema, document) in documents {
        let text =
            fs::read(folder().join(format!("{schema}.json"))).unwrap_or_else(|error| panic!("{schema}: {error}"));
        let schema: Value = serde_json::from_slice(&text).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        if let Err(error) = validator.validate(&document) {
            panic!("{file}: {error}");
        }
    }
}

/// `<operation>-req.json` of its form and `<operation>-res.json` of its reply; refusals and failures are all alike.
#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_are_what_the_served_document_says() {
    let stage = open(Base::Sqlite).await;
    let (_, document) = stage.get("/openapi.json").await.expect("a document");
    let mut names = Vec::new();
    for (method, path) in [
        ("post", "/oauth/authorize"),
        ("post", "/oauth/token"),
        ("post", "/oauth/revoke"),
        ("get", "/partner/1/profile"),
        ("post", "/partner/1/vip"),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["operationId"].is_string(), "{path}");
        let name = path.rsplit('/').next().expect("a segment");
        let form = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        names.extend(form.is_object().then(|| keep(&format!("{name}-req"), form)));
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let schema = &response["content"]["application/json"]["schema"];
            names.extend(schema.is_object().then(|| keep(&schema_of_reply(path, status), schema)));
        }
    }
    let entries = fs::read_dir(folder()).expect("a folder").map(|entry| entry.expect("an entry"));
    let files = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let strays: Vec<String> = files.filter(|file| file.ends_with(".json") && !names.contains(file)).collect();
    assert_eq!(strays, Vec::<String>::new());
}

fn keep(name: &str, schema: &Value) -> String {
    let mut schema = schema.clone();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = format!("https://purser.example/schemas/goplay/{name}.json").into();
    let file = format!("{name}.json");
    let text = serde_json::to_string_pretty(&schema).expect("text") + "\n";
    if std::env::var_os(WRITE).is_some() {
        fs::write(folder().join(&file), &text).expect("written");
    }
    let kept = fs::read_to_string(folder().join(&file)).unwrap_or_default();
    assert_eq!(kept, text, "{file}: run this test with {WRITE}=1 and look at the difference");
    file
}
