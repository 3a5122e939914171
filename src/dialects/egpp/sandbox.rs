//! The test players of a sandbox party, who behave as they are named, so that a provider can practise every kind of
//! trouble. This is all there is of it; outside of a sandbox nobody is added under these names.
//!
//! | player | `order.bet` | the other operations |
//! |---|---|---|
//! | `test-491` | refused: the limit is reached | an ordinary player's |
//! | `test-492` | refused: out of money | an ordinary player's |
//! | `test-495` | refused: no such player | the same |
//! | `test-500` | fails; over AMQP it is parked | the same |
//! | `test-slow` | is carried out [`DELAY`] after it came | the same |
//! | `test-silent` | is never answered; over AMQP it is parked | the same |
//!
//! What is told before a player is looked for is told here as well: 400, 401, 403, and 496 for a bet. What is staged
//! does not reach the ledger, so the journal does not know of it, and there is nothing to repeat: the same request is
//! answered in the same way because of its player.

use std::time::Duration;

use super::status::{self, EgppReply};
use super::{Opened, Operation};
use crate::ledger::command::Act;
use crate::ledger::{AccountRefusal, OrderAct, OrderRefusal, PlayerId, Refusal};

/// All of them.
const TEST_PLAYERS: [&str; 6] = ["test-491", "test-492", "test-495", "test-500", "test-slow", "test-silent"];

/// How long `test-slow` is kept waiting.
pub const DELAY: Duration = Duration::from_secs(2);

/// Why a dead letter of `test-silent` is one.
pub const SANDBOX: &str = "sandbox";

/// What is done instead of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    Refused(Refusal),
    Failed,
    Silent,
}

impl Staged {
    /// `None`: there is no answer.
    pub fn reply(self) -> Option<EgppReply> {
        match self {
            Self::Refused(refusal) => Some(status::of_refusal(refusal)),
            Self::Failed => Some(status::of_fault()),
            Self::Silent => None,
        }
    }

    /// Reason and explanation of the dead letter that a message becomes, where it becomes one.
    pub fn dead_letter(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Refused(_) => None,
            Self::Failed => Some(("fault", "bet, result, cancel and balance of a sandbox's test-500 fail")),
            Self::Silent => Some((SANDBOX, "a sandbox's test-silent is never answered")),
        }
    }
}

/// Whether this is the name of a test player.
pub fn is_test_player(player: &PlayerId) -> bool {
    TEST_PLAYERS.contains(&player.as_str())
}

/// What a sandbox makes of a request that was let through.
pub fn stage(operation: Operation, player: &PlayerId, opened: Opened) -> Opened {
    let is_bet = operation == Operation::OrderBet;
    match player.as_str() {
        _ if is_of_unknown_game(&opened) => opened,
        "test-491" if is_bet => Opened::Staged(Staged::Refused(Refusal::Order(OrderRefusal::MaxBet { max: 0 }))),
        "test-492" if is_bet => {
            Opened::Staged(Staged::Refused(Refusal::Account(AccountRefusal::InsufficientFunds { balance: 0 })))
        }
        "test-495" => Opened::Staged(Staged::Refused(Refusal::Account(AccountRefusal::PlayerUnknown))),
        "test-500" => Opened::Staged(Staged::Failed),
        "test-slow" => Opened::Late(Box::new(opened)),
        "test-silent" => Opened::Staged(Staged::Silent),
        _ => opened,
    }
}

/// A bet on it is refused for that, whoever the player is.
fn is_of_unknown_game(opened: &Opened) -> bool {
    match opened {
        Opened::Command(command) => {
            matches!(&command.act, Act::Order(OrderAct::PlaceBet(bet)) if !bet.terms.game_offered)
        }
        Opened::Balance(_) | Opened::Staged(_) | Opened::Late(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PartyConfig;
    use crate::dialects::egpp::EgppHandler;
    use crate::dialects::egpp::handler::{Channel, Envelope};
    use crate::ledger::Party;
    use crate::ledger::command::Timestamp;

    const PARTY: &str = "currencies = [\"CHF\"]\ngames = [\"wallstroulette\"]\nplayer_tokens = \"trusted\"\n";

    /// A party as it is configured, with `sandbox` said of it.
    fn handler(sandbox: &str) -> EgppHandler {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("[parties.acme]\n{PARTY}{sandbox}")).unwrap();
        let config = crate::config::Config::load_from(Some(file.path()), &Default::default()).unwrap();
        let party = Party::parse("acme").unwrap();
        let settings: &PartyConfig = &config.parties[&party];
        EgppHandler::of(&party, settings, None)
    }

    fn open(handler: &EgppHandler, operation: Operation, player: &str, game: &str) -> Opened {
        let order = format!(r#""game":"{game}","externalId":"e","playerId":"{player}""#);
        let money = r#""amount":1,"currency":"CHF","round":1"#;
        let body = match operation {
            Operation::BalanceGet => format!(r#"{{"currency":"CHF","playerId":"{player}"}}"#),
            Operation::OrderBet => format!("{{{order},{money}}}"),
            Operation::OrderBetResult => format!(r#"{{{order},{money},"result":"win"}}"#),
            Operation::OrderBetCancel => format!("{{{order}}}"),
        };
        let envelope = Envelope {
            channel: Channel::Queue,
            correlation: Some("c"),
            authorization: None,
            sent_at: None,
            received_at: Timestamp(1),
        };
        handler.open(operation, body.as_bytes(), &envelope).unwrap()
    }

    fn told(opened: &Opened) -> &'static str {
        match opened {
            Opened::Balance(_) | Opened::Command(_) => "ordinary",
            Opened::Late(_) => "late",
            Opened::Staged(staged) => staged.reply().map_or("silence", |reply| reply.code),
        }
    }

    #[test]
    fn test_players_behave_as_they_are_named_in_a_sandbox_alone() {
        // balance.get, order.bet, order.bet.result, order.bet.cancel, and a bet on an unknown game
        let players = [
            ("test-491", ["ordinary", "491", "ordinary", "ordinary", "ordinary"]),
            ("test-492", ["ordinary", "492", "ordinary", "ordinary", "ordinary"]),
            ("test-495", ["495", "495", "495", "495", "ordinary"]),
            ("test-500", ["500", "500", "500", "500", "ordinary"]),
            ("test-slow", ["late", "late", "late", "late", "ordinary"]),
            ("test-silent", ["silence", "silence", "silence", "silence", "ordinary"]),
            ("test-493", ["ordinary"; 5]),
            ("Test-500", ["ordinary"; 5]),
            ("alice", ["ordinary"; 5]),
        ];
        for (player, behaves) in players {
            let is_special = behaves.iter().any(|told| *told != "ordinary");
            assert_eq!(is_test_player(&PlayerId::parse(player).unwrap()), is_special, "{player}");
        }
        let (sandbox, others) = (handler("sandbox = true"), [handler(""), handler("sandbox = false")]);
        for (player, expected) in players {
            let all = |handler: &EgppHandler| {
                let known = Operation::ALL.map(|operation| open(handler, operation, player, "wallstroulette"));
                let unknown = open(handler, Operation::OrderBet, player, "nosuchgame");
                known.iter().chain([&unknown]).map(told).collect::<Vec<_>>()
            };
            assert_eq!(all(&sandbox), expected, "{player}");
            assert!(others.iter().all(|handler| all(handler) == ["ordinary"; 5]), "{player}");
        }
    }
}
