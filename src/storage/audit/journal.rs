//! One pass over the journal: its chains, and what it says of orders and players.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::partners::{PartnersAudit, Told};
use super::{PAGE, Report, count, hex};
use crate::ledger::chain::{self, Hash};
use crate::ledger::command::{Act, Command, GameResult, Keyed};
use crate::ledger::order::{Order, Stake};
use crate::ledger::{Done, OrderId, OrderState, Outcome, PlayerKey, Refusal};
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, JournalRow, OrderRow, TransferRow, WriterRow, uuid};
use crate::storage::schema::{journal, orders, transfers, writers};

/// What an order must look like after a journal row.
struct Expected {
    order: OrderId,
    seq: i64,
    state: OrderState,
    paid: i64,
    /// The whole order, where the row is its first.
    begun: Option<Order>,
}

#[derive(Default)]
pub(super) struct JournalAudit {
    heads: BTreeMap<i32, (i64, Hash)>,
    /// Orders whose last change was found in the journal.
    confirmed: i64,
    /// Players that were opened.
    opened: i64,
    partners: PartnersAudit,
}

impl JournalAudit {
    /// Returns how many players the journal opened.
    pub(super) fn run(mut self, conn: &mut AnyConnection, report: &mut Report) -> Result<i64, StoreError> {
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
        self.partners.finish(conn, report)?;
        Ok(self.opened)
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
        let (mut expected, mut told) = (Vec::new(), Vec::new());
        for row in rows {
            self.link(row, by_seq.get(&row.seq).map_or(&[], Vec::as_slice), report)?;
            match read(row) {
                Some((command, outcome)) => {
                    if row.party != command.party.as_str() || row.at != command.at.0 {
                        let seq = row.seq;
                        report.findings.push(format!("journal row {seq} is filed under another party or time"));
                    }
                    self.opened += i64::from(outcome == Outcome::Done(Done::PlayerOpened));
                    let keyed = command.keyed();
                    if is_of_partners(&keyed.command.act) {
                        let moved = by_seq.get(&row.seq).into_iter().flatten();
                        let legs = moved.map(|leg| (&leg.debit[..], &leg.credit[..], leg.amount));
                        told.extend(Told::of(row.seq, keyed, outcome, legs));
                    } else {
                        expected.extend(expectation(row.seq, keyed, outcome));
                    }
                }
                None => report.findings.push(format!("journal row {} cannot be read", row.seq)),
            }
        }
        self.partners.page(conn, &told, report)?;
        self.compare_orders(conn, &expected, report)
    }

    /// `moved` are the row's legs in their order; a leg whose number is not its position is none of the row's.
    fn link(&mut self, row: &JournalRow, moved: &[&TransferRow], report: &mut Report) -> Result<(), StoreError> {
        let (_, previous) = self.heads.get(&row.writer).copied().unwrap_or((0, chain::START));
        for (TransferRow { leg, .. }, _) in moved.iter().zip(0_i16..).filter(|(row, position)| row.leg != *position) {
            report.findings.push(format!("transfer {leg} of journal row {} is none of its command's", row.seq));
        }
        let legs = moved.iter().map(|leg| Ok((uuid(&leg.debit)?, uuid(&leg.credit)?, leg.amount)));
        let movements = legs.collect::<Result<Vec<_>, StoreError>>()?;
        let key = row.key.as_deref().map(uuid).transpose()?;
        let linked =
            chain::Row { seq: row.seq, key, command: &row.command, outcome: &row.outcome, movements: &movements };
        if chain::link(&previous, &linked).as_slice() != row.hash.as_slice() {
            let (seq, writer) = (row.seq, row.writer);
            report.findings.push(format!("journal row {seq} does not follow from its predecessor in chain {writer}"));
        }
        // Go on from the stored hash, so that one altered row is one finding.
        let head = row.hash.as_slice().try_into().unwrap_or(previous);
        self.heads.insert(row.writer, (row.seq, head));
        Ok(())
    }

    fn compare_orders(
        &mut self,
        conn: &mut AnyConnection,
        expected: &[Expected],
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
            if expected.begun.as_ref().is_some_and(|begun| !is_as_begun(row, begun)) {
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
        let chains: Vec<WriterRow> = on!(conn, conn => writers::table.load(conn)).map_err(classify)?;
        for (id, (seq, _)) in &self.heads {
            if chains.iter().all(|writer| writer.id != *id) {
                report.findings.push(format!("chain {id} ends at journal row {seq}, and no writer left it"));
            }
        }
        for writer in chains {
            let (seq, head) = self.heads.get(&writer.id).copied().unwrap_or((0, chain::START));
            if writer.last_seq != seq || writer.head != head {
                let (id, last) = (writer.id, writer.last_seq);
                report.findings.push(format!("chain {id} ends at journal row {seq}, and was left at {last}"));
            }
        }
        Ok(())
    }
}

fn read(row: &JournalRow) -> Option<(Command, Outcome)> {
    Some((serde_json::from_str(&row.command).ok()?, serde_json::from_str(&row.outcome).ok()?))
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

/// Whether a row is the order that it was at first, but for what became of it.
fn is_as_begun(row: &OrderRow, begun: &Order) -> bool {
    let (state, paid, changed_seq) = (row.state.clone(), row.paid, row.changed_seq);
    *row == OrderRow { state, paid, changed_seq, ..OrderRow::of(begun, changed_seq) }
}

/// What a journal row did to its order, if anything.
fn expectation(seq: i64, keyed: Keyed, outcome: Outcome) -> Option<Expected> {
    let order = keyed.order?;
    let (state, paid) = match (&keyed.command.act, outcome) {
        (Act::PlaceBet(_), Outcome::Done(_)) => (OrderState::Open, 0),
        // The tombstone that refused the bet stays.
        (Act::PlaceBet(_), Outcome::Refused(Refusal::OrderCancelled)) => return None,
        (Act::PlaceBet(_), Outcome::Refused(_)) => (OrderState::Refused, 0),
        (Act::SettleOrder(settle), Outcome::Done(Done::OrderSettled { paid })) => {
            let state = match settle.result {
                GameResult::Win(_) => OrderState::Won,
                GameResult::Tie(_) => OrderState::Tied,
                GameResult::Lose(_) => OrderState::Lost,
            };
            (state, paid)
        }
        (Act::CancelOrder(_), Outcome::Done(Done::OrderCancelled { refunded })) => (OrderState::Cancelled, refunded),
        (Act::CancelOrder(_), Outcome::Refused(Refusal::OrderUnknown)) => (OrderState::Tombstone, 0),
        _ => return None,
    };
    let begun = begun(&keyed.command, order, keyed.player, state);
    Some(Expected { order, seq, state, paid, begun })
}

/// The order that a bet, or a cancel without one, begins.
fn begun(command: &Command, id: OrderId, player: PlayerKey, state: OrderState) -> Option<Order> {
    let (key, stake) = match &command.act {
        Act::PlaceBet(bet) => {
            let (pocket, day) = (bet.pocket.clone(), command.at.day());
            (&bet.order, Some(Stake { amount: bet.stake, pocket, round: bet.round, day }))
        }
        Act::CancelOrder(cancel) if state == OrderState::Tombstone => (&cancel.order, None),
        _ => return None,
    };
    Some(Order { id, party: command.party.clone(), key: key.clone(), player, state, stake, paid: 0 })
}
