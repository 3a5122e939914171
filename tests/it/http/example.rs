//! Examples of HTTP dialects: files that say what is sent and what is answered, and the schemas that both keep to.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

use super::client::Response;
use crate::e2e::stage::Stage;

/// Set to write the schemas instead of comparing them.
const WRITE: &str = "PURSER_WRITE_SCHEMAS";

/// One file: `{"name", "request": {"method", "path", "headers", "body"}, "reply": {"status", "body"}}`. Texts in braces
/// stand for what no file can hold: tokens, signatures, numbers that the ledger gives.
pub struct Example {
    file: String,
    dialect: String,
    value: Value,
}

fn folder(dialect: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(dialect)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}

impl Example {
    /// A dialect's examples in their order. Each keeps to the schemas.
    pub fn all(dialect: &str) -> Vec<Self> {
        let read = |path: &PathBuf| {
            let text = fs::read_to_string(path).expect("an example");
            let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Self { file: path.display().to_string(), dialect: dialect.to_owned(), value }
        };
        let examples: Vec<Self> = files(&folder(dialect).join("examples")).iter().map(read).collect();
        assert!(!examples.is_empty(), "{dialect} has no examples");
        for example in &examples {
            example.check();
        }
        examples
    }

    pub fn path(&self) -> &str {
        self.value["request"]["path"].as_str().expect("a path")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.value["request"]["headers"][name].as_str()
    }

    pub fn body(&self) -> String {
        self.value["request"]["body"].to_string()
    }

    pub fn reply(&self) -> &Value {
        &self.value["reply"]["body"]
    }

    fn status(&self) -> u16 {
        u16::try_from(self.value["reply"]["status"].as_u64().expect("a status")).expect("a status")
    }

    /// The reply that the file says; a text in braces stands for anything.
    pub fn compare(&self, response: &Response) {
        let said = format!("{}: {}", self.file, response.text());
        assert_eq!(response.status, self.status(), "{said}");
        assert!(is_like(self.reply(), &response.json()), "{said}");
        let schema = if self.status() < 400 { self.operation() + "-res" } else { "error-res".to_owned() };
        assert_fits(&self.dialect, &schema, &response.json(), &said);
    }

    /// The last segment of the path, which is the operation's name.
    fn operation(&self) -> String {
        self.path().rsplit('/').next().expect("a segment").to_owned()
    }

    /// An example that is refused may be one that breaks the schema.
    fn check(&self) {
        if self.status() < 400 {
            // Whatever number the ledger gives.
            let body = serde_json::from_str(&self.body().replace("\"{orderId}\"", "1")).expect("JSON");
            assert_fits(&self.dialect, &(self.operation() + "-req"), &body, &self.file);
        }
    }
}

fn is_like(expected: &Value, answered: &Value) -> bool {
    match (expected, answered) {
        (Value::String(text), _) if text.starts_with('{') => true,
        (Value::Object(expected), Value::Object(answered)) => {
            expected.len() == answered.len()
                && expected.iter().all(|(name, value)| answered.get(name).is_some_and(|found| is_like(value, found)))
        }
        (expected, answered) => expected == answered,
    }
}

fn assert_fits(dialect: &str, schema: &str, value: &Value, said: &str) {
    let path = folder(dialect).join(format!("{schema}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let validator: Validator = jsonschema::validator_for(&schema).expect("a schema");
    if let Err(error) = validator.validate(value) {
        panic!("{said}: {error}");
    }
}

/// The files `<operation>-req.json`, `<operation>-res.json` and `error-res.json` are what the served OpenAPI document
/// says; `PURSER_WRITE_SCHEMAS=1` makes them so.
pub async fn check_schemas(stage: &Stage, dialect: &str, mounted: &str) {
    let (status, document) = stage.get("/openapi.json").await.expect("a document");
    assert_eq!(status, 200);
    let mut found = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let Some(inside) = path.strip_prefix(mounted).filter(|inside| inside.starts_with('/')) else { continue };
        let name = inside.rsplit('/').next().expect("a segment");
        let operation = &operations["post"];
        let content = |of: &Value| of["content"]["application/json"]["schema"].clone();
        check_schema(dialect, &format!("{name}-req"), content(&operation["requestBody"]));
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let name = if status.starts_with('2') { format!("{name}-res") } else { "error-res".to_owned() };
            check_schema(dialect, &name, content(response));
        }
        found += 1;
    }
    assert!(found > 0, "{dialect} is not in the document");
}

fn check_schema(dialect: &str, name: &str, mut schema: Value) {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = format!("https://purser.example/schemas/{dialect}/{name}.json").into();
    let path = folder(dialect).join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&schema).expect("text") + "\n";
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &text).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, text, "{}: run this test with {WRITE}=1 and look at the difference", path.display());
}
