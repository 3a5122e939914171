//! Usernames, against the commands that opened their players.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::players::OpenedPlayer;
use super::{AuditReport, count};
use crate::ledger::command::CommandKey;
use crate::ledger::player::Username;
use crate::ledger::{Party, PlayerId};
use crate::storage::StoreError;
use crate::storage::partners::IDS_AT_ONCE;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, PlayerRow, bytes};
use crate::storage::schema::{journal, players, usernames};

/// Counts the usernames that the journal accounts for.
#[derive(Default)]
pub(super) struct UsernamesAudit {
    owned: i64,
}

impl UsernamesAudit {
    /// Compares what is stored of the usernames that players were opened with, a page of the journal at a time.
    pub(super) fn page(
        &mut self,
        conn: &mut AnyConnection,
        opened: &[OpenedPlayer],
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let named = opened.iter().filter_map(|opened| Some((opened.player.username()?, opened)));
        let named: Vec<(Username, &OpenedPlayer)> = named.collect();
        let owners = owners(conn, &named)?;
        for (username, opened) in named {
            let (name, player) = (username.name(), opened.player.id.as_str());
            let name = format!("{}/{name}", username.party());
            match owners.get(&username) {
                None => report.findings.push(format!("{name} is the username of {player} and is missing")),
                Some(owner) if *owner == bytes(opened.player.key().uuid()) => self.owned += 1,
                Some(owner) => {
                    if !had_it_before(conn, owner, &username, opened.seq)? {
                        report.findings.push(format!("{name} is the username of {player} and is given to another"));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        let stored = count(conn, "SELECT COUNT(*) AS count FROM usernames")?;
        if stored != self.owned {
            let owned = self.owned;
            report.findings.push(format!("{stored} usernames are stored, and the journal accounts for {owned}"));
        }
        Ok(())
    }
}

fn owners(
    conn: &mut AnyConnection,
    named: &[(Username, &OpenedPlayer)],
) -> Result<HashMap<Username, Bytes>, StoreError> {
    let mut by_party: BTreeMap<&Party, Vec<&str>> = BTreeMap::new();
    for (username, _) in named {
        by_party.entry(username.party()).or_default().push(username.name());
    }
    let mut owners = HashMap::new();
    for (party, names) in by_party {
        for names in names.chunks(IDS_AT_ONCE) {
            let known = usernames::table.filter(usernames::party.eq(party.as_str()));
            let known =
                known.filter(usernames::username.eq_any(names)).select((usernames::username, usernames::player));
            let known: Vec<(String, Bytes)> = on!(conn, conn => known.load(conn)).map_err(classify)?;
            let owned = known.into_iter().filter_map(|(name, player)| Some((Username::named(party, &name)?, player)));
            owners.extend(owned);
        }
    }
    Ok(owners)
}

/// Whether a player was opened with a username before a journal row. It could be given twice once, so this is rare.
fn had_it_before(conn: &mut AnyConnection, player: &Bytes, username: &Username, seq: i64) -> Result<bool, StoreError> {
    let row: Option<PlayerRow> =
        on!(conn, conn => players::table.find(player).select(PlayerRow::as_select()).first(conn))
            .optional()
            .map_err(classify)?;
    let owner =
        row.filter(|row| row.party == username.party().as_str() && row.username.as_deref() == Some(username.name()));
    let Some(id) = owner.and_then(|row| PlayerId::recorded(&row.player).ok()) else { return Ok(false) };
    let key = bytes(CommandKey::of_open_player(username.party(), &id).uuid());
    let before = journal::table.filter(journal::by_key).filter(journal::key.eq(key)).filter(journal::seq.lt(seq));
    let before: Option<i64> =
        on!(conn, conn => before.select(journal::seq).first(conn)).optional().map_err(classify)?;
    Ok(before.is_some())
}
