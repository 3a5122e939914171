//! Ledgers of the first build are carried over: what it exported is replayed, and the ledger is the one that it had.
//!
//! The exports are of that build's own making, and so is what it said of its ledger: `tests/it/data/first_build`.

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::SimpleConnection;
use purser::ledger::orders::GameResult;
use purser::ledger::transactions::Change;
use purser::ledger::{
    AccountAct, AccountDone, AccountRefusal, Act, OrderAct, OrderDone, OrderRefusal, Refusal, ShopAct, ShopDone,
    ShopRefusal, TransactionAct, TransactionDone, TransactionRefusal,
};

use super::*;
use crate::e2e::services::number;

/// The first build's configuration, as far as exports are concerned.
const PARTIES: &str = r#"
[parties.acme]
currencies = ["BTC", "CHF", "EUR", "GPT", "KZT", "USDT"]
games = ["wallstroulette", "weekendforex"]
player_tokens = "trusted"
[parties.beta]
currencies = ["EUR"]
games = ["wallstroulette"]
player_tokens = "trusted"
[currencies.GPT]
exponent = 0
[currencies.USDT]
exponent = 6
"#;

/// What `journal export` wrote for each party.
const EXPORTS: [(&str, &str); 2] = [
    ("acme", include_str!("../data/first_build/acme.ndjson")),
    ("beta", include_str!("../data/first_build/beta.ndjson")),
];

/// What `audit`, `balance` and `voids list` said of the ledger.
const SAID: &str = include_str!("../data/first_build/said.json");

/// Its SQLite database after `journal prune`.
const DATABASE: &str = include_str!("../data/first_build/pruned.sql");

/// Acts that are done, by what is done.
const DONE: &str = "
    adjust pay: adjusted
    adjust refund: adjusted
    adjust rollback: adjusted nothing_undone
    adjust stake: adjusted
    adjust void: adjusted already_voided
    adjust win: adjusted
    buy_keys: keys_bought
    buy_vip: vip_bought
    cancel_order: order_cancelled
    deposit: deposited
    open_player: player_opened
    place_bet: bet_placed
    queue_void: void_queued
    resolve_void approve: void_approved
    resolve_void dismiss: void_dismissed
    settle_order lose named: order_settled
    settle_order lose: order_settled
    settle_order tie named: order_settled
    settle_order tie: order_settled
    settle_order win: order_settled
    stock_offers: offers_stocked
    withdraw: withdrawn
";

/// Acts that are refused under their key.
const KEPT: &str = "
    adjust stake: insufficient_funds
    cancel_order: order_unknown
    place_bet: game_unknown insufficient_funds max_bet max_stake_per_day order_cancelled player_unknown
";

/// Acts whose refusal is for the record only.
const RECORD_ONLY: &str = "
    adjust pay: amounts_disagree player_unknown transaction_undone transaction_unknown
    adjust refund: amounts_disagree player_unknown transaction_ended transaction_unknown
    adjust rollback: insufficient_funds player_unknown transaction_ended transaction_unknown
    adjust stake: amounts_disagree player_unknown transaction_undone
    adjust void: amounts_disagree transaction_ended transaction_unknown
    adjust win: amounts_disagree player_unknown transaction_ended
    buy_keys: insufficient_funds offer_currency_differs offer_price_differs offer_unknown out_of_stock player_unknown
    buy_vip: insufficient_funds player_unknown vip_not_higher
    cancel_order: game_unknown order_not_theirs order_refused order_settled player_unknown
    deposit: player_unknown
    queue_void: transaction_unknown
    resolve_void approve: insufficient_funds player_unknown transaction_ended transaction_unknown void_resolved void_unknown
    resolve_void dismiss: void_resolved
    settle_order lose: order_refused order_unknown
    settle_order win: game_unknown order_cancelled order_not_theirs order_refused order_unknown player_unknown round_differs
    withdraw: insufficient_funds player_unknown
";

/// An act as the tables above write it. One that is new here was not known to the first build: its exports have none.
fn act(act: &Act) -> &'static str {
    match act {
        Act::Account(AccountAct::OpenPlayer(_)) => "open_player",
        Act::Account(AccountAct::Deposit(_)) => "deposit",
        Act::Account(AccountAct::Withdraw(_)) => "withdraw",
        Act::Order(OrderAct::PlaceBet(_)) => "place_bet",
        Act::Order(OrderAct::SettleOrder(settle)) => match settle.result {
            GameResult::Win(_) => "settle_order win",
            GameResult::Tie(None) => "settle_order tie",
            GameResult::Tie(Some(_)) => "settle_order tie named",
            GameResult::Lose(None) => "settle_order lose",
            GameResult::Lose(Some(_)) => "settle_order lose named",
        },
        Act::Order(OrderAct::CancelOrder(_)) => "cancel_order",
        Act::Transaction(TransactionAct::Adjust(adjust)) => match adjust.change {
            Change::Stake { .. } => "adjust stake",
            Change::Pay { .. } => "adjust pay",
            Change::Void { .. } => "adjust void",
            Change::Win { .. } => "adjust win",
            Change::Refund { .. } => "adjust refund",
            Change::Rollback { .. } => "adjust rollback",
        },
        Act::Transaction(TransactionAct::QueueVoid(_)) => "queue_void",
        Act::Transaction(TransactionAct::ResolveVoid(resolve)) if resolve.approve => "resolve_void approve",
        Act::Transaction(TransactionAct::ResolveVoid(_)) => "resolve_void dismiss",
        Act::Shop(ShopAct::BuyVip(_)) => "buy_vip",
        Act::Shop(ShopAct::StockOffers(_)) => "stock_offers",
        Act::Shop(ShopAct::BuyKeys(_)) => "buy_keys",
    }
}

fn done(done: Done) -> &'static str {
    match done {
        Done::Account(AccountDone::PlayerOpened) => "player_opened",
        Done::Account(AccountDone::Deposited { .. }) => "deposited",
        Done::Account(AccountDone::Withdrawn { .. }) => "withdrawn",
        Done::Order(OrderDone::BetPlaced) => "bet_placed",
        Done::Order(OrderDone::OrderSettled { .. }) => "order_settled",
        Done::Order(OrderDone::OrderCancelled { .. }) => "order_cancelled",
        Done::Transaction(TransactionDone::Adjusted { .. }) => "adjusted",
        Done::Transaction(TransactionDone::AlreadyVoided { .. }) => "already_voided",
        Done::Transaction(TransactionDone::NothingUndone { .. }) => "nothing_undone",
        Done::Transaction(TransactionDone::VoidQueued) => "void_queued",
        Done::Transaction(TransactionDone::VoidApproved { .. }) => "void_approved",
        Done::Transaction(TransactionDone::VoidDismissed) => "void_dismissed",
        Done::Shop(ShopDone::VipBought { .. }) => "vip_bought",
        Done::Shop(ShopDone::OffersStocked { .. }) => "offers_stocked",
        Done::Shop(ShopDone::KeysBought { .. }) => "keys_bought",
    }
}

fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Account(AccountRefusal::KeyReused)
        | Refusal::Order(OrderRefusal::DiffersFromBet)
        | Refusal::Account(AccountRefusal::UsernameTaken | AccountRefusal::BalanceOverflow) => "what no journal says",
        Refusal::Order(OrderRefusal::GameUnknown) => "game_unknown",
        Refusal::Account(AccountRefusal::PlayerUnknown) => "player_unknown",
        Refusal::Order(OrderRefusal::OrderUnknown) => "order_unknown",
        Refusal::Order(OrderRefusal::OrderNotTheirs) => "order_not_theirs",
        Refusal::Order(OrderRefusal::OrderSettled) => "order_settled",
        Refusal::Order(OrderRefusal::OrderCancelled) => "order_cancelled",
        Refusal::Order(OrderRefusal::OrderRefused) => "order_refused",
        Refusal::Order(OrderRefusal::RoundDiffers) => "round_differs",
        Refusal::Order(OrderRefusal::MaxBet { .. }) => "max_bet",
        Refusal::Order(OrderRefusal::MaxStakePerDay { .. }) => "max_stake_per_day",
        Refusal::Account(AccountRefusal::InsufficientFunds { .. }) => "insufficient_funds",
        Refusal::Transaction(TransactionRefusal::TransactionUnknown) => "transaction_unknown",
        Refusal::Transaction(TransactionRefusal::TransactionEnded) => "transaction_ended",
        Refusal::Transaction(TransactionRefusal::TransactionUndone) => "transaction_undone",
        Refusal::Transaction(TransactionRefusal::AmountsDisagree) => "amounts_disagree",
        Refusal::Transaction(TransactionRefusal::VoidUnknown) => "void_unknown",
        Refusal::Transaction(TransactionRefusal::VoidResolved) => "void_resolved",
        Refusal::Shop(ShopRefusal::VipNotHigher) => "vip_not_higher",
        Refusal::Shop(ShopRefusal::OfferUnknown) => "offer_unknown",
        Refusal::Shop(ShopRefusal::OfferCurrencyDiffers) => "offer_currency_differs",
        Refusal::Shop(ShopRefusal::OfferPriceDiffers { .. }) => "offer_price_differs",
        Refusal::Shop(ShopRefusal::OutOfStock { .. }) => "out_of_stock",
    }
}

type Table<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn table(text: &str) -> Table<'_> {
    let lines = text.lines().filter_map(|line| line.trim().split_once(": "));
    lines.map(|(act, outcomes)| (act, outcomes.split(' ').collect())).collect()
}

fn all_records() -> impl Iterator<Item = Recorded> {
    EXPORTS.into_iter().flat_map(|(_, export)| records(export.as_bytes()))
}

/// A file that lacks an act proves nothing of it.
#[test]
fn the_first_builds_exports_hold_everything_that_its_journal_kept() {
    let [mut acts_done, mut kept, mut record_only] = [Table::new(), Table::new(), Table::new()];
    for Recorded { keyed, outcome, kept: is_kept, .. } in all_records() {
        let (table, outcome) = match outcome {
            Outcome::Done(is) => (&mut acts_done, done(is)),
            Outcome::Refused(is) if is_kept => (&mut kept, refused(is)),
            Outcome::Refused(is) => (&mut record_only, refused(is)),
        };
        table.entry(act(&keyed.command.act)).or_default().insert(outcome);
    }
    assert_eq!(acts_done, table(DONE));
    assert_eq!(kept, table(KEPT));
    assert_eq!(record_only, table(RECORD_ONLY));
}

/// A stage with the exports as files, and a migrated, empty ledger.
async fn stage(base: Base) -> Stage {
    let stage = Stage::prepare(base, PARTIES, &Addresses::shared()).await;
    stage.database.migrate().await.expect("migrated");
    for (party, export) in EXPORTS {
        std::fs::write(stage.file(party), export).expect("written");
    }
    stage
}

/// A stage with the first build's own database, migrated.
async fn stage_of_the_first_build() -> Stage {
    let stage = Stage::prepare(Base::Sqlite, PARTIES, &Addresses::shared()).await;
    let dump = stage.database.query(|conn| {
        let AnyConnection::Sqlite(conn) = conn else { panic!("it is SQLite") };
        conn.batch_execute(DATABASE).map_err(|error| StoreError::Rejected(error.to_string()))
    });
    dump.await.expect("the database");
    stage.done(&["migrate"]).await;
    stage
}

async fn digest_by_the_program(stage: &Stage) -> Value {
    let audit: Value = serde_json::from_str(&stage.done(&["audit", "--json"]).await).expect("JSON");
    audit["digest"].clone()
}

/// Replays a file, which must end well; answers how many commands were applied, equal and for the record only.
async fn replayed(stage: &Stage, file: &Path) -> [u64; 3] {
    let said = stage.done(&["replay", file.to_str().expect("a path"), "--unsealed", "--json"]).await;
    let summary: Value = serde_json::from_str(&said).expect("one line: nothing is different");
    assert_eq!((&summary["different"], &summary["held"]), (&json!(0), &json!(0)));
    ["applied", "equal", "record_only"].map(|count| summary[count].as_u64().expect("a number"))
}

/// How many of an export's commands are kept, and how many for the record only.
fn counted(export: &str) -> [u64; 2] {
    [true, false].map(|kept| records(export.as_bytes()).iter().filter(|recorded| recorded.kept == kept).count() as u64)
}

/// That the ledger is the one that the first build had, by all that it said of it.
async fn assert_is_as_it_was(stage: &Stage) {
    let said: Value = serde_json::from_str(SAID).expect("JSON");
    let read =
        async |arguments: &[&str]| -> Value { serde_json::from_str(&stage.done(arguments).await).expect("JSON") };
    let audit = read(&["audit", "--json"]).await;
    assert_eq!(audit["findings"], json!([]));
    // The digest is another one: the states of transactions have other words since.
    for part in ["books", "orders", "players"] {
        assert_eq!(audit[part], said["audit"][part], "{part}");
    }
    for (party, players) in said["balances"].as_object().expect("parties") {
        for (player, balances) in players.as_object().expect("players") {
            let is = read(&["balance", "--json", "--party", party, "--player", player]).await;
            assert_eq!(&is, balances, "{player} of {party}");
        }
    }
    for (party, voids) in said["voids"].as_object().expect("parties") {
        assert_eq!(&read(&["voids", "list", "--all", "--json", "--party", party]).await, voids, "voids of {party}");
    }
}

/// That whoever asks again is answered as the first build answered.
async fn assert_repeats_are_answered(stage: &Stage) {
    let mut writer = stage.database.writer().expect("a writer");
    let kept: Vec<Recorded> = all_records().filter(|recorded| recorded.kept).collect();
    for batch in kept.chunks(50) {
        let again: Vec<KeyedCommand> = batch.iter().map(|recorded| recorded.keyed.clone()).collect();
        let outcomes = apply(&mut writer, &again).await.expect("decided");
        for (recorded, outcome) in batch.iter().zip(outcomes) {
            assert_eq!(outcome, recorded.outcome, "seq {}: {:?}", recorded.seq, recorded.keyed.command);
        }
    }
}

/// What is exported of it now: the same commands with the same outcomes, and the numbers in them that partners know.
async fn assert_exports_the_same(stage: &Stage) {
    let essence = |recorded: Recorded| (recorded.number(), recorded.keyed.command, recorded.outcome);
    for (party, export) in EXPORTS {
        let now = stage.done(&["journal", "export", "--party", party]).await;
        let lines = now.lines().filter(|line| !line.starts_with("{\"seal\""));
        let now: Vec<_> = lines.map(|text| essence(line::read(text.as_bytes()).expect("a line"))).collect();
        let then = records(export.as_bytes()).into_iter().filter(|recorded| recorded.kept);
        assert_eq!(now, then.map(essence).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_the_first_build_is_carried_over_and_is_the_same() {
    let mut digests = Vec::new();
    for base in [Base::Sqlite, Base::Postgres] {
        let stage = stage(base).await;
        for (party, export) in EXPORTS {
            let [kept, record_only] = counted(export);
            assert_eq!(replayed(&stage, &stage.file(party)).await, [kept, 0, record_only], "{base:?}, {party}");
        }
        assert_is_as_it_was(&stage).await;
        for (party, export) in EXPORTS {
            let [kept, record_only] = counted(export);
            assert_eq!(replayed(&stage, &stage.file(party)).await, [0, kept, record_only], "{base:?}, {party} again");
        }
        assert_repeats_are_answered(&stage).await;
        assert_exports_the_same(&stage).await;
        assert_is_as_it_was(&stage).await;
        digests.push(digest_by_the_program(&stage).await);
    }
    assert_eq!(digests[0], digests[1], "SQLite and Postgres");
}

/// Whoever pruned has exported before, and can export only the rest now. Together the two are the whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_the_first_build_pruned_is_carried_over_in_two_parts() {
    let said: Value = serde_json::from_str(SAID).expect("JSON");
    let pruned_before = said["pruned_before"].as_str().expect("a time");
    let stage = stage(Base::Sqlite).await;
    let is_old = |line: &&str| serde_json::from_str::<Value>(line).expect("JSON")["at"].as_str() < Some(pruned_before);
    for (party, export) in EXPORTS {
        let (old, young): (Vec<&str>, Vec<&str>) = export.lines().partition(is_old);
        for part in [old, young] {
            let (part, file) = (part.join("\n"), stage.file("part"));
            std::fs::write(&file, &part).expect("written");
            let [kept, record_only] = counted(&part);
            assert!(kept > 0, "both parts have some");
            assert_eq!(replayed(&stage, &file).await, [kept, 0, record_only], "{party}");
        }
    }
    assert_is_as_it_was(&stage).await;
}

/// The first build wrote no last line, so whoever carries its exports over has to say that they are to be trusted.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_the_first_build_is_taken_only_as_unsealed() {
    let stage = stage(Base::Sqlite).await;
    let ran = stage.run(&["replay", stage.file("acme").to_str().expect("a path")]).await;
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{err}");
    assert!(err.contains("an older purser wrote it (`--unsealed` takes it as it is)"), "{err}");
    assert_eq!(number(&stage.database, "SELECT COUNT(*) FROM journal").await, 0, "nothing is applied");
}

/// Whoever keeps the database keeps all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_first_build_is_served_as_it_is() {
    let stage = stage_of_the_first_build().await;
    assert_is_as_it_was(&stage).await;
    assert_repeats_are_answered(&stage).await;
    assert_is_as_it_was(&stage).await;
}
