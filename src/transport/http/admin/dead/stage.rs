//! How far a plan is.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Looking,
    Ready,
    Running,
    Done,
    Failed,
}

impl Stage {
    pub(super) const ALL: [Self; 5] = [Self::Looking, Self::Ready, Self::Running, Self::Done, Self::Failed];

    /// As the ledger has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Looking => "looking",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Looking | Self::Running)
    }

    /// Whether all the letters that it touches are written down.
    pub fn knows_letters(self) -> bool {
        matches!(self, Self::Ready | Self::Running | Self::Done)
    }

    /// Those that it may follow.
    pub fn before(self) -> &'static [&'static str] {
        match self {
            Self::Looking | Self::Ready => &["looking"],
            Self::Running => &["running"],
            Self::Done | Self::Failed => &["looking", "running"],
        }
    }
}
