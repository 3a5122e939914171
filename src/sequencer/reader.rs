//! Balances for `balance.get`, in batches that size themselves like the lanes' do.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::storage::{BalanceKey, Balances};

/// Pause between tries while the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(200);

/// A question for a balance; answered with minor units, or `None` where there is no such player.
pub struct BalanceAsk {
    pub key: BalanceKey,
    pub answering: Box<dyn FnOnce(Option<i64>) + Send>,
}

/// Answers until every handle is dropped.
pub async fn run(mut balances: Balances, mut asked: mpsc::Receiver<BalanceAsk>, max_batch: usize) {
    let mut batch = Vec::with_capacity(max_batch);
    while asked.recv_many(&mut batch, max_batch).await > 0 {
        let keys: Vec<BalanceKey> = batch.iter().map(|ask| ask.key).collect();
        let answers = loop {
            match balances.read(keys.clone()).await {
                Ok(answers) => break answers,
                Err(error) => {
                    tracing::warn!(%error, "balances cannot be read; trying again");
                    sleep(OUTAGE_PAUSE).await;
                }
            }
        };
        for (ask, answer) in batch.drain(..).zip(answers) {
            (ask.answering)(answer);
        }
    }
}
