//! What is asked about transactions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Buckets, Label};
use crate::ledger::account::Bucket;
use crate::ledger::command::CommandKey;
use crate::ledger::{Currency, Party, PlayerId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum TransactionAct {
    Adjust(Adjust),
    QueueVoid(QueueVoid),
    ResolveVoid(ResolveVoid),
}

/// One adjustment of a player's money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjust {
    pub player: PlayerId,
    /// Unique within the party: the same again is a repeat. Made of whatever makes two transactions the same.
    pub name: Arc<str>,
    pub label: Label,
    pub currency: Currency,
    #[serde(default)]
    pub product: i32,
    pub change: Change,
    /// What the dialect wants back when it shows the transaction: kept, compared, never interpreted.
    #[serde(default = "nothing", skip_serializing_if = "str::is_empty")]
    pub memo: Arc<str>,
    /// What the caller said that a configuration makes the rest of, as the dialect wrote it. Where both of two commands tell it,
    /// it is compared in place of what was made of it: configurations change, and a repeat must not.
    #[serde(default = "nothing", skip_serializing_if = "str::is_empty")]
    pub said: Arc<str>,
    /// What the whole was worth by the rates of the moment, as the dialect wrote it. Not compared: rates change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worth: Option<Arc<str>>,
    /// The number that the transaction has had elsewhere: only a replay gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Not compared.
    #[serde(default, skip_serializing_if = "StakeRules::are_first")]
    pub stakes: StakeRules,
    /// The caller's private token: kept with the transaction, never in the journal, never compared.
    #[serde(skip)]
    pub token: Option<Arc<str>>,
}

fn nothing() -> Arc<str> {
    "".into()
}

/// The rules by which stakes end. They travel with the command, so that a replay decides as the original did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StakeRules {
    /// Those of commands that say nothing, from before there were others: what was paid for could be given back as well,
    /// and the reverse, and what was given back went to the account that the call named.
    #[default]
    First,
    /// A stake is paid for or given back, and goes back to the account that it came from.
    OneEnd,
}

impl StakeRules {
    fn are_first(&self) -> bool {
        *self == Self::First
    }
}

/// What an adjustment does. Amounts are minor units and never negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Spends `total` less `external` from the buckets, in their order, and leaves a stake that can be given back.
    Stake {
        total: i64,
        /// The part that was taken elsewhere: it counts, and moves nothing here.
        #[serde(default)]
        external: i64,
        from: Vec<Bucket>,
    },
    /// Pays into buckets. Where a source is named, it must be a transaction of the same player's, and no stake that was
    /// given back; a stake that is paid for can be paid for again, and is not given back any more.
    Pay {
        amounts: Buckets,
        #[serde(default)]
        external: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<i64>,
    },
    /// Gives the stake `source` back, once: into the accounts that it came from, whatever the adjustment's product.
    Void {
        source: i64,
        amounts: Buckets,
        #[serde(default)]
        external: i64,
    },
    /// Pays real money for the round, and settles the player's oldest open stake in it. A round without any stake
    /// is paid all the same; one whose stakes have all met their fate is not.
    Win { amount: i64 },
    /// Gives back the player's open stake of exactly this amount in the round, to the account that it came from.
    Refund {
        amount: i64,
        /// The stake's currency, which the amount is in, where it is not the adjustment's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        currency: Option<Currency>,
    },
    /// Undoes whatever the named transaction did, once; not a stake that has been settled or given back. A name that is
    /// not known becomes unusable.
    Rollback { name: Arc<str> },
}

/// Asks that a transaction be voided by an operator (Balance Service `QueueManualVoidReturn`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueVoid {
    /// Whose transaction it is.
    pub player: PlayerId,
    /// The transaction's number.
    pub source: i64,
    /// The kind of transaction to record when the void is approved.
    pub kind: i32,
    /// How often the same was dismissed before: only then it can be asked for again.
    #[serde(default, skip_serializing_if = "is_first")]
    pub attempt: i32,
}

fn is_first(attempt: &i32) -> bool {
    *attempt == 0
}

/// An operator's answer to a queued void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolveVoid {
    pub player: PlayerId,
    pub source: i64,
    /// Approved: what the transaction moved is moved back. Else the void is dismissed.
    pub approve: bool,
    /// Which [`QueueVoid::attempt`] is answered.
    #[serde(default, skip_serializing_if = "is_first")]
    pub attempt: i32,
    /// See [`Adjust::number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
}

impl TransactionAct {
    pub fn player(&self) -> &PlayerId {
        match self {
            Self::Adjust(adjust) => &adjust.player,
            Self::QueueVoid(queue) => &queue.player,
            Self::ResolveVoid(resolve) => &resolve.player,
        }
    }

    /// The number that it brings, where its kind of act may bring one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Adjust(adjust) => adjust.number,
            Self::ResolveVoid(resolve) => resolve.number,
            Self::QueueVoid(_) => None,
        }
    }

    pub(in crate::ledger) fn number_mut(&mut self) -> Option<&mut Option<i64>> {
        match self {
            Self::Adjust(adjust) => Some(&mut adjust.number),
            Self::ResolveVoid(resolve) => Some(&mut resolve.number),
            Self::QueueVoid(_) => None,
        }
    }

    pub(in crate::ledger) fn key(&self, party: &Party) -> CommandKey {
        match self {
            Self::Adjust(adjust) => CommandKey::of_adjust(party, &adjust.name),
            Self::QueueVoid(queue) => {
                CommandKey::of_text("queue_void", party, &with_attempt(queue.source.to_string(), queue.attempt))
            }
            // Each of the two answers has a key of its own: the other one, given later, is no misuse of the key.
            Self::ResolveVoid(resolve) => {
                let answer = format!("{}:{}", resolve.source, resolve.approve);
                CommandKey::of_text("resolve_void", party, &with_attempt(answer, resolve.attempt))
            }
        }
    }
}

impl CommandKey {
    /// The key of the adjustment with this name, which is its transaction's key, too.
    pub fn of_adjust(party: &Party, name: &str) -> Self {
        Self::of_text("adjust", party, name)
    }
}

/// The first attempt is called by the name alone.
fn with_attempt(name: String, attempt: i32) -> String {
    if attempt == 0 { name } else { format!("{name}:{attempt}") }
}
