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

/// What tells an order apart, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderName {
    pub id: OrderId,
    pub party: Party,
    pub key: OrderKey,
    pub player: PlayerKey,
}

/// An order as the ledger keeps it. It is what a command makes of it, or what was recorded: one that contradicts itself can
/// be neither built nor read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    name: OrderName,
    fate: OrderFate,
}

/// What became of an order, with what was staked and what its player got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFate {
    Open(Stake),
    Won(Stake, Amount),
    Lost(Stake),
    Tied(Stake, Amount),
    Cancelled(Stake),
    Refused(Stake),
    Tombstone,
}

/// An order that there cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("order {} is {} and {why}", id.uuid(), state.as_str())]
pub struct IllegalOrder {
    pub id: OrderId,
    pub state: OrderState,
    pub why: &'static str,
}

impl Order {
    pub fn new(name: OrderName, fate: OrderFate) -> Self {
        Self { name, fate }
    }

    /// As it was recorded, unless it contradicts itself. `paid` is minor units.
    pub fn recorded(name: OrderName, state: OrderState, stake: Option<Stake>, paid: i64) -> Result<Self, IllegalOrder> {
        let illegal = |why| IllegalOrder { id: name.id, state, why };
        let Some(stake) = stake else {
            return match state {
                OrderState::Tombstone if paid == 0 => Ok(Self { name, fate: OrderFate::Tombstone }),
                OrderState::Tombstone => Err(illegal("has paid")),
                OrderState::Open
                | OrderState::Won
                | OrderState::Lost
                | OrderState::Tied
                | OrderState::Cancelled
                | OrderState::Refused => Err(illegal("has no stake")),
            };
        };
        let got = || Amount::new(paid).map_err(|_| illegal("has paid nothing"));
        let fate = match state {
            OrderState::Open => OrderFate::Open(stake),
            OrderState::Won => OrderFate::Won(stake, got()?),
            OrderState::Lost => OrderFate::Lost(stake),
            OrderState::Tied => OrderFate::Tied(stake, got()?),
            OrderState::Cancelled if paid != stake.amount.minor() => return Err(illegal("has not refunded its stake")),
            OrderState::Cancelled => OrderFate::Cancelled(stake),
            OrderState::Refused => OrderFate::Refused(stake),
            OrderState::Tombstone => return Err(illegal("has a stake")),
        };
        if fate.paid() != paid {
            return Err(illegal("has paid"));
        }
        Ok(Self { name, fate })
    }

    /// The order after what a command has done with it.
    pub(super) fn with(&self, fate: OrderFate) -> Self {
        Self { name: self.name.clone(), fate }
    }

    pub fn id(&self) -> OrderId {
        self.name.id
    }

    pub fn party(&self) -> &Party {
        &self.name.party
    }

    pub fn key(&self) -> &OrderKey {
        &self.name.key
    }

    pub fn player(&self) -> PlayerKey {
        self.name.player
    }

    pub fn fate(&self) -> &OrderFate {
        &self.fate
    }

    pub fn state(&self) -> OrderState {
        self.fate.state()
    }

    /// `None` where only a tombstone is known.
    pub fn stake(&self) -> Option<&Stake> {
        self.fate.stake()
    }

    /// Minor units paid out or refunded.
    pub fn paid(&self) -> i64 {
        self.fate.paid()
    }
}

impl OrderFate {
    fn state(&self) -> OrderState {
        match self {
            Self::Open(_) => OrderState::Open,
            Self::Won(..) => OrderState::Won,
            Self::Lost(_) => OrderState::Lost,
            Self::Tied(..) => OrderState::Tied,
            Self::Cancelled(_) => OrderState::Cancelled,
            Self::Refused(_) => OrderState::Refused,
            Self::Tombstone => OrderState::Tombstone,
        }
    }

    fn stake(&self) -> Option<&Stake> {
        match self {
            Self::Open(stake)
            | Self::Won(stake, _)
            | Self::Lost(stake)
            | Self::Tied(stake, _)
            | Self::Cancelled(stake)
            | Self::Refused(stake) => Some(stake),
            Self::Tombstone => None,
        }
    }

    /// Minor units that its player got.
    pub(super) fn paid(&self) -> i64 {
        match self {
            Self::Won(_, amount) | Self::Tied(_, amount) => amount.minor(),
            Self::Cancelled(stake) => stake.amount.minor(),
            Self::Open(_) | Self::Lost(_) | Self::Refused(_) | Self::Tombstone => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::PlayerId;

    #[test]
    fn an_order_that_contradicts_itself_is_not_read() {
        use OrderState::{Cancelled, Lost, Open, Refused, Tied, Tombstone, Won};
        let party = Party::parse("acme").unwrap();
        let game = Game::parse("roulette").unwrap();
        let key = OrderKey { game, external_id: ExternalId::parse("x").unwrap() };
        let player = PlayerKey::of(&party, &PlayerId::parse("alice").unwrap());
        let name = OrderName { id: OrderId::of(&party, &key), party, key, player };
        let pocket = Pocket::real(crate::ledger::Currency::parse("CHF").unwrap());
        let stake = Stake { amount: Amount::new(5).unwrap(), pocket, round: 1, day: 1 };
        let cases = [
            (Open, true, 0, None),
            (Open, false, 0, Some("has no stake")),
            (Open, true, 5, Some("has paid")),
            (Won, true, 9, None),
            (Won, true, 0, Some("has paid nothing")),
            (Won, false, 9, Some("has no stake")),
            (Lost, true, 0, None),
            (Lost, true, 1, Some("has paid")),
            (Tied, true, 5, None),
            (Tied, true, -5, Some("has paid nothing")),
            (Cancelled, true, 5, None),
            (Cancelled, true, 4, Some("has not refunded its stake")),
            (Refused, true, 0, None),
            (Refused, false, 0, Some("has no stake")),
            (Tombstone, false, 0, None),
            (Tombstone, true, 0, Some("has a stake")),
            (Tombstone, false, 1, Some("has paid")),
        ];
        for (state, has_stake, paid, why) in cases {
            let read = Order::recorded(name.clone(), state, has_stake.then(|| stake.clone()), paid);
            assert_eq!(read.err().map(|error| error.why), why, "{state:?}, {has_stake}, {paid}");
        }
    }
}
