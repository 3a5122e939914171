//! `purser player`: players, and the passwords that they sign in with.

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Ended, failed, invalid, output, party, trail, usage};
use crate::admin::players::{self, Known, NewPlayer};
use crate::admin::trail::Deed;
use crate::cli::ledger_choice::LedgerChoice;
use crate::clock;
use crate::config::Config;
use crate::identity::password;
use crate::ledger::accounts::OpenPlayer;
use crate::ledger::command::{Act, Command};
use crate::ledger::{AccountAct, AccountRefusal, Outcome, Party, PlayerId, PlayerKey, Refusal};
use crate::storage::{Database, passwords};
use crate::wallet::direct;

/// The longest password that is taken, in bytes.
const MAX_PASSWORD: usize = 1024;

#[derive(Subcommand)]
pub enum PlayerCommand {
    /// Create a player. A second time with the same values changes nothing.
    Add(Add),
    /// Set a player's password, read from standard input, and end what the player has allowed partners.
    Password(Password),
}

#[derive(Args)]
pub struct Add {
    #[arg(long)]
    party: String,
    #[arg(long)]
    player: String,
    /// Home currency (default: the party's first).
    #[arg(long)]
    currency: Option<String>,
    #[arg(long)]
    username: Option<String>,
    #[arg(long)]
    nickname: Option<String>,
    #[arg(long)]
    email: Option<String>,
    #[arg(long)]
    gender: Option<String>,
    /// Read the player's password from standard input.
    #[arg(long)]
    password_stdin: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Password {
    #[arg(long)]
    party: String,
    #[arg(long)]
    player: String,
    #[arg(long)]
    json: bool,
}

impl PlayerCommand {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::Add(add) => add.run(config).await,
            Self::Password(password) => password.run(config).await,
        }
    }
}

impl Add {
    async fn run(self, config: &Config) -> Ended {
        let (party, settings) = party(config, &self.party)?;
        let open = self.wanted().open(&party, settings).map_err(invalid)?;
        let player = open.player.clone();
        let password = if self.password_stdin { Some(read_password()?) } else { None };

        let database = LedgerChoice::to_change(config, &party).await?;
        let (of, target, detail) =
            (Some(party.clone()), player.to_string(), json!({ "password": self.password_stdin }));
        let deed = Deed { act: "player add", party: of, target, detail };
        let is_new = trail::recorded(&database, deed, async {
            let is_new = add(&database, &party, open).await?;
            if let Some(password) = password {
                set_password(&database, PlayerKey::of(&party, &player), password).await?;
            }
            Ok((is_new, if is_new { "done" } else { "was there already" }.to_owned()))
        });
        let is_new = is_new.await?;
        self.report(&player, is_new)
    }

    fn wanted(&self) -> NewPlayer {
        NewPlayer {
            player: self.player.clone(),
            currency: self.currency.clone(),
            username: self.username.clone(),
            nickname: self.nickname.clone(),
            email: self.email.clone(),
            gender: self.gender.clone(),
        }
    }

    fn report(&self, player: &PlayerId, is_new: bool) -> Ended {
        if self.json {
            output::json(&json!({ "party": self.party, "player": player, "created": is_new }))?;
        } else if is_new {
            output::line(&format!("player {player} created"))?;
        } else {
            output::line(&format!("player {player} exists already, with the same values"))?;
        }
        Ok(true)
    }
}

/// Makes the player; `false` where it is there already, with the same values.
async fn add(database: &Database, party: &Party, open: OpenPlayer) -> Result<bool, super::CommandFailure> {
    let (of, wanted, player) = (party.clone(), open.clone(), open.player.clone());
    let username = open.profile.username.clone();
    let taken = |option: &str, login: &str| {
        failed(format!("--{option} {login} is another player's name to sign in by; nothing was changed"))
    };
    let is_new = match database.query(move |conn| players::known(conn, &of, &wanted)).await? {
        Known::No => true,
        Known::Yes => false,
        Known::NameTaken(option, login) => return Err(taken(option, &login)),
    };
    let command = Command {
        party: party.clone(),
        at: clock::now(),
        correlation: None,
        act: Act::Account(AccountAct::OpenPlayer(open)),
    };
    match direct::apply(&mut database.writer()?, command).await? {
        Outcome::Done(_) => Ok(is_new),
        Outcome::Refused(Refusal::Account(AccountRefusal::KeyReused)) => {
            Err(failed(format!("player {player} exists with other values; nothing was changed")))
        }
        // Somebody else was faster.
        Outcome::Refused(Refusal::Account(AccountRefusal::UsernameTaken)) => {
            Err(taken("username", username.as_deref().unwrap_or_default()))
        }
        Outcome::Refused(other) => Err(failed(format!("refused: {other:?}"))),
    }
}

impl Password {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let player = PlayerId::parse(&self.player).map_err(|error| usage(format!("--player {error}")))?;
        let hash = password::hash(&read_password()?)?;
        let database = LedgerChoice::to_change(config, &party).await?;
        let (of, whose, at) = (party.clone(), player.clone(), clock::now());
        let (act, target) = ("player password", player.to_string());
        let deed = Deed { act, party: Some(party.clone()), target, detail: Value::Null };
        let ended = trail::recorded(&database, deed, async {
            let replaced = database.query(move |conn| passwords::replace(conn, &of, &whose, &hash, at)).await?;
            let ended = replaced.ok_or_else(|| {
                failed(format!("there is no player {player} of party {party}; `purser player add` makes one"))
            })?;
            Ok((ended, format!("done: {ended} grants ended")))
        });
        let ended = ended.await?;
        if self.json {
            output::json(&json!({ "party": party, "player": player, "grants_ended": ended }))?;
        } else {
            output::line(&format!("password of player {player} set; {ended} grants ended"))?;
        }
        Ok(true)
    }
}

fn read_password() -> Result<String, super::CommandFailure> {
    let mut text = String::new();
    std::io::stdin().take(MAX_PASSWORD as u64 + 2).read_to_string(&mut text)?;
    let password = text.trim_end_matches(['\r', '\n']);
    match password.len() {
        0 => Err(usage("standard input is empty: it must hold the password")),
        length if length > MAX_PASSWORD => {
            Err(usage(format!("the password on standard input has more than {MAX_PASSWORD} bytes")))
        }
        _ => Ok(password.to_owned()),
    }
}

/// Sets the password where there is none; the same again is as good, another is not.
async fn set_password(database: &Database, key: PlayerKey, password: String) -> Result<(), super::CommandFailure> {
    match database.query(move |conn| passwords::hash_of(conn, key)).await? {
        Some(hash) if password::verify(&password, &hash)? => Ok(()),
        Some(_) => {
            Err(failed("the player has another password; it was not changed (`purser player password` does that)"))
        }
        None => {
            let hash = password::hash(&password)?;
            Ok(database.query(move |conn| passwords::set_first(conn, key, &hash)).await?)
        }
    }
}
