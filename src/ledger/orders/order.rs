//! Orders: one stake and what became of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::account::Pocket;
use crate::ledger::ids::{ExternalId, Game, Party};
use crate::ledger::money::Amount;
use crate::ledger::player::{PlayerKey, digest};

/// The provider's key of an order: (party, game, externalId). One bet is accepted under it. A refusal or tombstone binds
/// the player to whom it was given and nobody else, or somebody without money could use up everybody's keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    pub game: Game,
    pub external_id: ExternalId,
}

/// Names an order by a digest of its party and key, so that a `Location` needs no look-up. The two lowest bits
/// are clear: they tell the order's own commands apart (see `CommandKey`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(Uuid);

impl OrderId {
    pub fn of(party: &Party, key: &OrderKey) -> Self {
        Self::clear(digest(&[
            b"order",
            party.as_str().as_bytes(),
            key.game.as_str().as_bytes(),
            key.external_id.as_str().as_bytes(),
        ]))
    }

    /// The id of what a player was refused under a key.
    fn refused(accepted: Self, player: PlayerKey) -> Self {
        Self::clear(digest(&[b"refused", accepted.0.as_bytes(), player.uuid().as_bytes()]))
    }

    fn clear(digest: Uuid) -> Self {
        let mut bytes = digest.into_bytes();
        bytes[15] &= !0b11;
        Self(Uuid::from_bytes(bytes))
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}

/// The two orders that a player's commands under one key may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderIds {
    /// The key's only accepted order, whosever it is.
    pub accepted: OrderId,
    /// What this player was refused under the key: a bet, or a cancel that left a tombstone. Where there is one, it is
    /// what the player's commands are about.
    pub refused: OrderId,
}

impl OrderIds {
    pub fn of(accepted: OrderId, player: PlayerKey) -> Self {
        Self { accepted, refused: OrderId::refused(accepted, player) }
    }

    /// Both: whoever waits for an order waits for either.
    pub fn both(self) -> [OrderId; 2] {
        [self.accepted, self.refused]
    }
}

/// What a command does with its order. The number is what its key adds to the order's id (see `CommandKey`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderOperation {
    Place = 1,
    Settle = 2,
    Cancel = 3,
}

impl OrderOperation {
    pub const ALL: [Self; 3] = [Self::Place, Self::Settle, Self::Cancel];
}

/// The journal's numbers of what is kept about an order, each operation's once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderNumbers {
    pub placed: Option<i64>,
    pub settled: Option<i64>,
    pub cancelled: Option<i64>,
}

impl OrderNumbers {
    pub fn get(&self, operation: OrderOperation) -> Option<i64> {
        match operation {
            OrderOperation::Place => self.placed,
            OrderOperation::Settle => self.settled,
            OrderOperation::Cancel => self.cancelled,
        }
    }

    pub fn set(&mut self, operation: OrderOperation, number: i64) {
        let numbered = match operation {
            OrderOperation::Place => &mut self.placed,
            OrderOperation::Settle => &mut self.settled,
            OrderOperation::Cancel => &mut self.cancelled,
        };
        *numbered = Some(number);
    }

    /// The operation that left the order as it is. A bet that a tombstone refused comes after it, and leaves it.
    pub fn last(&self) -> OrderOperation {
        match self {
            Self { cancelled: Some(_), .. } => OrderOperation::Cancel,
            Self { settled: Some(_), .. } => OrderOperation::Settle,
            Self { .. } => OrderOperation::Place,
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    Open,
    Won,
    Lost,
    Tied,
    Cancelled,
    /// The bet was refused: there is no stake, and nothing can follow.
    Refused,
    /// A cancel came before its bet and gave up waiting: the bet will be refused.
    Tombstone,
}

impl OrderState {
    pub const ALL: [Self; 7] =
        [Self::Open, Self::Won, Self::Lost, Self::Tied, Self::Cancelled, Self::Refused, Self::Tombstone];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Tied => "tied",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Tombstone => "tombstone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What was staked, and where from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stake {
    pub amount: Amount,
    pub pocket: Pocket,
    pub round: i64,
    /// The UTC day (days since 1970-01-01) that the stake counts towards.
    pub day: i32,
}

/// An order as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub party: Party,
    pub key: OrderKey,
    pub player: PlayerKey,
    pub state: OrderState,
    /// Absent where only a tombstone is known.
    pub stake: Option<Stake>,
    /// Minor units paid out or refunded.
    pub paid: i64,
}
