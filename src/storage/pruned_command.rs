//! What stands in the journal in place of a command whose text was pruned.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use super::rows::{OrderRow, damaged};
use crate::ledger::command::{Act, CommandKey, KeyedCommand};
use crate::ledger::command_digest::CommandDigest;
use crate::ledger::orders::expected::{ExpectedOrder, OpeningOrder, expected, expected_of_pruned};
use crate::ledger::player::digest;
use crate::ledger::recorded::KeptRow;
use crate::ledger::state::PastCommand;
use crate::ledger::{CorrelationKey, OrderNumbers, OrderState, Outcome};

/// How the text begins; no command's does.
const BEGINNING: &str = "{\"pruned\":";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    pruned: PrunedCommand,
}

/// What repeats and the audit need of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedCommand {
    #[serde(flatten)]
    pub essence: CommandDigest,
    /// The state in which it left its order, where it changed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<OrderState>,
    /// A digest of its order as it began, where the command began one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Uuid>,
    /// Whose it was, and what it was called by: digests, for the index of histories. An older program left neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Uuid>,
}

impl PrunedCommand {
    /// What is left of a command; `None` where it is kept whole. `key`: what its row is kept under, if it is.
    pub fn of(
        seq: i64,
        key: Option<CommandKey>,
        keyed: &KeyedCommand,
        outcome: Outcome,
    ) -> Result<Option<Self>, StoreError> {
        let command = &keyed.command;
        let Some(essence) = CommandDigest::of(&command.act) else { return Ok(None) };
        let order = match (&command.act, key) {
            (Act::Order(act), Some(key)) => expected(&KeptRow { seq, key, keyed, outcome }, act),
            (Act::Order(_) | Act::Account(_) | Act::Transaction(_) | Act::Shop(_), _) => None,
        };
        let begun = order.as_ref().and_then(|order| order.begun.as_ref()).map(OpeningOrder::digest).transpose()?;
        let state = order.map(|order| order.state);
        let correlation = command.correlation.as_ref().map(|id| CorrelationKey::of(&command.party, id).uuid());
        Ok(Some(Self { essence, state, begun, player: Some(keyed.player.uuid()), correlation }))
    }

    /// What its order must be, where it changed one.
    pub fn expected(&self, seq: i64, key: CommandKey, outcome: Outcome) -> Option<ExpectedOrder> {
        expected_of_pruned(seq, key, outcome, self.state, self.begun)
    }

    pub fn text(self) -> serde_json::Result<String> {
        serde_json::to_string(&Text { pruned: self })
    }

    /// `None` where the text is a whole command's.
    pub fn read(text: &str) -> Option<serde_json::Result<Self>> {
        let read = || serde_json::from_str(text).map(|Text { pruned }| pruned);
        text.starts_with(BEGINNING).then(read)
    }
}

impl OpeningOrder {
    fn digest(&self) -> Result<Uuid, StoreError> {
        match self {
            Self::Whole(order) => digest_of(&OrderRow::of(order, OrderNumbers::default())),
            Self::Digest(digest) => Ok(*digest),
        }
    }

    /// Whether a row is this order, whatever became of it since.
    pub fn is_of(&self, row: &OrderRow) -> Result<bool, StoreError> {
        Ok(match self {
            Self::Whole(order) => {
                let (state, paid) = (row.state.clone(), row.paid);
                *row == OrderRow { state, paid, ..OrderRow::of(order, row.numbers()) }
            }
            Self::Digest(digest) => *digest == digest_of(row)?,
        })
    }
}

/// Every column of an order but those that say what became of it.
fn digest_of(row: &OrderRow) -> Result<Uuid, StoreError> {
    let OrderRow { id, party, game, external_id, player, stake, currency, bucket, wallet, product, round, day, .. } =
        row;
    let (name, staked) =
        ((id, party, game, external_id, player), (stake, currency, bucket, wallet, product, round, day));
    let text = serde_json::to_vec(&(name, staked)).map_err(|error| damaged("order", error))?;
    Ok(digest(&[b"begun", &text]))
}

/// The command as a later one is compared with it.
pub fn asked(text: &str) -> serde_json::Result<PastCommand> {
    match PrunedCommand::read(text) {
        Some(remains) => remains.map(|remains| PastCommand::Pruned(remains.essence)),
        None => serde_json::from_str(text).map(PastCommand::Whole),
    }
}
