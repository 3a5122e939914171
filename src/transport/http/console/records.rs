//! Orders, transactions and rows of the journal: what came, what was decided, what moved, and what a repeat is answered.

use askama::Template;
use uuid::Uuid;

use super::Console;
use super::frame::Frame;
use super::pages::PageRequest;
use super::told::{self, CommandTold, OutcomeTold};
use crate::admin::{Viewing, journal, orders, search, transactions};
use crate::ledger::OrderId;
use crate::transport::http::admin::problem::Problem;

/// A row of the journal with what is said of it.
struct EntryView {
    row: journal::JournalShown,
    told: CommandTold,
    outcome: OutcomeTold,
    /// As JSON.
    command: String,
    decided: String,
    /// The player, and their page below the console's path.
    player: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/order.html")]
struct OrderPage {
    frame: Frame,
    order: orders::OrderShown,
    player: String,
    entries: Vec<EntryView>,
}

#[derive(Template)]
#[template(path = "console/transaction.html")]
struct TransactionPage {
    frame: Frame,
    transaction: transactions::TransactionShown,
    player: String,
    state: String,
    entries: Vec<EntryView>,
}

#[derive(Template)]
#[template(path = "console/entry.html")]
struct EntryPage {
    frame: Frame,
    entry: EntryView,
}

pub async fn order(console: &Console, asked: PageRequest) -> Result<String, Problem> {
    let id = Uuid::try_parse(asked.parameters.get("order"));
    let id = id.map_err(|_| Problem::bad_request("an order is named by a UUID"))?;
    let found = console.api.order(&asked.viewing, OrderId::from_uuid(id)).await?;
    let (ledger, mut order) = found.ok_or_else(|| Problem::not_found("there is no such order"))?;
    let frame = asked.frame.within(&console.api.ledgers, ledger);
    let entries = entries(&asked.viewing, std::mem::take(&mut order.journal));
    let player = super::player::path(&order.party, &order.player);
    Ok(OrderPage { frame, order, player, entries }.render()?)
}

pub async fn transaction(asked: PageRequest) -> Result<String, Problem> {
    let (number, viewing) = (asked.number()?, asked.viewing.clone());
    let found = asked.ledger.reader.ask(move |conn| transactions::show(conn, &viewing, number)).await?;
    let mut transaction = found.ok_or_else(|| Problem::not_found("there is no such transaction"))?;
    let entries = entries(&asked.viewing, std::mem::take(&mut transaction.journal));
    let player = super::player::path(&transaction.party, &transaction.player);
    let state = transaction.state.as_str().replace('_', " ");
    Ok(TransactionPage { frame: asked.frame, transaction, player, state, entries }.render()?)
}

pub async fn entry(asked: PageRequest) -> Result<String, Problem> {
    let (number, viewing) = (asked.number()?, asked.viewing.clone());
    let found = asked.ledger.reader.ask(move |conn| journal::show(conn, &viewing, number)).await?;
    let row = found.ok_or_else(|| Problem::not_found("there is no such journal row"))?;
    Ok(EntryPage { frame: asked.frame, entry: view(&asked.viewing, row) }.render()?)
}

fn entries(viewing: &Viewing, rows: Vec<journal::JournalShown>) -> Vec<EntryView> {
    rows.into_iter().map(|row| view(viewing, row)).collect()
}

fn view(viewing: &Viewing, row: journal::JournalShown) -> EntryView {
    let player = row.command["player"]
        .as_str()
        .map(|id| (id.to_owned(), format!("parties/{}/players/{}", row.party, search::encoded(id))));
    let (told, outcome) = told::row(viewing, &row.party, &row.command, &row.outcome);
    EntryView { told, outcome, command: told::pretty(&row.command), decided: told::pretty(&row.outcome), player, row }
}

impl EntryView {
    /// Whether the hash fits, in words.
    fn holds(&self) -> &'static str {
        match self.row.chain.holds {
            Some(true) => "yes: it is what the row, its transfers and the hash before it make",
            Some(false) => "no: the row or the one before it was changed",
            None => "the row before it is not near enough to tell here; the audit tells",
        }
    }

    fn is_broken(&self) -> bool {
        self.row.chain.holds == Some(false)
    }
}
