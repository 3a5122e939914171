//! What became of bets that were not settled over the queues, by the ledger's word.

use std::collections::HashMap;
use std::time::Duration;

use crate::cli::CommandFailure;
use crate::cli::ledger_choice::LedgerChoice;
use crate::config::Config;
use crate::conformance::provider::elsewhere::SettledElsewhere;
use crate::conformance::provider::message::Bet;
use crate::ledger::orders::OrderKey;
use crate::ledger::{Done, ExternalId, Game, OrderDone, OrderId, OrderIds, OrderState, Outcome, Party, PlayerKey};
use crate::storage::StoreError;
use crate::storage::history;
use crate::storage::queries::{self, AnyConnection};

/// Looks them up. A watcher may have no way to the database: then that is what is said of them.
pub async fn look_up(config: &Config, party: &Party, bets: Vec<Bet>) -> SettledElsewhere {
    if bets.is_empty() {
        return SettledElsewhere::Known(HashMap::new());
    }
    match settled(config, party.clone(), bets).await {
        Ok(settled) => SettledElsewhere::Known(settled),
        Err(CommandFailure::Usage(error) | CommandFailure::Failed(error)) => {
            SettledElsewhere::Unknown(format!("{error:#}"))
        }
    }
}

async fn settled(config: &Config, party: Party, bets: Vec<Bet>) -> Result<HashMap<Bet, Duration>, CommandFailure> {
    let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
    let looking = database.query(move |conn| {
        let took = bets.into_iter().filter_map(|bet| match settled_after(conn, &party, &bet) {
            Ok(took) => Some(Ok((bet, took?))),
            Err(error) => Some(Err(error)),
        });
        took.collect()
    });
    Ok(looking.await?)
}

/// How long after the bet its result or cancel was applied; `None` where it is open.
fn settled_after(conn: &mut AnyConnection, party: &Party, bet: &Bet) -> Result<Option<Duration>, StoreError> {
    let (Ok(game), Ok(external_id)) = (Game::recorded(&bet.game), ExternalId::recorded(&bet.external_id)) else {
        return Ok(None);
    };
    let id = OrderId::of(party, &OrderKey { game, external_id });
    let Some((order, player)) = queries::order(conn, id)? else { return Ok(None) };
    if order.state() == OrderState::Open {
        return Ok(None);
    }
    let (mut placed, mut settled) = (None, None);
    for detail in history::of_order(conn, OrderIds::of(id, PlayerKey::of(party, &player)))? {
        match detail.row.outcome {
            Outcome::Done(Done::Order(OrderDone::BetPlaced)) => placed = Some(detail.row.at.0),
            Outcome::Done(Done::Order(OrderDone::OrderSettled { .. } | OrderDone::OrderCancelled { .. })) => {
                settled = Some(detail.row.at.0);
            }
            Outcome::Done(Done::Account(_) | Done::Transaction(_) | Done::Shop(_)) | Outcome::Refused(_) => {}
        }
    }
    let took = placed.zip(settled).map(|(placed, settled)| settled.saturating_sub(placed));
    Ok(took.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))))
}
