//! Every example in `schemas/` is executed: against its schema, and against the decoder where there is one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::{Registry, Validator};
use purser::dialects::egpp::handler::Denied;
use purser::dialects::egpp::rest::wire as rest;
use purser::dialects::egpp::status;
use purser::dialects::egpp::wire::{self, Malformed};
use purser::dialects::egpp::{BalanceQuestion, EgppReply, Operation};
use purser::ledger::{
    AccountRefusal, Currency, Done, OrderDone, OrderRefusal, Outcome, PlayerId, Pocket, Refusal, Wallet,
};
use serde_json::Value;

/// The currencies of the party whose messages the examples are.
pub const CURRENCIES: [&str; 5] = ["CHF", "EUR", "GBP", "BTC", "ETH"];

/// Every schema under `schemas/`, compiled, by its path without the extension: `v1.0/egpp-order.bet-req-queuing`.
struct Schemas(BTreeMap<String, Validator>);

/// One file of an `examples` folder.
struct Example {
    path: PathBuf,
    schema: String,
    is_valid: bool,
    body: Vec<u8>,
}

impl Schemas {
    fn load() -> Self {
        let files = folders().into_iter().flat_map(|folder| json_files(&folder));
        let documents: BTreeMap<String, Value> = files
            .map(|path| {
                let text = fs::read(&path).expect("a schema");
                (name_of(&path), serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
            })
            .collect();
        let mut registry = Registry::new();
        for (name, document) in &documents {
            let id = document["$id"].as_str().unwrap_or_else(|| panic!("{name} has no $id"));
            assert!(id.ends_with(&format!("/schemas/{name}.json")), "{name} names itself {id}");
            registry = registry.add(id, document).expect("a resource");
        }
        let registry = registry.prepare().expect("a registry");
        let compiled = documents.iter().map(|(name, document)| {
            jsonschema::meta::validate(document).unwrap_or_else(|error| panic!("{name}: {error}"));
            let built = jsonschema::draft202012::options().with_registry(&registry).offline().build(document);
            (name.clone(), built.unwrap_or_else(|error| panic!("{name}: {error}")))
        });
        Self(compiled.collect())
    }

    fn validator(&self, name: &str) -> &Validator {
        self.0.get(name).unwrap_or_else(|| panic!("there is no schema {name}"))
    }
}

/// The folder of the trading API; those of the partner dialects are executed against a server (`http`).
fn folders() -> Vec<PathBuf> {
    vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/v1.0")]
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    files.sort();
    files
}

fn name_of(schema: &Path) -> String {
    let folder = schema.parent().and_then(Path::file_name).expect("a folder").to_string_lossy();
    format!("{folder}/{}", schema.file_stem().expect("a name").to_string_lossy())
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    for folder in folders() {
        for path in json_files(&folder.join("examples")) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let (schema, is_valid) = match (name.split_once(".valid."), name.split_once(".invalid.")) {
                (Some((schema, _)), None) => (schema, true),
                (None, Some((schema, _))) => (schema, false),
                _ => panic!("{name} is neither valid nor invalid"),
            };
            let schema = format!("{}/{schema}", folder.file_name().expect("a name").to_string_lossy());
            let body = fs::read(&path).expect("an example");
            examples.push(Example { path, schema, is_valid, body });
        }
    }
    examples
}

fn operation_of(schema: &str) -> Option<Operation> {
    let name = schema.strip_prefix("v1.0/egpp-")?.strip_suffix("-req-queuing")?;
    Operation::ALL.into_iter().find(|operation| operation.name() == name)
}

pub fn currencies() -> Vec<Currency> {
    CURRENCIES.iter().map(|code| Currency::parse(code).expect("a currency")).collect()
}

#[test]
fn every_example_fares_with_its_schema_as_its_name_says() {
    let schemas = Schemas::load();
    let mut wrong = Vec::new();
    for example in examples() {
        let document: Value = serde_json::from_slice(&example.body).expect("JSON");
        if schemas.validator(&example.schema).is_valid(&document) != example.is_valid {
            wrong.push(example.path);
        }
    }
    assert_eq!(wrong, Vec::<PathBuf>::new());
}

#[test]
fn every_request_fares_with_the_decoder_as_with_its_schema() {
    let currencies = currencies();
    let (mut executed, mut wrong) = (0, Vec::new());
    for example in examples() {
        let Some(operation) = operation_of(&example.schema) else { continue };
        executed += 1;
        let decoded = wire::parse(operation, &example.body, &currencies);
        if decoded.is_ok() != example.is_valid {
            wrong.push((example.path, decoded));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(executed > 200, "only {executed} requests were found");
}

/// The decoder of a REST request with a body.
fn decoder_of(schema: &str) -> Option<fn(&[u8]) -> bool> {
    match schema.strip_prefix("v1.0/egpp-")?.strip_suffix("-req-rest")? {
        "order.bet" => Some(|body| rest::order_bet(body, &currencies()).is_ok()),
        "order.bet.result" => Some(|body| rest::order_bet_result(body, &currencies()).is_ok()),
        "order.bet.cancel" => Some(|body| rest::order_bet_cancel(body).is_ok()),
        "token" => Some(|body| rest::token(body).is_ok()),
        _ => None,
    }
}

#[test]
fn every_rest_request_fares_with_the_decoder_as_with_its_schema() {
    let (mut executed, mut wrong) = (0, Vec::new());
    for example in examples() {
        let Some(is_taken) = decoder_of(&example.schema) else { continue };
        executed += 1;
        if is_taken(&example.body) != example.is_valid {
            wrong.push(example.path);
        }
    }
    assert_eq!(wrong, Vec::<PathBuf>::new());
    assert!(executed > 100, "only {executed} requests were found");
}

#[test]
fn every_schema_has_a_valid_and_an_invalid_example() {
    let examples = examples();
    for name in Schemas::load().0.keys().filter(|name| !name.ends_with("-definitions")) {
        for is_valid in [true, false] {
            let has_one = examples.iter().any(|example| example.schema == *name && example.is_valid == is_valid);
            assert!(has_one, "{name} has no example with valid = {is_valid}");
        }
    }
}

#[test]
fn every_reply_is_as_its_schema_says() {
    let schemas = Schemas::load();
    for operation in Operation::ALL {
        let validator = schemas.validator(&format!("v1.0/egpp-{}-res-queuing", operation.name()));
        let replies = done(operation).into_iter().chain(refusals()).chain(faults());
        for (what, reply) in replies {
            let document: Value = serde_json::from_slice(&reply.body).expect("JSON");
            if let Err(error) = validator.validate(&document) {
                panic!("{} replies to {what} with {document}: {error}", operation.name());
            }
            if !reply.is_balance {
                assert_eq!(document["code"], reply.code, "{what}");
            }
            let suffix = if reply.is_balance { "balance" } else { "status" };
            assert_eq!(reply.kind(operation), format!("{}.{suffix}", operation.name()), "{what}");
        }
    }
}

/// What an operation answers when it does what it is asked.
fn done(operation: Operation) -> Vec<(String, EgppReply)> {
    let outcomes: &[Done] = match operation {
        Operation::BalanceGet => return balances(),
        Operation::OrderBet => &[Done::Order(OrderDone::BetPlaced)],
        Operation::OrderBetResult => {
            &[Done::Order(OrderDone::OrderSettled { paid: 0 }), Done::Order(OrderDone::OrderSettled { paid: i64::MAX })]
        }
        Operation::OrderBetCancel => &[Done::Order(OrderDone::OrderCancelled { refunded: 1 })],
    };
    outcomes.iter().map(|done| (format!("{done:?}"), status::of_outcome(Outcome::Done(*done)))).collect()
}

fn balances() -> Vec<(String, EgppReply)> {
    let mut replies = Vec::new();
    for balance in [None, Some(0), Some(i64::MAX)] {
        for wallet in [None, Some(Wallet::parse("w\"\\/\u{1F600}").expect("a wallet"))] {
            let question = BalanceQuestion {
                player: PlayerId::parse("al\"ice\\").expect("a player"),
                pocket: Pocket::real(Currency::parse("CHF").expect("a currency")),
                wallet_asked: wallet,
            };
            replies.push((format!("{question:?} {balance:?}"), status::of_balance(&question, balance)));
        }
    }
    replies
}

fn refusals() -> Vec<(String, EgppReply)> {
    let refusals = [
        Refusal::Account(AccountRefusal::KeyReused),
        Refusal::Order(OrderRefusal::DiffersFromBet),
        Refusal::Order(OrderRefusal::GameUnknown),
        Refusal::Account(AccountRefusal::PlayerUnknown),
        Refusal::Order(OrderRefusal::OrderUnknown),
        Refusal::Order(OrderRefusal::OrderNotTheirs),
        Refusal::Order(OrderRefusal::OrderSettled),
        Refusal::Order(OrderRefusal::OrderCancelled),
        Refusal::Order(OrderRefusal::OrderRefused),
        Refusal::Order(OrderRefusal::RoundDiffers),
        Refusal::Order(OrderRefusal::MaxBet { max: 0 }),
        Refusal::Order(OrderRefusal::MaxBet { max: i64::MAX }),
        Refusal::Order(OrderRefusal::MaxStakePerDay { max: i64::MAX, staked: i64::MAX }),
        Refusal::Account(AccountRefusal::InsufficientFunds { balance: i64::MAX }),
        Refusal::Account(AccountRefusal::BalanceOverflow),
    ];
    refusals.map(|refusal| (format!("{refusal:?}"), status::of_outcome(Outcome::Refused(refusal)))).to_vec()
}

fn faults() -> Vec<(String, EgppReply)> {
    let details = [
        String::new(),
        "x".repeat(10_000),
        "\u{1F600}".repeat(10_000),
        "a\nb\r\nc\u{0}d\u{7f}e\u{85}f\u{2028}g\u{2029}h".to_owned(),
        "\n".to_owned(),
        "\"}],\"code\":\"200\"".to_owned(),
    ];
    let malformed = details.iter().map(|detail| {
        let shown: String = detail.chars().take(40).collect();
        (format!("malformed: {shown:?}"), status::of_malformed(&Malformed(detail.clone())))
    });
    let rest = [
        ("unauthorized".to_owned(), status::of_denied(&Denied::Unauthorized("a player token is required"))),
        ("forbidden".to_owned(), status::of_denied(&Denied::Forbidden)),
        ("unknown key".to_owned(), status::of_unknown_key()),
        ("fault".to_owned(), status::of_fault()),
    ];
    malformed.chain(rest).collect()
}
