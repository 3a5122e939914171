//! One pass over the journal: its chains, and what it says of orders and players.

use std::collections::HashMap;

use diesel::prelude::*;

use super::chains::Chains;
use super::partners::{PartnersAudit, Told};
use super::stakes::Stakes;
use super::{PAGE, Report, count, hex, players};
use crate::ledger::command::{Act, Command, CommandKey, Keyed, OpenPlayer};
use crate::ledger::{OrderState, Outcome, Player};
use crate::storage::StoreError;
use crate::storage::order_change::OrderChange;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::remains::Remains;
use crate::storage::rows::{Bytes, JournalRow, OrderRow, TransferRow, uuid};
use crate::storage::schema::{journal, orders, transfers};

pub(super) struct JournalAudit {
    chains: Chains,
    /// Orders whose last change was found in the journal.
    confirmed: i64,
    /// Players that were opened.
    opened: i64,
    stakes: Stakes,
    partners: PartnersAudit,
}

impl JournalAudit {
    pub(super) fn begin(conn: &mut AnyConnection) -> Result<Self, StoreError> {
        Ok(Self {
            chains: Chains::begin(conn)?,
            confirmed: 0,
            opened: 0,
            stakes: Stakes::default(),
            partners: PartnersAudit::default(),
        })
    }

    /// Returns how many players the journal opened, and what the order of its bets says about stakes.
    pub(super) fn run(mut self, conn: &mut AnyConnection, report: &mut Report) -> Result<(i64, Stakes), StoreError> {
        let mut after = i64::MIN;
        loop {
            let page = journal::table.filter(journal::seq.gt(after)).order(journal::seq).limit(PAGE);
            let rows: Vec<JournalRow> = on!(conn, conn => page.load(conn)).map_err(classify)?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
            let moves = transfers::table
                .filter(transfers::seq.between(first.seq, last.seq))
                .order((transfers::seq, transfers::leg));
            let moves: Vec<TransferRow> = on!(conn, conn => moves.load(conn)).map_err(classify)?;
            after = last.seq;
            report.transfers += moves.len() as u64;
            report.commands += rows.len() as u64;
            self.page(conn, &rows, &moves, report)?;
        }
        self.finish(conn, report)?;
        self.chains.finish(conn, report)?;
        self.partners.finish(conn, report)?;
        Ok((self.opened, self.stakes))
    }

    fn page(
        &mut self,
        conn: &mut AnyConnection,
        rows: &[JournalRow],
        moves: &[TransferRow],
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let mut by_seq: HashMap<i64, Vec<&TransferRow>> = HashMap::new();
        for leg in moves {
            by_seq.entry(leg.seq).or_default().push(leg);
        }
        let (mut expected, mut opened, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            self.chains.link(row, by_seq.get(&row.seq).map_or(&[], Vec::as_slice), report)?;
            match read(row) {
                Some(Said::Whole(keyed, outcome)) => {
                    let command = &keyed.command;
                    if row.party != command.party.as_str() || row.at != command.at.0 {
                        let seq = row.seq;
                        report.findings.push(format!("journal row {seq} is filed under another party or time"));
                    }
                    if let (Act::OpenPlayer(open), Outcome::Done(_)) = (&command.act, outcome) {
                        let OpenPlayer { player: id, profile } = open.clone();
                        opened.push(Player { party: command.party.clone(), id, profile });
                    }
                    if is_of_partners(&command.act) {
                        let moved = by_seq.get(&row.seq).into_iter().flatten();
                        let legs = moved.map(|leg| (&leg.debit[..], &leg.credit[..], leg.amount));
                        told.extend(Told::of(row.seq, *keyed, outcome, legs));
                    } else {
                        expected.extend(OrderChange::of(row.seq, &keyed, outcome));
                    }
                }
                Some(Said::Remains(key, remains, outcome)) => {
                    expected.extend(OrderChange::of_remains(row.seq, key, remains, outcome));
                }
                None => report.findings.push(format!("journal row {} cannot be read", row.seq)),
            }
        }
        self.opened += i64::try_from(opened.len()).unwrap_or(i64::MAX);
        players::compare(conn, &opened, report)?;
        self.partners.page(conn, &told, report)?;
        self.compare_orders(conn, &expected, report)
    }

    fn compare_orders(
        &mut self,
        conn: &mut AnyConnection,
        expected: &[OrderChange],
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let ids: Vec<Bytes> = expected.iter().map(|expected| expected.order.uuid().as_bytes().to_vec()).collect();
        let mut found: HashMap<Bytes, OrderRow> = HashMap::new();
        for ids in ids.chunks(500) {
            let named = orders::table.filter(orders::id.eq_any(ids));
            let rows: Vec<OrderRow> = on!(conn, conn => named.load(conn)).map_err(classify)?;
            found.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
        }
        for (expected, id) in expected.iter().zip(&ids) {
            let name = hex(id);
            let Some(row) = found.get(id) else {
                report.findings.push(format!("{name} is an order of journal row {} and is missing", expected.seq));
                continue;
            };
            // A bet that was refused for another reason leaves a tombstone as it found it.
            let tombstone = row.state == OrderState::Tombstone.as_str() && row.changed_seq < expected.seq;
            if tombstone && expected.state == OrderState::Refused {
                continue;
            }
            if expected.state == OrderState::Open {
                self.stakes.bet(row);
            }
            if let Some(begun) = &expected.begun
                && !begun.is_of(row)?
            {
                report.findings.push(format!("{name} is an order that is not as its bet was"));
            }
            if row.changed_seq < expected.seq {
                report.findings.push(format!("{name} is an order that journal row {} did not reach", expected.seq));
            } else if row.changed_seq == expected.seq {
                self.confirmed += 1;
                if row.state != expected.state.as_str() || row.paid != expected.paid {
                    let (state, paid) = (&row.state, row.paid);
                    let (ought, pay) = (expected.state.as_str(), expected.paid);
                    report
                        .findings
                        .push(format!("{name} is an order {state} with {paid} paid, not {ought} with {pay}"));
                }
            }
        }
        Ok(())
    }

    fn finish(&self, conn: &mut AnyConnection, report: &mut Report) -> Result<(), StoreError> {
        report.orders = count(conn, "SELECT COUNT(*) AS count FROM orders")?;
        if report.orders != self.confirmed {
            let (orders, confirmed) = (report.orders, self.confirmed);
            report.findings.push(format!("{orders} orders are stored, and the journal accounts for {confirmed}"));
        }
        Ok(())
    }
}

/// What a row says: all of it, or what pruning has left.
enum Said {
    Whole(Box<Keyed>, Outcome),
    Remains(CommandKey, Remains, Outcome),
}

fn read(row: &JournalRow) -> Option<Said> {
    let outcome = serde_json::from_str(&row.outcome).ok()?;
    match Remains::read(&row.command) {
        Some(remains) => {
            let key = CommandKey::from_uuid(uuid(row.key.as_deref()?).ok()?);
            Some(Said::Remains(key, remains.ok()?, outcome))
        }
        None => {
            let command: Command = serde_json::from_str(&row.command).ok()?;
            Some(Said::Whole(Box::new(command.keyed()), outcome))
        }
    }
}

fn is_of_partners(act: &Act) -> bool {
    match act {
        Act::Adjust(_)
        | Act::QueueVoid(_)
        | Act::ResolveVoid(_)
        | Act::BuyVip(_)
        | Act::StockOffers(_)
        | Act::BuyKeys(_) => true,
        Act::OpenPlayer(_) | Act::Deposit(_) | Act::Withdraw(_) => false,
        Act::PlaceBet(_) | Act::SettleOrder(_) | Act::CancelOrder(_) => false,
    }
}
