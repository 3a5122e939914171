//! The events of the trading API (EGPP section 5).

/// One event type; each has its own queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    BalanceGet,
    OrderBet,
    OrderBetResult,
    OrderBetCancel,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::BalanceGet, Self::OrderBet, Self::OrderBetResult, Self::OrderBetCancel];

    /// As it stands in queue names and reply types.
    pub fn name(self) -> &'static str {
        match self {
            Self::BalanceGet => "balance.get",
            Self::OrderBet => "order.bet",
            Self::OrderBetResult => "order.bet.result",
            Self::OrderBetCancel => "order.bet.cancel",
        }
    }

    /// The `type` of a status that answers it.
    pub fn status(self) -> &'static str {
        match self {
            Self::BalanceGet => "balance.get.status",
            Self::OrderBet => "order.bet.status",
            Self::OrderBetResult => "order.bet.result.status",
            Self::OrderBetCancel => "order.bet.cancel.status",
        }
    }

    /// Whether an expired token stops it. It never stops a result or a cancel: money owed is owed.
    pub fn needs_live_token(self) -> bool {
        match self {
            Self::BalanceGet | Self::OrderBet => true,
            Self::OrderBetResult | Self::OrderBetCancel => false,
        }
    }
}
