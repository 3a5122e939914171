//! One order: its stake, what became of it, and the commands that are kept of it.

use serde::Serialize;
use uuid::Uuid;

use super::shown::{self, Exact};
use super::{Viewing, journal};
use crate::ledger::command::CommandKey;
use crate::ledger::orders::Stake;
use crate::ledger::{Bucket, Currency, ExternalId, Game, OrderId, OrderState, Party, PlayerId};
use crate::storage::StoreError;
use crate::storage::queries::{self, AnyConnection};

#[derive(Debug, Serialize)]
pub struct OrderShown {
    /// The `betId` of REST.
    pub order: Uuid,
    pub party: Party,
    pub game: Game,
    pub external_id: ExternalId,
    pub player: PlayerId,
    pub state: OrderState,
    /// Null where only a tombstone is known, or the bet was refused.
    pub stake: Option<StakeShown>,
    /// Paid out or refunded; null where the order has no currency.
    pub paid: Option<String>,
    pub paid_minor: Exact,
    pub journal: Vec<journal::JournalShown>,
}

#[derive(Debug, Serialize)]
pub struct StakeShown {
    pub amount: String,
    pub amount_minor: Exact,
    pub currency: Currency,
    pub bucket: Bucket,
    pub wallet: String,
    pub product: i32,
    pub round: Exact,
    /// The UTC day that it counts towards.
    pub day: String,
}

/// The order of this id; `None` where there is none.
pub fn show(conn: &mut AnyConnection, viewing: &Viewing, id: OrderId) -> Result<Option<OrderShown>, StoreError> {
    let Some((order, player)) = queries::order(conn, id)? else { return Ok(None) };
    let currency = order.stake().map(|stake| stake.pocket.currency);
    Ok(Some(OrderShown {
        order: id.uuid(),
        party: order.party().clone(),
        game: order.key().game.clone(),
        external_id: order.key().external_id.clone(),
        player,
        state: order.state(),
        paid: currency.map(|currency| shown::amount(&viewing.config, order.paid(), currency)),
        paid_minor: Exact(order.paid()),
        stake: order.stake().cloned().map(|stake| stake_shown(viewing, stake)),
        journal: journal::kept_under(conn, viewing, &CommandKey::of_order_commands(id))?,
    }))
}

fn stake_shown(viewing: &Viewing, stake: Stake) -> StakeShown {
    let Stake { amount, pocket, round, day } = stake;
    StakeShown {
        amount: shown::amount(&viewing.config, amount.minor(), pocket.currency),
        amount_minor: Exact(amount.minor()),
        currency: pocket.currency,
        bucket: pocket.bucket,
        wallet: pocket.wallet.to_string(),
        product: pocket.product,
        round: Exact(round),
        day: shown::day(day),
    }
}
