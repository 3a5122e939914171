//! What may be configured and is unwise.

use super::*;

/// No secret that anybody warns of.
const LONG: &str = "a secret of well over thirty-two bytes, shared with nobody";

#[test]
fn what_is_unwise_is_a_warning() {
    let short = format!("{TRUSTED}jwt = {{ hmac_secret = \"short\" }}");
    let endless = format!("{TRUSTED}jwt = {{ hmac_secret = \"{LONG}\", require_exp = false }}");
    let of = |party: &str, issuer: &str| {
        format!(
            "[parties.{party}]\ncurrencies = [\"CHF\"]\njwt = {{ hmac_secret = \"{LONG}\", issuer = \"{issuer}\" }}\n"
        )
    };
    let shared = of("acme", "us") + &of("emca", "us");
    let told_apart = parse(&(of("acme", "us") + &of("emca", "them"))).unwrap().warnings;
    assert!(!told_apart.iter().any(|warning| warning.contains("one issuer")), "{told_apart:?}");
    let plain = format!("{TRUSTED}jwt = {{ jwks_url = \"http://id.example/keys\" }}");
    let sealed = format!("{TRUSTED}codegames = {{ path = \"/a\", currency = \"CHF\", keys_secret = \"short\" }}");
    let unrated = format!("{TRUSTED}balance_service = {{ path = \"/a\", currency_ids = {{ 2 = \"EUR\" }} }}");
    let cases = [
        ("[amqp]\nprefetch = 100", "amqp.prefetch is below ledger.max_batch"),
        ("[amqp]\nurl = \"\"", "amqp.url is empty: results and cancels over HTTP"),
        (&short, "parties.acme.jwt.hmac_secret (set in test.toml) has 5 bytes"),
        (&short, "parties.acme.rest.api_keys is empty"),
        (&plain, "plain http"),
        (&sealed, "parties.acme.codegames.keys_secret has 5 bytes"),
        (&endless, ".require_exp is false"),
        (&shared, "parties.acme.jwt and parties.emca.jwt have one key and one issuer"),
        (&unrated, "parties.acme.balance_service has no gbp_rates for EUR"),
        (&unrated, "parties.acme.balance_service.api_keys is empty"),
        ("[amqp]\nurl = \"amqp://broker/p\"", "amqp.url goes to another machine without TLS"),
        ("[database]\nurl = \"postgres://u@db/p?sslmode=prefer\"", "database.url goes to another machine without TLS"),
        ("[database]\nurl = \"postgres://u@127.0.0.1:1,two:2/p\"", "database.url goes to another machine without TLS"),
    ];
    for (toml, expected) in cases {
        let warnings = parse(toml).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{expected}: {warnings:?}");
    }
}

#[test]
fn what_is_encrypted_or_stays_on_this_machine_is_no_reason_to_warn() {
    let urls = [
        ("amqp", "amqps://broker/p"),
        ("amqp", "amqp://localhost/p"),
        ("amqp", "amqp://[::1]/p"),
        ("amqp", "amqp://127.0.0.2:5672/p"),
        ("database", "postgres://u@db/p?connect_timeout=3&sslmode=verify-full"),
        ("database", "postgres://u@localhost/p"),
        ("database", "postgres://u:p@127.0.0.1:1,[::1]:2,localhost:3/p?target_session_attrs=read-write"),
        ("database", "postgres://u@%2Frun%2Fpostgresql/p"),
    ];
    for (section, url) in urls {
        let warnings = parse(&format!("[{section}]\nurl = \"{url}\"")).unwrap().warnings;
        assert_eq!(warnings, Vec::<String>::new(), "{url}");
    }
}
