//! A JSON Schema as a table of its members.

use serde_json::Value;

use super::{escape, last, members, text};

/// Objects within objects that are told line by line; what is deeper is in the schema itself.
const DEPTH: usize = 3;

/// A schema's description and members, and the whole of it folded.
pub fn table(schema: &Value) -> String {
    format!("{}{}{}", super::paragraph(text(schema, "description")), rows(schema), folded(schema, "The whole schema"))
}

/// The members, where there are any.
pub fn rows(schema: &Value) -> String {
    let mut lines = String::new();
    add_members(schema, schema, "", DEPTH, &mut lines);
    if lines.is_empty() {
        return lines;
    }
    format!(
        "<table>\n<tr><th scope=\"col\">Member</th><th scope=\"col\">Is</th><th scope=\"col\">Meaning</th></tr>\n\
         {lines}</table>\n"
    )
}

/// The schema as JSON, to be opened.
pub fn folded(schema: &Value, title: &str) -> String {
    let json = serde_json::to_string_pretty(schema).unwrap_or_default();
    format!("<details><summary>{title}</summary>\n<pre>{}</pre></details>\n", escape(&json))
}

fn add_members(root: &Value, schema: &Value, prefix: &str, depth: usize, lines: &mut String) {
    if depth == 0 {
        return;
    }
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|known| known == name));
    for (name, member) in members(&schema["properties"]) {
        let meant = resolved(root, member);
        let required = if is_required(name) { ", required" } else { "" };
        let meaning = [member, meant].map(|of| text(of, "description")).into_iter().find(|text| !text.is_empty());
        let path = format!("{prefix}{name}");
        *lines += &format!(
            "<tr><td><code>{}</code></td><td>{}{required}</td><td>{}</td></tr>\n",
            escape(&path),
            escape(&kind(meant)),
            escape(meaning.unwrap_or_default()),
        );
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
