//! Transactions: adjustments of one player's money that a partner has named, kept so that later ones can refer to
//! them (Balance Service `AdjustBalance`, QuickPlay `transaction`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::{Bucket, Pocket};
use super::command::{CommandKey, Timestamp};
use super::ids::{Currency, Party, PlayerId, Wallet};
use super::player::PlayerKey;

/// Minor units for each bucket of a player. Signed: what comes to the player is positive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Buckets {
    #[serde(skip_serializing_if = "is_zero")]
    pub real: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub bonus: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub ring_fenced: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub gbt_bonus: i64,
}

fn is_zero(minor: &i64) -> bool {
    *minor == 0
}

impl Buckets {
    pub fn get(&self, bucket: Bucket) -> i64 {
        match bucket {
            Bucket::Real => self.real,
            Bucket::Bonus => self.bonus,
            Bucket::RingFenced => self.ring_fenced,
            Bucket::GbtBonus => self.gbt_bonus,
        }
    }

    pub fn set(&mut self, bucket: Bucket, minor: i64) {
        match bucket {
            Bucket::Real => self.real = minor,
            Bucket::Bonus => self.bonus = minor,
            Bucket::RingFenced => self.ring_fenced = minor,
            Bucket::GbtBonus => self.gbt_bonus = minor,
        }
    }

    /// Every bucket that is not zero.
    pub fn used(self) -> impl Iterator<Item = (Bucket, i64)> {
        Bucket::ALL.into_iter().map(move |bucket| (bucket, self.get(bucket))).filter(|(_, minor)| *minor != 0)
    }

    /// `None` where the sum passes 64 bits.
    pub fn sum(&self) -> Option<i64> {
        Bucket::ALL.into_iter().try_fold(0_i64, |sum, bucket| sum.checked_add(self.get(bucket)))
    }

    /// The same movement the other way round; `None` where 64 bits do not hold it.
    pub fn reversed(&self) -> Option<Self> {
        let mut reversed = Self::default();
        for (bucket, minor) in self.used() {
            reversed.set(bucket, minor.checked_neg()?);
        }
        Some(reversed)
    }

    pub fn has_negative(&self) -> bool {
        self.used().any(|(_, minor)| minor < 0)
    }
}

/// What a transaction is found by, in its partner's own words. Numbers that a dialect lacks are zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Whose words these are: the dialect.
    pub scope: Arc<str>,
    /// The partner's number for what kind of transaction it is.
    pub kind: i32,
    #[serde(default)]
    pub region: i32,
    #[serde(default)]
    pub partner: i32,
    /// The partner's name for the transaction.
    pub reference: Arc<str>,
    /// The game round or contest that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Arc<str>>,
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

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionState {
    /// A stake that can still be settled or given back.
    Open,
    /// Nothing can follow but a rollback.
    Done,
    Settled,
    /// A stake that was given back.
    Voided,
    /// A stake that was rolled back.
    RolledBack,
    /// What was no stake, and an operator took back.
    PaymentVoided,
    /// What was no stake, and was rolled back.
    PaymentRolledBack,
    /// Rolled back before it came: the name is unusable.
    Tombstone,
    /// It undid another: nothing can follow.
    Reversal,
}

impl TransactionState {
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Done,
        Self::Settled,
        Self::Voided,
        Self::RolledBack,
        Self::PaymentVoided,
        Self::PaymentRolledBack,
        Self::Tombstone,
        Self::Reversal,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Settled => "settled",
            Self::Voided => "voided",
            Self::RolledBack => "rolled_back",
            Self::PaymentVoided => "payment_voided",
            Self::PaymentRolledBack => "payment_rolled_back",
            Self::Tombstone => "tombstone",
            Self::Reversal => "reversal",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A transaction as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Grows from transaction to transaction; unique in the ledger.
    pub number: i64,
    pub key: CommandKey,
    pub party: Party,
    pub player: PlayerKey,
    pub label: Label,
    pub currency: Currency,
    pub product: i32,
    /// What it moved, signed as the player sees it.
    pub moved: Buckets,
    /// What it counted that moved elsewhere, signed likewise.
    pub external: i64,
    pub source: Option<i64>,
    pub state: TransactionState,
    /// The transaction that settled, voided or rolled this one back.
    pub ended_by: Option<i64>,
    pub memo: Arc<str>,
    pub worth: Option<Arc<str>>,
    pub token: Option<Arc<str>>,
}

impl Transaction {
    /// Everything that the transaction counted, signed as the player sees it; `None` where it passes 64 bits.
    pub fn total(&self) -> Option<i64> {
        self.moved.sum()?.checked_add(self.external)
    }

    /// Whether it took money that can be settled, voided or rolled back, be it nothing.
    pub fn is_stake(&self) -> bool {
        match self.state {
            TransactionState::Open
            | TransactionState::Settled
            | TransactionState::Voided
            | TransactionState::RolledBack => true,
            TransactionState::Done
            | TransactionState::PaymentVoided
            | TransactionState::PaymentRolledBack
            | TransactionState::Tombstone
            | TransactionState::Reversal => false,
        }
    }

    /// Its state once it was given back or taken back.
    pub fn voided(&self) -> TransactionState {
        if self.is_stake() { TransactionState::Voided } else { TransactionState::PaymentVoided }
    }

    /// Its state once it was rolled back.
    pub fn rolled_back(&self) -> TransactionState {
        if self.is_stake() { TransactionState::RolledBack } else { TransactionState::PaymentRolledBack }
    }

    /// The account of a bucket that the transaction moves money of.
    pub fn pocket(&self, bucket: Bucket) -> Pocket {
        Pocket { currency: self.currency, bucket, wallet: Wallet::default_wallet(), product: self.product }
    }
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

/// A void that an operator has to decide on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualVoid {
    /// The number of the transaction that it is about: there is one void for each.
    pub source: i64,
    /// How often it was dismissed and asked for again.
    pub attempt: i32,
    pub party: Party,
    pub player: PlayerKey,
    pub kind: i32,
    pub state: VoidState,
    pub queued_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoidState {
    Pending,
    Approved,
    Dismissed,
}

impl VoidState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Dismissed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Dismissed => "dismissed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Which transactions are asked for; always of one party and one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub party: Party,
    pub scope: Arc<str>,
    pub by: FindBy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindBy {
    Number(i64),
    Round(Arc<str>),
    /// A round's of one player.
    RoundOf {
        player: PlayerKey,
        round: Arc<str>,
    },
    Reference {
        player: PlayerKey,
        region: i32,
        reference: Arc<str>,
    },
    /// The newest of its kind.
    Latest {
        player: PlayerKey,
        region: i32,
        partner: i32,
        kind: i32,
    },
}
