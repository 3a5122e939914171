//! Accounts: a balance in minor units that is never below zero, and the house side that keeps none.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{Currency, Party, Wallet};
use super::player::{PlayerKey, digest};

/// What kind of money an account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    Real,
    Bonus,
    RingFenced,
    GbtBonus,
}

impl Bucket {
    pub const ALL: [Self; 4] = [Self::Real, Self::Bonus, Self::RingFenced, Self::GbtBonus];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Bonus => "bonus",
            Self::RingFenced => "ring_fenced",
            Self::GbtBonus => "gbt_bonus",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.as_str() == text)
    }
}

/// What tells a player's accounts apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pocket {
    pub currency: Currency,
    pub bucket: Bucket,
    #[serde(default = "Wallet::default_wallet", skip_serializing_if = "Wallet::is_default")]
    pub wallet: Wallet,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub product: i32,
}

fn is_zero(product: &i32) -> bool {
    *product == 0
}

impl Pocket {
    /// The pocket of a call that names neither wallet nor product: real money.
    pub fn real(currency: Currency) -> Self {
        Self::real_in(currency, Wallet::default_wallet())
    }

    pub fn real_in(currency: Currency, wallet: Wallet) -> Self {
        Self { currency, bucket: Bucket::Real, wallet, product: 0 }
    }
}

/// Names one account: a digest of everything that tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Uuid);

impl AccountId {
    pub fn of_player(player: PlayerKey, pocket: &Pocket) -> Self {
        Self(digest(&[
            b"account",
            player.uuid().as_bytes(),
            pocket.currency.as_str().as_bytes(),
            pocket.bucket.as_str().as_bytes(),
            pocket.wallet.as_str().as_bytes(),
            &pocket.product.to_be_bytes(),
        ]))
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}

/// The two sides of the books that are not a player's. They keep no running balance, so that no row is hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HouseSide {
    /// Stakes go here and winnings come from here.
    House,
    /// The outside world: deposits come from here and withdrawals go here.
    Cashier,
}

impl HouseSide {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::House => "house",
            Self::Cashier => "cashier",
        }
    }
}

/// One house-side account: per party and currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HouseAccount {
    pub party: Party,
    pub side: HouseSide,
    pub currency: Currency,
}

impl HouseAccount {
    pub fn id(&self) -> AccountId {
        AccountId(digest(&[
            self.side.as_str().as_bytes(),
            self.party.as_str().as_bytes(),
            self.currency.as_str().as_bytes(),
        ]))
    }
}

/// What a player has staked on one UTC day, for the daily limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Staked {
    /// Days since 1970-01-01.
    pub day: i32,
    pub minor: i64,
}

/// A player's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub party: Party,
    pub player: PlayerKey,
    pub pocket: Pocket,
    /// Minor units, never below zero.
    pub balance: i64,
    pub staked: Staked,
}

impl Account {
    /// An account that exists because its player does, and has never been used.
    pub fn unused(party: Party, player: PlayerKey, pocket: Pocket) -> Self {
        let id = AccountId::of_player(player, &pocket);
        Self { id, party, player, pocket, balance: 0, staked: Staked::default() }
    }

    /// Minor units staked from this account on `day`.
    pub(crate) fn staked_on(&self, day: i32) -> i64 {
        if self.staked.day == day { self.staked.minor } else { 0 }
    }
}
