//! One row of the journal: what came, what was decided, what that moved, and what a repeat of it is answered.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::shown::{self, Exact};
use super::{Viewing, cash, redaction};
use crate::dialects::egpp::{Operation, rest, status};
use crate::ledger::command::{Act, Command, CommandKey, Timestamp};
use crate::ledger::{AccountAct, Currency, OrderAct, OrderDone, Outcome};
use crate::storage::StoreError;
use crate::storage::lookups::{self, ChainPlace, JournalLookup, NamedAccount, NeighbourRow, TransferWithNames};
use crate::storage::queries::AnyConnection;

/// Numbers on each side of a row within which its neighbours in the chain are looked for.
const NEIGHBOURHOOD: i64 = 10_000;

#[derive(Debug, Serialize)]
pub struct JournalShown {
    pub number: Exact,
    pub party: String,
    /// When the command was received.
    pub at: String,
    pub writer: i32,
    /// What it is kept under; null where it is there for the record only, and a repeat is judged afresh.
    pub key: Option<Uuid>,
    /// Whether pruning has left no more of the command than repeats need.
    pub is_pruned: bool,
    /// What came; tokens are no part of it, and keys are hidden.
    pub command: Value,
    pub outcome: Value,
    pub transfers: Vec<TransferShown>,
    /// What the accounts of each currency gained altogether: nothing.
    pub sums: Vec<Sum>,
    pub chain: ChainShown,
    /// What the same command is answered when it comes again, by whatever way it comes.
    pub replies: Vec<ReplyShown>,
}

/// Where the row stands in its writer's chain.
#[derive(Debug, Serialize)]
pub struct ChainShown {
    pub hash: String,
    /// `sealed` where pruning has been past it: then it stands by itself.
    pub kind: &'static str,
    /// Whether the hash is what row, transfers and the hash before it make; null where that one is not near.
    pub holds: Option<bool>,
    pub previous: Option<Link>,
    pub next: Option<Link>,
}

#[derive(Debug, Serialize)]
pub struct Link {
    pub number: Exact,
    pub hash: String,
}

#[derive(Debug, Serialize)]
pub struct TransferShown {
    pub debit: AccountShown,
    pub credit: AccountShown,
    pub currency: String,
    pub amount: String,
    pub amount_minor: Exact,
}

#[derive(Debug, Serialize)]
pub struct AccountShown {
    pub id: Uuid,
    /// `player`, `house` or `cashier`.
    pub side: String,
    pub player: Option<String>,
    pub bucket: String,
    pub wallet: String,
    pub product: i32,
}

#[derive(Debug, Serialize)]
pub struct Sum {
    pub currency: String,
    pub sum: String,
    pub sum_minor: String,
}

/// A reply, byte for byte.
#[derive(Debug, Serialize)]
pub struct ReplyShown {
    /// `amqp`, `rest` or `admin`.
    pub by: &'static str,
    /// The `type` property, or the HTTP status.
    pub code: String,
    pub content_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    pub body: String,
}

/// The row of this number; `None` where there is none.
pub fn show(conn: &mut AnyConnection, viewing: &Viewing, number: i64) -> Result<Option<JournalShown>, StoreError> {
    lookups::entry(conn, number, NEIGHBOURHOOD)?.map(|entry| of_entry(viewing, entry)).transpose()
}

/// The rows that are kept under these keys, oldest first.
pub fn kept_under(
    conn: &mut AnyConnection,
    viewing: &Viewing,
    keys: &[CommandKey],
) -> Result<Vec<JournalShown>, StoreError> {
    let numbers = lookups::kept_under(conn, keys)?;
    let shown = numbers.into_iter().map(|number| show(conn, viewing, number));
    shown.filter_map(Result::transpose).collect()
}

fn of_entry(viewing: &Viewing, entry: JournalLookup) -> Result<JournalShown, StoreError> {
    let JournalLookup { row, chain, transfers } = entry;
    let ChainPlace { previous, next, is_sealed, holds, .. } = chain;
    let damaged = |error: serde_json::Error| StoreError::Rejected(format!("journal row {}: {error}", row.seq));
    let outcome: Outcome = serde_json::from_str(&row.outcome).map_err(damaged)?;
    let text: Value = serde_json::from_str(&row.command).map_err(damaged)?;
    let is_pruned = text.get("pruned").is_some();
    let command: Option<Command> =
        (!is_pruned).then(|| serde_json::from_str(&row.command)).transpose().map_err(damaged)?;
    let key = row.key.as_deref().map(Uuid::from_slice).transpose();
    let key = key.map_err(|error| StoreError::Rejected(format!("journal row {}: {error}", row.seq)))?;
    let link = |NeighbourRow { seq, hash }| Link { number: Exact(seq), hash: shown::hex(&hash) };
    Ok(JournalShown {
        number: Exact(row.seq),
        party: row.party,
        at: shown::moment(Timestamp(row.at)),
        writer: row.writer,
        key,
        is_pruned,
        command: redaction::command(text, viewing.sees_email()),
        outcome: redaction::exact(serde_json::to_value(outcome).map_err(damaged)?),
        sums: sums(viewing, &transfers)?,
        transfers: transfers.into_iter().map(|named| transfer(viewing, named)).collect(),
        chain: ChainShown {
            hash: shown::hex(&row.hash),
            kind: if is_sealed { "sealed" } else { "chained" },
            holds,
            previous: previous.map(link),
            next: next.map(link),
        },
        replies: replies(viewing, command.as_ref(), key, outcome),
    })
}

fn transfer(viewing: &Viewing, named: TransferWithNames) -> TransferShown {
    let currency = named.debit.currency;
    let account = |NamedAccount { id, side, player, currency: _, bucket, wallet, product }| AccountShown {
        id,
        side,
        player,
        bucket,
        wallet,
        product,
    };
    TransferShown {
        currency: currency.to_string(),
        amount: shown::amount(&viewing.config, named.amount, currency),
        amount_minor: Exact(named.amount),
        debit: account(named.debit),
        credit: account(named.credit),
    }
}

/// Added up from both sides as they are stored, so that a wrong one would show.
fn sums(viewing: &Viewing, transfers: &[TransferWithNames]) -> Result<Vec<Sum>, StoreError> {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    let overflow = || StoreError::Rejected("transfers add up to more than 64 bits hold".to_owned());
    for transfer in transfers {
        let debited = sums.entry(transfer.debit.currency).or_default();
        *debited = debited.checked_sub(transfer.amount).ok_or_else(overflow)?;
        let credited = sums.entry(transfer.credit.currency).or_default();
        *credited = credited.checked_add(transfer.amount).ok_or_else(overflow)?;
    }
    let sum = |(currency, minor): (Currency, i64)| {
        let sum = shown::amount(&viewing.config, minor, currency);
        Sum { currency: currency.to_string(), sum, sum_minor: minor.to_string() }
    };
    Ok(sums.into_iter().map(sum).collect())
}

/// What is answered again: of the trading API's commands and of operators' own. Other dialects' replies are made of what
/// is stored elsewhere, too.
fn replies(viewing: &Viewing, command: Option<&Command>, key: Option<Uuid>, outcome: Outcome) -> Vec<ReplyShown> {
    let act = command.map(|command| &command.act);
    let operation = match act {
        Some(Act::Order(OrderAct::PlaceBet(_))) => Some(Operation::OrderBet),
        Some(Act::Order(OrderAct::SettleOrder(_))) => Some(Operation::OrderBetResult),
        Some(Act::Order(OrderAct::CancelOrder(_))) => Some(Operation::OrderBetCancel),
        Some(Act::Account(AccountAct::Deposit(cash) | AccountAct::Withdraw(cash))) => {
            let party = command.map(|command| &command.party);
            let answer = party.and_then(|party| cash::answer(&viewing.config, party, cash, outcome));
            let body = answer.and_then(|answer| serde_json::to_string(&answer).ok());
            return body.map(admin).into_iter().collect();
        }
        Some(_) => None,
        // What pruning left of: the order's key tells by its last bits.
        None => key.filter(|_| is_of_order(outcome)).and_then(operation_of),
    };
    let Some(operation) = operation else { return Vec::new() };
    let reply = status::of_outcome(outcome);
    let by_amqp = ReplyShown {
        by: "amqp",
        code: reply.kind(operation).to_owned(),
        content_type: "application/json",
        location: None,
        body: text(reply.body),
    };
    let order = key.map(|key| CommandKey::from_uuid(key).order());
    let order = command.and_then(Command::order).or(order);
    let by_rest = rest::answered(outcome, order.filter(|_| operation == Operation::OrderBet));
    let location = by_rest.headers.into_iter().find(|(name, _)| *name == "location").map(|(_, value)| value);
    let (code, content_type) = (by_rest.status.to_string(), by_rest.content_type);
    let by_rest = ReplyShown { by: "rest", code, content_type, location, body: text(by_rest.body) };
    vec![by_amqp, by_rest]
}

fn admin(body: String) -> ReplyShown {
    ReplyShown { by: "admin", code: "201".to_owned(), content_type: "application/json", location: None, body }
}

/// Replies are JSON, which is text.
fn text(body: Vec<u8>) -> String {
    String::from_utf8_lossy(&body).into_owned()
}

/// Whether it can only be an order's: no other act whose row is pruned is kept where it is refused.
fn is_of_order(outcome: Outcome) -> bool {
    use crate::ledger::Done;
    matches!(
        outcome,
        Outcome::Refused(_)
            | Outcome::Done(Done::Order(
                OrderDone::BetPlaced | OrderDone::OrderSettled { .. } | OrderDone::OrderCancelled { .. }
            ))
    )
}

fn operation_of(key: Uuid) -> Option<Operation> {
    let order = CommandKey::from_uuid(key).order();
    let operations = [Operation::OrderBet, Operation::OrderBetResult, Operation::OrderBetCancel];
    let keys = CommandKey::of_order_commands(order).into_iter().zip(operations);
    keys.into_iter().find(|(known, _)| known.uuid() == key).map(|(_, operation)| operation)
}
