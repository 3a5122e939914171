//! What a journal row is found by: the digests of its player and of its correlation id.

use serde::Deserialize;
use uuid::Uuid;

use super::pages::HistoryKind;
use crate::ledger::command::KeyedCommand;
use crate::ledger::{CorrelationKey, Party, PlayerId, PlayerKey};
use crate::storage::pruned_command::PrunedCommand;

/// What of a command's text says whose it is. Every act with a player names them so; the rest is passed over unread.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    player: Option<String>,
    #[serde(default)]
    correlation: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// In the order of [`HistoryKind::ALL`].
    pub digests: [Option<Uuid>; HistoryKind::ALL.len()],
    pub is_pruned: bool,
}

impl Marks {
    /// A row that cannot be read is nobody's: it must not stop who follows, and the audit names it.
    pub fn of(party: &str, command: &str) -> Self {
        match PrunedCommand::read(command) {
            Some(Ok(remains)) => Self::of_pruned(&remains),
            Some(Err(_)) => Self::default(),
            None => Self::of_whole(party, command).unwrap_or_default(),
        }
    }

    fn of_whole(party: &str, command: &str) -> Option<Self> {
        let Named { player, correlation } = serde_json::from_str(command).ok()?;
        let party = Party::parse(party).ok()?;
        let player = player.and_then(|player| PlayerId::recorded(&player).ok());
        let player = player.map(|player| PlayerKey::of(&party, &player).uuid());
        let correlation = correlation.map(|id| CorrelationKey::of(&party, &id).uuid());
        Some(Self { digests: [player, correlation], is_pruned: false })
    }

    /// The same of a command that is read already.
    pub fn of_command(keyed: &KeyedCommand) -> Self {
        let command = &keyed.command;
        let player = command.player().map(|_| keyed.player.uuid());
        let correlation = command.correlation.as_ref().map(|id| CorrelationKey::of(&command.party, id).uuid());
        Self { digests: [player, correlation], is_pruned: false }
    }

    pub fn of_pruned(remains: &PrunedCommand) -> Self {
        Self { digests: [remains.player, remains.correlation], is_pruned: true }
    }

    pub fn get(&self, kind: HistoryKind) -> Option<Uuid> {
        match kind {
            HistoryKind::Player => self.digests[0],
            HistoryKind::Correlation => self.digests[1],
        }
    }
}
