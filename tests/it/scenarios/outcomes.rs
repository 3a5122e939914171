//! Every outcome there is, area by area, in the order of its enum.

mod done;
mod refused;

use done::DONE;
use refused::REFUSED;

use super::check;
use crate::script::tidied;

#[test]
fn every_done_is_reached() {
    check(DONE);
}

#[test]
fn every_refusal_is_reached() {
    check(REFUSED);
}

/// A new variant must be given a scenario, at its place.
#[test]
fn scenarios_follow_the_enums() {
    let areas = [
        ("Account", include_str!("../../../src/ledger/accounts/outcome.rs")),
        ("Order", include_str!("../../../src/ledger/orders/outcome.rs")),
        ("Transaction", include_str!("../../../src/ledger/transactions/outcome.rs")),
        ("Shop", include_str!("../../../src/ledger/shop/mod.rs")),
    ];
    for (name, scenarios) in [("Done", DONE), ("Refusal", REFUSED)] {
        let mut facts: Vec<&str> = scenarios.iter().map(|(fact, _)| word(fact)).collect();
        facts.dedup();
        let of_area = |(area, source): (&str, &'static str)| variants(source, &format!("{area}{name}"));
        let variants: Vec<&str> = areas.into_iter().flat_map(of_area).collect();
        assert_eq!(facts, variants, "{name}");
        let all = scenarios.iter().all(|(fact, text)| tidied(text).contains(&snake(word(fact), name)));
        assert!(all, "each scenario of {name} shows the outcome that it is named for");
    }
}

fn word(fact: &str) -> &str {
    fact.split([' ', ':']).next().unwrap_or_default()
}

/// The variants' names, in order.
fn variants<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let (_, after) = source.split_once(&format!("pub enum {name} {{\n")).expect("the enum");
    let (body, _) = after.split_once("\n}").expect("its end");
    let named = body.lines().filter_map(|line| line.strip_prefix("    "));
    let named = named.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    named.map(|line| line.split([',', ' ', '{']).next().unwrap_or_default()).collect()
}

/// A variant's name as scenarios write it.
fn snake(variant: &str, of: &str) -> String {
    match (of, variant) {
        ("Done", "PlayerOpened") => "opened".to_owned(),
        ("Done", "BetPlaced") => "placed".to_owned(),
        ("Done", "OrderSettled") => "settled".to_owned(),
        ("Done", "OrderCancelled") => "cancelled".to_owned(),
        _ => {
            let split = variant
                .chars()
                .flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain([c.to_ascii_lowercase()]));
            split.skip(1).collect()
        }
    }
}
