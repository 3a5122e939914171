//! The journal's text: every act, outcome and refusal reads and writes as it always has. Hash chains and exports hold it,
//! so none of these texts may ever change.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::{
    AccountAct, AccountDone, AccountRefusal, Command, OrderAct, OrderDone, OrderRefusal, Outcome, ShopAct, ShopDone,
    ShopRefusal, TransactionAct, TransactionDone, TransactionRefusal,
};

/// A command of each act, and of each shape that an act has.
const COMMANDS: [&str; 25] = [
    r#"{"party":"acme","at":1,"act":"open_player","player":"alice","profile":{"home_currency":"CHF"}}"#,
    r#"{"party":"acme","at":1,"act":"open_player","player":"alice","profile":{"home_currency":"CHF","username":"al","nickname":"Al","email":"a@b.c","gender":"f"}}"#,
    r#"{"party":"acme","at":1,"correlation":"c-1","act":"deposit","player":"alice","pocket":{"currency":"CHF","bucket":"real"},"amount":5,"key":"k"}"#,
    r#"{"party":"acme","at":1,"act":"withdraw","player":"alice","pocket":{"currency":"CHF","bucket":"gbt_bonus","wallet":"w","product":7},"amount":5,"key":"k"}"#,
    r#"{"party":"acme","at":1700000000000000,"correlation":"c-1","act":"place_bet","player":"alice","order":{"game":"roulette","external_id":"x-1"},"round":3,"stake":250,"pocket":{"currency":"CHF","bucket":"real"},"terms":{"game_offered":true,"max_bet":1000,"max_stake_per_day":5000}}"#,
    r#"{"party":"acme","at":1,"act":"settle_order","player":"alice","order":{"game":"roulette","external_id":"x-1"},"round":3,"result":{"win":500},"currency":"CHF","wallet":"w","terms":{"game_offered":true}}"#,
    r#"{"party":"acme","at":1,"act":"settle_order","player":"alice","order":{"game":"roulette","external_id":"x-1"},"round":3,"result":{"tie":null},"terms":{"game_offered":true}}"#,
    r#"{"party":"acme","at":1,"act":"settle_order","player":"alice","order":{"game":"roulette","external_id":"x-1"},"round":3,"result":{"lose":7},"terms":{"game_offered":false}}"#,
    r#"{"party":"acme","at":1,"act":"cancel_order","player":"alice","order":{"game":"roulette","external_id":"x-1"},"terms":{"game_offered":true}}"#,
    r#"{"party":"acme","at":1,"act":"cancel_order","player":"alice","order":{"game":"roulette","external_id":"x-1"},"wallet":"w","terms":{"game_offered":true}}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":2,"partner":3,"reference":"r","round":"o"},"currency":"CHF","product":4,"change":{"stake":{"total":9,"external":1,"from":["bonus","real"]}},"memo":"m","worth":"1.5","number":17,"stakes":"one_end"}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":0,"partner":0,"reference":"r"},"currency":"CHF","product":0,"change":{"stake":{"total":9,"external":0,"from":[]}},"memo":"m","said":"s","worth":"1.5"}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":0,"partner":0,"reference":"r"},"currency":"CHF","product":0,"change":{"pay":{"amounts":{"real":5,"ring_fenced":-2},"external":0}}}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":0,"partner":0,"reference":"r"},"currency":"CHF","product":0,"change":{"pay":{"amounts":{},"external":0,"source":6}}}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":0,"partner":0,"reference":"r"},"currency":"CHF","product":0,"change":{"void":{"source":6,"amounts":{"bonus":1,"gbt_bonus":1},"external":0}}}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":0,"partner":0,"reference":"r"},"currency":"CHF","product":0,"change":{"win":{"amount":5}}}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":0,"partner":0,"reference":"r"},"currency":"CHF","product":0,"change":{"refund":{"amount":5,"currency":"EUR"}}}"#,
    r#"{"party":"acme","at":1,"act":"adjust","player":"alice","name":"n","label":{"scope":"s","kind":1,"region":0,"partner":0,"reference":"r"},"currency":"CHF","product":0,"change":{"rollback":{"name":"o"}}}"#,
    r#"{"party":"acme","at":1,"act":"queue_void","player":"alice","source":4,"kind":27}"#,
    r#"{"party":"acme","at":1,"act":"queue_void","player":"alice","source":4,"kind":27,"attempt":1}"#,
    r#"{"party":"acme","at":1,"act":"resolve_void","player":"alice","source":4,"approve":true,"attempt":1,"number":9}"#,
    r#"{"party":"acme","at":1,"act":"resolve_void","player":"alice","source":4,"approve":false}"#,
    r#"{"party":"acme","at":1,"act":"buy_vip","player":"alice","level":"gold","price":100,"currency":"CHF","ladder":["silver","gold"],"key":"k"}"#,
    r#"{"party":"acme","at":1,"act":"stock_offers","offers":[{"id":"o","name":"Game","price":9,"currency":"CHF","keys":[{"id":"00000000-0000-0000-0000-000000000001","sealed":"x"}]}],"key":"k"}"#,
    r#"{"party":"acme","at":1,"act":"buy_keys","player":"alice","buyer":"b","reference":"r","offer":"o","count":2,"price":9,"currency":"CHF","number":12}"#,
];

/// What may be done.
const DONE: [&str; 15] = [
    r#""player_opened""#,
    r#"{"deposited":{"balance":-1}}"#,
    r#"{"withdrawn":{"balance":1}}"#,
    r#""bet_placed""#,
    r#"{"order_settled":{"paid":1}}"#,
    r#"{"order_cancelled":{"refunded":1}}"#,
    r#"{"adjusted":{"transaction":2,"balance":1}}"#,
    r#"{"already_voided":{"transaction":2}}"#,
    r#"{"nothing_undone":{"balance":1}}"#,
    r#""void_queued""#,
    r#"{"void_approved":{"transaction":2}}"#,
    r#""void_dismissed""#,
    r#"{"vip_bought":{"balance":1}}"#,
    r#"{"offers_stocked":{"added":3}}"#,
    r#"{"keys_bought":{"order":2,"balance":1}}"#,
];

/// Why it may be refused.
const REFUSED: [&str; 26] = [
    r#""key_reused""#,
    r#""differs_from_bet""#,
    r#""game_unknown""#,
    r#""player_unknown""#,
    r#""username_taken""#,
    r#""order_unknown""#,
    r#""order_not_theirs""#,
    r#""order_settled""#,
    r#""order_cancelled""#,
    r#""order_refused""#,
    r#""round_differs""#,
    r#"{"max_bet":{"max":1}}"#,
    r#"{"max_stake_per_day":{"max":2,"staked":1}}"#,
    r#"{"insufficient_funds":{"balance":1}}"#,
    r#""balance_overflow""#,
    r#""transaction_unknown""#,
    r#""transaction_ended""#,
    r#""transaction_undone""#,
    r#""amounts_disagree""#,
    r#""void_unknown""#,
    r#""void_resolved""#,
    r#""vip_not_higher""#,
    r#""offer_unknown""#,
    r#""offer_currency_differs""#,
    r#"{"offer_price_differs":{"price":1}}"#,
    r#"{"out_of_stock":{"stock":1}}"#,
];

fn outcomes() -> Vec<String> {
    let done = DONE.iter().map(|text| format!(r#"{{"done":{text}}}"#));
    done.chain(REFUSED.iter().map(|text| format!(r#"{{"refused":{text}}}"#))).collect()
}

#[test]
fn every_command_reads_and_writes_as_it_always_has() {
    for text in COMMANDS {
        let command: Command = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
    }
}

#[test]
fn every_outcome_reads_and_writes_as_it_always_has() {
    for text in outcomes() {
        let outcome: Outcome = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(serde_json::to_string(&outcome).unwrap(), text);
    }
}

/// Its `command` and `outcome` are written by hand.
#[test]
fn the_schema_of_a_journal_line_names_every_outcome() {
    let schema = include_str!("../../schemas/journal/line.json");
    for text in DONE.iter().chain(&REFUSED) {
        let name = text.split('"').nth(1).unwrap();
        assert!(schema.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// The names of an enum, as it lists them to whoever asks for one that there is not.
fn names<T: DeserializeOwned>(none: &str) -> Vec<String> {
    let Err(error) = serde_json::from_str::<T>(none) else { panic!("{none} is a name") };
    error.to_string().split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

/// The first of these names that a text has in it.
fn name_in(text: &str, names: &BTreeSet<String>) -> Option<String> {
    text.split('"').find(|word| names.contains(*word)).map(str::to_owned)
}

#[test]
fn no_name_is_left_out_and_none_stands_in_two_areas() {
    let check = |texts: &[&str], areas: [Vec<String>; 4]| {
        let all: BTreeSet<String> = areas.iter().flatten().cloned().collect();
        assert_eq!(areas.iter().map(Vec::len).sum::<usize>(), all.len());
        assert!(areas.iter().all(|area| !area.is_empty()));
        let told: BTreeSet<String> = texts.iter().filter_map(|text| name_in(text, &all)).collect();
        assert_eq!(told, all);
    };
    let none = r#"{"act":"?"}"#;
    let acts =
        [names::<AccountAct>(none), names::<OrderAct>(none), names::<TransactionAct>(none), names::<ShopAct>(none)];
    check(&COMMANDS, acts);
    let none = r#""?""#;
    let done =
        [names::<AccountDone>(none), names::<OrderDone>(none), names::<TransactionDone>(none), names::<ShopDone>(none)];
    check(&DONE, done);
    let refused = [
        names::<AccountRefusal>(none),
        names::<OrderRefusal>(none),
        names::<TransactionRefusal>(none),
        names::<ShopRefusal>(none),
    ];
    check(&REFUSED, refused);
}

/// An export may have been through a tool that sorts names, or that reads before it writes.
#[test]
fn the_order_of_a_commands_fields_does_not_matter() {
    for text in COMMANDS {
        let written: Command = serde_json::from_str(text).unwrap();
        let sorted: serde_json::Value = serde_json::from_str(text).unwrap();
        let last = text.replacen(r#""act""#, r#""zact""#, 1);
        let last: serde_json::Value = serde_json::from_str(&last).unwrap();
        let last = last.to_string().replacen(r#""zact""#, r#""act""#, 1);
        assert_eq!(serde_json::from_str::<Command>(&sorted.to_string()).unwrap(), written);
        assert_eq!(serde_json::from_str::<Command>(&last).unwrap(), written, "{last}");
        assert_eq!(serde_json::from_value::<Command>(sorted).unwrap(), written);
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let named = |error: serde_json::Error, what: &str| assert!(error.to_string().contains(what), "{error}: {what}");
    let read = |text: &str| serde_json::from_str::<Command>(text).unwrap_err();
    named(read(r#"{"party":"acme","at":1,"act":"place_bets","player":"alice"}"#), "place_bets");
    named(read(r#"{"party":"acme","at":1,"player":"alice"}"#), "act");
    named(read(r#"{"party":"acme","at":1,"act":"buy_vip","player":"alice","level":"gold"}"#), "price");
    named(read(&COMMANDS[4].replace(r#""round":3,"#, "")), "round");
    named(read(&COMMANDS[4].replace("250", "0")), "at least 1");
    let read = |text: &str| serde_json::from_str::<Outcome>(text).unwrap_err();
    named(read(r#"{"done":"bet_lost"}"#), "bet_lost");
    named(read(r#"{"refused":{"max_bet":{}}}"#), "max");
    named(read(r#"{"refused":"max_bets"}"#), "max_bets");
}
