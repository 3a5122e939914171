//! Commands and outcomes of the journal in words.

use serde_json::Value;

use crate::admin::{Viewing, shown};
use crate::ledger::orders::OrderKey;
use crate::ledger::{Currency, OrderId, Party};

/// A command, as a line of a table says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandTold {
    pub what: String,
    /// In major units, with the currency; empty where the command names none.
    pub amount: String,
    /// The id of the order that it is about.
    pub order: Option<String>,
    /// The caller's own name for it.
    pub name: String,
}

/// An outcome in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeTold {
    pub text: String,
    pub is_refused: bool,
}

/// Members of outcomes that are amounts.
const AMOUNTS: [&str; 6] = ["balance", "paid", "refunded", "max", "staked", "price"];

/// A row of the journal. What was refused made no order that could be looked at.
pub fn row(viewing: &Viewing, party: &str, asked: &Value, decided: &Value) -> (CommandTold, OutcomeTold) {
    let (told, outcome) = (command(viewing, party, asked), outcome(viewing, decided, asked));
    let order = told.order.clone().filter(|_| !outcome.is_refused);
    (CommandTold { order, ..told }, outcome)
}

/// What a command asks for; nothing is left to tell of what pruning has left of one.
fn command(viewing: &Viewing, party: &str, command: &Value) -> CommandTold {
    let result = command["result"].as_object().and_then(|result| result.iter().next());
    let what = match (command["act"].as_str(), result) {
        (Some("place_bet"), _) => "bet".to_owned(),
        (Some("settle_order"), Some((kind, _))) => format!("result: {kind}"),
        (Some("cancel_order"), _) => "cancel".to_owned(),
        (Some(act), _) => act.replace('_', " "),
        (None, _) => "(pruned)".to_owned(),
    };
    let minor = ["amount", "stake"].into_iter().find_map(|name| whole(&command[name]));
    let minor = minor.or_else(|| result.and_then(|(_, amount)| whole(amount)));
    let amount = minor.map_or(String::new(), |minor| amount(viewing, minor, currency(command)));
    let order = serde_json::from_value::<OrderKey>(command["order"].clone()).ok();
    let name = order.as_ref().map(|order| order.external_id.to_string());
    let name = name.or_else(|| command["key"].as_str().map(str::to_owned)).unwrap_or_default();
    let order = Party::parse(party).ok().zip(order).map(|(party, key)| OrderId::of(&party, &key).uuid().to_string());
    CommandTold { what, amount, order, name }
}

/// What was decided. Amounts are in the command's currency, where it names one.
fn outcome(viewing: &Viewing, outcome: &Value, command: &Value) -> OutcomeTold {
    let (is_refused, what) = match (&outcome["done"], &outcome["refused"]) {
        (Value::Null, refused) => (true, refused),
        (done, _) => (false, done),
    };
    let (name, members) = match what {
        Value::String(name) => (name.clone(), None),
        Value::Object(object) => {
            object.iter().next().map_or_else(Default::default, |(name, members)| (name.clone(), members.as_object()))
        }
        other => (other.to_string(), None),
    };
    let member = |(name, value): (&String, &Value)| match whole(value).filter(|_| AMOUNTS.contains(&name.as_str())) {
        Some(minor) => format!("{name} {}", amount(viewing, minor, currency(command))),
        None => format!("{name} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    };
    let members: Vec<String> = members.into_iter().flatten().map(member).collect();
    let mut text = if is_refused { "refused: ".to_owned() } else { String::new() };
    text.push_str(&name.replace('_', " "));
    if !members.is_empty() {
        text.push_str(&format!(" ({})", members.join(", ")));
    }
    OutcomeTold { text, is_refused }
}

/// JSON for people.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// An integer, be it written as a number or (where that would not be exact) as a text.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn currency(command: &Value) -> Option<Currency> {
    let code = command.pointer("/pocket/currency").or_else(|| command.get("currency"));
    code.and_then(Value::as_str).and_then(|code| Currency::parse(code).ok())
}

fn amount(viewing: &Viewing, minor: i64, currency: Option<Currency>) -> String {
    match currency {
        Some(currency) => format!("{} {currency}", shown::amount(&viewing.config, minor, currency)),
        None => format!("{minor} minor units"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::config::{Config, Environment, Role};

    fn viewing() -> Viewing {
        let config = Config::load_from(None, &Environment::default()).unwrap();
        Viewing { config: Arc::new(config), role: Role::Viewer }
    }

    #[test]
    fn rows_are_told_in_words_with_amounts_in_major_units() {
        let order = json!({ "game": "wallstroulette", "external_id": "r-1" });
        let chf = json!({ "currency": "CHF", "bucket": "real" });
        let bet = json!({ "act": "place_bet", "order": order, "stake": 125, "pocket": chf });
        let win = json!({ "act": "settle_order", "order": order, "result": { "win": 300 }, "currency": "CHF" });
        let deposit = json!({ "act": "deposit", "key": "k", "amount": "9007199254740993", "pocket": chf });
        for (command, outcome, expected) in [
            (&bet, json!({ "done": "bet_placed" }), ("bet", "1.25 CHF", "r-1", "bet placed")),
            (
                &bet,
                json!({ "refused": { "max_bet": { "max": 100 } } }),
                ("bet", "1.25 CHF", "r-1", "refused: max bet (max 1.00 CHF)"),
            ),
            (
                &win,
                json!({ "done": { "order_settled": { "paid": 300 } } }),
                ("result: win", "3.00 CHF", "r-1", "order settled (paid 3.00 CHF)"),
            ),
            (
                &deposit,
                json!({ "done": { "deposited": { "balance": 1 } } }),
                ("deposit", "90071992547409.93 CHF", "k", "deposited (balance 0.01 CHF)"),
            ),
            (
                &Value::Null,
                json!({ "done": { "adjusted": { "transaction": 5, "balance": 7 } } }),
                ("(pruned)", "", "", "adjusted (balance 7 minor units, transaction 5)"),
            ),
        ] {
            let (told, decided) = row(&viewing(), "acme", command, &outcome);
            assert_eq!((&*told.what, &*told.amount, &*told.name, &*decided.text), expected);
            assert_eq!(told.order.is_some(), told.name == "r-1" && !decided.is_refused, "{decided:?}");
        }
    }
}
