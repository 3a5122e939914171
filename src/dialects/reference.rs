//! One page for people about both interface documents, without script, and of nothing but what they say.

mod schema;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use self::schema::SchemaTable;

const STYLE: &str = include_str!("reference.css");

/// Methods of HTTP, as OpenAPI orders them.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What the page may do: nothing but have its own style.
pub fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

#[derive(Template)]
#[template(path = "reference/page.html")]
struct ReferencePage<'a> {
    style: &'static str,
    version: &'a str,
    /// What each document says of itself.
    queues: &'a str,
    http: &'a str,
    channels: Vec<ChannelLine<'a>>,
    messages: Vec<MessageSection<'a>>,
    operations: Vec<OperationSection<'a>>,
}

struct ChannelLine<'a> {
    address: &'a str,
    takes: String,
}

struct MessageSection<'a> {
    name: &'a str,
    headers: Option<SchemaTable<'a>>,
    body: SchemaTable<'a>,
}

struct OperationSection<'a> {
    id: String,
    name: String,
    summary: &'a str,
    paragraphs: Vec<String>,
    parameters: Vec<ParameterLine<'a>>,
    bodies: Vec<(&'a str, SchemaTable<'a>)>,
    responses: Vec<ResponseLine<'a>>,
}

struct ParameterLine<'a> {
    name: &'a str,
    place: &'a str,
    kind: String,
    is_required: bool,
    meaning: &'a str,
}

struct ResponseLine<'a> {
    status: &'a str,
    meaning: &'a str,
    /// By type, with the schema.
    bodies: Vec<(&'a str, String)>,
}

/// The page of an OpenAPI and an AsyncAPI document.
pub fn page(openapi: &Value, asyncapi: &Value) -> askama::Result<String> {
    let page = ReferencePage {
        style: STYLE,
        version: text(&openapi["info"], "version"),
        queues: text(&asyncapi["info"], "description"),
        http: text(&openapi["info"], "description"),
        channels: members(&asyncapi["channels"]).filter_map(|(_, channel)| ChannelLine::of(channel)).collect(),
        messages: members(&asyncapi["components"]["messages"]).map(MessageSection::of).collect(),
        operations: operations(openapi),
    };
    page.render()
}

impl<'a> ChannelLine<'a> {
    fn of(channel: &'a Value) -> Option<Self> {
        let takes = members(&channel["messages"]).filter_map(|(_, message)| message["$ref"].as_str());
        let takes: Vec<&str> = takes.map(last).collect();
        Some(Self { address: channel["address"].as_str()?, takes: takes.join(", ") })
    }
}

impl<'a> MessageSection<'a> {
    fn of((name, message): (&'a str, &'a Value)) -> Self {
        let headers = &message["headers"];
        Self {
            name,
            headers: headers.is_object().then(|| SchemaTable::of_members(headers)),
            body: SchemaTable::of(&message["payload"]["schema"]),
        }
    }
}

/// Every operation of the document, in its order.
fn operations(document: &Value) -> Vec<OperationSection<'_>> {
    let of_methods = members(&document["paths"]).flat_map(|(path, item)| {
        METHODS.into_iter().filter_map(move |method| Some(OperationSection::of(path, method, item.get(method)?)))
    });
    of_methods.collect()
}

impl<'a> OperationSection<'a> {
    fn of(path: &str, method: &str, operation: &'a Value) -> Self {
        let id = operation["operationId"].as_str().map_or_else(|| format!("{method} {path}"), str::to_owned);
        let (summary, description) = (text(operation, "summary"), text(operation, "description"));
        let paragraphs = [summary.to_owned(), description.to_owned(), credentials(operation)];
        let bodies = members(&operation["requestBody"]["content"]);
        Self {
            id: id.replace(char::is_whitespace, "-"),
            name: format!("{} {path}", method.to_ascii_uppercase()),
            summary,
            paragraphs: paragraphs.into_iter().filter(|text| !text.is_empty()).collect(),
            parameters: operation["parameters"].as_array().into_iter().flatten().map(ParameterLine::of).collect(),
            bodies: bodies.map(|(kind, content)| (kind, SchemaTable::of(&content["schema"]))).collect(),
            responses: members(&operation["responses"]).map(ResponseLine::of).collect(),
        }
    }
}

impl<'a> ParameterLine<'a> {
    fn of(parameter: &'a Value) -> Self {
        Self {
            name: text(parameter, "name"),
            place: text(parameter, "in"),
            kind: schema::kind(&parameter["schema"]),
            is_required: parameter["required"] == true,
            meaning: text(parameter, "description"),
        }
    }
}

impl<'a> ResponseLine<'a> {
    fn of((status, response): (&'a str, &'a Value)) -> Self {
        let bodies = members(&response["content"]).map(|(kind, content)| (kind, schema::json(&content["schema"])));
        Self { status, meaning: text(response, "description"), bodies: bodies.collect() }
    }
}

fn credentials(operation: &Value) -> String {
    let Some(security) = operation["security"].as_array() else { return String::new() };
    let one = |way: &Value| members(way).map(|(name, _)| name).collect::<Vec<_>>().join(" and ");
    let ways: Vec<String> =
        security.iter().map(one).map(|way| if way.is_empty() { "none".into() } else { way }).collect();
    format!("Credentials: {}.", ways.join(", or "))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

/// The name at the end of a reference.
fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_document_says_becomes_markup() {
        let evil = "\"><script>alert(1)</script>";
        let schema = json!({ "type": "object", "description": evil, "required": [evil],
            "properties": { evil: { "type": evil, "description": evil, "pattern": evil, "enum": [evil] } } });
        let operation = json!({
            "operationId": evil, "summary": evil, "description": evil, "security": [{ evil: [] }],
            "parameters": [{ "name": evil, "in": evil, "description": evil, "schema": { "type": evil } }],
            "requestBody": { "content": { evil: { "schema": schema } } },
            "responses": { evil: { "description": evil, "content": { evil: { "schema": schema } } } },
        });
        let info = json!({ "version": evil, "description": evil });
        let openapi = json!({ "info": info, "paths": { evil: { "post": operation } } });
        let message = json!({ "headers": schema, "payload": { "schema": schema } });
        let channel = json!({ "address": evil, "messages": { evil: { "$ref": evil } } });
        let asyncapi =
            json!({ "info": info, "channels": { evil: channel }, "components": { "messages": { evil: message } } });
        let page = page(&openapi, &asyncapi).unwrap();
        assert!(!page.contains("<script") && !page.contains(evil), "{page}");
        assert!(page.matches("&#60;script&#62;").count() > 20, "{page}");
    }
}
