//! What is not shown: tokens, keys that are sold, and people's e-mail addresses to whoever only looks.

use serde_json::Value;

/// What stands for something that is there and not shown.
const HIDDEN: &str = "***";

/// A text in which whatever looks like a token is hidden: a `playerId` may be one.
pub fn without_tokens(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let token = rest[start..].find(|c| !is_part(c)).map_or(&rest[start..], |end| &rest[start..start + end]);
        shown.push_str(&rest[..start]);
        shown.push_str(if token.matches('.').count() == 2 { "(token)" } else { token });
        rest = &rest[start + token.len()..];
    }
    shown + rest
}

/// A command as the journal has it, without what is not shown. Numbers that a float would round become texts.
pub fn command(mut command: Value, sees_email: bool) -> Value {
    if let Some(email) = command.pointer_mut("/profile/email").filter(|_| !sees_email) {
        *email = HIDDEN.into();
    }
    // Looked for and not indexed: that would add what is not there.
    for stocking in command.get_mut("offers").and_then(Value::as_array_mut).into_iter().flatten() {
        for key in stocking.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten() {
            *key = HIDDEN.into();
        }
    }
    exact(command)
}

/// Texts without tokens, and numbers that every reader has whole.
pub fn exact(value: Value) -> Value {
    match value {
        Value::String(text) => without_tokens(&text).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => serde_json::to_value(super::shown::Exact(whole)).unwrap_or_default(),
            None => number.to_string().into(),
        },
        Value::Array(values) => values.into_iter().map(exact).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, exact(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_in_a_text_is_hidden_and_the_rest_is_shown() {
        let cases = [
            (r#"{"playerId":"eyJhbGciOi.eyJzdWIi.c2ln","amount":1}"#, r#"{"playerId":"(token)","amount":1}"#),
            (r#"{"playerId":"eyJ"}"#, r#"{"playerId":"eyJ"}"#),
            ("no JSON", "no JSON"),
            ("eyJa.b.c", "(token)"),
        ];
        for (body, expected) in cases {
            assert_eq!(without_tokens(body), expected);
        }
    }

    #[test]
    fn a_command_is_shown_without_keys_tokens_and_mostly_without_email() {
        let stocked = json!({ "offers": [{ "id": "1", "keys": [{ "id": "x", "sealed": "s" }] }], "key": "eyJa.b.c" });
        assert_eq!(command(stocked, true), json!({ "offers": [{ "id": "1", "keys": ["***"] }], "key": "(token)" }));
        let opened = json!({ "profile": { "email": "a@b.example", "username": "a" }, "n": i64::MAX });
        let whole = json!({ "profile": { "email": "a@b.example", "username": "a" }, "n": i64::MAX.to_string() });
        assert_eq!(command(opened.clone(), true), whole);
        assert_eq!(command(opened, false)["profile"], json!({ "email": "***", "username": "a" }));
        assert_eq!(command(json!({ "act": "deposit" }), false), json!({ "act": "deposit" }), "nothing is added");
    }
}
