//! A JSON Schema as a table of its members.

use askama::Template;
use serde_json::Value;

use super::{last, members, text};

/// Objects within objects that are told line by line; what is deeper is in the schema itself.
const DEPTH: usize = 3;

/// A schema's description and members, and the whole of it folded.
#[derive(Template)]
#[template(path = "reference/schema.html")]
pub struct SchemaTable<'a> {
    description: &'a str,
    members: Vec<MemberLine<'a>>,
    json: Option<String>,
}

struct MemberLine<'a> {
    /// Through the objects that it is in.
    path: String,
    kind: String,
    is_required: bool,
    meaning: &'a str,
}

impl<'a> SchemaTable<'a> {
    pub fn of(schema: &'a Value) -> Self {
        let members = Self::of_members(schema).members;
        Self { description: text(schema, "description"), members, json: Some(json(schema)) }
    }

    /// The members alone.
    pub fn of_members(schema: &'a Value) -> Self {
        let mut lines = Vec::new();
        add_members(schema, schema, "", DEPTH, &mut lines);
        Self { description: "", members: lines, json: None }
    }
}

/// The schema as JSON.
pub fn json(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap_or_default()
}

fn add_members<'a>(root: &'a Value, schema: &'a Value, prefix: &str, depth: usize, lines: &mut Vec<MemberLine<'a>>) {
    if depth == 0 {
        return;
    }
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|known| known == name));
    for (name, member) in members(&schema["properties"]) {
        let meant = resolved(root, member);
        let meaning = [member, meant].map(|of| text(of, "description")).into_iter().find(|text| !text.is_empty());
        let path = format!("{prefix}{name}");
        lines.push(MemberLine {
            path: path.clone(),
            kind: kind(meant),
            is_required: is_required(name),
            meaning: meaning.unwrap_or_default(),
        });
        add_members(root, meant, &format!("{path}."), depth - 1, lines);
        let item = resolved(root, &meant["items"]);
        add_members(root, item, &format!("{path}[]."), depth - 1, lines);
    }
}

/// What a reference within the schema stands for.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// A type with its bounds, in words.
pub fn kind(schema: &Value) -> String {
    let mut words = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => match schema["$ref"].as_str() {
            Some(reference) => last(reference).to_owned(),
            None => alternatives(schema),
        },
    };
    for (name, what) in
        [("minLength", "characters at least"), ("maxLength", "characters at most"), ("maxItems", "items at most")]
    {
        if let Some(number) = schema[name].as_u64() {
            words += &format!(", {number} {what}");
        }
    }
    for (name, what) in [("minimum", "from"), ("maximum", "to")] {
        if schema[name].is_number() {
            words += &format!(", {what} {}", schema[name]);
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        words += &format!(", like {pattern}");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(Value::to_string).collect();
        words += &format!(", one of {}", values.join(", "));
    }
    if !schema["const"].is_null() {
        words += &format!(", always {}", schema["const"]);
    }
    words
}

fn alternatives(schema: &Value) -> String {
    let all = ["oneOf", "anyOf", "allOf"].into_iter().find_map(|name| schema[name].as_array());
    let kinds: Vec<String> = all.into_iter().flatten().map(kind).filter(|kind| !kind.is_empty()).collect();
    if kinds.is_empty() { "any".to_owned() } else { kinds.join(" or ") }
}
