//! A dialect of the tests' own: a bar that puts drinks on a player's tab. This folder is all of it
//! (`docs/adding-a-dialect.md`).

use std::sync::Arc;

use http::Method;
use purser::dialects::http::{
    Dialect, Failure, HandlerError, Mount, MountContext, MountError, Reply, Request, Route, handled_by,
};
use purser::ledger::command::Command;
use purser::ledger::transactions::{Adjust, Change, Label};
use purser::ledger::{
    AccountRefusal, Act, Bucket, Currency, Done, Outcome, Party, PlayerId, Refusal, TransactionAct, TransactionDone,
};
use purser::wallet::SharedWallet;
use serde::Deserialize;
use serde_json::json;

pub static DIALECT: Dialect = Dialect { name: "tab", mounts, failure };

/// One party's bar.
struct Bar {
    party: Party,
    currency: Currency,
}

/// A drink and who drank it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drink {
    player: String,
    /// The bar's own number of the drink.
    receipt: u64,
    /// Minor units.
    price: i64,
}

fn failure(failure: Failure) -> Reply {
    told(failure.status(), "the bar is closed")
}

fn mounts(context: &MountContext<'_>) -> Result<Vec<Mount>, MountError> {
    let mount = |party: &Party, currency| Mount {
        dialect: &DIALECT,
        party: Some(party.clone()),
        path: format!("/tab/{party}"),
        routes: vec![Route {
            method: Some(Method::POST),
            path: "/drinks",
            operation: "drink",
            max_body: 1024,
            handle: handled_by(&Arc::new(Bar { party: party.clone(), currency }), drink),
            document: || json!({ "operationId": "drink", "responses": { "200": { "description": "Cheers." } } }),
        }],
    };
    Ok(context.parties.iter().map(|party| mount(party.party, party.settings.currencies[0])).collect())
}

async fn drink(bar: Arc<Bar>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let drink: Drink = serde_json::from_slice(&request.body).map_err(|_| told(400, "that is no drink"))?;
    let player = PlayerId::parse(&drink.player).map_err(|_| told(400, "that is no player"))?;
    let receipt = drink.receipt.to_string();
    let adjust = Adjust {
        player,
        name: format!("tab:{receipt}").into(),
        label: Label { scope: "tab".into(), kind: 0, region: 0, partner: 0, reference: receipt.into(), round: None },
        currency: bar.currency,
        product: 0,
        change: Change::Stake { total: drink.price, external: 0, from: vec![Bucket::Real] },
        memo: "".into(),
        said: "".into(),
        worth: None,
        number: None,
        stakes: purser::ledger::transactions::StakeRules::OneEnd,
        token: None,
    };
    let command = Command {
        party: bar.party.clone(),
        at: request.at,
        correlation: Some(Arc::clone(&request.correlation)),
        act: Act::Transaction(TransactionAct::Adjust(adjust)),
    };
    Ok(of_outcome(wallet.decide(command).await?.outcome))
}

fn of_outcome(outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Done(Done::Transaction(TransactionDone::Adjusted { balance, .. })) => {
            told(200, &format!("cheers; {balance} left"))
        }
        Outcome::Refused(Refusal::Account(AccountRefusal::InsufficientFunds { .. })) => told(402, "your tab is full"),
        Outcome::Refused(Refusal::Account(AccountRefusal::PlayerUnknown)) => told(404, "who are you?"),
        other => told(409, &format!("{other:?}")),
    }
}

fn told(status: u16, words: &str) -> Reply {
    Reply::json(status, status.to_string(), &json!({ "says": words }))
}
