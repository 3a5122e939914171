//! A whole export looked at before any of it is applied: whether it is what was exported, and what money it brings.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use serde_json::{Value, json};

use super::source::MAX_LINE;
use crate::cli::journal::line;
use crate::cli::journal::seal::{self, SealError, Sealing};
use crate::ledger::recorded::Recorded;
use crate::ledger::{AccountAct, Act, Currency, Outcome, Party};

/// Why a file is not applied.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error("cannot be read: {0}")]
    Unread(#[from] io::Error),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("goes on after its last line")]
    GoesOn,
}

/// Minor units that come in and go out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    pub deposits: i128,
    pub withdrawals: i128,
}

/// Of each party in each currency.
pub type Flows = BTreeMap<(Party, Currency), Flow>;

/// For the trail: what one person moves so is told by nobody's approval.
pub fn told(flows: &Flows) -> Vec<Value> {
    let told = |((party, currency), flow): (&(Party, Currency), &Flow)| {
        let (deposits, withdrawals) = (flow.deposits.to_string(), flow.withdrawals.to_string());
        json!({ "party": party, "currency": currency, "deposits_minor": deposits, "withdrawals_minor": withdrawals })
    };
    flows.iter().map(told).collect()
}

/// What is found out about an export.
pub struct Preview {
    /// Absent where the file is taken as it is.
    sealing: Option<Sealing>,
    pub flows: Flows,
}

impl Preview {
    pub fn new(sealing: Option<Sealing>) -> Self {
        Self { sealing, flows: BTreeMap::new() }
    }

    /// Reads to the end. What is no line of an export is for whoever applies it to say.
    pub fn of(mut self, mut reader: impl BufRead) -> Result<Self, PreviewError> {
        let (mut text, mut last) = (Vec::new(), None);
        loop {
            text.clear();
            if reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
                break;
            }
            if last.is_some() {
                return Err(PreviewError::GoesOn);
            }
            if seal::is_seal(&text) {
                last = Some(text.clone());
                continue;
            }
            if let Some(sealing) = &mut self.sealing {
                sealing.take(&text);
            }
            if let Ok(recorded) = line::read(&text) {
                self.take(&recorded);
            }
        }
        if let Some(sealing) = self.sealing.take() {
            sealing.check(last.as_deref())?;
        }
        Ok(self)
    }

    fn take(&mut self, recorded: &Recorded) {
        let command = &recorded.keyed.command;
        if !matches!(recorded.outcome, Outcome::Done(_)) {
            return;
        }
        let (cash, is_deposit) = match &command.act {
            Act::Account(AccountAct::Deposit(cash)) => (cash, true),
            Act::Account(AccountAct::Withdraw(cash)) => (cash, false),
            // Everything else moves money between players and the house.
            Act::Account(AccountAct::OpenPlayer(_)) | Act::Order(_) | Act::Transaction(_) | Act::Shop(_) => return,
        };
        let flow = self.flows.entry((command.party.clone(), cash.pocket.currency)).or_default();
        let sum = if is_deposit { &mut flow.deposits } else { &mut flow.withdrawals };
        *sum += i128::from(cash.amount.minor());
    }
}
