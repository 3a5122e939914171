//! A command in a lane: what was submitted, and what is known of its waiting.

use std::collections::HashSet;

use super::waiting::Patience;
use super::{Answering, LedgerView, Submission};
use crate::ledger::{OrderId, State};
use crate::redaction::without_tokens;

/// A submission, and what is known of its waiting.
pub(super) struct Item {
    pub submission: Submission,
    /// Once it has waited.
    pub patience: Option<Patience>,
    /// Whether its patience has ended. It is not asked again: that depends on how many others wait.
    pub gives_up: bool,
    /// Whether it may wait for its bet; said anew of every batch.
    pub may_wait: bool,
    /// Whether the database has refused it, so that it is tried again until it does not.
    pub is_refused: bool,
}

impl Item {
    pub fn new(submission: Submission) -> Self {
        Self { submission, patience: None, gives_up: false, may_wait: true, is_refused: false }
    }

    /// One that waited until now, and may have to wait longer.
    pub fn back((item, patience): (Self, Patience)) -> Self {
        Self { patience: Some(patience), gives_up: false, ..item }
    }

    /// One that waited for the last time.
    pub fn due(waited: (Self, Patience)) -> Self {
        Self { gives_up: true, ..Self::back(waited) }
    }

    pub fn bet(&self) -> Option<OrderId> {
        self.submission.keyed.bet().map(|order| order.accepted)
    }

    /// What whoever submitted it wants to know of the ledger beside the outcome.
    pub fn view(&self, state: &State) -> Option<Box<LedgerView>> {
        match &self.submission.answering {
            Answering::WithOutcome(_) => None,
            Answering::WithView { .. } => Some(Box::new(LedgerView::of(state, &self.submission.keyed))),
        }
    }

    /// Whether nobody waits for its answer any more.
    pub fn is_abandoned(&self) -> bool {
        match &self.submission.answering {
            Answering::WithOutcome(_) => false,
            Answering::WithView { asker, .. } => asker.strong_count() == 0,
        }
    }
}

/// Says who may wait. What the database takes from here on, be it an outage, is taken from nobody's patience; and a bet in
/// the same batch came in time, since it was here before anybody gave up.
pub(super) fn mark_who_may_wait(batch: &mut [Item]) {
    if !batch.iter().any(|item| item.gives_up) {
        batch.iter_mut().for_each(|item| item.may_wait = true);
        return;
    }
    let bets: HashSet<OrderId> = batch.iter().filter_map(Item::bet).collect();
    for item in batch {
        let has_bet = item.submission.keyed.order.is_some_and(|order| bets.contains(&order.accepted));
        item.may_wait = has_bet || !item.gives_up;
    }
}

pub(super) fn log_culprit(item: &Item, why: &str) {
    let command = &item.submission.keyed.command;
    tracing::error!(
        party = %command.party,
        correlation_id = command.correlation.as_deref().map_or("-".to_owned(), without_tokens),
        error = why,
        "a command breaks every batch that it is in; it will be answered 500 and parked"
    );
}
