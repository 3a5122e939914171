//! One page for people about both interface documents, without script, and of nothing but what they say.

mod schema;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::http::html::escape;

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

/// The page of an OpenAPI and an AsyncAPI document.
pub fn page(openapi: &Value, asyncapi: &Value) -> String {
    let version = escape(text(&openapi["info"], "version"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Purser: the interface</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>Purser {version}: the interface</h1>\n\
         <p>Made of <a href=\"asyncapi.json\">asyncapi.json</a> and <a href=\"openapi.json\">openapi.json</a>, which \
         say the same to machines.</p>\n\
         <nav aria-label=\"Contents\">\n<ul>\n<li><a href=\"#queues\">Over AMQP</a></li>\n\
         <li><a href=\"#http\">Over HTTP</a>\n<ul>\n{contents}</ul></li>\n</ul>\n</nav>\n{queues}{http}</main>\n</body>\n</html>\n",
        contents = contents(openapi),
        queues = queues(asyncapi),
        http = http(openapi),
    )
}

fn queues(document: &Value) -> String {
    let mut part = format!("<h2 id=\"queues\">Over AMQP</h2>\n{}", paragraph(text(&document["info"], "description")));
    part += "<table>\n<tr><th scope=\"col\">Queue</th><th scope=\"col\">Takes</th></tr>\n";
    for channel in
        members(&document["channels"]).filter_map(|(_, channel)| Some((channel["address"].as_str()?, channel)))
    {
        let (address, channel) = channel;
        let takes = members(&channel["messages"]).filter_map(|(_, message)| message["$ref"].as_str());
        let takes: Vec<String> = takes.map(|taken| escape(last(taken))).collect();
        part += &format!("<tr><td><code>{}</code></td><td>{}</td></tr>\n", escape(address), takes.join(", "));
    }
    part += "</table>\n";
    for (name, message) in members(&document["components"]["messages"]) {
        part += &format!("<h3>{}</h3>\n", escape(name));
        part += &properties_of(&message["headers"], "Headers");
        part += &schema::table(&message["payload"]["schema"]);
    }
    part
}

fn properties_of(schema: &Value, title: &str) -> String {
    match schema.is_object() {
        true => format!("<h4>{title}</h4>\n{}<h4>Body</h4>\n", schema::rows(schema)),
        false => String::new(),
    }
}

/// Every operation of the document, and what the page calls it.
fn operations(document: &Value) -> impl Iterator<Item = (String, &str, &'static str, &Value)> {
    members(&document["paths"]).flat_map(|(path, item)| {
        let of_method = move |method: &'static str| Some((method, item.get(method)?));
        METHODS.into_iter().filter_map(of_method).map(move |(method, operation)| {
            let id = operation["operationId"].as_str().map_or_else(|| format!("{method} {path}"), str::to_owned);
            (id.replace(char::is_whitespace, "-"), path, method, operation)
        })
    })
}

fn contents(document: &Value) -> String {
    let line = |(id, path, method, operation): (String, &str, &str, &Value)| {
        let name = format!("{} {path}", method.to_ascii_uppercase());
        let summary = escape(text(operation, "summary"));
        format!("<li><a href=\"#{}\"><code>{}</code></a> {summary}</li>\n", escape(&id), escape(&name))
    };
    operations(document).map(line).collect()
}

fn http(document: &Value) -> String {
    let mut part = format!("<h2 id=\"http\">Over HTTP</h2>\n{}", paragraph(text(&document["info"], "description")));
    for (id, path, method, operation) in operations(document) {
        let name = format!("{} {path}", method.to_ascii_uppercase());
        part += &format!("<h3 id=\"{}\"><code>{}</code></h3>\n", escape(&id), escape(&name));
        part += &paragraph(text(operation, "summary"));
        part += &paragraph(text(operation, "description"));
        part += &paragraph(&credentials(operation));
        part += &parameters(operation);
        for (kind, content) in members(&operation["requestBody"]["content"]) {
            part += &format!("<h4>Body, <code>{}</code></h4>\n{}", escape(kind), schema::table(&content["schema"]));
        }
        part += &responses(operation);
    }
    part
}

fn credentials(operation: &Value) -> String {
    let Some(security) = operation["security"].as_array() else { return String::new() };
    let one = |way: &Value| members(way).map(|(name, _)| name).collect::<Vec<_>>().join(" and ");
    let ways: Vec<String> =
        security.iter().map(one).map(|way| if way.is_empty() { "none".into() } else { way }).collect();
    format!("Credentials: {}.", ways.join(", or "))
}

fn parameters(operation: &Value) -> String {
    let Some(parameters) = operation["parameters"].as_array().filter(|all| !all.is_empty()) else {
        return String::new();
    };
    let mut part = "<table>\n<tr><th scope=\"col\">Parameter</th><th scope=\"col\">In</th><th scope=\"col\">Is</th>\
                    <th scope=\"col\">Meaning</th></tr>\n"
        .to_owned();
    for parameter in parameters {
        let required = if parameter["required"] == true { ", required" } else { "" };
        part += &format!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}{required}</td><td>{}</td></tr>\n",
            escape(text(parameter, "name")),
            escape(text(parameter, "in")),
            escape(&schema::kind(&parameter["schema"])),
            escape(text(parameter, "description")),
        );
    }
    part + "</table>\n"
}

fn responses(operation: &Value) -> String {
    let mut part =
        "<table>\n<tr><th scope=\"col\">Status</th><th scope=\"col\">Meaning</th><th scope=\"col\">Body</th></tr>\n"
            .to_owned();
    for (status, response) in members(&operation["responses"]) {
        let bodies = members(&response["content"]).map(|(kind, content)| {
            format!("<code>{}</code>{}", escape(kind), schema::folded(&content["schema"], "its schema"))
        });
        part += &format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(status),
            escape(text(response, "description")),
            bodies.collect::<String>(),
        );
    }
    part + "</table>\n"
}

fn paragraph(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<p>{}</p>\n", escape(text)) }
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
        let page = page(&openapi, &asyncapi);
        assert!(!page.contains("<script") && !page.contains(evil), "{page}");
        assert!(page.matches("&lt;script&gt;").count() > 20, "{page}");
    }
}
