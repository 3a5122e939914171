//! Deposits and withdrawals: money from and to the outside world.

use super::{Account, Done, Effects, HouseAccount, Judged, Keyed, Refusal, Side, State, Transfer, known_player};
use crate::ledger::account::HouseSide;
use crate::ledger::command::Cash;

pub(super) fn deposit(state: &State, keyed: &Keyed, cash: &Cash) -> Judged {
    let mut account = known_player(state, keyed.player)?.account(&cash.pocket);
    account.balance = account.balance.checked_add(cash.amount.minor()).ok_or(Refusal::BalanceOverflow)?;
    let balance = account.balance;
    let transfer = Transfer { debit: cashier(keyed, cash), credit: Side::Player(account.id), amount: cash.amount };
    Ok((Done::Deposited { balance }, moved(account, transfer)))
}

pub(super) fn withdraw(state: &State, keyed: &Keyed, cash: &Cash) -> Judged {
    let mut account = known_player(state, keyed.player)?.account(&cash.pocket);
    if account.balance < cash.amount.minor() {
        return Err(Refusal::InsufficientFunds { balance: account.balance });
    }
    account.balance = account.balance.checked_sub(cash.amount.minor()).ok_or(Refusal::BalanceOverflow)?;
    let balance = account.balance;
    let transfer = Transfer { debit: Side::Player(account.id), credit: cashier(keyed, cash), amount: cash.amount };
    Ok((Done::Withdrawn { balance }, moved(account, transfer)))
}

fn cashier(keyed: &Keyed, cash: &Cash) -> Side {
    Side::House(HouseAccount {
        party: keyed.command.party.clone(),
        side: HouseSide::Cashier,
        currency: cash.pocket.currency,
    })
}

fn moved(account: Account, transfer: Transfer) -> Effects {
    Effects { accounts: vec![account], transfers: vec![transfer], ..Effects::default() }
}
