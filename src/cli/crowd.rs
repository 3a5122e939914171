//! Players for the commands that play a provider: created, given money, and given tokens.

use std::time::Duration;

use serde_json::json;

use super::{CommandFailure, failed, trail, usage};
use crate::admin::trail::{Deed, DoneSoFar};
use crate::clock;
use crate::config::{Config, PartyConfig, PlayerTokens};
use crate::identity;
use crate::ledger::accounts::{Cash, OpenPlayer};
use crate::ledger::command::{Act, Command};
use crate::ledger::money::format_decimal;
use crate::ledger::player::Profile;
use crate::ledger::{AccountAct, Amount, Currency, Outcome, Party, PlayerId, Pocket};
use crate::storage::Database;
use crate::wallet::direct;

/// How long a player's token is good for.
const TOKEN_TTL: Duration = Duration::from_secs(3600);

/// Players created in one transaction.
const CHUNK: usize = 250;

/// Creates players and gives each the same money, through the ledger itself. It is in the trail as one act.
pub async fn invite(
    database: &Database,
    party: &Party,
    currency: Currency,
    players: &[PlayerId],
    money: Amount,
) -> Result<(), CommandFailure> {
    let deed = Deed {
        act: "players fund",
        party: Some(party.clone()),
        target: format!("{} players", players.len()),
        detail: json!({ "currency": currency, "amount_minor": money.minor(), "first": players.first() }),
    };
    let (so_far, mut funded) = (DoneSoFar::default(), 0);
    trail::recorded_in_steps(database, deed, &so_far, async {
        let mut writer = database.writer()?;
        for chunk in players.chunks(CHUNK) {
            let commands = chunk.iter().flat_map(|player| invitation(party, currency, player, money)).collect();
            for outcome in direct::apply_all(&mut writer, commands).await? {
                if let Outcome::Refused(refusal) = outcome {
                    return Err(failed(format!("the ledger refused to invite a player: {refusal:?}")));
                }
            }
            funded += chunk.len();
            so_far.tell(format!("{funded} players"));
        }
        Ok(((), "done".to_owned()))
    })
    .await
}

/// Money for trying something out is put in by one person, so it is no more than one person may.
pub fn check_threshold(config: &Config, currency: Currency, money: Amount) -> Result<(), CommandFailure> {
    if !config.approvals.holds(currency, money.minor()) {
        return Ok(());
    }
    let amount = format_decimal(money.minor(), config.exponent(currency));
    Err(usage(format!(
        "this would give a player {amount} {currency}, and approvals.threshold lets nobody put in so much alone: have it \
         deposited with `purser deposit`, or use another currency"
    )))
}

fn invitation(party: &Party, currency: Currency, player: &PlayerId, money: Amount) -> [Command; 2] {
    let profile = Profile { home_currency: currency, username: None, nickname: None, email: None, gender: None };
    let key = format!("invited-{player}").into();
    let cash = Cash { player: player.clone(), pocket: Pocket::real(currency), amount: money, key };
    let open = OpenPlayer { player: player.clone(), profile };
    [Act::Account(AccountAct::OpenPlayer(open)), Act::Account(AccountAct::Deposit(cash))].map(|act| Command {
        party: party.clone(),
        at: clock::now(),
        correlation: None,
        act,
    })
}

/// A token for a player, where the party asks for one.
pub fn token(party: &Party, settings: &PartyConfig, player: &PlayerId) -> Result<Option<String>, CommandFailure> {
    if settings.player_tokens == PlayerTokens::Trusted {
        return Ok(None);
    }
    let jwt = settings.jwt.as_ref().ok_or_else(|| usage("the party has no [jwt] section"))?;
    Ok(Some(identity::mint(jwt, player, party, clock::now().second(), TOKEN_TTL)?))
}
