//! Balances for `balance.get`, in batches that size themselves like the lanes' do.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::Health;
use super::fair_queue::FairQueue;
use crate::ledger::{AccountId, Party, PlayerId, PlayerKey, Pocket};
use crate::storage::{BalanceKey, Balances};

/// Pause between tries while the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(200);

/// After so long without a question the database is asked whether it is still there, so that readiness is known even
/// where nothing is going on.
const IDLE: Duration = Duration::from_secs(1);

/// A question for a balance; answered with minor units, or `None` where there is no such player.
pub struct BalanceAsk {
    pub party: Party,
    pub key: BalanceKey,
    pub answering: Box<dyn FnOnce(Option<i64>) + Send>,
}

impl BalanceAsk {
    /// A question for the balance of one of a player's accounts.
    pub fn of(
        party: Party,
        player: &PlayerId,
        pocket: &Pocket,
        answering: Box<dyn FnOnce(Option<i64>) + Send>,
    ) -> Self {
        let player = PlayerKey::of(&party, player);
        let key = BalanceKey { player, account: AccountId::of_player(player, pocket) };
        Self { party, key, answering }
    }
}

/// Answers until every handle is dropped.
pub async fn run(
    mut balances: Balances,
    mut asked: mpsc::UnboundedReceiver<BalanceAsk>,
    max_batch: usize,
    health: watch::Sender<Health>,
) {
    let mut fair_queue = FairQueue::default();
    loop {
        if fair_queue.is_empty() {
            match timeout(IDLE, asked.recv()).await {
                Ok(Some(ask)) => fair_queue.push(ask.party.clone(), ask),
                Ok(None) => return,
                Err(_) => {}
            }
        }
        while let Ok(ask) = asked.try_recv() {
            fair_queue.push(ask.party.clone(), ask);
        }
        let batch: Vec<BalanceAsk> = std::iter::from_fn(|| fair_queue.pop()).take(max_batch).collect();
        let keys: Vec<BalanceKey> = batch.iter().map(|ask| ask.key).collect();
        let answers = loop {
            match balances.read(keys.clone()).await {
                Ok(answers) => break answers,
                Err(error) => {
                    tell(&health, Health::Away(error.to_string()));
                    sleep(OUTAGE_PAUSE).await;
                }
            }
            if keys.is_empty() && asked.is_closed() {
                return;
            }
        };
        tell(&health, Health::Ready);
        for (ask, answer) in batch.into_iter().zip(answers) {
            (ask.answering)(answer);
        }
    }
}

fn tell(health: &watch::Sender<Health>, now: Health) {
    let changed = health.send_if_modified(|health| std::mem::replace(health, now.clone()) != now);
    if let (true, Health::Away(why)) = (changed, &now) {
        tracing::warn!(error = why, "balances cannot be read; trying again");
    }
}
