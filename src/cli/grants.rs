//! `purser grants`: what players have allowed partners, looked at and ended.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::output::{self, Table};
use super::{CommandFailure, Ended, failed, party, trail, usage};
use crate::admin::shown;
use crate::admin::trail::Deed;
use crate::cli::ledger_choice::LedgerChoice;
use crate::clock;
use crate::config::Config;
use crate::ledger::{Party, PlayerId, PlayerKey};
use crate::storage::grants::kept::{self, GrantState, KeptGrant};
use crate::storage::queries;

#[derive(Subcommand)]
pub enum GrantsCommand {
    /// Show the grants that are active.
    List(ListGrants),
    /// End a player's grants, or one: their codes and tokens are good for nothing from then on.
    End(EndGrants),
}

#[derive(Args)]
pub struct ListGrants {
    #[arg(long)]
    party: String,
    /// This player's alone.
    #[arg(long)]
    player: Option<String>,
    /// Show those that have ended or expired, too, for as long as they are kept.
    #[arg(long)]
    all: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct EndGrants {
    #[arg(long)]
    party: String,
    #[command(flatten)]
    which: Which,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// All of this player's.
    #[arg(long)]
    player: Option<String>,
    /// The one of this id, as the list has it.
    #[arg(long)]
    grant: Option<Uuid>,
}

#[derive(Serialize)]
struct Line {
    grant: Uuid,
    player: String,
    client: String,
    scope: String,
    state: &'static str,
    expires_at: String,
}

impl GrantsCommand {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::List(list) => list.run(config).await,
            Self::End(end) => end.run(config).await,
        }
    }
}

impl ListGrants {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let player = self.player.as_deref().map(player_named).transpose()?;
        let (all, json, at) = (self.all, self.json, clock::now());
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let listing = database.query(move |conn| {
            let mut table = Table::new(&["grant", "player", "client", "scope", "state", "expires at"]);
            let mut found = 0_u64;
            let listed = kept::list(conn, &party, player.as_ref(), |grant| -> anyhow::Result<()> {
                let state = grant.state(at);
                if !all && state != GrantState::Active {
                    return Ok(());
                }
                found += 1;
                let line = Line::of(grant, state);
                if json { Ok(output::json(&line)?) } else { Ok(table.add(line.cells())?) }
            });
            // Whoever reads the list may go away: that is no trouble of the database's.
            Ok(listed.map(|()| (table, found)))
        });
        let (table, found) = listing.await??;
        match (json, found) {
            (true, _) => {}
            (false, 0) => output::line("no grants")?,
            (false, _) => table.finish()?,
        }
        Ok(true)
    }
}

impl Line {
    fn of(grant: KeptGrant, state: GrantState) -> Self {
        Self {
            grant: grant.id,
            player: grant.player.to_string(),
            client: grant.client,
            scope: grant.scope,
            state: state.as_str(),
            expires_at: shown::second(grant.expires),
        }
    }

    fn cells(self) -> Vec<String> {
        vec![self.grant.to_string(), self.player, self.client, self.scope, self.state.to_owned(), self.expires_at]
    }
}

impl EndGrants {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        match (&self.which.player, self.which.grant) {
            (_, Some(grant)) => self.end_one(config, party, grant).await,
            (Some(player), None) => self.end_of_player(config, party, player_named(player)?).await,
            (None, None) => Err(usage("say --player or --grant")),
        }
    }

    async fn end_one(&self, config: &Config, party: Party, grant: Uuid) -> Ended {
        let database = LedgerChoice::to_change(config, &party).await?;
        let (of, at) = (party.clone(), clock::now());
        let deed = deed(&party, format!("grant {grant}"));
        let before = trail::recorded(&database, deed, async {
            let before = database.query(move |conn| kept::end(conn, &of, grant, at)).await?;
            let before = before.ok_or_else(|| {
                failed(format!(
                    "party {party} has no grant {grant}; `purser grants list --party {party}` shows what there is"
                ))
            })?;
            Ok((before, format!("done: it was {}", before.as_str())))
        });
        let before = before.await?;
        if self.json {
            output::json(&json!({ "party": party, "ended": u8::from(before == GrantState::Active) }))?;
            return Ok(true);
        }
        output::line(&match before {
            GrantState::Active => format!("grant {grant} ended"),
            GrantState::Ended => format!("grant {grant} had ended before"),
            GrantState::Expired => format!("grant {grant} had expired before"),
        })?;
        Ok(true)
    }

    async fn end_of_player(&self, config: &Config, party: Party, player: PlayerId) -> Ended {
        let database = LedgerChoice::to_change(config, &party).await?;
        let key = PlayerKey::of(&party, &player);
        if database.query(move |conn| queries::player(conn, key)).await?.is_none() {
            return Err(failed(format!("there is no player {player} of party {party}")));
        }
        let (of, whose, at) = (party.clone(), player.clone(), clock::now());
        let deed = deed(&party, player.to_string());
        let ended = trail::recorded(&database, deed, async {
            let ended = database.query(move |conn| kept::end_of_player(conn, &of, &whose, at)).await?;
            Ok((ended, format!("done: {ended} ended")))
        });
        let ended = ended.await?;
        if self.json {
            output::json(&json!({ "party": party, "player": player, "ended": ended }))?;
        } else {
            output::line(&format!("{ended} grants of player {player} ended"))?;
        }
        Ok(true)
    }
}

fn deed(party: &Party, target: String) -> Deed {
    Deed { act: "grants end", party: Some(party.clone()), target, detail: Value::Null }
}

fn player_named(name: &str) -> Result<PlayerId, CommandFailure> {
    PlayerId::parse(name).map_err(|error| usage(format!("--player {error}")))
}
