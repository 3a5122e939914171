//! Bets and what becomes of them: of ten, four are won, one is a tie, four are lost and one is cancelled.

use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{CancelOrder, GameResult, PlaceBet, SettleOrder, Terms};
use purser::ledger::{Act, Amount, Currency, ExternalId, Game, OrderAct, Pocket};

use super::{CURRENCY, GAME, Planned, plain, scattered};

/// One in so many is above the limit, and refused.
const REFUSED: usize = 500;

pub fn begin(number: usize, players: usize) -> anyhow::Result<Vec<Planned>> {
    let player = scattered(number, players)?;
    let external_id = ExternalId::parse(&format!("size-order-{number:012}"))?;
    let order = OrderKey { game: Game::parse(GAME)?, external_id };
    let currency = Currency::parse(CURRENCY)?;
    let (minor, round) = (100 + i64::try_from(number % 900)?, 1 + i64::try_from(number / 100)?);
    let is_refused = number.is_multiple_of(REFUSED);
    let terms = Terms { game_offered: true, max_bet: is_refused.then_some(1), max_stake_per_day: None };
    let bet = PlaceBet {
        player: player.clone(),
        order: order.clone(),
        round,
        stake: Amount::new(minor)?,
        pocket: Pocket::real(currency),
        terms,
    };
    let bet = plain(Act::Order(OrderAct::PlaceBet(bet)));
    if is_refused {
        return Ok(vec![bet]);
    }
    let result = match number % 10 {
        0..=3 => GameResult::Win(Amount::new(minor * 2)?),
        4 => GameResult::Tie(Some(Amount::new(minor)?)),
        5..=8 => GameResult::Lose(Some(Amount::new(minor)?)),
        _ => {
            return Ok(vec![
                bet,
                plain(Act::Order(OrderAct::CancelOrder(CancelOrder { player, order, wallet: None, terms }))),
            ]);
        }
    };
    let settle = SettleOrder { player, order, round, result, currency: Some(currency), wallet: None, terms };
    Ok(vec![bet, plain(Act::Order(OrderAct::SettleOrder(settle)))])
}
