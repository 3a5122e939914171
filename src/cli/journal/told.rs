//! Rows of the journal as they are shown: for people and for machines, and without anything that could be used.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::line::written;
use crate::admin::shown::{self, hex};
use crate::cli::output;
use crate::config::Config;
use crate::dialects::egpp::status;
use crate::ledger::Act;
use crate::ledger::OrderAct;
use crate::ledger::money::format_decimal;
use crate::storage::history::{Detail, HistoryRow, RecordedCommand};
use crate::storage::lookups::{ChainPlace, NamedAccount, NeighbourRow, TransferWithNames};

/// Members of a command that are nobody's business: a partner's token, and what a key that is sold is sealed in.
const HIDDEN: [&str; 2] = ["token", "sealed"];

/// Members of a command that every row has elsewhere.
const ELSEWHERE: [&str; 5] = ["act", "at", "party", "player", "correlation"];

const HEADING: [&str; 7] = ["number", "at", "act", "player", "correlation", "asked", "outcome"];

/// A row as one JSON object.
pub fn row(row: &HistoryRow) -> Value {
    json!({
        "number": row.number,
        "at": written(row.at),
        "party": row.party.as_str(),
        "kept": row.is_kept,
        "pruned": matches!(row.command, RecordedCommand::Pruned(_)),
        "command": command(&row.command),
        "outcome": row.outcome,
        "reply": reply(row).map(|(code, body)| json!({ "code": code, "body": body })),
        "hash": hex(&row.hash),
    })
}

/// A row with its chain and its transfers as one JSON object.
pub fn detail(config: &Config, detail: &Detail) -> Value {
    let mut told = row(&detail.row);
    let ChainPlace { follows, next, is_sealed, holds, .. } = &detail.chain;
    let neighbour = |row: &Option<NeighbourRow>| {
        row.as_ref().map(|NeighbourRow { seq, hash }| json!({ "number": seq, "hash": hex(hash) }))
    };
    told["chain"] = json!({
        "writer": detail.row.writer,
        "previous": neighbour(follows),
        "next": neighbour(next),
        "sealed": is_sealed,
        "holds": holds,
    });
    told["transfers"] = detail.transfers.iter().map(|moved| transfer(config, moved)).collect();
    let sums = sums(&detail.transfers);
    told["sum_minor"] =
        json!(sums.into_iter().map(|(currency, sum)| (currency, sum.to_string())).collect::<BTreeMap<_, _>>());
    told
}

/// Prints rows as a table, in their order.
pub fn table(rows: &[HistoryRow]) -> io::Result<()> {
    let mut table = output::Table::new(&HEADING);
    rows.iter().try_for_each(|row| table.add(cells(row)))?;
    table.finish()
}

fn cells(row: &HistoryRow) -> Vec<String> {
    let asked = command(&row.command);
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let outcome = serde_json::to_value(row.outcome).unwrap_or_default();
    let act = if let RecordedCommand::Pruned(_) = row.command { "(pruned)".to_owned() } else { text("act") };
    vec![
        row.number.to_string(),
        shown::second(row.at),
        act,
        text("player"),
        text("correlation"),
        words(&asked),
        flat(&outcome),
    ]
}

/// Prints one row and all that the ledger knows of it.
pub fn print(config: &Config, detail: &Detail) -> io::Result<()> {
    let Detail { row, chain, transfers } = detail;
    let asked = command(&row.command);
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let fate =
        if row.is_kept { "kept: a repeat is answered alike" } else { "recorded only: a repeat is judged afresh" };
    let mut lines = vec![("journal row", row.number.to_string()), ("received", written(row.at))];
    match &row.command {
        RecordedCommand::Whole(_) => lines.extend([
            ("party", row.party.to_string()),
            ("act", text("act")),
            ("player", text("player")),
            ("correlation", text("correlation")),
            ("asked", words(&asked)),
        ]),
        RecordedCommand::Pruned(state) => lines.extend([
            ("party", row.party.to_string()),
            ("act", "(pruned)".to_owned()),
            ("order", state.map_or("", |state| state.as_str()).to_owned()),
        ]),
    }
    lines.extend([("outcome", flat(&serde_json::to_value(row.outcome)?)), ("", fate.to_owned())]);
    if let Some((code, body)) = reply(row) {
        lines.push(("reply", format!("{code} {body}")));
    }
    let neighbour = |row: &Option<NeighbourRow>| {
        row.as_ref().map_or_else(|| "none".to_owned(), |row| format!("{} in row {}", hex(&row.hash), row.seq))
    };
    lines.extend([
        ("hash", hex(&row.hash)),
        ("", holds(chain, row.writer)),
        ("previous", neighbour(&chain.follows)),
        ("next", neighbour(&chain.next)),
    ]);
    for (name, text) in lines.into_iter().filter(|(_, text)| !text.is_empty()) {
        output::line(&format!("{name:<12} {text}"))?;
    }
    print_transfers(config, transfers, &row.command)
}

fn holds(chain: &ChainPlace, writer: i32) -> String {
    match (chain.is_sealed, chain.holds) {
        (true, Some(true)) => "as pruning sealed it".to_owned(),
        (true, _) => "NOT as pruning sealed it: run purser audit".to_owned(),
        (false, Some(true)) => format!("follows from its predecessor in chain {writer}"),
        (false, Some(false)) => format!("does NOT follow from its predecessor in chain {writer}: run purser audit"),
        (false, None) => {
            format!("its predecessor in chain {writer} is too far away to be looked for: run purser audit")
        }
    }
}

fn print_transfers(config: &Config, transfers: &[TransferWithNames], command: &RecordedCommand) -> io::Result<()> {
    if transfers.is_empty() {
        let why = match command {
            RecordedCommand::Pruned(_) => "what it moved is carried by account since it was pruned",
            RecordedCommand::Whole(_) => "it moved nothing",
        };
        return output::line(&format!("{:<12} {why}", "transfers"));
    }
    let mut rows = Vec::new();
    for TransferWithNames { debit, credit, amount } in transfers {
        // An amount is above zero, so it has a negative.
        for (account, minor) in [(debit, -*amount), (credit, *amount)] {
            rows.push(vec![name(account), account.currency.to_string(), major(config, account, minor)]);
        }
    }
    for (currency, sum) in sums(transfers) {
        rows.push(vec!["sum".to_owned(), currency, sum.to_string()]);
    }
    output::table(&["transfers", "currency", "amount"], &rows)
}

/// What all accounts received less what they gave, by currency: nothing.
fn sums(transfers: &[TransferWithNames]) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for TransferWithNames { debit, credit, amount } in transfers {
        *sums.entry(debit.currency.to_string()).or_default() -= i128::from(*amount);
        *sums.entry(credit.currency.to_string()).or_default() += i128::from(*amount);
    }
    sums
}

fn transfer(config: &Config, moved: &TransferWithNames) -> Value {
    let account = |account: &NamedAccount| {
        json!({
            "owner": owner(account),
            "side": if account.player.is_some() { "player" } else { "house" },
            "bucket": account.bucket,
            "wallet": account.wallet,
            "product": account.product,
            "currency": account.currency,
        })
    };
    json!({
        "debit": account(&moved.debit),
        "credit": account(&moved.credit),
        "amount": major(config, &moved.debit, moved.amount),
        "amount_minor": moved.amount,
    })
}

fn major(config: &Config, account: &NamedAccount, minor: i64) -> String {
    format_decimal(minor, config.exponent(account.currency))
}

/// The player, or the house's side.
fn owner(account: &NamedAccount) -> &str {
    account.player.as_deref().unwrap_or(&account.side)
}

fn name(account: &NamedAccount) -> String {
    let NamedAccount { player, bucket, wallet, product, .. } = account;
    let owner = owner(account);
    if player.is_none() {
        return owner.to_owned();
    }
    let wallet = if wallet.is_empty() { String::new() } else { format!(" in {wallet}") };
    let product = if *product == 0 { String::new() } else { format!("#{product}") };
    format!("{owner} {bucket}{wallet}{product}")
}

/// The command, with what is hidden hidden; `null` where it was pruned.
fn command(command: &RecordedCommand) -> Value {
    let RecordedCommand::Whole(command) = command else { return Value::Null };
    let mut told = serde_json::to_value(command).unwrap_or_default();
    hide(&mut told);
    told
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if HIDDEN.contains(&name.as_str()) { *member = Value::from("***") } else { hide(member) }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}

/// The reply that a repeat over the queues would get, byte for byte; `None` where a repeat is judged afresh, or is answered in
/// another dialect's words.
fn reply(row: &HistoryRow) -> Option<(&'static str, String)> {
    let is_of_order = match &row.command {
        RecordedCommand::Whole(command) => {
            matches!(
                command.act,
                Act::Order(OrderAct::PlaceBet(_) | OrderAct::SettleOrder(_) | OrderAct::CancelOrder(_))
            )
        }
        RecordedCommand::Pruned(state) => state.is_some(),
    };
    let reply = (row.is_kept && is_of_order).then(|| status::of_outcome(row.outcome))?;
    Some((reply.code, String::from_utf8(reply.body).ok()?))
}

/// The command's own words: `order=wallstroulette/o1 round=1 stake=200`.
fn words(command: &Value) -> String {
    let members = command.as_object().into_iter().flatten();
    let own = members.filter(|(name, _)| !ELSEWHERE.contains(&name.as_str()) && *name != "terms");
    own.map(|(name, value)| format!("{name}={}", flat(value))).collect::<Vec<_>>().join(" ")
}

/// A value without brackets and quotes: `win:250`, `wallstroulette/o1`, `refused:insufficient_funds:balance:100`.
pub fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(flat).collect::<Vec<_>>().join(","),
        Value::Object(members) if members.contains_key("external_id") => {
            format!("{}/{}", flat(&members["game"]), flat(&members["external_id"]))
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}:{}", flat(value))).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_used_is_hidden_however_deep_it_lies() {
        let mut told =
            json!({ "act": "stock_offers", "token": "t", "offers": [{ "keys": [{ "id": 1, "sealed": "s" }] }] });
        hide(&mut told);
        let hidden =
            json!({ "act": "stock_offers", "token": "***", "offers": [{ "keys": [{ "id": 1, "sealed": "***" }] }] });
        assert_eq!(told, hidden);
    }
}
