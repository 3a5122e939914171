//! Deposits and withdrawals: money from and to the outside world.

use super::{Done, Effects, HouseSide, Judged, Keyed, Posting, State, known_player};
use crate::ledger::command::Cash;

pub(super) fn deposit(state: &State, keyed: &Keyed, cash: &Cash) -> Judged {
    let mut posting = Posting::of(&keyed.command.party, known_player(state, keyed.player)?);
    let balance = posting.credit(&cash.pocket, cash.amount, HouseSide::Cashier)?;
    Ok((Done::Deposited { balance }, Effects::of(posting)))
}

pub(super) fn withdraw(state: &State, keyed: &Keyed, cash: &Cash) -> Judged {
    let mut posting = Posting::of(&keyed.command.party, known_player(state, keyed.player)?);
    let balance = posting.debit(&cash.pocket, cash.amount, HouseSide::Cashier)?;
    Ok((Done::Withdrawn { balance }, Effects::of(posting)))
}
