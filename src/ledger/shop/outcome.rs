//! What comes of the shop's acts.

use serde::{Deserialize, Serialize};

/// What was done. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShopDone {
    VipBought {
        balance: i64,
    },
    /// How many keys were not known before.
    OffersStocked {
        added: i64,
    },
    KeysBought {
        order: i64,
        balance: i64,
    },
}

/// Why nothing was done, in the order in which the reasons are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShopRefusal {
    /// The player has this level or a higher one.
    VipNotHigher,
    OfferUnknown,
    /// The offer is in another currency.
    OfferCurrencyDiffers,
    OfferPriceDiffers {
        price: i64,
    },
    OutOfStock {
        stock: i64,
    },
}

impl ShopDone {
    /// The number that an order of keys was given.
    pub(in crate::ledger) fn given(self) -> Option<i64> {
        match self {
            Self::KeysBought { order, .. } => Some(order),
            Self::VipBought { .. } | Self::OffersStocked { .. } => None,
        }
    }
}
