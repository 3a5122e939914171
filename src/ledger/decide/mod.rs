//! `decide`: from what is known and what is asked to what happens. Total: a refusal is a value.
//!
//! The first reason that applies, in this order, wins (the order of [`Refusal`]'s variants):
//! the stored outcome of the same key; the same key with other data; game; player; order and round; limits; funds.
//! Look up the key before the balance: a repeat of an accepted bet must be answered "accepted" even when the
//! wallet is now empty.

mod adjust;
mod bet;
mod cancel;
mod cash;
mod keys;
mod open;
mod rollback;
mod settle;
mod vip;
mod void;

use std::sync::Arc;

use super::account::{Account, HouseSide};
use super::command::{Act, Command, Keyed, SettleOrder, Terms};
use super::essence::Essence;
use super::offer::{OfferId, OfferState, Purchase, StockedKey};
use super::order::{Order, OrderIds, OrderState};
use super::outcome::{Done, Keeping, Outcome, Refusal};
use super::player::{Player, PlayerKey};
use super::posting::{Posting, Transfer};
use super::state::{Asked, Decided, PlayerState, State};
use super::transaction::{ManualVoid, Transaction};

/// What a decision changes, besides the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    pub opened: Option<Player>,
    /// Final values, each account once.
    pub accounts: Vec<Account>,
    pub order: Option<Order>,
    pub transfers: Vec<Transfer>,
    /// Final values of new and changed transactions.
    pub transactions: Vec<Transaction>,
    pub void: Option<ManualVoid>,
    /// The player's new VIP level.
    pub vip: Option<(PlayerKey, Arc<str>)>,
    /// Final values of new and changed offers.
    pub offers: Vec<(OfferId, OfferState)>,
    /// Keys that enter the stock.
    pub stocked: Vec<StockedKey>,
    pub purchase: Option<Purchase>,
}

impl Effects {
    /// What a posting moved.
    fn of(posting: Posting<'_>) -> Self {
        let (accounts, transfers) = posting.done();
        Self { accounts, transfers, ..Self::default() }
    }
}

/// An outcome, how the journal keeps it, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Outcome,
    /// Whether this is the stored outcome of the same command.
    pub repeated: bool,
    pub keeping: Keeping,
    pub effects: Effects,
}

/// Decides one command against what is known. `number` is the journal's for the command, should it be kept.
pub fn decide(state: &State, keyed: &Keyed, number: i64) -> Decision {
    let command = &keyed.command;
    if let Some(decided) = decided_before(state, keyed) {
        return Decision::repeat(state, keyed, decided);
    }
    let judged = match &command.act {
        Act::OpenPlayer(open) => Ok(open::decide(command, open)),
        Act::Deposit(cash) => cash::deposit(state, keyed, cash),
        Act::Withdraw(cash) => cash::withdraw(state, keyed, cash),
        Act::PlaceBet(bet) => bet::decide(state, keyed, bet),
        Act::SettleOrder(settle) => settle::decide(state, keyed, settle),
        Act::CancelOrder(cancel) => cancel::decide(state, keyed, cancel),
        Act::Adjust(adjust) => adjust::decide(state, keyed, adjust, adjust.number.unwrap_or(number)),
        Act::QueueVoid(queue) => void::queue(state, keyed, queue),
        Act::ResolveVoid(resolve) => void::resolve(state, keyed, resolve, resolve.number.unwrap_or(number)),
        Act::BuyVip(buy) => vip::decide(state, keyed, buy),
        Act::StockOffers(stock) => keys::stock(state, keyed, stock),
        Act::BuyKeys(buy) => keys::buy(state, keyed, buy, buy.number.unwrap_or(number)),
    };
    match judged {
        Ok((done, effects)) => {
            Decision { outcome: Outcome::Done(done), repeated: false, keeping: Keeping::Kept, effects }
        }
        Err(refusal) => Decision::refused(state, keyed, refusal),
    }
}

/// The same for a command that a journal tells of, with what was decided of it there. A bet that a tombstone had refused
/// is refused again, be the tombstone somebody else's: by the first rules it bound everybody, and it moves nothing.
pub fn decide_recorded(state: &State, keyed: &Keyed, number: i64, recorded: Outcome) -> Decision {
    let decision = decide(state, keyed, number);
    let is_new = decision.keeping != Keeping::Ignored;
    let cancelled = Outcome::Refused(Refusal::OrderCancelled);
    match &keyed.command.act {
        Act::PlaceBet(_) if is_new && recorded == cancelled => Decision::refused(state, keyed, Refusal::OrderCancelled),
        _ => decision,
    }
}

/// What was decided of the command when it came before. A player who was refused under an order's key is told that,
/// whatever others have done under it since.
fn decided_before<'a>(state: &'a State, keyed: &Keyed) -> Option<&'a Decided> {
    let refused = keyed.order.filter(|order| state.orders.contains_key(&order.refused));
    match refused {
        Some(_) => state.decided.get(&keyed.refused_key()?),
        None => state.decided.get(&keyed.key),
    }
}

/// What a judge answers: what is done and what follows, or why nothing is.
type Judged = Result<(Done, Effects), Refusal>;

impl Decision {
    fn repeat(state: &State, keyed: &Keyed, decided: &Decided) -> Self {
        let same = match &decided.asked {
            Asked::Whole(before) => is_same(state, keyed, before),
            Asked::Pruned(before) => is_same_as_pruned(state, keyed, before),
        };
        let outcome = if same { decided.outcome } else { Outcome::Refused(Refusal::KeyReused) };
        Self { outcome, repeated: same, keeping: Keeping::Ignored, effects: Effects::default() }
    }

    fn refused(state: &State, keyed: &Keyed, refusal: Refusal) -> Self {
        let keeping = refusal.keeping(&keyed.command.act);
        let order = match (&keyed.command.act, keeping) {
            (Act::PlaceBet(bet), Keeping::Kept) => bet::refused_order(state, keyed, bet),
            (Act::CancelOrder(cancel), Keeping::Kept) => cancel::tombstone(keyed, cancel),
            _ => None,
        };
        let effects = Effects { order, ..Effects::default() };
        Self { outcome: Outcome::Refused(refusal), repeated: false, keeping, effects }
    }
}

/// Whether two commands with one key ask for the same. Time, correlation and terms may differ.
fn is_same(state: &State, keyed: &Keyed, before: &Command) -> bool {
    match (&keyed.command.act, &before.act) {
        (Act::OpenPlayer(now), Act::OpenPlayer(then)) => now == then,
        (Act::Deposit(now), Act::Deposit(then)) | (Act::Withdraw(now), Act::Withdraw(then)) => now == then,
        (Act::PlaceBet(now), Act::PlaceBet(then)) => bet::is_same(now, then),
        (Act::SettleOrder(now), Act::SettleOrder(then)) => settle::is_same(order_of(state, keyed), now, then),
        (Act::CancelOrder(now), Act::CancelOrder(then)) => cancel::is_same(order_of(state, keyed), now, then),
        (Act::Adjust(now), Act::Adjust(then)) => adjust::is_same(now, then),
        (Act::QueueVoid(now), Act::QueueVoid(then)) => now == then,
        (Act::ResolveVoid(now), Act::ResolveVoid(then)) => now.approve == then.approve,
        (Act::BuyVip(now), Act::BuyVip(then)) => vip::is_same(now, then),
        (Act::StockOffers(now), Act::StockOffers(then)) => keys::is_same_stock(now, then),
        (Act::BuyKeys(now), Act::BuyKeys(then)) => keys::is_same_purchase(now, then),
        _ => false,
    }
}

/// [`is_same`] where only the essence of the earlier command is left.
fn is_same_as_pruned(state: &State, keyed: &Keyed, before: &Essence) -> bool {
    let act = &keyed.command.act;
    let agrees = match act {
        Act::SettleOrder(settle) => {
            let then = SettleOrder { result: before.result_like(settle.result), ..settle.clone() };
            settle::is_same(order_of(state, keyed), settle, &then)
        }
        Act::CancelOrder(cancel) => cancel::is_same(order_of(state, keyed), cancel, cancel),
        Act::OpenPlayer(_)
        | Act::Deposit(_)
        | Act::Withdraw(_)
        | Act::PlaceBet(_)
        | Act::Adjust(_)
        | Act::QueueVoid(_)
        | Act::ResolveVoid(_)
        | Act::BuyVip(_)
        | Act::StockOffers(_)
        | Act::BuyKeys(_) => true,
    };
    agrees && Essence::of(act).is_some_and(|now| now.is_like(before))
}

fn order_of<'a>(state: &'a State, keyed: &Keyed) -> Option<&'a Order> {
    let OrderIds { accepted, refused } = keyed.order?;
    state.orders.get(&refused).or_else(|| state.orders.get(&accepted))
}

fn known_game(terms: Terms) -> Result<(), Refusal> {
    if terms.game_offered { Ok(()) } else { Err(Refusal::GameUnknown) }
}

fn known_player(state: &State, player: PlayerKey) -> Result<&PlayerState, Refusal> {
    state.players.get(&player).ok_or(Refusal::PlayerUnknown)
}

/// The open order that a result or cancel is about.
fn open_order(order: Option<&Order>, player: PlayerKey) -> Result<&Order, Refusal> {
    let order = order.ok_or(Refusal::OrderUnknown)?;
    if order.player != player {
        return Err(Refusal::OrderNotTheirs);
    }
    match order.state {
        OrderState::Open => Ok(order),
        OrderState::Won | OrderState::Lost | OrderState::Tied => Err(Refusal::OrderSettled),
        OrderState::Cancelled | OrderState::Tombstone => Err(Refusal::OrderCancelled),
        OrderState::Refused => Err(Refusal::OrderRefused),
    }
}
