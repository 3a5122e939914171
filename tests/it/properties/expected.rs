//! What must be stored of a journal row is what its command did: `expected` is told no more than the row, and agrees with
//! `decide`, which knew everything.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use purser::ledger::accounts::expected::ExpectedAccount;
use purser::ledger::orders::expected::OpeningOrder;
use purser::ledger::recorded::KeptRow;
use purser::ledger::{AccountAct, Act, Batch, Done, JournalEntry, OrderAct, OrderState, Outcome, accounts, orders};

use super::check;
use crate::memory::Memory;

#[test]
fn what_is_expected_of_a_row_is_what_its_command_did() {
    check(10, |history, _| {
        let mut memory = Memory::default();
        for keyed in &history.commands("acme") {
            let (batch, _) = memory.apply(std::slice::from_ref(keyed));
            let Some(entry) = batch.entries.first() else { continue };
            match &entry.keyed.command.act {
                Act::Account(act) => is_account(&batch, entry, act)?,
                Act::Order(act) => is_order(&batch, entry, act)?,
                // Both areas compare what is stored, not what is written: the audits of all histories do.
                Act::Transaction(_) | Act::Shop(_) => {}
            }
        }
        Ok(())
    });
}

fn is_account(batch: &Batch, entry: &JournalEntry, act: &AccountAct) -> Result<(), TestCaseError> {
    let Outcome::Done(done) = entry.outcome else {
        prop_assert!(batch.players.is_empty() && batch.accounts.is_empty());
        return Ok(());
    };
    let Done::Account(done) = done else { return Err(TestCaseError::fail(format!("{act:?}: {done:?}"))) };
    match accounts::expected::expected(&entry.keyed, act, done) {
        Some(ExpectedAccount::Opened(player)) => prop_assert_eq!(&batch.players, &[player]),
        Some(ExpectedAccount::Moved) => {
            prop_assert!(batch.players.is_empty());
            moves(batch, entry, accounts::expected::takes(act))?;
        }
        None => return Err(TestCaseError::fail(format!("nothing is expected of {act:?}, by which {done:?}"))),
    }
    Ok(())
}

fn is_order(batch: &Batch, entry: &JournalEntry, act: &OrderAct) -> Result<(), TestCaseError> {
    let Some(key) = entry.kept_key() else {
        prop_assert!(batch.orders.is_empty());
        return Ok(());
    };
    let [(order, numbers)] = &batch.orders[..] else { return Err(TestCaseError::fail("one order")) };
    let row = KeptRow { seq: entry.seq, key, keyed: &entry.keyed, outcome: entry.outcome };
    let Some(expected) = orders::expected::expected(&row, act) else {
        return Err(TestCaseError::fail(format!("nothing is expected of {act:?}, which was kept")));
    };
    prop_assert_eq!(expected.order, order.id());
    prop_assert!(expected.is_told_by(numbers) && expected.is_last_of(numbers));
    let begins = expected.begun.is_some();
    match expected.beginning(Some(order.state())) {
        Some(OpeningOrder::Whole(begun)) => prop_assert_eq!(&**begun, order),
        Some(OpeningOrder::Digest(_)) => return Err(TestCaseError::fail("nothing is pruned")),
        // Its player's tombstone refused the bet, and stays.
        None if begins => {
            prop_assert_eq!((expected.state, order.state()), (OrderState::Refused, OrderState::Tombstone))
        }
        None => prop_assert_eq!((expected.state, expected.paid), (order.state(), order.paid())),
    }
    moves(batch, entry, orders::expected::takes(act))
}

/// Whether money went the way that it is expected to.
fn moves(batch: &Batch, entry: &JournalEntry, takes: bool) -> Result<(), TestCaseError> {
    for transfer in &entry.transfers {
        let theirs = if takes { transfer.debit } else { transfer.credit };
        prop_assert!(batch.accounts.iter().any(|account| account.id == theirs), "{:?}", transfer);
    }
    Ok(())
}
