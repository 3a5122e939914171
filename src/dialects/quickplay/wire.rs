//! The bodies of QuickPlay's calls: everything is in `data`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::code::QuickPlayCode;
use crate::dialects::http::exact::{self, WireAmount, WireId};
use crate::ledger::transactions::Change;
use crate::ledger::{Bucket, PlayerId};

#[derive(Deserialize)]
struct Signed<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Body of every call.
#[derive(Deserialize, JsonSchema)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub struct CallBody<T> {
    #[serde(deserialize_with = "exact::object")]
    pub data: T,
}

/// `data` of `auth`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Auth {
    /// The player's token, a JWT. It may come in the header `token` instead.
    #[schemars(with = "Option<String>")]
    pub token: Option<Value>,
}

/// `data` of `user-details`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct UserDetails {
    /// The player's id.
    pub user_id: Option<WireId>,
    /// The same by its other name; `user_id` goes first.
    pub user: Option<WireId>,
}

/// `data` of `transaction`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TransactionCall {
    /// The name that QuickPlay knows us by.
    pub partner: Option<WireId>,
    /// The player's token, required where `type` is 0 and ignored elsewhere. It may come in the header `token` instead.
    #[schemars(with = "Option<String>")]
    pub token: Option<Value>,
    /// The player's id.
    pub user_id: Option<WireId>,
    /// The same by its other name; `user_id` goes first.
    pub user: Option<WireId>,
    /// 0 enters a contest, 1 is a win, 2 cancels an entry, 3 rolls a transaction back.
    #[serde(rename = "type")]
    pub kind: WireId,
    /// In major units, zero or more; needed unless `type` is 3.
    pub amount: Option<WireAmount>,
    /// Needed unless `type` is 3.
    pub contest_id: Option<WireId>,
    /// QuickPlay's own name for this transaction: the same again is answered as before, and moves nothing.
    pub transaction_id: WireId,
    /// The `transaction_id` that is rolled back; needed where `type` is 3.
    pub reference: Option<WireId>,
}

/// A transaction of the right shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedTransaction {
    pub kind: i32,
    pub name: String,
    pub contest: Option<String>,
    pub change: Change,
    /// What else was said, so that a transaction that says something else is another one.
    pub memo: String,
}

/// The raw text of `data`, exactly as it was sent: what QuickPlay may have signed instead of the whole body.
pub fn signed_data(body: &[u8]) -> Option<&str> {
    serde_json::from_slice::<Signed<'_>>(body).ok().map(|signed| signed.data.get())
}

/// Reads a body. The reason why not is for our log: QuickPlay has a code for it and no more.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, QuickPlayCode> {
    exact::read::<CallBody<T>>(body).map(|envelope| envelope.data).map_err(|_| QuickPlayCode::Refused)
}

/// The token where it is text; anything else is no token.
pub fn token(sent: Option<&Value>) -> Option<&str> {
    sent.and_then(Value::as_str)
}

/// The player that a call names. An id that no player can have is one of nobody.
pub fn player(user_id: Option<&WireId>, user: Option<&WireId>) -> Result<PlayerId, QuickPlayCode> {
    let named = user_id.or(user).ok_or(QuickPlayCode::InvalidUser)?;
    PlayerId::parse(&named.0).map_err(|_| QuickPlayCode::InvalidUser)
}

impl TransactionCall {
    /// What is to be moved, in minor units of a currency with this many decimal places.
    pub fn parsed(&self, exponent: u32) -> Result<ParsedTransaction, QuickPlayCode> {
        let amount = self.amount.as_ref().map(|amount| minor(amount, exponent)).transpose()?;
        let contest = self.contest_id.as_ref().map(name).transpose()?;
        let reference = self.reference.as_ref().map(name).transpose()?;
        let needed = || amount.filter(|_| contest.is_some()).ok_or(QuickPlayCode::Refused);
        let (kind, change) = match self.kind.0.as_str() {
            "0" => (0, Change::Stake { total: needed()?, external: 0, from: vec![Bucket::Real] }),
            "1" => (1, Change::Win { amount: needed()? }),
            "2" => (2, Change::Refund { amount: needed()?, currency: None }),
            "3" => {
                (3, Change::Rollback { name: ledger_name(reference.as_deref().ok_or(QuickPlayCode::Refused)?).into() })
            }
            _ => return Err(QuickPlayCode::Refused),
        };
        let memo = match &change {
            Change::Rollback { .. } => amount.map(|minor| minor.to_string()),
            Change::Stake { .. }
            | Change::Pay { .. }
            | Change::Void { .. }
            | Change::Win { .. }
            | Change::Refund { .. } => reference,
        };
        Ok(ParsedTransaction {
            kind,
            name: name(&self.transaction_id)?,
            contest,
            change,
            memo: memo.unwrap_or_default(),
        })
    }
}

/// A transaction's name among all of the party's.
pub fn ledger_name(transaction_id: &str) -> String {
    format!("quickplay:{transaction_id}")
}

fn minor(amount: &WireAmount, exponent: u32) -> Result<i64, QuickPlayCode> {
    amount.minor(exponent).ok().filter(|minor| *minor >= 0).ok_or(QuickPlayCode::Refused)
}

fn name(sent: &WireId) -> Result<String, QuickPlayCode> {
    sent.clone().checked().ok_or(QuickPlayCode::Refused)
}
