//! Ids are digests of what they name: a row that says something else than its id was changed.

use diesel::prelude::*;

use super::digest::Digest;
use super::{AuditReport, PAGE, hex};
use crate::ledger::account::{HouseAccount, HouseSide};
use crate::ledger::{AccountId, Currency, Party};
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{AccountRow, Bytes, PLAYER_SIDE, PlayerRow, bytes};
use crate::storage::schema::{accounts, players};
use crate::storage::shop::LevelRow;

/// Compares every player's and account's id with what the row says.
pub(super) fn audit(conn: &mut AnyConnection, digest: &mut Digest, report: &mut AuditReport) -> Result<(), StoreError> {
    let mut after = Bytes::new();
    loop {
        let page = players::table.filter(players::id.gt(&after)).order(players::id).limit(PAGE);
        let rows: Vec<(PlayerRow, LevelRow)> =
            on!(conn, conn => page.select((PlayerRow::as_select(), LevelRow::as_select())).load(conn))
                .map_err(classify)?;
        let Some((last, _)) = rows.last() else { break };
        after = last.id.clone();
        for (row, level) in rows {
            digest.add_player(&row, &level);
            let (id, name) = (row.id.clone(), format!("{}/{}", row.party, row.player));
            if row.player().ok().is_none_or(|player| bytes(player.key().uuid()) != id) {
                report.findings.push(format!("{name} is a player under another's id"));
            }
        }
    }
    after.clear();
    loop {
        let page = accounts::table.filter(accounts::id.gt(&after)).order(accounts::id).limit(PAGE);
        let rows: Vec<AccountRow> = on!(conn, conn => page.load(conn)).map_err(classify)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id.clone();
        for row in rows {
            digest.add_account(&row);
            let id = row.id.clone();
            if named(row).is_none_or(|named| bytes(named.uuid()) != id) {
                report.findings.push(format!("{} is an account under another's id", hex(&id)));
            }
        }
    }
}

/// The id of what the row says; `None` where that is no account. One on the house's side says nothing but its name.
fn named(row: AccountRow) -> Option<AccountId> {
    if row.side == PLAYER_SIDE {
        let account = row.account().ok()?;
        return Some(AccountId::of_player(account.player, &account.pocket));
    }
    let side = [HouseSide::House, HouseSide::Cashier].into_iter().find(|side| side.as_str() == row.side)?;
    let (party, currency) = (Party::parse(&row.party).ok()?, Currency::parse(&row.currency).ok()?);
    let house = HouseAccount { party, side, currency };
    let id = house.id();
    let said = AccountRow { id: row.id.clone(), balance: row.balance, ..AccountRow::of_house(&house, id) };
    (said == row).then_some(id)
}
