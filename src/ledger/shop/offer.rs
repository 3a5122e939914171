//! Gift-card offers: a price and a stock of keys. The ledger knows keys by their ids and carries them sealed: it can
//! neither read nor compare what is in them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::ids::{Currency, Party};
use crate::ledger::money::Amount;
use crate::ledger::player::digest;

/// Names one offer of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId(Uuid);

impl OfferId {
    /// `name` is the party's own identifier of the offer.
    pub fn of(party: &Party, name: &str) -> Self {
        Self(digest(&[b"offer", party.as_str().as_bytes(), name.as_bytes()]))
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}

/// Names one gift-card key within its party: a keyed digest, made where the key is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyId(pub Uuid);

/// A gift-card key, encrypted: base64 text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    pub id: KeyId,
    pub sealed: Arc<str>,
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedKey({})", self.id.0)
    }
}

/// An offer without its stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The party's own identifier.
    pub id: Arc<str>,
    pub name: Arc<str>,
    /// For one key.
    pub price: Amount,
    pub currency: Currency,
}

/// An offer with what a batch needs of its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferState {
    pub offer: Offer,
    /// Keys for sale.
    pub stock: i64,
    /// The first of them, in the order in which they are sold.
    pub next: Vec<KeyId>,
}

/// A key as it enters the stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockedKey {
    pub key: SealedKey,
    pub offer: OfferId,
}

/// Keys that were sold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The order's number: grows from order to order.
    pub number: i64,
    pub party: Party,
    pub buyer: Arc<str>,
    pub offer: OfferId,
    /// Minor units, for all of them.
    pub paid: Amount,
    pub keys: Vec<KeyId>,
}
