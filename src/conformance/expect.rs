//! What came, held against what must come.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::Url;

use super::catalogue::{Expect, ReplyTo};
use super::http::Response;
use super::report::shown;
use super::wire::{ReceivedReply, SentRequest};

/// The longest `error` and `description` that a reply may have, in characters.
const MAX_ERROR: usize = 200;
const MAX_DESCRIPTION: usize = 100;

const STATUS_MEMBERS: [&str; 4] = ["code", "error", "description", "parameters"];
const BALANCE_MEMBERS: [&str; 4] = ["balance", "currency", "playerId", "walletId"];

/// Something that is not as it must be.
#[derive(Debug)]
pub struct Difference {
    /// The rule of `rules.toml`; none: the case's own clause.
    pub rule: Option<&'static str>,
    pub what: &'static str,
    pub expected: String,
    pub got: String,
}

fn differs(
    rule: Option<&'static str>,
    what: &'static str,
    expected: impl ToString,
    got: impl ToString,
) -> Result<(), Difference> {
    Err(Difference { rule, what, expected: expected.to_string(), got: got.to_string() })
}

/// The status code; a balance counts as 200.
pub fn code(body: &Value) -> &str {
    match (body["code"].as_str(), body["balance"].is_i64()) {
        (Some(code), _) => code,
        (None, true) => "200",
        (None, false) => "none",
    }
}

/// What every reply must be, whatever it says.
pub fn envelope(request: &SentRequest, reply: &ReceivedReply) -> Result<(), Difference> {
    if reply.via != request.reply_to {
        return differs(Some("address"), "the reply came by another way", name(request.reply_to), name(reply.via));
    }
    if reply.content_type != "application/json" {
        return differs(Some("content_type"), "the reply's content type", "application/json", &reply.content_type);
    }
    if reply.persistent != request.persistent {
        let word = |persistent| if persistent { "persistent" } else { "transient" };
        let (expected, got) = (word(request.persistent), word(reply.persistent));
        return differs(Some("persistence"), "the reply's delivery mode", expected, got);
    }
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else {
        return differs(Some("shape"), "the reply's body", "an object of JSON", shown(&reply.body));
    };
    shape(&body)?;
    let operation = request.queue.splitn(4, '.').nth(3).unwrap_or_default();
    let is_balance = operation == "balance.get" && body["balance"].is_i64();
    let expected = if is_balance { "balance.get.balance".to_owned() } else { format!("{operation}.status") };
    if reply.kind != expected {
        return differs(Some("type"), "the reply's type", expected, &reply.kind);
    }
    Ok(())
}

fn name(way: ReplyTo) -> &'static str {
    match way {
        ReplyTo::Queue => "the queue in reply_to",
        ReplyTo::Direct => "direct reply-to",
        ReplyTo::Status => "the status exchange",
    }
}

/// A status or a balance, and nothing else.
fn shape(body: &Value) -> Result<(), Difference> {
    let wrong = |expected: &str| differs(Some("shape"), "the reply's body", expected, body);
    let Some(members) = body.as_object() else { return wrong("an object") };
    let has_only = |known: &[&str]| members.keys().all(|name| known.contains(&name.as_str()));
    if body["balance"].is_i64() {
        let is_balance = body["currency"].is_string() && has_only(&BALANCE_MEMBERS);
        return if is_balance { Ok(()) } else { wrong("balance, currency, playerId and walletId alone") };
    }
    if !body["code"].is_string() || !has_only(&STATUS_MEMBERS) {
        return wrong("a code (a text), error, description and parameters alone");
    }
    let is_short = |name: &str, most| body[name].as_str().is_none_or(|text| text.chars().count() <= most);
    if !is_short("error", MAX_ERROR) || !is_short("description", MAX_DESCRIPTION) {
        return wrong("an error of at most 200 and a description of at most 100 characters");
    }
    let is_success = matches!(body["code"].as_str(), Some("200" | "201"));
    if !is_success && body["error"].as_str().is_none_or(str::is_empty) {
        return wrong("a refusal has an error");
    }
    Ok(())
}

/// What this reply must be; `body` with its values filled in.
pub fn reply(expect: &Expect, body: &Map<String, Value>, reply: &[u8]) -> Result<(), Difference> {
    let came: Value = serde_json::from_slice(reply).unwrap_or_default();
    if !expect.code.is_empty() && !expect.code.iter().any(|expected| expected == code(&came)) {
        let got = format!("{}: {}", code(&came), shown(reply));
        return differs(None, "the reply's code", expect.code.join(" or "), got);
    }
    for (name, expected) in body {
        if came.get(name) != Some(expected) {
            return differs(None, "the reply's body", format!("{name} = {expected}"), shown(reply));
        }
    }
    Ok(())
}

/// The same for a response over HTTP: the status is the code.
pub fn response(expect: &Expect, body: &Map<String, Value>, response: &Response) -> Result<(), Difference> {
    let status = response.status.to_string();
    let came: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if !expect.code.is_empty() && !expect.code.contains(&status) {
        let got = format!("{status}: {}", shown(&response.body));
        return differs(None, "the status", expect.code.join(" or "), got);
    }
    if expect.empty && !response.body.is_empty() {
        return differs(None, "the body", "none", shown(&response.body));
    }
    for (name, expected) in body {
        if came.get(name) != Some(expected) {
            return differs(None, "the body", format!("{name} = {expected}"), shown(&response.body));
        }
    }
    Ok(())
}

/// A refusal of the trading API over HTTP says so in its body, too.
pub fn refusal(response: &Response) -> Result<(), Difference> {
    let status = response.status.to_string();
    let came: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if response.status >= 400 && came["code"].as_str() != Some(&status) {
        return differs(Some("http_refusal"), "the refusal's body", format!("code {status}"), shown(&response.body));
    }
    Ok(())
}

/// What must stand at these places of the body.
pub fn places(expected: &[(String, Value)], response: &Response) -> Result<(), Difference> {
    let came: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    for (place, expected) in expected {
        if came.pointer(place) != Some(expected) {
            return differs(None, "the body", format!("{place} = {expected}"), shown(&response.body));
        }
    }
    Ok(())
}

/// What the address must say that the browser is sent to.
pub fn location(expected: &BTreeMap<String, String>, response: &Response) -> Result<(), Difference> {
    let address = response.headers.get("location").map_or("", String::as_str);
    let parsed = Url::parse(address);
    let said: BTreeMap<_, _> = parsed.iter().flat_map(|address| address.query_pairs().into_owned()).collect();
    match expected.iter().find(|(name, value)| said.get(*name) != Some(*value)) {
        Some((name, value)) => {
            differs(None, "where the browser is sent", format!("{name}={value}"), address.to_owned())
        }
        None => Ok(()),
    }
}

/// A repeat must be answered as the first time.
pub fn repeat(first: &[u8], again: &[u8]) -> Result<(), Difference> {
    if first == again {
        return Ok(());
    }
    differs(Some("repeat"), "the reply to the same message", shown(first), shown(again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::catalogue::PublishRoute;

    fn request() -> SentRequest {
        SentRequest {
            queue: "v1.0.acme.order.bet".to_owned(),
            route: PublishRoute::Exchange,
            reply_to: ReplyTo::Queue,
            correlation_id: Some("1".to_owned()),
            message_id: None,
            persistent: true,
            token: None,
            timestamp: None,
            body: Vec::new(),
        }
    }

    fn good(body: &str) -> ReceivedReply {
        ReceivedReply {
            via: ReplyTo::Queue,
            correlation: "1".to_owned(),
            content_type: "application/json".to_owned(),
            kind: "order.bet.status".to_owned(),
            persistent: true,
            body: body.as_bytes().to_vec(),
        }
    }

    fn rule_of(judged: Result<(), Difference>) -> Option<&'static str> {
        judged.err().map(|difference| difference.rule.unwrap_or("case"))
    }

    #[test]
    fn each_way_to_spoil_an_envelope_breaks_its_rule() {
        let stored = good(r#"{"code":"201"}"#);
        let long = format!(r#"{{"code":"400","error":"{}"}}"#, "x".repeat(201));
        for (reply, rule) in [
            (stored.clone(), None),
            (ReceivedReply { via: ReplyTo::Status, ..stored.clone() }, Some("address")),
            (ReceivedReply { content_type: String::new(), ..stored.clone() }, Some("content_type")),
            (ReceivedReply { persistent: false, ..stored.clone() }, Some("persistence")),
            (ReceivedReply { kind: "order.bet".to_owned(), ..stored }, Some("type")),
            (good("hello"), Some("shape")),
            (good(r#"{"code":201}"#), Some("shape")),
            (good(r#"{"code":"201","extra":1}"#), Some("shape")),
            (good(r#"{"code":"492"}"#), Some("shape")),
            (good(&long), Some("shape")),
        ] {
            assert_eq!(rule_of(envelope(&request(), &reply)), rule, "{reply:?}");
        }
    }

    #[test]
    fn codes_and_members_are_held_against_the_cases_clause() {
        let expect = Expect { code: vec!["201".to_owned()], ..Expect::default() };
        let members = serde_json::json!({ "a": 1 }).as_object().cloned().unwrap();
        assert_eq!(rule_of(reply(&expect, &Map::new(), br#"{"code":"201"}"#)), None);
        assert_eq!(rule_of(reply(&expect, &Map::new(), br#"{"code":"200"}"#)), Some("case"));
        assert_eq!(rule_of(reply(&expect, &members, br#"{"code":"201","a":2}"#)), Some("case"));
        assert_eq!(rule_of(repeat(b"a", b"b")), Some("repeat"));
        let refusal = Response { status: 492, headers: Default::default(), body: br#"{"code":"491"}"#.to_vec() };
        assert_eq!(rule_of(super::refusal(&refusal)), Some("http_refusal"));
        let at = |place: &str| vec![(place.to_owned(), Value::from("491"))];
        assert_eq!(rule_of(places(&at("/code"), &refusal)), None);
        assert_eq!(rule_of(places(&at("/error"), &refusal)), Some("case"));
    }
}
