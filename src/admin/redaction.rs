//! What is not shown: tokens, keys that are sold, and people's e-mail addresses to whoever only looks.

use serde_json::Value;

use crate::redaction::without_tokens;

/// What stands for something that is there and not shown.
const HIDDEN: &str = "***";

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
