//! What is left of a command when the journal is pruned: enough to tell the same command, asked again, from another.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::Pocket;
use super::accounts::{AccountAct, Cash};
use super::command::Act;
use super::money::Amount;
use super::orders::{GameResult, OrderAct};
use super::player::digest;

/// A command without its text. Only players' everyday acts are brought down to this; what partners did is kept whole,
/// since what it made is compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDigest {
    /// A digest of all that must be the same when the command comes again.
    same: Uuid,
    /// The amount that a result named. It is apart from the digest because a loss may come again without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<Amount>,
}

impl CommandDigest {
    /// `None` for an act that is kept whole.
    pub fn of(act: &Act) -> Option<Self> {
        let (same, named) = match act {
            Act::Account(AccountAct::Deposit(cash)) => (of_cash(b"deposit", cash), None),
            Act::Account(AccountAct::Withdraw(cash)) => (of_cash(b"withdraw", cash), None),
            Act::Order(OrderAct::PlaceBet(bet)) => {
                let (round, stake) = (bet.round.to_be_bytes(), bet.stake.minor().to_be_bytes());
                let [currency, bucket, wallet, product] = &parts_of(&bet.pocket);
                let player = bet.player.as_str().as_bytes();
                (digest(&[b"bet", player, &round, &stake, currency, bucket, wallet, product]), None)
            }
            Act::Order(OrderAct::SettleOrder(settle)) => {
                let (kind, named): (&[u8], _) = match settle.result {
                    GameResult::Win(amount) => (b"win", Some(amount)),
                    GameResult::Tie(amount) => (b"tie", amount),
                    GameResult::Lose(amount) => (b"lose", amount),
                };
                (digest(&[kind, settle.player.as_str().as_bytes(), &settle.round.to_be_bytes()]), named)
            }
            Act::Order(OrderAct::CancelOrder(cancel)) => {
                (digest(&[b"cancel", cancel.player.as_str().as_bytes()]), None)
            }
            Act::Account(AccountAct::OpenPlayer(_)) | Act::Transaction(_) | Act::Shop(_) => return None,
        };
        Some(Self { same, named })
    }

    /// Whether the two agree in everything but the amount that a result named.
    pub fn is_like(&self, other: &Self) -> bool {
        self.same == other.same
    }

    /// The result that the pruned command named, if it was of the same kind as `now`.
    pub fn result_like(&self, now: GameResult) -> GameResult {
        match now {
            GameResult::Win(amount) => GameResult::Win(self.named.unwrap_or(amount)),
            GameResult::Tie(_) => GameResult::Tie(self.named),
            GameResult::Lose(_) => GameResult::Lose(self.named),
        }
    }
}

fn of_cash(act: &[u8], cash: &Cash) -> Uuid {
    let [currency, bucket, wallet, product] = &parts_of(&cash.pocket);
    let amount = cash.amount.minor().to_be_bytes();
    digest(&[act, cash.player.as_str().as_bytes(), &amount, currency, bucket, wallet, product])
}

fn parts_of(pocket: &Pocket) -> [Vec<u8>; 4] {
    let Pocket { currency, bucket, wallet, product } = pocket;
    [
        currency.to_string().into_bytes(),
        bucket.as_str().as_bytes().to_vec(),
        wallet.as_str().as_bytes().to_vec(),
        product.to_be_bytes().to_vec(),
    ]
}
