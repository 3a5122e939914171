//! Random histories: what the scenarios do not think of. A failing one is shrunk, and printed with its seed.

pub mod histories;
mod expected;
mod partners;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use purser::ledger::command::{Command, KeyedCommand};
use purser::ledger::shop::{OfferId, Purchase};
use purser::ledger::state::PastCommand;
use purser::ledger::{Act, Batch, JournalEntry, Outcome, ReadSet, ShopAct, State, TransactionAct};
use purser::storage::{Store, Writer};
use tokio::runtime::Runtime;

use crate::databases::{Fresh, apply};
use crate::memory::{Memory, next_number};
use crate::model::{Model, pocket_name};
use crate::script::told;
use histories::{History, histories};

/// Histories in one run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 48;

/// By how much fewer they are where each has databases of its own.
const FEWER: u32 = 4;

/// A history folded one command at a time.
#[derive(Default)]
struct Folded {
    memory: Memory,
    outcomes: Vec<Outcome>,
    entries: Vec<JournalEntry>,
    purchases: Vec<Purchase>,
    /// By how much stocks have changed.
    stocks: BTreeMap<OfferId, i64>,
}

impl Folded {
    fn apply(&mut self, commands: &[KeyedCommand]) {
        let (batch, outcomes) = self.memory.apply(commands);
        self.outcomes.extend(outcomes);
        let Batch { entries, shop, .. } = batch;
        self.entries.extend(entries);
        self.purchases.extend(shop.purchases);
        for (id, change) in shop.offers {
            *self.stocks.entry(id).or_default() += change.stock_change;
        }
    }
}

fn fold_serially(commands: &[KeyedCommand]) -> Folded {
    let mut folded = Folded::default();
    commands.iter().for_each(|keyed| folded.apply(std::slice::from_ref(keyed)));
    folded
}

fn config() -> Config {
    let config = Config { source_file: Some(file!()), ..Config::default() };
    // The environment's number is in the default already.
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { Config { cases: CASES, ..config } }
}

/// Runs a property on many histories.
fn check(cases: u32, property: impl Fn(&History, u32) -> Result<(), TestCaseError>) {
    check_some(config().cases.saturating_mul(cases), property);
}

/// The same, for a property that needs databases of its own.
pub fn check_few(property: impl Fn(&History, u32) -> Result<(), TestCaseError>) {
    check_some(config().cases.div_ceil(FEWER), property);
}

fn check_some(cases: u32, property: impl Fn(&History, u32) -> Result<(), TestCaseError>) {
    let config = config();
    let mut runner = TestRunner::new(Config { cases, ..config });
    let number = std::cell::Cell::new(0);
    let ran = runner.run(&histories(), |history| {
        number.set(number.get() + 1);
        property(&history, number.get())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}

#[test]
fn the_naive_model_answers_the_same() {
    check(20, |history, _| {
        let commands = history.commands("acme");
        let (mut folded, mut model) = (Folded::default(), Model::default());
        for keyed in &commands {
            let number = folded.memory.next;
            folded.apply(std::slice::from_ref(keyed));
            let outcome = folded.outcomes.last().copied().expect("an outcome");
            prop_assert_eq!(model.answer(&keyed.command, number), told(outcome), "{:?}", keyed.command.act);
        }
        for known in folded.memory.state.shop.offers.values() {
            prop_assert_eq!(i128::from(known.stock), model.stock(&known.offer.id), "{:?}", known);
        }
        for (key, player) in &folded.memory.state.players {
            let level = folded.memory.state.shop.levels.get(key);
            prop_assert_eq!(level.map(|level| &**level), model.level(player.player.id.as_str()));
            for account in &player.accounts {
                let balance = model.balance(player.player.id.as_str(), &pocket_name(&account.pocket));
                prop_assert_eq!(i128::from(account.balance), balance, "{:?}", account);
            }
        }
        Ok(())
    });
}

#[test]
fn money_is_conserved_and_no_balance_is_below_zero() {
    check(10, |history, _| {
        let folded = fold_serially(&history.commands("acme"));
        let mut sums = BTreeMap::new();
        for transfer in folded.entries.iter().flat_map(|entry| &entry.transfers) {
            prop_assert!(transfer.amount > 0);
            *sums.entry(transfer.debit).or_insert(0_i128) -= i128::from(transfer.amount);
            *sums.entry(transfer.credit).or_insert(0_i128) += i128::from(transfer.amount);
        }
        prop_assert_eq!(sums.values().sum::<i128>(), 0);
        for account in folded.memory.state.players.values().flat_map(|player| &player.accounts) {
            prop_assert!(account.balance >= 0);
            prop_assert_eq!(sums.get(&account.id).copied().unwrap_or(0), i128::from(account.balance));
        }
        Ok(())
    });
}

#[test]
fn what_is_kept_is_answered_the_same_for_ever_and_changes_nothing() {
    check(10, |history, _| {
        let mut folded = fold_serially(&history.commands("acme"));
        let before = folded.memory.state.clone();
        for entry in folded.entries.iter().filter(|entry| entry.kept) {
            let (batch, outcomes) = folded.memory.apply(std::slice::from_ref(&entry.keyed));
            prop_assert_eq!(outcomes[0], entry.outcome);
            prop_assert!(batch.is_empty());
        }
        prop_assert_eq!(before, folded.memory.state);
        Ok(())
    });
}

#[test]
fn a_batch_is_its_commands_one_by_one() {
    check(10, |history, _| {
        let commands = history.commands("acme");
        let (serial, mut folded) = (fold_serially(&commands), Folded::default());
        history.batches().for_each(|range| folded.apply(&commands[range]));
        prop_assert_eq!(folded.outcomes, serial.outcomes);
        prop_assert_eq!(folded.entries, serial.entries);
        prop_assert_eq!(folded.purchases, serial.purchases);
        prop_assert_eq!(folded.stocks, serial.stocks);
        prop_assert_eq!(folded.memory.state, serial.memory.state);
        Ok(())
    });
}

#[test]
fn a_key_is_sold_once_and_the_stock_is_what_was_not_sold() {
    check(10, |history, _| {
        let folded = fold_serially(&history.commands("acme"));
        let state = &folded.memory.state;
        let sold: Vec<_> = folded.purchases.iter().flat_map(|purchase| &purchase.keys).collect();
        let for_sale: Vec<_> = state.shop.offers.values().flat_map(|known| &known.next).collect();
        let apart: BTreeSet<_> = sold.iter().chain(&for_sale).collect();
        prop_assert_eq!(apart.len(), sold.len() + for_sale.len());
        prop_assert_eq!(apart.len(), state.shop.known_keys.len());
        for (id, known) in &state.shop.offers {
            prop_assert_eq!(known.stock, i64::try_from(known.next.len()).expect("few keys"));
            prop_assert_eq!(known.stock, folded.stocks.get(id).copied().unwrap_or(0));
        }
        Ok(())
    });
}

/// A journal that is replayed into another ledger keeps the numbers that partners know.
#[test]
fn a_replay_elsewhere_decides_alike_under_the_numbers_that_were_given() {
    check(5, |history, _| {
        let serial = fold_serially(&history.commands("acme"));
        let mut elsewhere = Folded { memory: Memory::from(1_000), ..Folded::default() };
        for entry in &serial.entries {
            let mut command = entry.keyed.command.clone();
            match &mut command.act {
                Act::Transaction(TransactionAct::Adjust(adjust)) => adjust.number = Some(entry.seq),
                Act::Transaction(TransactionAct::ResolveVoid(resolve)) => resolve.number = Some(entry.seq),
                Act::Shop(ShopAct::BuyKeys(buy)) => buy.number = Some(entry.seq),
                _ => {}
            }
            elsewhere.apply(&[command.keyed()]);
        }
        let outcomes: Vec<Outcome> = serial.entries.iter().map(|entry| entry.outcome).collect();
        prop_assert_eq!(elsewhere.outcomes, outcomes);
        prop_assert_eq!(elsewhere.purchases, serial.purchases);
        prop_assert_eq!(elsewhere.memory.state.transactions, serial.memory.state.transactions);
        prop_assert_eq!(elsewhere.memory.state.players, serial.memory.state.players);
        prop_assert_eq!(elsewhere.memory.state.shop.levels, serial.memory.state.shop.levels);
        Ok(())
    });
}

#[test]
fn sqlite_and_postgres_keep_what_was_decided_in_memory() {
    let runtime = Runtime::new().expect("a runtime");
    let databases = runtime.block_on(Fresh::both());
    let writers = databases.each_ref().map(|fresh| std::cell::RefCell::new((fresh.writer(), 0)));
    check(1, |history, number| {
        for (fresh, writer) in databases.iter().zip(&writers) {
            let (writer, findings) = &mut *writer.borrow_mut();
            runtime.block_on(keeps(fresh, (writer, findings), history, &format!("acme-{number}")))?;
        }
        Ok(())
    });
    runtime.block_on(async move { drop((writers, databases)) });
}

/// Whether a database answers and holds what memory does, and its journal tells how it came to it.
/// `findings` are those of the histories before: one that failed has left its traces, and the next one, being smaller, must
/// be judged by its own.
async fn keeps(
    fresh: &Fresh,
    (writer, findings): (&mut Writer, &mut usize),
    history: &History,
    party: &str,
) -> Result<(), TestCaseError> {
    let (mut folded, mut commands) = (Folded::default(), Vec::new());
    for range in history.batches() {
        folded.memory.next = next_number(writer).await;
        let batch = history.told(party, range.clone(), &folded.memory);
        folded.apply(&batch);
        let outcomes = apply(writer, &batch).await.expect("applied");
        prop_assert_eq!(&outcomes[..], &folded.outcomes[range], "{}", fresh.kind());
        commands.extend(batch);
    }
    let held = held(writer, &commands).await;
    prop_assert_eq!(&held, &ought(&folded.memory.state, &commands), "{}", fresh.kind());

    let (mut again, mut told) = (Folded::default(), Vec::new());
    for (seq, command, outcome) in fresh.journal(party).await {
        let (keyed, outcome) = read(&command, &outcome);
        again.memory.next = seq;
        again.apply(&[keyed]);
        told.push(outcome);
    }
    prop_assert_eq!(again.outcomes, told, "the journal decides alike ({})", fresh.kind());
    prop_assert_eq!(again.entries.len(), folded.entries.len());

    let report = fresh.audit().await;
    let found_before = std::mem::replace(findings, report.findings.len());
    prop_assert_eq!(&report.findings[found_before..], Vec::<String>::new(), "{}", fresh.kind());
    for book in report.books.iter().filter(|book| book.party == party) {
        prop_assert_eq!(book.players + book.house + book.cashier, 0);
    }
    Ok(())
}

/// What a database holds of all that a history is about.
async fn held(writer: &mut Writer, commands: &[KeyedCommand]) -> State {
    let mut keys = ReadSet::of(commands);
    // What an operator's approval moved is found by the key of the approval.
    keys.transactions.named.extend(commands.iter().map(|keyed| keyed.key));
    let mut state = writer.load(&keys).await.expect("loaded").roll_back();
    state.numbers.clear();
    sort_accounts(&mut state);
    state
}

/// What a database must hold: of memory, what it is asked for, and no tokens in the journal.
fn ought(memory: &State, commands: &[KeyedCommand]) -> State {
    let (mut state, keys) = (memory.clone(), ReadSet::of(commands));
    for (id, known) in &mut state.shop.offers {
        known.next.truncate(usize::try_from(keys.shop.offers[id]).expect("few keys"));
    }
    for decided in state.decided.values_mut() {
        let PastCommand::Whole(command) = &mut decided.asked else { panic!("memory prunes nothing") };
        let written = serde_json::to_string(command).expect("a command");
        *command = serde_json::from_str(&written).expect("a command");
    }
    sort_accounts(&mut state);
    state
}

fn sort_accounts(state: &mut State) {
    state.players.values_mut().for_each(|player| player.accounts.sort_by_key(|account| account.id));
}

fn read(command: &str, outcome: &str) -> (KeyedCommand, Outcome) {
    let command: Command = serde_json::from_str(command).expect("a command");
    (command.keyed(), serde_json::from_str(outcome).expect("an outcome"))
}

/// Properties hold of nothing if nothing happens: the histories reach every outcome that there is.
#[test]
fn histories_reach_every_outcome() {
    let (mut runner, strategy) = (TestRunner::deterministic(), histories());
    let mut reached = BTreeMap::new();
    for _ in 0..1_500 {
        let history = strategy.new_tree(&mut runner).expect("a history").current();
        for outcome in fold_serially(&history.commands("acme")).outcomes {
            let words = told(outcome);
            let word = words.split(' ').nth(1).expect("a word").to_owned();
            *reached.entry(word).or_insert(0_u32) += 1;
        }
    }
    let rare: Vec<_> = reached.iter().filter(|(_, times)| **times < 20).collect();
    assert!(rare.is_empty(), "hardly ever reached: {rare:?}");
    assert_eq!(reached.len(), 41, "of 15 things done and 26 refused: {reached:#?}");
}
