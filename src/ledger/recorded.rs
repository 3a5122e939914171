//! Commands that were decided before, as a journal tells them: what a replay applies, and an audit compares.

use super::batch::TransferEntry;
use super::command::{Act, CommandKey, KeyedCommand};
use super::outcome::{Done, Outcome};

/// One row of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The journal's number.
    pub seq: i64,
    pub keyed: KeyedCommand,
    pub outcome: Outcome,
    /// Whether the outcome answers the same command again. One that is for the record only moved nothing, and must not be
    /// applied: on a fuller ledger it might succeed.
    pub kept: bool,
}

impl Recorded {
    /// The command with the name that it gave: a transaction or an order of keys is called by the number that it had,
    /// since its partner knows it by that.
    pub(crate) fn with_number(mut self) -> Self {
        let given = match self.outcome {
            Outcome::Done(Done::Transaction(done)) => done.given(self.seq),
            Outcome::Done(Done::Shop(done)) => done.given(),
            Outcome::Done(Done::Account(_) | Done::Order(_)) | Outcome::Refused(_) => None,
        };
        let number = match &mut self.keyed.command.act {
            Act::Transaction(act) => act.number_mut(),
            Act::Shop(act) => act.number_mut(),
            Act::Account(_) | Act::Order(_) => None,
        };
        if let Some(number) = number {
            // One that was replayed before has brought its number along.
            *number = number.or(given);
        }
        self
    }

    /// The number that the command brings, where it brings one.
    pub fn number(&self) -> Option<i64> {
        match &self.keyed.command.act {
            Act::Transaction(act) => act.number(),
            Act::Shop(act) => act.number(),
            Act::Account(_) | Act::Order(_) => None,
        }
    }
}

/// One row of a journal whose outcome answers the same command again.
#[derive(Debug, Clone, Copy)]
pub struct KeptRow<'a> {
    /// The journal's number.
    pub seq: i64,
    /// What it is kept under. An older program kept an order's refusals under another key than this one does.
    pub key: CommandKey,
    pub keyed: &'a KeyedCommand,
    pub outcome: Outcome,
}

/// One row of a journal by which something was done, with what it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DoneRow {
    /// The journal's number.
    pub seq: i64,
    pub keyed: KeyedCommand,
    pub done: Done,
    pub transfers: Vec<TransferEntry>,
}
