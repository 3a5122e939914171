//! What stands in the journal in place of a command whose text was pruned.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::OrderState;
use crate::ledger::command_digest::CommandDigest;
use crate::ledger::state::PastCommand;

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
    pub fn text(self) -> serde_json::Result<String> {
        serde_json::to_string(&Text { pruned: self })
    }

    /// `None` where the text is a whole command's.
    pub fn read(text: &str) -> Option<serde_json::Result<Self>> {
        let read = || serde_json::from_str(text).map(|Text { pruned }| pruned);
        text.starts_with(BEGINNING).then(read)
    }
}

/// The command as a later one is compared with it.
pub fn asked(text: &str) -> serde_json::Result<PastCommand> {
    match PrunedCommand::read(text) {
        Some(remains) => remains.map(|remains| PastCommand::Pruned(remains.essence)),
        None => serde_json::from_str(text).map(PastCommand::Whole),
    }
}
