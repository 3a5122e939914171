//! `purser order`: an order, what became of it, and the journal's rows about it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::journal::{show, told};
use super::{Ended, failed, output, party, usage};
use crate::cli::ledger_choice::{LedgerChoice, LedgerOption};
use crate::config::Config;
use crate::ledger::money::format_decimal;
use crate::ledger::orders::{OrderKey, Stake};
use crate::ledger::{ExternalId, Game, Order as LedgerOrder, OrderId, OrderIds, Party, PlayerId, PlayerKey};
use crate::storage::StoreError;
use crate::storage::history::{self, Detail};
use crate::storage::queries::{self, AnyConnection};

#[derive(Subcommand)]
pub enum OrderCommand {
    /// Show an order with its bet, its result and its cancel.
    Show(ShowOrder),
}

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["external_id", "bet"])))]
pub struct ShowOrder {
    #[arg(long, required_unless_present = "bet")]
    party: Option<String>,
    #[arg(long, value_name = "ID", required_unless_present = "bet")]
    player: Option<String>,
    /// The provider's own name for the order.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Where the provider has used the name in several games, or in one that is not configured any more.
    #[arg(long, requires = "external_id")]
    game: Option<String>,
    /// The order's id, as in the path of /v1/order/….
    #[arg(long, value_name = "UUID", conflicts_with_all = ["external_id", "party", "player"])]
    bet: Option<Uuid>,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

/// What is known of a player's order: a refusal of somebody whom the ledger does not know is in the journal alone.
struct Shown {
    order: Option<(LedgerOrder, PlayerId)>,
    rows: Vec<Detail>,
}

impl OrderCommand {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::Show(show) => show.run(config).await,
        }
    }
}

impl ShowOrder {
    async fn run(self, config: &Config) -> Ended {
        let shown = match self.bet {
            Some(bet) => {
                let mut found = Vec::new();
                for ledger in self.ledger.all(config)? {
                    let database = ledger.look_at().await?;
                    found.extend(database.query(move |conn| by_id(conn, OrderId::from_uuid(bet))).await?);
                }
                found
            }
            None => self.by_name(config).await?,
        };
        if shown.is_empty() && !self.json {
            return Err(failed("there is no such order"));
        }
        if self.json {
            output::json(&shown.iter().map(|shown| told(config, shown)).collect::<Vec<_>>())?;
            return Ok(true);
        }
        for shown in &shown {
            print(config, shown)?;
        }
        Ok(true)
    }

    /// The player's orders of this name in the named game, or in every game of the party's.
    async fn by_name(&self, config: &Config) -> Result<Vec<Shown>, super::CommandFailure> {
        let (party, settings) = party(config, self.party.as_deref().unwrap_or_default())?;
        let player = PlayerId::recorded(self.player.as_deref().unwrap_or_default());
        let player = player.map_err(|error| usage(format!("--player {error}")))?;
        let name = ExternalId::recorded(self.external_id.as_deref().unwrap_or_default());
        let name = name.map_err(|error| usage(format!("--external-id {error}")))?;
        let games: Vec<Game> = match &self.game {
            Some(game) => vec![Game::recorded(game).map_err(|error| usage(format!("--game {error}")))?],
            None => settings.games.clone(),
        };
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let looking = database.query(move |conn| {
            let keys = games.into_iter().map(|game| OrderKey { game, external_id: name.clone() });
            let shown = keys.filter_map(|key| by_key(conn, &party, &player, &key).transpose());
            shown.collect()
        });
        Ok(looking.await?)
    }
}

fn by_id(conn: &mut AnyConnection, id: OrderId) -> Result<Option<Shown>, StoreError> {
    let Some((order, player)) = queries::order(conn, id)? else { return Ok(None) };
    let ids = OrderIds::of(order.id(), PlayerKey::of(order.party(), &player));
    let rows = history::of_order(conn, ids)?;
    Ok(Some(Shown { order: Some((order, player)), rows }))
}

/// `None` where the player has no such order, and was refused none.
fn by_key(
    conn: &mut AnyConnection,
    party: &Party,
    player: &PlayerId,
    key: &OrderKey,
) -> Result<Option<Shown>, StoreError> {
    let ids = OrderIds::of(OrderId::of(party, key), PlayerKey::of(party, player));
    let accepted = queries::order(conn, ids.accepted)?.filter(|(_, whose)| whose == player);
    let order = match accepted {
        Some(accepted) => Some(accepted),
        None => queries::order(conn, ids.refused)?,
    };
    let mut rows = history::of_order(conn, ids)?;
    rows.retain(|detail| detail.row.is_of_player(PlayerKey::of(party, player)));
    Ok((order.is_some() || !rows.is_empty()).then_some(Shown { order, rows }))
}

fn told(config: &Config, shown: &Shown) -> Value {
    let rows: Vec<Value> = shown.rows.iter().map(|detail| told::detail(config, detail)).collect();
    let order = shown.order.as_ref().map(|(order, player)| {
        let stake = order.stake();
        json!({
            "bet": order.id().uuid(),
            "party": order.party().as_str(),
            "player": player.as_str(),
            "game": order.key().game.as_str(),
            "external_id": order.key().external_id.as_str(),
            "state": order.state().as_str(),
            "round": stake.map(|stake| stake.round),
            "currency": stake.map(|stake| stake.pocket.currency),
            "stake": stake.map(|stake| major(config, stake, stake.amount.minor())),
            "stake_minor": stake.map(|stake| stake.amount.minor()),
            "paid": stake.map(|stake| major(config, stake, order.paid())),
            "paid_minor": order.paid(),
        })
    });
    json!({ "order": order, "rows": rows })
}

fn print(config: &Config, shown: &Shown) -> Ended {
    if let Some((order, player)) = &shown.order {
        let OrderKey { game, external_id } = order.key();
        output::line(&format!("order {} {game}/{external_id} of {}/{player}", order.id().uuid(), order.party()))?;
        let money = order.stake().map_or_else(String::new, |stake| {
            let (staked, paid) = (major(config, stake, stake.amount.minor()), major(config, stake, order.paid()));
            format!(", staked {staked} {} in round {}, paid {paid}", stake.pocket.currency, stake.round)
        });
        output::line(&format!("{}{money}", order.state().as_str()))?;
        output::line("")?;
    }
    show::print_details(config, &shown.rows, false)
}

fn major(config: &Config, stake: &Stake, minor: i64) -> String {
    format_decimal(minor, config.exponent(stake.pocket.currency))
}
