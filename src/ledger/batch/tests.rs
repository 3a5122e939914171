//! What only a bug could bring about stops the batch: each assert is seen to fire.

use super::*;
use crate::ledger::account::Pocket;
use crate::ledger::accounts::{AccountAct, AccountDone, Cash};
use crate::ledger::command::Timestamp;
use crate::ledger::orders::{CancelOrder, OrderKey, Terms};
use crate::ledger::outcome::Done;
use crate::ledger::player::Profile;
use crate::ledger::shop::ShopEffects;
use crate::ledger::{Act, Amount, Command, Currency, ExternalId, Game, OrderAct, PlayerId};

fn acme() -> Party {
    Party::parse("acme").unwrap()
}

fn alice() -> PlayerId {
    PlayerId::parse("alice").unwrap()
}

fn pocket() -> Pocket {
    Pocket::real(Currency::parse("CHF").unwrap())
}

fn command(act: Act) -> KeyedCommand {
    Command { party: acme(), at: Timestamp(0), correlation: None, act }.keyed()
}

fn deposit(key: &str) -> KeyedCommand {
    let amount = Amount::new(5).unwrap();
    command(Act::Account(AccountAct::Deposit(Cash { player: alice(), pocket: pocket(), amount, key: key.into() })))
}

fn with_alice(numbers: &[i64]) -> State {
    let profile =
        Profile { home_currency: pocket().currency, username: None, nickname: None, email: None, gender: None };
    let player = PlayerState::new(Player { party: acme(), id: alice(), profile });
    let players = HashMap::from([(player.player.key(), player)]);
    State { players, numbers: numbers.to_vec(), ..State::default() }
}

fn decision(effects: Effects) -> Decision {
    let outcome = Outcome::Done(Done::Account(AccountDone::PlayerOpened));
    Decision { outcome, repeated: false, retention: Retention::Idempotent, effects }
}

#[test]
fn entries_take_the_numbers_that_were_reserved() {
    let (first, second) = (deposit("1"), deposit("2"));
    let (batch, _) = fold(&mut with_alice(&[7, 9]), [(&first, false), (&second, false)]);
    assert_eq!(batch.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [7, 9]);
    assert_eq!(batch.accounts.iter().map(|account| account.balance).collect::<Vec<_>>(), [10]);
}

#[test]
#[should_panic(expected = "entry 1 has no number: 1 were reserved")]
fn an_entry_without_a_reserved_number_stops_the_batch() {
    let (first, second) = (deposit("1"), deposit("2"));
    fold(&mut with_alice(&[7]), [(&first, false), (&second, false)]);
}

#[test]
#[should_panic(expected = "was changed and is not known")]
fn an_account_of_a_player_who_was_not_loaded_stops_the_batch() {
    let keyed = deposit("1");
    let account = Account::unused(acme(), keyed.player, pocket());
    let effects = Effects { accounts: vec![account], ..Effects::default() };
    Folding::default().record(&mut State::default(), &keyed, decision(effects), 1);
}

#[test]
#[should_panic(expected = "was changed and is not known")]
fn a_level_of_a_player_who_was_not_loaded_stops_the_batch() {
    let keyed = deposit("1");
    let shop = ShopEffects { level: Some((keyed.player, "gold".into())), ..ShopEffects::default() };
    Folding::default().record(&mut State::default(), &keyed, decision(Effects { shop, ..Effects::default() }), 1);
}

#[test]
#[should_panic(expected = "which is not known")]
fn a_command_that_is_kept_about_no_order_stops_the_batch() {
    let (game, external_id) = (Game::parse("roulette").unwrap(), ExternalId::parse("x").unwrap());
    let terms = Terms { game_offered: true, max_bet: None, max_stake_per_day: None };
    let order = OrderKey { game, external_id };
    let keyed = command(Act::Order(OrderAct::CancelOrder(CancelOrder { player: alice(), order, wallet: None, terms })));
    Folding::default().record(&mut with_alice(&[]), &keyed, decision(Effects::default()), 1);
}
