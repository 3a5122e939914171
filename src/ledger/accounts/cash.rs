//! Deposits and withdrawals: money from and to the outside world.

use super::{AccountDone, Cash};
use crate::ledger::State;
use crate::ledger::account::HouseSide;
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::posting::Posting;

pub(super) fn deposit(state: &State, keyed: &KeyedCommand, cash: &Cash) -> AreaDecision<AccountDone> {
    let mut posting = Posting::of(&keyed.command.party, known_player(state, keyed.player)?);
    let balance = posting.credit(&cash.pocket, cash.amount, HouseSide::Cashier)?;
    Ok((AccountDone::Deposited { balance }, Effects::of(posting)))
}

pub(super) fn withdraw(state: &State, keyed: &KeyedCommand, cash: &Cash) -> AreaDecision<AccountDone> {
    let mut posting = Posting::of(&keyed.command.party, known_player(state, keyed.player)?);
    let balance = posting.debit(&cash.pocket, cash.amount, HouseSide::Cashier)?;
    Ok((AccountDone::Withdrawn { balance }, Effects::of(posting)))
}
