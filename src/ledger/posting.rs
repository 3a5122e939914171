//! Posting: the one way in which money moves. Nothing else changes a balance, and every balance that changes has a transfer
//! that says by how much and from where, so books cannot be unbalanced.
//!
//! | | player's account | transfer |
//! |---|---|---|
//! | [`Posting::debit`] | loses the amount, and is never below zero | from the player to the house side |
//! | [`Posting::credit`] | gains the amount, and never more than 64 bits hold | from the house side to the player |
//!
//! The house side keeps no running balance: the audit adds it up.

use super::account::{Account, AccountId, HouseAccount, HouseSide, Pocket, Staked};
use super::accounts::AccountRefusal;
use super::ids::Party;
use super::money::Amount;
use super::state::PlayerState;

/// One side of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    Player(AccountId),
    House(HouseAccount),
}

/// Money that changes sides: the debit side loses what the credit side gains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub debit: Side,
    pub credit: Side,
    pub amount: Amount,
}

/// What one command moves of one player's money.
#[derive(Debug)]
pub struct Posting<'a> {
    party: &'a Party,
    player: &'a PlayerState,
    /// Those that were touched, as they are by now.
    accounts: Vec<Account>,
    transfers: Vec<Transfer>,
}

#[derive(Clone, Copy)]
enum Direction {
    Debit,
    Credit,
}

impl<'a> Posting<'a> {
    pub fn of(party: &'a Party, player: &'a PlayerState) -> Self {
        Self { party, player, accounts: Vec::new(), transfers: Vec::new() }
    }

    /// Takes an amount from the player; the balance afterwards, in minor units. Refused where there is too little.
    pub fn debit(&mut self, pocket: &Pocket, amount: Amount, to: HouseSide) -> Result<i64, AccountRefusal> {
        self.post(pocket, amount, Direction::Debit, to)
    }

    /// Gives an amount to the player; the balance afterwards, in minor units. Refused where the account cannot hold it.
    pub fn credit(&mut self, pocket: &Pocket, amount: Amount, from: HouseSide) -> Result<i64, AccountRefusal> {
        self.post(pocket, amount, Direction::Credit, from)
    }

    /// Sets what an account that was posted to has staked on its day, which is what a daily limit counts. It moves nothing.
    pub fn stake(&mut self, pocket: &Pocket, staked: Staked) {
        let posted = self.accounts.iter_mut().find(|account| account.pocket == *pocket);
        assert!(posted.is_some(), "a stake counts for an account that nothing was posted to");
        if let Some(account) = posted {
            account.staked = staked;
        }
    }

    /// The touched accounts with their final values, and the transfers in their order.
    pub fn done(self) -> (Vec<Account>, Vec<Transfer>) {
        (self.accounts, self.transfers)
    }

    fn post(
        &mut self,
        pocket: &Pocket,
        amount: Amount,
        way: Direction,
        side: HouseSide,
    ) -> Result<i64, AccountRefusal> {
        let touched = self.accounts.iter().position(|account| account.pocket == *pocket);
        let before = touched.and_then(|at| self.accounts.get(at)).cloned();
        let mut account = before.unwrap_or_else(|| self.player.account(pocket));
        account.balance = match way {
            Direction::Debit => {
                let after = account.balance.checked_sub(amount.minor()).filter(|after| *after >= 0);
                after.ok_or(AccountRefusal::InsufficientFunds { balance: account.balance })?
            }
            Direction::Credit => account.balance.checked_add(amount.minor()).ok_or(AccountRefusal::BalanceOverflow)?,
        };
        let house = Side::House(HouseAccount { party: self.party.clone(), side, currency: pocket.currency });
        let (balance, theirs) = (account.balance, Side::Player(account.id));
        let (debit, credit) = match way {
            Direction::Debit => (theirs, house),
            Direction::Credit => (house, theirs),
        };
        self.transfers.push(Transfer { debit, credit, amount });
        match touched.and_then(|at| self.accounts.get_mut(at)) {
            Some(known) => *known = account,
            None => self.accounts.push(account),
        }
        Ok(balance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::player::{Player, Profile};
    use crate::ledger::{Currency, PlayerId};

    fn alice() -> PlayerState {
        let currency = Currency::parse("CHF").unwrap();
        let profile = Profile { home_currency: currency, username: None, nickname: None, email: None, gender: None };
        PlayerState::new(Player { party: acme(), id: PlayerId::parse("alice").unwrap(), profile })
    }

    fn acme() -> Party {
        Party::parse("acme").unwrap()
    }

    fn pocket() -> Pocket {
        Pocket::real(Currency::parse("CHF").unwrap())
    }

    fn amount(minor: i64) -> Amount {
        Amount::new(minor).unwrap()
    }

    #[test]
    fn whatever_is_posted_transfers_say_what_balances_do() {
        let (party, player, pocket) = (acme(), alice(), pocket());
        let mut posting = Posting::of(&party, &player);
        assert_eq!(posting.credit(&pocket, amount(30), HouseSide::Cashier), Ok(30));
        assert_eq!(posting.debit(&pocket, amount(20), HouseSide::House), Ok(10));
        let poor = AccountRefusal::InsufficientFunds { balance: 10 };
        assert_eq!(posting.debit(&pocket, amount(11), HouseSide::House), Err(poor));
        assert_eq!(posting.credit(&pocket, amount(i64::MAX), HouseSide::House), Err(AccountRefusal::BalanceOverflow));
        let (accounts, transfers) = posting.done();
        let [account] = &accounts[..] else { panic!("{accounts:?}") };
        let theirs = Side::Player(account.id);
        let gained = transfers.iter().filter(|one| one.credit == theirs).map(|one| one.amount.minor()).sum::<i64>();
        let lost = transfers.iter().filter(|one| one.debit == theirs).map(|one| one.amount.minor()).sum::<i64>();
        assert_eq!((account.balance, gained - lost, transfers.len()), (10, 10, 2), "what is refused moves nothing");
    }

    #[test]
    fn what_counts_as_staked_is_of_an_account_that_was_posted_to() {
        let (party, player, pocket) = (acme(), alice(), pocket());
        let mut posting = Posting::of(&party, &player);
        let staked = Staked { day: 1, minor: 5 };
        posting.credit(&pocket, amount(5), HouseSide::House).unwrap();
        posting.stake(&pocket, staked);
        assert_eq!(posting.done().0[0].staked, staked);
    }

    #[test]
    #[should_panic(expected = "an account that nothing was posted to")]
    fn what_counts_as_staked_from_nowhere_stops_the_batch() {
        let (party, player) = (acme(), alice());
        Posting::of(&party, &player).stake(&pocket(), Staked { day: 1, minor: 5 });
    }
}
