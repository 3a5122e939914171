//! Table rows, and how they become ledger values and come from them.

use diesel::prelude::*;

use super::StoreError;
use super::pruned_command;
use super::schema::{accounts, journal, orders, players, writers};
use crate::ledger::account::{Account, AccountId, HouseAccount, Staked};
use crate::ledger::chain::{self, Hash};
use crate::ledger::command::CommandKey;
use crate::ledger::orders::{Order, OrderKey, OrderName, Stake};
use crate::ledger::player::{Player, PlayerKey, Profile};
use crate::ledger::state::{Decided, PlayerState};
use crate::ledger::{
    Amount, Bucket, Currency, ExternalId, Game, OrderId, OrderNumbers, OrderOperation, OrderState, Party, PlayerId,
    Pocket, State, Wallet,
};
use uuid::Uuid;

/// A 16-byte id as both databases keep it.
pub type Bytes = Vec<u8>;

pub fn bytes(uuid: Uuid) -> Bytes {
    uuid.as_bytes().to_vec()
}

pub fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| damaged("id", "is not 16 bytes long"))
}

/// A value in the database that the program never wrote.
pub(super) fn damaged(column: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Rejected(format!("damaged row: {column}: {why}"))
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = writers)]
pub struct WriterRow {
    pub id: i32,
    pub last_seq: i64,
    pub head: Bytes,
}

impl WriterRow {
    pub fn start(id: i32) -> Self {
        Self { id, last_seq: 0, head: chain::START.to_vec() }
    }

    pub fn head(&self) -> Result<Hash, StoreError> {
        self.head.as_slice().try_into().map_err(|_| damaged("head", "is not 32 bytes long"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = journal)]
pub struct JournalRow {
    pub seq: i64,
    pub at: i64,
    pub writer: i32,
    /// Whether the row is found by its key. An order's commands are found by their order.
    pub by_key: bool,
    pub key: Option<Bytes>,
    pub party: String,
    /// What it moved ([`super::transfers`]).
    pub transfers: Bytes,
    pub command: String,
    pub outcome: String,
    pub hash: Bytes,
}

/// What a look-up by key reads of a journal row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = journal)]
pub struct DecidedRow {
    pub key: Option<Bytes>,
    pub command: String,
    pub outcome: String,
}

/// What a look-up by an order's number reads of a journal row.
#[derive(Debug, Clone, Queryable)]
pub struct NumberedRow {
    pub seq: i64,
    pub key: Option<Bytes>,
    pub command: String,
    pub outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = players)]
pub struct PlayerRow {
    pub id: Bytes,
    pub party: String,
    pub player: String,
    pub home_currency: String,
    pub username: Option<String>,
    pub nickname: Option<String>,
    pub email: Option<String>,
    pub gender: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = accounts)]
pub struct AccountRow {
    pub id: Bytes,
    pub party: String,
    pub side: String,
    pub player: Option<Bytes>,
    pub currency: String,
    pub bucket: String,
    pub wallet: String,
    pub product: i32,
    pub balance: i64,
    pub staked_day: i32,
    pub staked: i64,
}

/// What may change of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedAccountRow {
    pub id: Bytes,
    pub balance: i64,
    pub staked_day: i32,
    pub staked: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, QueryableByName, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = orders)]
pub struct OrderRow {
    pub id: Bytes,
    pub party: String,
    pub game: String,
    pub external_id: String,
    pub player: Bytes,
    pub state: String,
    pub stake: Option<i64>,
    pub currency: Option<String>,
    pub bucket: Option<String>,
    pub wallet: Option<String>,
    pub product: Option<i32>,
    pub round: Option<i64>,
    pub day: Option<i32>,
    pub paid: i64,
    /// The journal's numbers of its bet, its result and its cancellation, as far as they are kept.
    pub placed_seq: Option<i64>,
    pub settled_seq: Option<i64>,
    pub cancelled_seq: Option<i64>,
}

/// `accounts.side` of a player's account.
pub const PLAYER_SIDE: &str = "player";

impl DecidedRow {
    pub fn decided(self) -> Result<(CommandKey, Decided), StoreError> {
        let key = self.key.ok_or_else(|| damaged("key", "is missing"))?;
        let asked = pruned_command::asked(&self.command).map_err(|error| damaged("command", error))?;
        let outcome = serde_json::from_str(&self.outcome).map_err(|error| damaged("outcome", error))?;
        Ok((CommandKey::from_uuid(uuid(&key)?), Decided { asked, outcome }))
    }
}

impl NumberedRow {
    pub fn decided_row(self) -> DecidedRow {
        let Self { key, command, outcome, .. } = self;
        DecidedRow { key, command, outcome }
    }
}

/// An order that tells a number under which the journal has something else, or nothing.
pub(super) fn not_its_own(order: &[u8], seq: i64) -> StoreError {
    let order = uuid(order).map_or_else(|_| "?".to_owned(), |id| id.to_string());
    damaged("orders", format!("{order} tells of journal row {seq}, which is not its own"))
}

impl PlayerRow {
    pub fn of(player: &Player) -> Self {
        let profile = player.profile.clone();
        Self {
            id: bytes(player.key().uuid()),
            party: player.party.to_string(),
            player: player.id.to_string(),
            home_currency: profile.home_currency.to_string(),
            username: profile.username,
            nickname: profile.nickname,
            email: profile.email,
            gender: profile.gender,
        }
    }

    /// The player, as they are before any account is known.
    pub fn state(self) -> Result<PlayerState, StoreError> {
        Ok(PlayerState::new(self.player()?))
    }

    pub fn player(self) -> Result<Player, StoreError> {
        let home_currency = Currency::parse(&self.home_currency).map_err(|error| damaged("home_currency", error))?;
        Ok(Player {
            party: parse_party(&self.party)?,
            id: PlayerId::recorded(&self.player).map_err(|error| damaged("player", error))?,
            profile: Profile {
                home_currency,
                username: self.username,
                nickname: self.nickname,
                email: self.email,
                gender: self.gender,
            },
        })
    }
}

impl AccountRow {
    pub fn of(account: &Account) -> Self {
        let pocket = &account.pocket;
        Self {
            id: bytes(account.id.uuid()),
            party: account.party.to_string(),
            side: PLAYER_SIDE.to_owned(),
            player: Some(bytes(account.player.uuid())),
            currency: pocket.currency.to_string(),
            bucket: pocket.bucket.as_str().to_owned(),
            wallet: pocket.wallet.to_string(),
            product: pocket.product,
            balance: account.balance,
            staked_day: account.staked.day,
            staked: account.staked.minor,
        }
    }

    /// A house-side account: a name in the books without a balance of its own.
    pub fn of_house(house: &HouseAccount, id: AccountId) -> Self {
        Self {
            id: bytes(id.uuid()),
            party: house.party.to_string(),
            side: house.side.as_str().to_owned(),
            player: None,
            currency: house.currency.to_string(),
            bucket: Bucket::Real.as_str().to_owned(),
            wallet: String::new(),
            product: 0,
            balance: 0,
            staked_day: 0,
            staked: 0,
        }
    }

    pub fn account(self) -> Result<Account, StoreError> {
        let player = self.player.ok_or_else(|| damaged("player", "is missing"))?;
        Ok(Account {
            id: AccountId::from_uuid(uuid(&self.id)?),
            party: parse_party(&self.party)?,
            player: PlayerKey::from_uuid(uuid(&player)?),
            pocket: parse_pocket(&self.currency, &self.bucket, &self.wallet, self.product)?,
            balance: self.balance,
            staked: Staked { day: self.staked_day, minor: self.staked },
        })
    }
}

impl ChangedAccountRow {
    pub fn of(account: &Account) -> Self {
        let Account { id, balance, staked, .. } = account;
        Self { id: bytes(id.uuid()), balance: *balance, staked_day: staked.day, staked: staked.minor }
    }
}

impl OrderRow {
    pub fn of(order: &Order, numbers: OrderNumbers) -> Self {
        let stake = order.stake();
        Self {
            id: bytes(order.id().uuid()),
            party: order.party().to_string(),
            game: order.key().game.to_string(),
            external_id: order.key().external_id.to_string(),
            player: bytes(order.player().uuid()),
            state: order.state().as_str().to_owned(),
            stake: stake.map(|stake| stake.amount.minor()),
            currency: stake.map(|stake| stake.pocket.currency.to_string()),
            bucket: stake.map(|stake| stake.pocket.bucket.as_str().to_owned()),
            wallet: stake.map(|stake| stake.pocket.wallet.to_string()),
            product: stake.map(|stake| stake.pocket.product),
            round: stake.map(|stake| stake.round),
            day: stake.map(|stake| stake.day),
            paid: order.paid(),
            placed_seq: numbers.placed,
            settled_seq: numbers.settled,
            cancelled_seq: numbers.cancelled,
        }
    }

    pub fn numbers(&self) -> OrderNumbers {
        OrderNumbers { placed: self.placed_seq, settled: self.settled_seq, cancelled: self.cancelled_seq }
    }

    /// The keys of what is kept about it, each with the number of its journal row.
    pub fn commands(&self) -> Result<impl Iterator<Item = (CommandKey, i64)>, StoreError> {
        let (id, numbers) = (OrderId::from_uuid(uuid(&self.id)?), self.numbers());
        let numbered = move |operation| Some((CommandKey::of_order(id, operation), numbers.get(operation)?));
        Ok(OrderOperation::ALL.into_iter().filter_map(numbered))
    }

    pub fn order(self) -> Result<Order, StoreError> {
        let stake = self.parse_stake()?;
        let name = OrderName {
            id: OrderId::from_uuid(uuid(&self.id)?),
            party: parse_party(&self.party)?,
            key: OrderKey {
                game: Game::recorded(&self.game).map_err(|error| damaged("game", error))?,
                external_id: ExternalId::recorded(&self.external_id).map_err(|error| damaged("external_id", error))?,
            },
            player: PlayerKey::from_uuid(uuid(&self.player)?),
        };
        let state = OrderState::parse(&self.state).ok_or_else(|| damaged("state", "is unknown"))?;
        Order::recorded(name, state, stake, self.paid).map_err(|illegal| StoreError::Rejected(illegal.to_string()))
    }

    /// All of a stake's columns, or none of them.
    fn parse_stake(&self) -> Result<Option<Stake>, StoreError> {
        match (self.stake, &self.currency, &self.bucket, &self.wallet, self.product, self.round, self.day) {
            (Some(amount), Some(currency), Some(bucket), Some(wallet), Some(product), Some(round), Some(day)) => {
                let amount = Amount::new(amount).map_err(|error| damaged("stake", error))?;
                Ok(Some(Stake { amount, pocket: parse_pocket(currency, bucket, wallet, product)?, round, day }))
            }
            (None, None, None, None, None, None, None) => Ok(None),
            _ => Err(StoreError::Rejected(format!("order {} has half a stake", uuid(&self.id)?))),
        }
    }
}

pub(super) fn parse_party(text: &str) -> Result<Party, StoreError> {
    Party::parse(text).map_err(|error| damaged("party", error))
}

fn parse_pocket(currency: &str, bucket: &str, wallet: &str, product: i32) -> Result<Pocket, StoreError> {
    Ok(Pocket {
        currency: Currency::parse(currency).map_err(|error| damaged("currency", error))?,
        bucket: Bucket::parse(bucket).ok_or_else(|| damaged("bucket", "is unknown"))?,
        wallet: Wallet::recorded(wallet).map_err(|error| damaged("wallet", error))?,
        product,
    })
}

/// Puts loaded rows together as the state that a batch is decided against.
pub fn state_of(
    players: Vec<PlayerRow>,
    accounts: Vec<AccountRow>,
    orders: Vec<OrderRow>,
    decided: Vec<DecidedRow>,
) -> Result<State, StoreError> {
    let mut state = State::default();
    for row in players {
        let player = row.state()?;
        state.players.insert(player.player.key(), player);
    }
    for row in accounts {
        let account = row.account()?;
        // Players are locked before accounts are read: one who is not among them was opened in between.
        let player = state.players.get_mut(&account.player).ok_or_else(|| opened_meanwhile(account.player))?;
        player.accounts.push(account);
    }
    for row in orders {
        let order = row.order()?;
        state.orders.insert(order.id(), order);
    }
    for row in decided {
        let (key, decided) = row.decided()?;
        state.decided.insert(key, decided);
    }
    Ok(state)
}

/// Whoever decides again sees the player, or is told each time that there is an account without one.
fn opened_meanwhile(player: PlayerKey) -> StoreError {
    StoreError::Conflict(format!("player {player} has an account, and was not there when the batch was read"))
}
