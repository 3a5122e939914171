//! Transactions: adjustments of one player's money that a partner has named, kept so that later ones can refer to
//! them, and the voids that an operator decides on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ledger::account::{Bucket, Pocket};
use crate::ledger::command::{CommandKey, Timestamp};
use crate::ledger::ids::{Currency, Party, Wallet};
use crate::ledger::player::PlayerKey;

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

    /// The same the other way round; `None` where 64 bits do not hold it.
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

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionState {
    /// A stake that can still be settled or given back.
    Open,
    /// What was moved, and is no stake: a rollback may follow, or an operator takes it back.
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
pub struct TransactionQuery {
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
