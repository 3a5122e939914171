//! What people ask: one connection of either kind, on a blocking thread, for the command line and the audit.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use super::partners::TransactionRow;
use super::rows::{AccountRow, DecidedRow, OrderRow, PlayerRow, bytes};
use super::schema::{accounts, journal, orders, players, transactions};
use super::sqlite::order_index;
use super::{Database, StoreError, postgres, sqlite, usernames};
use crate::ledger::state::{PastCommand, PlayerState};
use crate::ledger::transactions::{FindBy, Transaction, TransactionQuery};
use crate::ledger::{Command, CommandKey, Order, OrderId, Party, PlayerId, PlayerKey};

/// Transactions that one question is answered with at the most.
const MOST_FOUND: i64 = 10_000;

/// A connection to whichever database is configured.
#[expect(clippy::large_enum_variant, reason = "one at a time, and Diesel takes no boxed connection")]
pub enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(AsyncConnectionWrapper<AsyncPgConnection>),
}

/// Runs one Diesel expression on either kind of connection: written once, typed for each.
macro_rules! on {
    ($any:expr, $conn:ident => $query:expr) => {
        match $any {
            $crate::storage::queries::AnyConnection::Sqlite($conn) => $query,
            $crate::storage::queries::AnyConnection::Postgres($conn) => $query,
        }
    };
}
pub(super) use on;

impl Database {
    /// Runs `work` on a connection of its own, off the async threads.
    pub async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut conn = self.open().await?;
        let working = tokio::task::spawn_blocking(move || work(&mut conn));
        working.await.map_err(|error| StoreError::Rejected(error.to_string()))?
    }

    /// A connection of its own.
    pub async fn open(&self) -> Result<AnyConnection, StoreError> {
        match self {
            Self::Postgres(url) => Ok(AnyConnection::Postgres(postgres::connect(url).await?.into())),
            Self::Sqlite(path) => {
                let path = path.clone();
                let opening = tokio::task::spawn_blocking(move || sqlite::connect(&path));
                let opened = opening.await.map_err(|error| StoreError::Rejected(error.to_string()))?;
                opened.map(AnyConnection::Sqlite)
            }
        }
    }
}

/// Runs `work` on one snapshot of the database, and writes nothing. However long it takes: whoever reads what it tells
/// may be slow.
pub(crate) fn snapshot<T>(
    conn: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match conn {
        AnyConnection::Sqlite(conn) => conn.batch_execute("BEGIN"),
        AnyConnection::Postgres(conn) => conn.batch_execute(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
             BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ),
    }
    .map_err(classify)?;
    let worked = work(conn);
    on!(conn, conn => conn.batch_execute("ROLLBACK")).map_err(classify)?;
    worked
}

/// A failed query, in the words of the database that failed it.
pub fn classify(error: diesel::result::Error) -> StoreError {
    if postgres::is_of_postgres(&error) { postgres::classify_question(error) } else { sqlite::classify(error) }
}

/// The command that is kept under this key, and no order's; `None` where there is none, or pruning has shortened it.
pub(crate) fn kept_command(
    conn: &mut AnyConnection,
    party: &Party,
    key: CommandKey,
) -> Result<Option<Command>, StoreError> {
    let kept = journal::table.filter(journal::by_key).filter(journal::key.eq(bytes(key.uuid())));
    let kept = kept.filter(journal::party.eq(party.as_str()));
    let kept: Option<DecidedRow> =
        on!(conn, conn => kept.select(DecidedRow::as_select()).first(conn)).optional().map_err(classify)?;
    Ok(kept.map(DecidedRow::decided).transpose()?.and_then(|(_, decided)| match decided.asked {
        PastCommand::Whole(command) => Some(command),
        PastCommand::Pruned(_) => None,
    }))
}

/// A player with all accounts that were ever used; `None` where there is no such player.
pub fn player(conn: &mut AnyConnection, key: PlayerKey) -> Result<Option<PlayerState>, StoreError> {
    let id = bytes(key.uuid());
    let found: Option<PlayerRow> =
        on!(conn, conn => players::table.find(&id).select(PlayerRow::as_select()).first(conn))
            .optional()
            .map_err(classify)?;
    let Some(row) = found else { return Ok(None) };
    let of_player = accounts::table.filter(accounts::player.eq(&id));
    let theirs: Vec<AccountRow> = on!(conn, conn => of_player.load(conn)).map_err(classify)?;
    let accounts = theirs.into_iter().map(AccountRow::account).collect::<Result<_, _>>()?;
    Ok(Some(PlayerState { accounts, ..row.state()? }))
}

/// The player with this id, else the one of this username. Both are looked for in any case, so that the time it takes does
/// not tell which it is.
pub fn player_of_login(conn: &mut AnyConnection, party: &Party, login: &str) -> Result<Option<PlayerId>, StoreError> {
    let by_id = PlayerId::parse(login).ok();
    let key = by_id.as_ref().map_or_else(PlayerKey::nobody, |player| PlayerKey::of(party, player));
    let with_key = players::table.find(bytes(key.uuid())).select(players::player);
    let known: Option<String> = on!(conn, conn => with_key.first(conn)).optional().map_err(classify)?;
    let named = usernames::player_named(conn, party, login)?;
    Ok(known.map_or(named, |_| by_id))
}

/// Whether another player of the party signs in by this name: as a username, or as a player id.
pub(crate) fn is_login_taken(
    conn: &mut AnyConnection,
    party: &Party,
    login: &str,
    by_other_than: &PlayerId,
) -> Result<bool, StoreError> {
    let others = players::table
        .filter(players::party.eq(party.as_str()))
        .filter(players::player.ne(by_other_than.as_str()))
        .filter(players::username.eq(login).or(players::player.eq(login)));
    let first: Option<String> =
        on!(conn, conn => others.select(players::player).first(conn)).optional().map_err(classify)?;
    Ok(first.is_some())
}

/// An order's row.
pub(super) fn order_row(conn: &mut AnyConnection, id: &[u8]) -> Result<Option<OrderRow>, StoreError> {
    match conn {
        AnyConnection::Sqlite(conn) => order_index::look_up(conn, id),
        AnyConnection::Postgres(conn) => orders::table.find(id).get_result(conn).optional(),
    }
    .map_err(classify)
}

/// An order with its player's name.
pub fn order(conn: &mut AnyConnection, id: OrderId) -> Result<Option<(Order, PlayerId)>, StoreError> {
    let Some(row) = order_row(conn, &bytes(id.uuid()))? else { return Ok(None) };
    let name = players::table.find(row.player.clone()).select(players::player);
    let name: Option<String> = on!(conn, conn => name.first(conn)).optional().map_err(classify)?;
    let name = name.and_then(|name| PlayerId::recorded(&name).ok());
    name.map(|name| row.order().map(|order| (order, name))).transpose()
}

/// The transactions that are asked for, oldest first.
pub(crate) fn transactions(
    conn: &mut AnyConnection,
    finding: &TransactionQuery,
) -> Result<Vec<Transaction>, StoreError> {
    use transactions::{kind, number, partner, player, reference, region, round, scope};
    let (party, in_scope) = (finding.party.to_string(), finding.scope.to_string());
    let theirs = transactions::table.filter(transactions::party.eq(party)).filter(scope.eq(in_scope));
    let found: QueryResult<Vec<TransactionRow>> = match &finding.by {
        FindBy::Number(wanted) => on!(conn, conn => theirs.filter(number.eq(wanted)).load(conn)),
        FindBy::Round(wanted) => {
            let wanted = theirs.filter(round.eq(&**wanted)).order(number).limit(MOST_FOUND);
            on!(conn, conn => wanted.load(conn))
        }
        FindBy::RoundOf { player: of, round: wanted } => {
            let wanted = theirs.filter(player.eq(bytes(of.uuid()))).filter(round.eq(&**wanted));
            on!(conn, conn => wanted.order(number).limit(MOST_FOUND).load(conn))
        }
        FindBy::Reference { player: of, region: within, reference: wanted } => {
            let wanted = theirs.filter(player.eq(bytes(of.uuid()))).filter(reference.eq(&**wanted));
            let wanted = wanted.filter(region.eq(within)).order(number).limit(MOST_FOUND);
            on!(conn, conn => wanted.load(conn))
        }
        FindBy::Latest { player: of, region: within, partner: with, kind: wanted } => {
            let wanted = theirs.filter(player.eq(bytes(of.uuid()))).filter(kind.eq(wanted));
            let wanted = wanted.filter(region.eq(within)).filter(partner.eq(with)).order(number.desc()).limit(1);
            on!(conn, conn => wanted.load(conn))
        }
    };
    found.map_err(classify)?.into_iter().map(TransactionRow::transaction).collect()
}
