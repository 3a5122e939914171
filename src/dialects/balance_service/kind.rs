//! The transaction types, and what each of them needs (Balance Service, "Parameters for each transaction type").

/// What a transaction type does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Stake,
    InstantGamesStake,
    Return,
    InstantGamesReturn,
    Award,
    Void,
    InstantGamesVoid,
}

/// The type that an operator's approved void is recorded under; nobody may adjust a balance with it.
pub const VOID_RETURN: i32 = 6;

const KINDS: [(i32, &str, Family); 32] = [
    (2, "Stake", Family::Stake),
    (47, "TransferToBingoBonusBalance", Family::Stake),
    (133, "GamingStake", Family::Stake),
    (137, "FreeSpinStake", Family::Stake),
    (141, "GoldenChipStake", Family::Stake),
    (149, "TransferToPlaytechBonusCasino", Family::Stake),
    (161, "PokerBuyChips", Family::Stake),
    (165, "PokerTournamentEntry", Family::Stake),
    (169, "TransferToPlaytechBonusPoker", Family::Stake),
    (207, "PokerTournamentRebuy", Family::Stake),
    (227, "TransferToPlaytechBonusLiveCasino", Family::Stake),
    (82, "InstantGamesStake", Family::InstantGamesStake),
    (3, "Return", Family::Return),
    (44, "TransferFromBingoBonusBalance", Family::Return),
    (134, "GamingReturn", Family::Return),
    (138, "FreeSpinReturn", Family::Return),
    (142, "GoldenChipReturn", Family::Return),
    (151, "TransferFromPlaytechBonusCasino", Family::Return),
    (163, "PokerSellChips", Family::Return),
    (167, "PokerTournamentWin", Family::Return),
    (171, "TransferFromPlaytechBonusPoker", Family::Return),
    (229, "TransferFromPlaytechBonusLiveCasino", Family::Return),
    (84, "InstantGamesReturn", Family::InstantGamesReturn),
    (199, "GamingPrizeAward", Family::Award),
    (243, "CashDropAward", Family::Award),
    (245, "TournamentAward", Family::Award),
    (4, "VoidStake", Family::Void),
    (135, "VoidGamingStake", Family::Void),
    (162, "VoidPokerBuyChips", Family::Void),
    (166, "VoidPokerTournamentEntry", Family::Void),
    (208, "VoidPokerTournamentRebuy", Family::Void),
    (83, "VoidInstantGamesStake", Family::InstantGamesVoid),
];

/// What every type needs.
const ALWAYS: [&str; 14] = [
    "flake_id",
    "transaction_type_id",
    "game_round_id",
    "partner_transaction_id",
    "total_amount",
    "partner_timestamp_utc",
    "user_id",
    "regulated_game_id",
    "partner_id",
    "provider_region_id",
    "token",
    "action_type_id",
    "product_id",
    "currency_id",
];

const STAKE: [&str; 5] =
    ["cmscore_game_id", "bonus_game_type", "allow_bonus", "allow_ring_fenced", "bet365_transaction_id"];

const AMOUNTS: [&str; 3] = ["real_amount", "ring_fenced_amount", "bonus_amount"];

const SOURCE: &str = "source_bet365_games_transaction_id";

impl Family {
    pub const ALL: [Self; 7] = [
        Self::Stake,
        Self::InstantGamesStake,
        Self::Return,
        Self::InstantGamesReturn,
        Self::Award,
        Self::Void,
        Self::InstantGamesVoid,
    ];

    /// What a transaction type does; `None` for one that no balance is adjusted with.
    pub fn of(kind: i32) -> Option<Self> {
        KINDS.iter().find(|(known, ..)| *known == kind).map(|(.., family)| *family)
    }

    /// The family's types with their names.
    pub fn kinds(self) -> impl Iterator<Item = (i32, &'static str)> {
        KINDS.iter().filter(move |(.., family)| *family == self).map(|(kind, name, _)| (*kind, *name))
    }

    /// The parameters that must be there. The seed lists `external_balance_change` among those of a return, and says
    /// beside it that only a return with such changes should have it; it is optional for every type.
    pub fn required(self) -> Vec<&'static str> {
        let own: &[&[&'static str]] = match self {
            Self::Stake | Self::InstantGamesStake => &[&STAKE],
            Self::Return => &[&AMOUNTS, &[SOURCE, "allow_bonus", "allow_ring_fenced"]],
            Self::InstantGamesReturn | Self::Award => {
                &[&AMOUNTS, &["bonus_game_type", SOURCE, "allow_bonus", "allow_ring_fenced"]]
            }
            Self::Void | Self::InstantGamesVoid => &[&AMOUNTS, &["bonus_game_type", SOURCE]],
        };
        ALWAYS.into_iter().chain(own.iter().flat_map(|names| names.iter().copied())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The types as the interface names them.
    #[test]
    fn every_type_is_of_the_family_that_it_is_promised_to_be_of() {
        let promised: [(&[Family], &[i32]); 4] = [
            (&[Family::Stake, Family::InstantGamesStake], &[2, 47, 82, 133, 137, 141, 149, 161, 165, 169, 207, 227]),
            (&[Family::Return, Family::InstantGamesReturn], &[3, 44, 84, 134, 138, 142, 151, 163, 167, 171, 229]),
            (&[Family::Award], &[199, 243, 245]),
            (&[Family::Void, Family::InstantGamesVoid], &[4, 83, 135, 162, 166, 208]),
        ];
        for (families, kinds) in promised {
            let mut ours: Vec<i32> = families.iter().flat_map(|family| family.kinds()).map(|(kind, _)| kind).collect();
            ours.sort_unstable();
            assert_eq!(ours, kinds, "{families:?}");
        }
        assert_eq!(Family::of(VOID_RETURN), None);
        assert_eq!(Family::of(0), None);
    }
}
