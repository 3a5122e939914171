//! GoPlay's section: levels with their prices, and partners' programs.

use super::errors::check;
use super::*;

fn levels(goplay: &GoPlay) -> Vec<(&str, i64)> {
    goplay.vip.iter().map(|level| (level.name.as_str(), level.price_minor)).collect()
}

#[test]
fn the_samples_levels_are_typed_and_go_up() {
    let config = parse(SAMPLE).unwrap();
    let goplay = acme(&config).goplay.as_ref().unwrap();
    assert_eq!((goplay.path.as_str(), levels(goplay)), ("", vec![("standard", 1000), ("gold", 2500)]));
    assert_eq!(goplay.clients[0].redirect_uris, ["http://127.0.0.1:9000/callback"]);
}

#[test]
fn levels_may_come_from_a_variable() {
    let variables = [
        ("PURSER__PARTIES__ACME__GOPLAY__PATH", ""),
        ("PURSER__PARTIES__ACME__GOPLAY__CURRENCY", "CHF"),
        ("PURSER__PARTIES__ACME__GOPLAY__VIP", "{gold = \"1.50\"}"),
    ];
    let config = parse_with(TRUSTED, &variables).unwrap();
    assert_eq!(levels(acme(&config).goplay.as_ref().unwrap()), [("gold", 150)]);
}

#[test]
fn what_is_wrong_with_it_is_named() {
    check(&[
        (
            "@goplay = { path = \"\", currency = \"CHF\", vip = { a = \"1.001\" } }",
            "parties.acme.goplay.vip.a (set in test.toml) must be a price in quotes",
        ),
        (
            "@goplay = { path = \"\", currency = \"CHF\", vip = { a = \"1\", b = \"1.00\" } }",
            "has one price for a and b",
        ),
        (
            "@goplay = { path = \"\", currency = \"CHF\", clients = [{ id = \"a\", redirect_uris = [\"http://h\"] }] }",
            "parties.acme.goplay.clients[0] (set in test.toml) needs a secret or secret_file",
        ),
        (
            "@goplay = { path = \"\", currency = \"CHF\", clients = [{ id = \"a\", secret = \"s\", redirect_uris = [\"/back\"] }] }",
            "redirect_uris[0] (set in test.toml) must be an absolute address",
        ),
    ]);
}
